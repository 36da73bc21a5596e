//! What a provider does with what comes in: only octets.

use std::collections::BTreeMap;

use super::{
    World, WorldCrypto,
    model::Deed,
    network::{Endpoint, Origin, Reply, Request},
    node::{follower_id, hub_id, user_id},
    report::Invariant,
    slot::{Done, Halt, Shelf, found},
};
use crate::{
    client::Token,
    codec::Wire,
    delivery::CommitRefusal,
    env::{Env, Peer},
    follower::{self, Notice},
    hub::{self, Answer, Event},
    machine::{Changes, Outcome, Step},
    provider::{self, ClaimAnswer, Owner},
    wire::{
        FanoutEvent, FanoutMessage, GroupInfoAnswer, GroupInfoResponse, KeyMaterialRequest,
        KeyMaterialResponse, KeyPackageRef, SubmitMessageResponse, UpdateOutcome,
        UpdateRoomResponse,
    },
};

/// What a call of a room at its hub came to.
type AtHub<R, F> = Result<Outcome<R, hub::Action>, Halt<hub::Refusal<F>>>;

impl<C: WorldCrypto> World<C> {
    /// A call of a room at its hub. What was saved is told to the model.
    pub(super) fn at_hub<R, F>(
        &mut self,
        room: usize,
        origin: &Origin,
        call: impl for<'a> Fn(
            &'a mut hub::Room,
            &Env<'_, C, hub::Keys>,
        ) -> Result<Step<'a, hub::Room, R>, hub::Refusal<F>>,
    ) -> AtHub<R, F> {
        let crypto = self.crypto.clone();
        let provider = &mut self.providers[self.sites[room].hub];
        let now = super::skewed(self.now, provider.skew);
        let env = Env { now, crypto: &*crypto, keys: &provider.keys };
        let Some(slot) = provider.hubs.get_mut(&room) else { return Err(Halt::Crashed) };
        let shelf = Shelf {
            store: &mut provider.store,
            limits: &provider.limits,
            luck: &mut self.luck,
            tally: &mut self.tally,
            sends_first: self.config.sabotage.sends_first(),
        };
        let Done { result, landed, broken } =
            slot.step(shelf, &hub_id(room), |machine| call(machine, &env));
        self.break_if(broken);
        if let Some(changes) = landed {
            self.saved_at_hub(room, origin, &changes);
        }
        result
    }

    /// The model follows what the hub has saved.
    fn saved_at_hub(&mut self, room: usize, origin: &Origin, changes: &Changes) {
        let events: Vec<FanoutMessage> = changes
            .writes
            .iter()
            .filter(|(key, _)| key.is_body())
            .filter_map(|(_, value)| Event::read(value.as_deref()?).ok())
            .filter_map(|event| FanoutMessage::decode(event.body()).ok())
            .collect();
        self.touched.insert(room);
        for message in events {
            match message.event {
                FanoutEvent::Welcome { .. } => continue,
                FanoutEvent::Application { .. } => self.tally.messages += 1,
                FanoutEvent::Proposals { .. } => self.tally.proposals += 1,
                FanoutEvent::Commit { .. } => self.tally.epochs += 1,
            }
            let done = match origin {
                Origin::Device(device, token) => {
                    let deed = self.deeds.get(&(*device, *token)).cloned();
                    self.done.insert((*device, *token));
                    let accepted = self.accepted(room, *device, deed.as_ref(), &message.event);
                    self.deafen_stale(room, *device, *token);
                    accepted
                }
                Origin::Hub(wish) => {
                    let owner = self.owners();
                    match self.model.get_mut(&room) {
                        Some(model) => model.propose(None, wish, &owner),
                        None => Ok(()),
                    }
                }
                Origin::Adversary(what) => {
                    Err((Invariant::Adversary, format!("the hub accepted this: {what}")))
                }
                Origin::Nobody => {
                    Err((Invariant::Agreement, "an event that nobody asked for".into()))
                }
            };
            self.break_if(done.err());
        }
        self.keep_context(room);
        self.see_end(room);
    }

    /// A room ends by somebody who may, or because nobody is left who could go on.
    fn see_end(&mut self, room: usize) {
        let owner = self.owners();
        let people: Vec<_> = self.people.iter().map(|person| person.uri.clone()).collect();
        let Some(hub) = self.providers[self.sites[room].hub].hub(room) else { return };
        let Some(ending) = hub.tombstone().map(|it| it.ending.clone()) else { return };
        let Some(model) = self.model.get_mut(&room).filter(|model| !model.ended) else { return };
        model.ended = true;
        let right = match &ending {
            hub::Ending::Left => {
                !model.now.members.iter().any(|device| model.is_staying(*device, &owner))
            }
            hub::Ending::Destroyed(user) => {
                people.iter().position(|it| it == user).is_some_and(|user| model.may_destroy(user))
            }
            hub::Ending::Closed => false,
        };
        if !right {
            let found = format!("room {room} ended: {ending:?}");
            self.break_if(Some((Invariant::OneVerdict, found)));
        }
    }

    fn accepted(
        &mut self,
        room: usize,
        device: usize,
        deed: Option<&Deed>,
        event: &FanoutEvent,
    ) -> Result<(), super::model::Wrong> {
        let owner = self.owners();
        let read = self.read_by(device, room);
        let Some(model) = self.model.get_mut(&room) else { return Ok(()) };
        if model.ended {
            return Err((Invariant::Outsiders, format!("room {room} is no more: {deed:?}")));
        }
        if matches!(deed, Some(Deed::Join(_))) {
            // Whoever comes from outside reads nothing from before.
            model.deafen(device, &read);
        }
        match (deed, event) {
            (Some(Deed::Say(text)), FanoutEvent::Application { .. }) => {
                model.say(device, *text, &owner)
            }
            (Some(Deed::Commit(wish)), FanoutEvent::Commit { .. }) => {
                model.commit(device, wish, &owner)
            }
            (Some(Deed::Join(role)), FanoutEvent::Commit { .. }) => {
                model.join(device, *role, &owner)
            }
            (Some(Deed::Propose(wish)), FanoutEvent::Proposals { .. }) => {
                model.propose(Some(device), wish, &owner)
            }
            (Some(Deed::Leave), FanoutEvent::Proposals { .. }) => model.leave(device, &owner),
            (Some(deed), _) => {
                Err((Invariant::Agreement, format!("{deed:?} became another event")))
            }
            (None, _) => Err((Invariant::Agreement, "a deed that nobody knows".into())),
        }
    }

    /// A device that was added with keys it no longer has reads nothing.
    fn deafen_stale(&mut self, room: usize, by: usize, token: Token) {
        let added = (by, token, 0)..=(by, token, usize::MAX);
        let devices: Vec<usize> = self.stale.range(added).map(|(_, _, device)| *device).collect();
        for device in devices {
            let read = self.read_by(device, room);
            if let Some(model) = self.model.get_mut(&room) {
                model.deafen(device, &read);
            }
        }
    }

    /// Remembers the GroupContext of the hub's epoch.
    pub(super) fn keep_context(&mut self, room: usize) {
        let site = &mut self.sites[room];
        let Some(hub) = self.providers[site.hub].hub(room) else { return };
        let (epoch, context) = (hub.epoch(), hub.group_context().to_vec());
        let known = site.contexts.entry(epoch).or_insert_with(|| context.clone());
        if *known != context {
            let found = format!("room {room} has two GroupContexts in epoch {epoch}");
            self.break_if(Some((Invariant::OneHistory, found)));
        }
    }

    /// Answers a request. `None`: the process died, or somebody on the way did.
    pub(super) fn post(&mut self, peer: &Peer, to: usize, request: &Request) -> Option<Reply> {
        let Request { endpoint, body, origin } = request;
        match *endpoint {
            Endpoint::KeyMaterial(target) => self.key_material(peer, to, target, request),
            Endpoint::Notify(room) => self.notify(peer, to, room, body),
            Endpoint::Update(room) => {
                let done = self.at_hub(room, origin, |room, env| room.update(env, peer, body));
                let success = matches!(&done, Ok(outcome)
                    if matches!(outcome.reply.outcome, UpdateOutcome::Success { .. }));
                self.expect_durable(origin, success);
                self.forget_witness(room, &done);
                self.reply(done, hub::UpdateRefusal::answer)
            }
            Endpoint::Submit(room) => {
                let done =
                    self.at_hub(room, origin, |room, env| room.submit_message(env, peer, body));
                let success = matches!(&done, Ok(outcome)
                    if matches!(outcome.reply, SubmitMessageResponse::Accepted { .. }));
                self.expect_durable(origin, success);
                self.reply(done, hub::SubmitRefusal::answer)
            }
            Endpoint::GroupInfo(room) => {
                let uri = self.sites[room].uri.clone();
                let done = self
                    .at_hub(room, &Origin::Nobody, |room, env| room.group_info(env, peer, body));
                self.reply(done, |refusal: &hub::GroupInfoRefusal| refusal.answer(&uri))
            }
        }
    }

    /// a member's proposal that the commits of two users lack lapses, for it may be one that nobody can accept. The
    /// commits of two honest users that cross a good one on its way look the same, and the model has no such lapse. So
    /// whenever a hub has refused a first commit for it, its process ends, and with it what it knows of that commit.
    fn forget_witness<R>(&mut self, room: usize, done: &AtHub<R, hub::UpdateRefusal>) {
        if let Err(Halt::Refused(refusal)) = done
            && let hub::UpdateRefusal::Commit(CommitRefusal::Missing(_)) = &refusal.reason
            && let Some(slot) = self.providers[self.sites[room].hub].hubs.get_mut(&room)
        {
            slot.evict();
            self.tally.fault("commit crossed a proposal");
        }
    }

    /// (d): `success` only for what is saved.
    fn expect_durable(&mut self, origin: &Origin, success: bool) {
        if !success {
            return;
        }
        if let Origin::Device(device, token) = origin
            && let Some(deed) = self.deeds.get(&(*device, *token))
        {
            // Proposals hold no randomness: to propose the same thing again is to send the same octets, which get the
            // first answer.
            let same = |it: &(usize, Token)| it.0 == *device && self.deeds.get(it) == Some(deed);
            if matches!(deed, Deed::Propose(_) | Deed::Leave) && self.done.iter().any(same) {
                self.done.insert((*device, *token));
            }
        }
        match origin {
            Origin::Device(device, token) if !self.done.contains(&(*device, *token)) => {
                let found = format!("success to device {device} for {token:?}, which is not saved");
                self.break_if(Some((Invariant::Durable, found)));
            }
            Origin::Adversary(what) => {
                let found = format!("success for {what}");
                self.break_if(Some((Invariant::Adversary, found)));
            }
            Origin::Device(..) | Origin::Hub(_) | Origin::Nobody => {}
        }
    }

    fn reply<R: Wire, F>(
        &mut self,
        done: AtHub<R, F>,
        answer: impl FnOnce(&F) -> Answer<R>,
    ) -> Option<Reply> {
        match done {
            Ok(outcome) => Some(Reply::ok(outcome.reply.encode())),
            Err(Halt::Crashed) => None,
            Err(Halt::Refused(refusal)) => {
                self.tally.refused += 1;
                Some(match answer(&refusal.reason) {
                    Answer::Response(response) => Reply::ok(response.encode()),
                    Answer::Status(status) => Reply::status(status),
                    Answer::Later { .. } => Reply::status(429),
                })
            }
        }
    }

    /// A call of a followed room.
    pub(super) fn at_follower<R, F>(
        &mut self,
        provider: usize,
        room: usize,
        call: impl for<'a> Fn(
            &'a mut follower::Room,
            &Env<'_, C, ()>,
        ) -> Result<Step<'a, follower::Room, R>, F>,
    ) -> Option<Result<Outcome<R, follower::Action>, F>> {
        let crypto = self.crypto.clone();
        let provider = &mut self.providers[provider];
        let env = Env { now: super::skewed(self.now, provider.skew), crypto: &*crypto, keys: &() };
        let slot = provider.followers.get_mut(&room)?;
        let shelf = Shelf {
            store: &mut provider.store,
            limits: &provider.limits,
            luck: &mut self.luck,
            tally: &mut self.tally,
            sends_first: false,
        };
        let done = slot.step(shelf, &follower_id(room), |machine| call(machine, &env));
        self.break_if(done.broken);
        match done.result {
            Ok(outcome) => Some(Ok(outcome)),
            Err(Halt::Crashed) => None,
            Err(Halt::Refused(refusal)) => Some(Err(refusal)),
        }
    }

    /// A call of a user at its provider.
    pub(super) fn at_user<R, F>(
        &mut self,
        user: usize,
        call: impl for<'a> Fn(
            &'a mut provider::User,
            &Env<'_, C, ()>,
        ) -> Result<Step<'a, provider::User, R>, F>,
    ) -> Option<Result<Outcome<R, provider::Action>, F>> {
        let crypto = self.crypto.clone();
        let provider = &mut self.providers[self.people[user].home];
        let env = Env { now: super::skewed(self.now, provider.skew), crypto: &*crypto, keys: &() };
        let slot = provider.users.get_mut(&user)?;
        let shelf = Shelf {
            store: &mut provider.store,
            limits: &provider.limits,
            luck: &mut self.luck,
            tally: &mut self.tally,
            sends_first: false,
        };
        let done = slot.step(shelf, &user_id(user), |machine| call(machine, &env));
        self.break_if(done.broken);
        match done.result {
            Ok(outcome) => Some(Ok(outcome)),
            Err(Halt::Crashed) => None,
            Err(Halt::Refused(refusal)) => Some(Err(refusal)),
        }
    }

    /// For a user of its own it claims; for another it passes the request on, if it is the hub.
    fn key_material(
        &mut self,
        peer: &Peer,
        to: usize,
        target: usize,
        request: &Request,
    ) -> Option<Reply> {
        let read = KeyMaterialRequest::decode(&request.body).ok()?;
        let uri = read.head().room.clone()?;
        let room = self.sites.iter().position(|site| site.uri == uri)?;
        if self.sites[room].hub == to {
            let allowed = self.providers[to]
                .hub(room)
                .is_some_and(|hub| hub.may_claim_keys(peer, &read).is_ok());
            if !allowed {
                return Some(Reply::status(403));
            }
            let home = self.people[target].home;
            let from = self.providers[home].domain.clone();
            let reply = if home == to {
                self.claim(peer, target, &request.body)?
            } else {
                let hub = Peer::Server(self.providers[to].domain.clone());
                self.send(&hub, to, home, request)?
            };
            let Ok(response) = KeyMaterialResponse::decode(&reply.body) else { return Some(reply) };
            if home == to {
                return Some(reply);
            }
            let done = self
                .at_hub(room, &Origin::Nobody, |hub, env| hub.keys_claimed(env, &from, &response));
            return match done {
                Ok(_) => Some(reply),
                Err(Halt::Crashed) => None,
                Err(Halt::Refused(_)) => Some(Reply::status(502)),
            };
        }
        if self.people[target].home != to {
            return Some(Reply::status(403));
        }
        self.claim(peer, target, &request.body)
    }

    fn claim(&mut self, peer: &Peer, target: usize, body: &[u8]) -> Option<Reply> {
        let done = self.at_user(target, |user, env| user.claim(env, peer, body))?;
        Some(match done {
            Ok(outcome) => Reply::ok(outcome.reply),
            Err(refusal) => match refusal.answer {
                ClaimAnswer::Response(body) => Reply::ok(body),
                ClaimAnswer::Status { status, .. } => Reply::status(status),
            },
        })
    }

    /// The hub of a room tells what happened in it.
    fn notify(&mut self, peer: &Peer, to: usize, room: usize, body: &[u8]) -> Option<Reply> {
        let Ok(notice) = Notice::decode(body, &self.providers[to].limits) else {
            return Some(Reply::status(400));
        };
        let mut owners: BTreeMap<KeyPackageRef, Owner> = BTreeMap::new();
        for reference in notice.references() {
            let provider = &mut self.providers[to];
            for (number, slot) in &mut provider.users {
                let user = slot.current(&user_id(*number), &provider.store, &provider.limits);
                if let Some(owner) = user.and_then(|user| user.owner(reference)) {
                    owners.insert(reference.clone(), owner);
                }
            }
        }
        if self.providers[to].followers.contains_key(&room) {
            let done = self.at_follower(to, room, |follower, env| {
                follower.notify(env, peer, &notice, &owners)
            })?;
            return Some(match done {
                Ok(_) => Reply::status(201),
                Err(refusal) => Reply::status(refusal.fault.status()),
            });
        }
        let uri = self.sites[room].uri.clone();
        self.follow(to, room, |limits, env| {
            follower::Room::welcomed(limits, env, peer, uri.clone(), &notice, &owners)
        })
        .map(|reply| reply.map_or_else(|reply| reply, |()| Reply::status(201)))
    }

    /// A follower's room comes into being.
    fn follow<R>(
        &mut self,
        provider: usize,
        room: usize,
        call: impl FnOnce(
            crate::env::Limits,
            &Env<'_, C, ()>,
        )
            -> Result<crate::machine::Founding<follower::Room, R>, follower::Refusal>,
    ) -> Option<Result<(), Reply>> {
        let crypto = self.crypto.clone();
        let provider = &mut self.providers[provider];
        let env = Env { now: super::skewed(self.now, provider.skew), crypto: &*crypto, keys: &() };
        let founding = match call(provider.limits.clone(), &env) {
            Ok(founding) => founding,
            Err(refusal) => return Some(Err(Reply::status(refusal.fault.status()))),
        };
        let shelf = Shelf {
            store: &mut provider.store,
            limits: &provider.limits,
            luck: &mut self.luck,
            tally: &mut self.tally,
            sends_first: false,
        };
        let founded = found(shelf, &follower_id(room), founding);
        provider.followers.extend(founded.slot.map(|slot| (room, slot)));
        founded.outcome.map(|_| Ok(()))
    }

    /// A client's update, on its way to the hub.
    pub(super) fn relay_update(
        &mut self,
        home: usize,
        peer: &Peer,
        room: usize,
        body: &[u8],
    ) -> Option<Result<(), Reply>> {
        if self.providers[home].followers.contains_key(&room) {
            let done =
                self.at_follower(home, room, |follower, env| follower.update(env, peer, body))?;
            return Some(match done {
                Ok(_) => Ok(()),
                Err(refusal) => Err(Reply::status(refusal.fault.status())),
            });
        }
        let uri = self.sites[room].uri.clone();
        self.follow(home, room, |limits, env| {
            follower::Room::join(limits, env, peer, uri.clone(), body)
        })
    }

    /// The hub's answer to a client's update has come.
    pub(super) fn update_answered(
        &mut self,
        home: usize,
        peer: &Peer,
        room: usize,
        request: &[u8],
        response: &[u8],
    ) -> Option<()> {
        self.at_follower(home, room, |follower, _| follower.answered(peer, request, response))
            .map(|_| ())
    }

    /// An answer in a word, for people.
    pub(super) fn outcome(&self, endpoint: Endpoint, reply: Option<&Reply>) -> String {
        let word = match reply {
            None => "no answer".into(),
            Some(Reply { status: 200, body }) => match endpoint {
                Endpoint::KeyMaterial(_) => KeyMaterialResponse::decode(body)
                    .map_or("?".into(), |it| format!("{:?}", it.user_status)),
                Endpoint::Update(_) => {
                    UpdateRoomResponse::decode(body).map_or("?".into(), |it| match it.outcome {
                        UpdateOutcome::Success { .. } => "success".into(),
                        UpdateOutcome::WrongEpoch { current_epoch } => {
                            format!("wrongEpoch {current_epoch}")
                        }
                        UpdateOutcome::NotAllowed => {
                            format!("notAllowed {:.60}", it.error_description.as_str())
                        }
                        UpdateOutcome::InvalidProposal(_) => {
                            format!("invalidProposal {:.60}", it.error_description.as_str())
                        }
                    })
                }
                Endpoint::Submit(_) => {
                    SubmitMessageResponse::decode(body).map_or("?".into(), |it| match it {
                        SubmitMessageResponse::Accepted { .. } => "accepted".into(),
                        SubmitMessageResponse::NotAllowed => "notAllowed".into(),
                        SubmitMessageResponse::EpochTooOld { current_epoch } => {
                            format!("epochTooOld {current_epoch}")
                        }
                    })
                }
                Endpoint::GroupInfo(_) => {
                    GroupInfoResponse::decode(body).map_or("?".into(), |it| match it.answer {
                        GroupInfoAnswer::Success(_) => "success".into(),
                        GroupInfoAnswer::NotAuthorized => "notAuthorized".into(),
                        GroupInfoAnswer::NoSuchRoom => "noSuchRoom".into(),
                    })
                }
                Endpoint::Notify(_) => "200".into(),
            },
            Some(Reply { status, .. }) => status.to_string(),
        };
        format!("{} {word}", endpoint.name())
    }
}

//! A room at its hub, and the model that follows what is saved there.

use std::collections::BTreeSet;

use super::{
    World, WorldCrypto,
    model::{Deed, Waiting, Wish, Wrong},
    network::Origin,
    node::hub_id,
    report::Invariant,
    skewed,
    slot::{Done, Halt, Shelf},
};
use crate::{
    client::Token,
    codec::Wire,
    delivery::CommitRefusal,
    env::Env,
    hub,
    hub::Event,
    machine::{Changes, Outcome, Step},
    wire::{FanoutEvent, FanoutMessage},
};

/// What a call of a room at its hub came to.
pub(super) type AtHub<R, F> = Result<Outcome<R, hub::Action>, Halt<hub::Refusal<F>>>;

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
        self.at_hub_landed(room, origin, call).0
    }

    /// The same, and whether anything was saved, whether or not anybody knows.
    pub(super) fn at_hub_landed<R, F>(
        &mut self,
        room: usize,
        origin: &Origin,
        call: impl for<'a> Fn(
            &'a mut hub::Room,
            &Env<'_, C, hub::Keys>,
        ) -> Result<Step<'a, hub::Room, R>, hub::Refusal<F>>,
    ) -> (AtHub<R, F>, bool) {
        let crypto = self.crypto.clone();
        let provider = &mut self.providers[self.sites[room].hub];
        let now = skewed(self.now, provider.skew);
        let env = Env { now, crypto: &*crypto, keys: &provider.keys };
        let Some(slot) = provider.hubs.get_mut(&room) else { return (Err(Halt::Crashed), false) };
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
        if let Some(changes) = &landed {
            self.saved_at_hub(room, origin, changes);
        }
        (result, landed.is_some())
    }

    /// The model follows what the hub has saved.
    pub(super) fn saved_at_hub(&mut self, room: usize, origin: &Origin, changes: &Changes) {
        let events: Vec<FanoutMessage> = changes
            .writes
            .iter()
            .filter(|(key, _)| key.is_body())
            .filter_map(|(_, value)| Event::read(value.as_deref()?).ok())
            .filter_map(|event| FanoutMessage::decode(event.body()).ok())
            .collect();
        self.touched.insert(room);
        let out = |world: &Self| -> BTreeSet<usize> {
            let out = |user: &usize| world.model.get(&room).is_some_and(|it| it.is_out(*user));
            (0..world.people.len()).filter(out).collect()
        };
        let before = out(self);
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
                Origin::Void(user) => {
                    if let Some(model) = self.model.get_mut(&room) {
                        model.waiting.push(Waiting::Void(*user));
                    }
                    Ok(())
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
        for user in out(self).difference(&before) {
            for device in (0..self.phones.len()).filter(|it| self.phones[*it].user == *user) {
                let read = self.read_by(device, room);
                if let Some(model) = self.model.get_mut(&room) {
                    model.excuse(device, &read);
                }
            }
        }
        self.keep_context(room);
        self.see_end(room);
    }

    /// A room ends by somebody who may, or because nobody is left who could go on.
    pub(super) fn see_end(&mut self, room: usize) {
        let owner = self.owners();
        let people: Vec<_> = self.people.iter().map(|person| person.uri.clone()).collect();
        let tombstone = self.providers[self.sites[room].hub].tombstone(room);
        let Some(ending) = tombstone.map(|it| it.ending) else { return };
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

    pub(super) fn accepted(
        &mut self,
        room: usize,
        device: usize,
        deed: Option<&Deed>,
        event: &FanoutEvent,
    ) -> Result<(), Wrong> {
        let owner = self.owners();
        let read = self.read_by(device, room);
        let Some(model) = self.model.get_mut(&room) else { return Ok(()) };
        if model.ended {
            return Err((Invariant::Outsiders, format!("room {room} is no more: {deed:?}")));
        }
        if matches!(deed, Some(Deed::Join(_) | Deed::JoinByCode(..))) {
            // Whoever comes from outside reads nothing from before.
            model.deafen(device, &read);
        }
        match (deed, event) {
            (Some(Deed::Say(text)), FanoutEvent::Application { message, .. }) => {
                model.say(device, *text, message.epoch(), &owner)
            }
            (Some(Deed::Commit(wish)), FanoutEvent::Commit { .. }) => {
                model.commit(device, wish, &owner)?;
                if let Wish::Link(code, true) = wish {
                    self.link_came(room, *code);
                }
                Ok(())
            }
            (Some(Deed::Join(role)), FanoutEvent::Commit { .. }) => {
                model.join(device, *role, false, &owner)
            }
            (Some(Deed::JoinByCode(role, code)), FanoutEvent::Commit { .. }) => {
                let user = owner.get(device).copied().unwrap_or_default();
                let needed = !model.now.listed.contains_key(&user) && !model.open;
                model.join(device, *role, true, &owner)?;
                if needed { self.code_used(*code) } else { Ok(()) }
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
    pub(super) fn deafen_stale(&mut self, room: usize, by: usize, token: Token) {
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

    /// a member's proposal that the commits of two users lack lapses, for it may be one that nobody can accept, and
    /// the model waits for that. The same happens to a good one whose event two users' providers have and their
    /// devices have not fetched, and the model has no such lapse. So whenever a hub has refused a commit for lack of a good
    /// one, its process ends, and with it what it knows of that commit.
    pub(super) fn witnessed<R>(
        &mut self,
        room: usize,
        origin: &Origin,
        done: &AtHub<R, hub::UpdateRefusal>,
    ) {
        let Err(Halt::Refused(refusal)) = done else { return };
        let hub::UpdateRefusal::Commit(CommitRefusal::Missing(missing)) = &refusal.reason else {
            return;
        };
        let Some(model) = self.model.get_mut(&room) else { return };
        if missing.len() > model.voids() {
            if let Some(slot) = self.providers[self.sites[room].hub].hubs.get_mut(&room) {
                slot.evict();
            }
            model.witnesses.clear();
            self.tally.fault("commit crossed a proposal");
        } else if let Origin::Device(device, _) = origin {
            model.witnesses.insert(self.phones[*device].user);
        }
    }

    /// (d): `success` only for what is saved.
    pub(super) fn expect_durable(&mut self, origin: &Origin, success: bool) {
        if !success {
            return;
        }
        match origin {
            Origin::Device(device, token) if !self.is_saved(*device, *token) => {
                let found = format!("success to device {device} for {token:?}, which is not saved");
                self.break_if(Some((Invariant::Durable, found)));
            }
            Origin::Adversary(what) => {
                let found = format!("success for {what}");
                self.break_if(Some((Invariant::Adversary, found)));
            }
            Origin::Device(..) | Origin::Hub(_) | Origin::Void(_) | Origin::Nobody => {}
        }
    }

    /// Whether a hub has saved what a device has asked for. Proposals hold no randomness: to propose the same thing
    /// again is to send the same octets, so the first answer, or the first event, speaks for both.
    pub(super) fn is_saved(&mut self, device: usize, token: Token) -> bool {
        let deed = self.deeds.get(&(device, token));
        let same = |it: &(usize, Token)| it.0 == device && self.deeds.get(it) == deed;
        let proposed = matches!(deed, Some(Deed::Propose(_) | Deed::Leave));
        let again = proposed && self.done.iter().any(same);
        if again {
            self.done.insert((device, token));
        }
        self.done.contains(&(device, token))
    }
}

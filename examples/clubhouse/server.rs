//! One provider: what its process holds, and how it answers its endpoints. Only octets come in and go out.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use openmimi::{
    codec::Wire,
    env::{Env, Limits, Peer, Timestamp},
    follower::{self, Notice},
    hub::{self, Answer, Event},
    machine::{self, Records},
    provider::{self, ClaimAnswer, Owner, Policy, Stance},
    uri::{ClientUri, Domain, RoomUri, UserUri},
    wire::{KeyMaterialRequest, KeyMaterialResponse, KeyPackageRef},
};
use openmls_rust_crypto::RustCrypto;

use super::shared::crash::{Disk, Halt, Plan};

/// An endpoint with what stands in its path.
#[derive(Clone, Debug)]
pub enum Endpoint {
    KeyMaterial(UserUri),
    Update(RoomUri),
    SubmitMessage(RoomUri),
    GroupInfo(RoomUri),
    Notify(RoomUri),
}

impl Endpoint {
    pub fn name(&self) -> &'static str {
        match self {
            Self::KeyMaterial(_) => "keyMaterial",
            Self::Update(_) => "update",
            Self::SubmitMessage(_) => "submitMessage",
            Self::GroupInfo(_) => "groupInfo",
            Self::Notify(_) => "notify",
        }
    }
}

/// What an endpoint answers: an HTTP status and a body.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Reply {
    fn ok(body: Vec<u8>) -> Self {
        Self { status: 200, body }
    }

    fn status(status: u16) -> Self {
        Self { status, body: Vec::new() }
    }

    fn of<R: Wire>(answer: Answer<R>) -> Self {
        match answer {
            Answer::Response(response) => Self::ok(response.encode()),
            Answer::Status(status) => Self::status(status),
            Answer::Later { .. } => Self::status(429),
        }
    }
}

/// A provider's process, with its disk.
pub struct Server {
    pub domain: Domain,
    pub crypto: Rc<RustCrypto>,
    pub keys: hub::Keys,
    pub limits: Limits,
    pub disk: Disk,
    pub hubs: BTreeMap<RoomUri, hub::Room>,
    pub followers: BTreeMap<RoomUri, follower::Room>,
    pub users: BTreeMap<UserUri, provider::User>,
}

/// What is left to do for a request that another provider has to see first.
pub enum Step {
    /// Answered.
    Done(Reply),
    /// To be sent on to this provider; then [`Server::key_material_passed`].
    Forward(Domain),
}

impl Server {
    pub fn new(
        domain: Domain,
        keys: hub::Keys,
        crypto: &Rc<RustCrypto>,
        plan: &Rc<RefCell<Plan>>,
    ) -> Self {
        Self {
            domain,
            crypto: Rc::clone(crypto),
            keys,
            limits: Limits::default(),
            disk: Disk::new(plan),
            hubs: BTreeMap::new(),
            followers: BTreeMap::new(),
            users: BTreeMap::new(),
        }
    }

    /// Gives a user an account. Who may claim its KeyPackages without being asked is its `stance`.
    pub fn register(&mut self, user: &UserUri, stance: Stance) {
        while !self.users.contains_key(user) {
            let founding =
                provider::User::found(self.limits.clone(), Policy::default(), user.clone(), stance);
            let (machine, _) =
                self.disk.found(user.as_str(), founding, |records| user_of(records, &self.limits));
            self.users.extend(machine.map(|machine| (user.clone(), machine)));
        }
    }

    /// A client publishes KeyPackages.
    pub fn publish(
        &mut self,
        now: Timestamp,
        peer: &Peer,
        key_packages: &[Vec<u8>],
    ) -> Option<Reply> {
        let Peer::Client(_, user) = peer else { return Some(Reply::status(403)) };
        let Some(machine) = self.users.get_mut(user) else { return Some(Reply::status(404)) };
        let env = Env { now, crypto: &*self.crypto, keys: &() };
        let done = self.disk.step(
            user.as_str(),
            machine,
            |records| user_of(records, &self.limits),
            |machine| machine.publish(&env, peer, key_packages),
        );
        match done {
            Ok(_) => Some(Reply::status(201)),
            Err(Halt::Crashed) => None,
            Err(Halt::Refused(refusal)) => {
                Some(Reply { status: 400, body: refusal.to_string().into_bytes() })
            }
        }
    }

    /// Answers a request of another provider or of a client of its own. `None`: the process died.
    pub fn serve(
        &mut self,
        now: Timestamp,
        peer: &Peer,
        endpoint: &Endpoint,
        body: &[u8],
    ) -> Option<Step> {
        match endpoint {
            Endpoint::KeyMaterial(target) => self.key_material(now, peer, target, body),
            Endpoint::Notify(room) => self.notify(now, peer, room, body).map(Step::Done),
            Endpoint::Update(room) => self
                .at_hub(
                    now,
                    room,
                    |room, env| room.update(env, peer, body),
                    hub::UpdateRefusal::answer,
                )
                .map(Step::Done),
            Endpoint::SubmitMessage(room) => self
                .at_hub(
                    now,
                    room,
                    |room, env| room.submit_message(env, peer, body),
                    hub::SubmitRefusal::answer,
                )
                .map(Step::Done),
            Endpoint::GroupInfo(room) => self
                .at_hub(
                    now,
                    room,
                    |room, env| room.group_info(env, peer, body),
                    |refusal: &hub::GroupInfoRefusal| refusal.answer(room),
                )
                .map(Step::Done),
        }
    }

    /// A call of a room at its hub, with the answer to a refusal.
    fn at_hub<R: Wire, F>(
        &mut self,
        now: Timestamp,
        room: &RoomUri,
        call: impl for<'a> FnOnce(
            &'a mut hub::Room,
            &Env<'_, RustCrypto, hub::Keys>,
        ) -> Result<machine::Step<'a, hub::Room, R>, hub::Refusal<F>>,
        answer: impl FnOnce(&F) -> Answer<R>,
    ) -> Option<Reply> {
        let Some(machine) = self.hubs.get_mut(room) else { return Some(Reply::status(404)) };
        let env = Env { now, crypto: &*self.crypto, keys: &self.keys };
        let restore = |records: &Records| hub_of(records, &self.limits);
        match self.disk.step(&hub_id(room), machine, restore, |machine| call(machine, &env)) {
            Ok(outcome) => Some(Reply::ok(outcome.reply.encode())),
            Err(Halt::Crashed) => None,
            Err(Halt::Refused(refusal)) => Some(Reply::of(answer(&refusal.reason))),
        }
    }

    /// For a user of its own it claims; for another it passes the request on, if it is the hub.
    fn key_material(
        &mut self,
        now: Timestamp,
        peer: &Peer,
        target: &UserUri,
        body: &[u8],
    ) -> Option<Step> {
        let request = KeyMaterialRequest::decode(body).ok();
        let room = request.as_ref().and_then(|request| request.head().room.clone());
        let hub = room.as_ref().and_then(|room| self.hubs.get(room));
        let allowed = hub
            .zip(request.as_ref())
            .map(|(hub, request)| hub.may_claim_keys(peer, request).is_ok());
        match allowed {
            Some(false) => return Some(Step::Done(Reply::status(403))),
            Some(true) if target.domain() != self.domain => {
                return Some(Step::Forward(target.domain()));
            }
            None if target.domain() != self.domain => return Some(Step::Done(Reply::status(403))),
            Some(true) | None => {}
        }
        let Some(machine) = self.users.get_mut(target) else {
            return Some(Step::Done(Reply::status(404)));
        };
        let env = Env { now, crypto: &*self.crypto, keys: &() };
        let restore = |records: &Records| user_of(records, &self.limits);
        let done = self
            .disk
            .step(target.as_str(), machine, restore, |machine| machine.claim(&env, peer, body));
        Some(Step::Done(match done {
            Ok(outcome) => Reply::ok(outcome.reply),
            Err(Halt::Crashed) => return None,
            Err(Halt::Refused(refusal)) => match refusal.answer {
                ClaimAnswer::Response(body) => Reply::ok(body),
                ClaimAnswer::Status { status, .. } => Reply::status(status),
            },
        }))
    }

    /// Key material has come back for a request that was sent on: the hub takes note of it.
    pub fn key_material_passed(
        &mut self,
        now: Timestamp,
        from: &Domain,
        request: &[u8],
        reply: Reply,
    ) -> Option<Reply> {
        let (Ok(request), Ok(response)) =
            (KeyMaterialRequest::decode(request), KeyMaterialResponse::decode(&reply.body))
        else {
            return Some(reply);
        };
        let room = request.head().room.clone().expect("only requests for a room are sent on");
        let machine = self.hubs.get_mut(&room).expect("only the hub sends on");
        let env = Env { now, crypto: &*self.crypto, keys: &self.keys };
        let restore = |records: &Records| hub_of(records, &self.limits);
        let done = self.disk.step(&hub_id(&room), machine, restore, |machine| {
            machine.keys_claimed(&env, from, &response)
        });
        match done {
            Ok(_) => Some(reply),
            Err(Halt::Crashed) => None,
            Err(Halt::Refused(_)) => Some(Reply::status(502)),
        }
    }

    /// The hub of a room tells what happened in it.
    fn notify(
        &mut self,
        now: Timestamp,
        peer: &Peer,
        room: &RoomUri,
        body: &[u8],
    ) -> Option<Reply> {
        let Ok(notice) = Notice::decode(body, &self.limits) else {
            return Some(Reply::status(400));
        };
        let owner =
            |reference: &KeyPackageRef| self.users.values().find_map(|user| user.owner(reference));
        let owners: BTreeMap<KeyPackageRef, Owner> =
            notice.references().filter_map(|it| Some((it.clone(), owner(it)?))).collect();
        let env = Env { now, crypto: &*self.crypto, keys: &() };
        let restore = |records: &Records| follower_of(records, &self.limits);
        let id = follower_id(room);
        let Some(machine) = self.followers.get_mut(room) else {
            let founding = follower::Room::welcomed(
                self.limits.clone(),
                &env,
                peer,
                room.clone(),
                &notice,
                &owners,
            );
            let founding = match founding {
                Ok(founding) => founding,
                Err(refusal) => return Some(Reply::status(refusal.fault.status())),
            };
            let (machine, outcome) = self.disk.found(&id, founding, restore);
            self.followers.extend(machine.map(|machine| (room.clone(), machine)));
            return outcome.map(|_| Reply::status(201));
        };
        match self
            .disk
            .step(&id, machine, restore, |machine| machine.notify(&env, peer, &notice, &owners))
        {
            Ok(_) => Some(Reply::status(201)),
            Err(Halt::Crashed) => None,
            Err(Halt::Refused(refusal)) => Some(Reply::status(refusal.fault.status())),
        }
    }

    /// A client's update, on its way to the hub.
    pub fn relay_update(
        &mut self,
        now: Timestamp,
        peer: &Peer,
        room: &RoomUri,
        body: &[u8],
    ) -> Option<Result<Domain, Reply>> {
        let env = Env { now, crypto: &*self.crypto, keys: &() };
        let restore = |records: &Records| follower_of(records, &self.limits);
        let id = follower_id(room);
        let Some(machine) = self.followers.get_mut(room) else {
            let founding =
                follower::Room::join(self.limits.clone(), &env, peer, room.clone(), body);
            let founding = match founding {
                Ok(founding) => founding,
                Err(refusal) => return Some(Err(Reply::status(refusal.fault.status()))),
            };
            let (machine, outcome) = self.disk.found(&id, founding, restore);
            self.followers.extend(machine.map(|machine| (room.clone(), machine)));
            return outcome.map(|outcome| Ok(outcome.reply.to));
        };
        match self.disk.step(&id, machine, restore, |machine| machine.update(&env, peer, body)) {
            Ok(outcome) => Some(Ok(outcome.reply.to)),
            Err(Halt::Crashed) => None,
            Err(Halt::Refused(refusal)) => Some(Err(Reply::status(refusal.fault.status()))),
        }
    }

    /// The hub's answer to a client's update has come.
    pub fn update_answered(
        &mut self,
        peer: &Peer,
        room: &RoomUri,
        request: &[u8],
        response: &[u8],
    ) -> Option<()> {
        let machine = self.followers.get_mut(room)?;
        let restore = |records: &Records| follower_of(records, &self.limits);
        let id = follower_id(room);
        match self
            .disk
            .step(&id, machine, restore, |machine| machine.answered(peer, request, response))
        {
            Ok(_) | Err(Halt::Refused(_)) => Some(()),
            Err(Halt::Crashed) => None,
        }
    }

    /// What is outstanding for other providers and for its own: the room, whom, up to which event, and the body.
    pub fn outstanding(&self) -> Vec<(RoomUri, Domain, u64, Vec<u8>)> {
        let mut all = Vec::new();
        for (room, machine) in &self.hubs {
            for (provider, events) in machine.backlog() {
                let through = events.end - 1;
                let records: Vec<&[u8]> = events
                    .filter_map(|event| {
                        self.disk.store.read(hub_id(room).as_bytes(), &Event::key(event))
                    })
                    .collect();
                let body = Event::notification(provider, records).expect("the hub's own records");
                all.push((room.clone(), provider.clone(), through, body));
            }
        }
        all
    }

    /// A provider has taken events over.
    pub fn acknowledged(
        &mut self,
        now: Timestamp,
        room: &RoomUri,
        provider: &Domain,
        through: u64,
    ) {
        let machine = self.hubs.get_mut(room).expect("it was this hub's event");
        let env = Env { now, crypto: &*self.crypto, keys: &self.keys };
        let restore = |records: &Records| hub_of(records, &self.limits);
        let _: Result<_, Halt<()>> = self.disk.step(&hub_id(room), machine, restore, |machine| {
            Ok(machine.acknowledged(&env, provider, through))
        });
    }

    /// What is outstanding for a client, event by event.
    pub fn deliveries(&self, client: &ClientUri) -> Vec<(RoomUri, u64, Vec<u8>)> {
        let mut all = Vec::new();
        for (room, machine) in &self.followers {
            for event in machine.owed(client).into_iter().flatten() {
                let record =
                    self.disk.store.read(follower_id(room).as_bytes(), &follower::event_key(event));
                all.push((
                    room.clone(),
                    event,
                    record.expect("events are kept until they are delivered").to_vec(),
                ));
            }
        }
        all
    }

    /// A client has taken an event over.
    pub fn delivered(&mut self, room: &RoomUri, client: &ClientUri, through: u64) {
        let machine = self.followers.get_mut(room).expect("it was this follower's event");
        let restore = |records: &Records| follower_of(records, &self.limits);
        let _: Result<_, Halt<()>> =
            self.disk.step(&follower_id(room), machine, restore, |machine| {
                Ok(machine.acknowledged(client, through))
            });
    }

    /// A client says that it is out of a room, by what it has taken over up to this event.
    pub fn client_left(
        &mut self,
        now: Timestamp,
        room: &RoomUri,
        client: &ClientUri,
        through: u64,
    ) {
        let env = Env { now, crypto: &*self.crypto, keys: &() };
        let Some(machine) = self.followers.get_mut(room) else { return };
        let restore = |records: &Records| follower_of(records, &self.limits);
        let id = follower_id(room);
        while let Err(Halt::Crashed) = self
            .disk
            .step(&id, machine, restore, |machine| Ok::<_, ()>(machine.left(&env, client, through)))
        {
        }
    }

    /// The hub's part of a new room: what it has to look like.
    pub fn offer(&self, now: Timestamp, wish: &hub::Wish) -> hub::Offer {
        let env = Env { now, crypto: &*self.crypto, keys: &self.keys };
        hub::offer(&env, wish).expect("a wish for this hub")
    }

    /// Takes up the room that a client has made, with that client in it.
    pub fn create(
        &mut self,
        now: Timestamp,
        peer: &Peer,
        offer: &hub::Offer,
        created: &openmimi::client::Created,
    ) {
        let Peer::Client(client, user) = peer else { return };
        let room = &offer.room;
        let env = Env { now, crypto: &*self.crypto, keys: &self.keys };
        while !self.hubs.contains_key(room) {
            let (info, tree) = (&created.group_info, &created.ratchet_tree);
            let founding = hub::Room::create(&env, offer, info, tree, &self.limits)
                .expect("the room that was offered");
            let (machine, _) =
                self.disk.found(&hub_id(room), founding, |records| hub_of(records, &self.limits));
            self.hubs.extend(machine.map(|machine| (room.clone(), machine)));
        }
        while !self.followers.contains_key(room) {
            let members = [(client.clone(), user.clone())];
            let founding = follower::Room::found(self.limits.clone(), room.clone(), members);
            let restore = |records: &Records| follower_of(records, &self.limits);
            let (machine, _) = self.disk.found(&follower_id(room), founding, restore);
            self.followers.extend(machine.map(|machine| (room.clone(), machine)));
        }
    }

    /// Does what the followers owe to the users' KeyPackages.
    pub fn close_claims(&mut self) {
        let owed: Vec<_> = self.followers.values().flat_map(follower::Room::backlog).collect();
        for action in owed {
            let follower::Action::Welcomed { user, references } = action else { continue };
            let Some(machine) = self.users.get_mut(&user) else { continue };
            let restore = |records: &Records| user_of(records, &self.limits);
            let _: Result<_, Halt<()>> =
                self.disk.step(user.as_str(), machine, restore, |machine| {
                    Ok(machine.welcomed(&references))
                });
        }
    }
}

/// The ID under which a hub's room is stored.
pub fn hub_id(room: &RoomUri) -> String {
    format!("hub {room}")
}

fn follower_id(room: &RoomUri) -> String {
    format!("follower {room}")
}

pub fn hub_of(records: &Records, limits: &Limits) -> hub::Room {
    hub::Room::restore(records, limits).expect("what a hub saved")
}

fn follower_of(records: &Records, limits: &Limits) -> follower::Room {
    follower::Room::restore(records, limits.clone()).expect("what a follower saved")
}

fn user_of(records: &Records, limits: &Limits) -> provider::User {
    provider::User::restore(records, limits.clone(), Policy::default())
        .expect("what a provider saved")
}

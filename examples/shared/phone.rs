//! A device with its app: what it does, what it sends, and what its user has read.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use openmimi::{
    client::{
        self, Device, Endpoint, Event, EventId, JoinRequest, Keys, Lifetime, Outgoing, Refusal,
        Token,
    },
    codec::Wire,
    content::{Body, Compose, Draft, Message, Salt},
    env::{Env, Limits, Peer, Timestamp},
    hub::Offer,
    machine::{Records, Step},
    policy::RoleIndex,
    room::Components,
    uri::{ClientUri, GroupUri, RoomUri, UserUri},
    wire::{
        FanoutEvent, FanoutMessage, GroupInfoResponse, SubmitMessageResponse, UpdateRoomResponse,
    },
};
use openmls_basic_credential::SignatureKeyPair;
use openmls_rust_crypto::RustCrypto;
use openmls_traits::{
    random::OpenMlsRand,
    types::{Ciphersuite, SignatureScheme},
};

use super::crash::{Disk, Halt, Plan};

/// The time at which a story begins, the present: the MLS engine asks the system clock whether a leaf is valid.
pub fn present() -> Timestamp {
    let since =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    Timestamp(u64::try_from(since.as_millis()).expect("before the year 584 million"))
}

/// A signing key and its public key.
pub fn signing_key() -> (Vec<u8>, Box<SignatureKeyPair>) {
    let key = SignatureKeyPair::new(SignatureScheme::ED25519).expect("randomness");
    (key.public().to_vec(), Box::new(key))
}

pub const SUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519;

pub struct Phone {
    pub name: String,
    pub user: UserUri,
    pub client: ClientUri,
    /// Whether anything reaches it.
    pub online: bool,
    pub rooms: BTreeMap<RoomUri, client::Room>,
    /// What the app shows, by the event it came with: an event that comes again is shown once.
    pub read: BTreeMap<EventId, String>,
    /// The messages themselves, as the app keeps them.
    pub inbox: BTreeMap<EventId, client::Message>,
    crypto: Rc<RustCrypto>,
    keys: Keys,
    /// What it signs with.
    pub signature_key: Vec<u8>,
    limits: Limits,
    disk: Disk,
    device: Device,
    tokens: u64,
}

const DEVICE: &str = "device";

impl Phone {
    pub fn new(
        name: &str,
        user: &str,
        client: &str,
        crypto: &Rc<RustCrypto>,
        plan: &Rc<RefCell<Plan>>,
    ) -> Self {
        let user = UserUri::parse(user).expect("a user");
        let client = ClientUri::parse(client).expect("a client");
        let (signature_key, key) = signing_key();
        let keys = Keys::new(signature_key.clone(), key);
        let limits = Limits::default();
        let mut disk = Disk::new(plan);
        let device = loop {
            let founding =
                Device::new(user.clone(), client.clone(), signature_key.clone(), &limits);
            let (device, _) = disk.found(DEVICE, founding, |records| device_of(records, &limits));
            if let Some(device) = device {
                break device;
            }
        };
        Self {
            name: name.into(),
            user,
            client,
            online: true,
            rooms: BTreeMap::new(),
            read: BTreeMap::new(),
            inbox: BTreeMap::new(),
            crypto: Rc::clone(crypto),
            keys,
            signature_key,
            limits,
            disk,
            device,
            tokens: 0,
        }
    }

    pub fn peer(&self) -> Peer {
        Peer::Client(self.client.clone(), self.user.clone())
    }

    pub fn token(&mut self) -> Token {
        self.tokens += 1;
        Token(self.tokens)
    }

    /// What is to be sent in a room.
    pub fn outgoing(&self, room: &RoomUri) -> Vec<Outgoing> {
        self.rooms.get(room).map(|machine| machine.outbox().collect()).unwrap_or_default()
    }

    /// A step of the device, tried again after each crash.
    fn device_step<R, E: std::fmt::Debug>(
        &mut self,
        now: Timestamp,
        call: impl for<'a> Fn(
            &'a mut Device,
            &Env<'_, RustCrypto, Keys>,
        ) -> Result<Step<'a, Device, R>, E>,
    ) -> R {
        loop {
            let env = Env { now, crypto: &*self.crypto, keys: &self.keys };
            let restore = |records: &Records| device_of(records, &self.limits);
            match self.disk.step(DEVICE, &mut self.device, restore, |device| call(device, &env)) {
                Ok(outcome) => return outcome.reply,
                Err(Halt::Crashed) => {}
                Err(Halt::Refused(refusal)) => panic!("{}: {refusal:?}", self.name),
            }
        }
    }

    /// A step of a room, tried again after each crash.
    fn room_step<R>(
        &mut self,
        now: Timestamp,
        room: &RoomUri,
        call: impl for<'a> Fn(
            &'a mut client::Room,
            &Env<'_, RustCrypto, Keys>,
        ) -> Result<Step<'a, client::Room, R>, Refusal>,
    ) -> Result<R, Refusal> {
        let machine = self.rooms.get_mut(room).expect("a room of this phone");
        loop {
            let env = Env { now, crypto: &*self.crypto, keys: &self.keys };
            let restore = |records: &Records| room_of(records, &self.limits);
            match self.disk.step(room.as_str(), machine, restore, |machine| call(machine, &env)) {
                Ok(outcome) => return Ok(outcome.reply),
                Err(Halt::Crashed) => {}
                Err(Halt::Refused(refusal)) => return Err(refusal),
            }
        }
    }

    /// Makes KeyPackages, and says what is to be published.
    pub fn make_key_packages(&mut self, now: Timestamp, count: usize) -> Vec<Vec<u8>> {
        let token = self.token();
        self.device_step(now, |device, env| {
            device.make_key_packages(env, token, count, SUITE, lifetime(now))
        });
        self.device.to_publish().iter().map(|key_package| key_package.as_bytes().to_vec()).collect()
    }

    /// The provider has them.
    pub fn published(&mut self, now: Timestamp) {
        let references: Vec<_> = self
            .device
            .to_publish()
            .iter()
            .map(|key_package| key_package.reference(&*self.crypto).expect("a hash"))
            .collect();
        self.device_step(now, |device, _| Ok::<_, Refusal>(device.published(&references)));
    }

    /// Builds the room of an offer, and gives what the hub needs to take it up.
    pub fn create(&mut self, now: Timestamp, offer: &Offer) -> client::Created {
        loop {
            self.disk.store.forget(offer.room.as_str().as_bytes());
            let env = Env { now, crypto: &*self.crypto, keys: &self.keys };
            let founding = client::Room::create(
                &env,
                offer,
                &self.signature_key,
                lifetime(now),
                Components::default(),
                &self.limits,
            )
            .expect("the hub's own offer");
            let restore = |records: &Records| room_of(records, &self.limits);
            let (machine, outcome) = self.disk.found(offer.room.as_str(), founding, restore);
            if let (Some(machine), Some(outcome)) = (machine, outcome) {
                self.entered(now, &offer.room, &offer.group, machine);
                return outcome.reply;
            }
        }
    }

    fn entered(&mut self, now: Timestamp, room: &RoomUri, group: &GroupUri, machine: client::Room) {
        self.rooms.insert(room.clone(), machine);
        self.device_step(now, |device, _| Ok::<_, Refusal>(device.entered(room, group)));
    }

    /// Joins by a Welcome that has come.
    fn join(&mut self, now: Timestamp, room: &RoomUri, message: &FanoutMessage) {
        let FanoutEvent::Welcome { welcome, .. } = &message.event else { return };
        let Some(lent) = self.device.lend(welcome) else { return };
        let machine = loop {
            let env = Env { now, crypto: &*self.crypto, keys: &self.keys };
            let founding = client::Room::join(&env, &lent, room, message, &self.limits)
                .expect("an honest hub");
            let restore = |records: &Records| room_of(records, &self.limits);
            if let (Some(machine), _) = self.disk.found(room.as_str(), founding, restore) {
                break machine;
            }
        };
        let group = machine.group().clone();
        self.entered(now, room, &group, machine);
        let forgets = self.rooms.get(room).and_then(|machine| machine.forgets().cloned());
        if let Some(reference) = forgets {
            self.device_step(now, |device, _| {
                Ok::<_, Refusal>(device.forget(std::slice::from_ref(&reference)))
            });
            self.room_step(now, room, |machine, _| machine.forgotten(&reference))
                .expect("nothing to refuse");
        }
    }

    /// What asks for a user's KeyPackages, to add it to a room.
    pub fn key_material_request(
        &self,
        now: Timestamp,
        room: &RoomUri,
        target: &UserUri,
    ) -> Vec<u8> {
        let env = Env { now, crypto: &*self.crypto, keys: &self.keys };
        let request = self.device.request_key_material(&env, target, room, SUITE);
        request.expect("the key is at hand").encode()
    }

    /// What asks a hub for the GroupInfo of a room.
    pub fn join_request(
        &mut self,
        now: Timestamp,
        room: &RoomUri,
        code: Option<&str>,
    ) -> JoinRequest {
        let token = self.token();
        let env = Env { now, crypto: &*self.crypto, keys: &self.keys };
        let code = code.map(|code| code.as_bytes().to_vec());
        let request = self.device.join_request(&env, token, room, SUITE, code);
        request.expect("the key is at hand")
    }

    /// Joins from outside with the hub's answer.
    pub fn join_external(
        &mut self,
        now: Timestamp,
        request: &JoinRequest,
        response: &GroupInfoResponse,
    ) {
        let room = request.room().clone();
        let machine = loop {
            let env = Env { now, crypto: &*self.crypto, keys: &self.keys };
            let founding = client::Room::join_external(
                &env,
                request,
                response,
                RoleIndex::NONE,
                None,
                &self.limits,
            )
            .expect("an honest hub");
            let restore = |records: &Records| room_of(records, &self.limits);
            if let (Some(machine), _) = self.disk.found(room.as_str(), founding, restore) {
                break machine;
            }
        };
        let group = machine.group().clone();
        self.entered(now, &room, &group, machine);
    }

    /// Something the user does in a room, which the room itself may refuse.
    pub fn act<R>(
        &mut self,
        now: Timestamp,
        room: &RoomUri,
        call: impl for<'a> Fn(
            &'a mut client::Room,
            &Env<'_, RustCrypto, Keys>,
            Token,
        ) -> Result<Step<'a, client::Room, R>, Refusal>,
    ) -> Result<R, String> {
        let token = self.token();
        self.room_step(now, room, |machine, env| call(machine, env, token))
            .map_err(|refusal| format!("{}: {refusal}", self.name))
    }

    /// Sends what the user has written.
    pub fn send(
        &mut self,
        now: Timestamp,
        room: &RoomUri,
        write: impl FnOnce(Compose<'static>) -> Draft<'static>,
    ) -> Result<(), String> {
        let salt = Salt(self.crypto.random_array().expect("randomness"));
        let compose = Compose::new(self.user.as_str().to_owned(), room.as_str().to_owned());
        let content = write(compose).encode(salt).expect("a short message");
        self.act(now, room, |machine, env, token| machine.send(env, token, &content)).map(|_| ())
    }

    /// The hub has answered something out of the outbox.
    pub fn answered(&mut self, now: Timestamp, room: &RoomUri, sent: &Outgoing, answer: &[u8]) {
        let id = sent.id;
        let taken = match sent.endpoint {
            Endpoint::Update => {
                let response = UpdateRoomResponse::decode(answer).expect("the hub's octets");
                self.room_step(now, room, |machine, env| machine.answer_update(env, id, &response))
            }
            Endpoint::SubmitMessage => {
                let response = SubmitMessageResponse::decode(answer).expect("the hub's octets");
                self.room_step(now, room, |machine, env| machine.answer_submit(env, id, &response))
            }
        };
        taken.expect("an answer is always taken");
        self.read_events(now, room);
    }

    /// Takes one event from its provider.
    pub fn receive(&mut self, now: Timestamp, room: &RoomUri, body: &[u8]) {
        let message = FanoutMessage::decode(body).expect("the hub's octets");
        if self.rooms.contains_key(room) {
            // What it cannot use it drops: a Welcome for another device, a message of an epoch it was not in.
            let _ = self.room_step(now, room, |machine, env| machine.receive(env, &message));
        } else {
            self.join(now, room, &message);
        }
        self.read_events(now, room);
    }

    /// Shows what has happened, and takes it over.
    fn read_events(&mut self, now: Timestamp, room: &RoomUri) {
        let Some(machine) = self.rooms.get(room) else { return };
        let events: Vec<(EventId, Event)> =
            machine.events().map(|(id, event)| (id, event.clone())).collect();
        for (id, event) in &events {
            if let Some(line) = shown(event) {
                self.read.insert(*id, line);
            }
            if let Event::Message(message) = event {
                self.inbox.insert(*id, message.as_ref().clone());
            }
        }
        let ids: Vec<EventId> = events.iter().map(|(id, _)| *id).collect();
        if !ids.is_empty() {
            self.room_step(now, room, |machine, _| machine.acknowledge(&ids))
                .expect("nothing to refuse");
        }
        if events.iter().any(|(_, event)| matches!(event, Event::Removed { .. })) {
            self.device_step(now, |device, _| Ok::<_, Refusal>(device.left(room)));
            self.rooms.remove(room);
            self.disk.store.forget(room.as_str().as_bytes());
        }
    }
}

/// What the app shows of an event.
fn shown(event: &Event) -> Option<String> {
    match event {
        Event::Message(message) => {
            let content = Message::decode(&message.content).expect("the room has checked it");
            let text = match content.body().body() {
                Body::Single(single) => String::from_utf8_lossy(single.content()).into_owned(),
                Body::External(file) => format!("({})", file.filename()),
                Body::Null | Body::Multi(_) => "(no text)".into(),
            };
            Some(format!("{}: {text} [{:?}]", message.sender.name(), message.franking))
        }
        Event::Text { sender, text, .. } => Some(format!("{}: {text}", sender.name())),
        Event::Discarded { reason, .. } => Some(format!("discarded: {reason:?}")),
        Event::Failed { reason, .. } => Some(format!("failed: {reason:?}")),
        Event::Forked { evidence, .. } => Some(format!("forked: {evidence:?}")),
        Event::Removed { by } => Some(format!("removed by {}", by.name())),
        Event::Accepted { .. }
        | Event::Changed { .. }
        | Event::Proposed { .. }
        | Event::Forbidden { .. }
        | Event::Omitted { .. }
        | Event::Status { .. } => None,
    }
}

fn device_of(records: &Records, limits: &Limits) -> Device {
    Device::restore(records, limits).expect("what a device saved")
}

/// For how long a leaf may be added: a year.
fn lifetime(now: Timestamp) -> Lifetime {
    Lifetime { not_before: Timestamp(0), not_after: now.plus(1000 * 60 * 60 * 24 * 365) }
}

fn room_of(records: &Records, limits: &Limits) -> client::Room {
    client::Room::restore(records, limits).expect("what a room saved")
}

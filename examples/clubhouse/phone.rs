//! A device with its app: what it does, what it sends, and what its user has read.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use openmimi::{
    client::{self, Device, Event, EventId, JoinRequest, Keys, Lifetime, Outgoing, Refusal, Token},
    codec::Wire,
    content::{Body, Compose, Message, Salt},
    env::{Env, Limits, Peer, Timestamp},
    hub::Offer,
    machine::{Records, Step},
    policy::RoleIndex,
    room::Components,
    uri::{ClientUri, GroupUri, RoomUri, UserUri},
    wire::{
        FanoutEvent, FanoutMessage, GroupInfoResponse, KeyMaterialResponse, SubmitMessageResponse,
        UpdateRoomResponse,
    },
};
use openmls_rust_crypto::RustCrypto;
use openmls_traits::{random::OpenMlsRand, types::Ciphersuite};

use super::{
    crash::{Disk, Halt, Plan},
    server::{Endpoint, Reply},
    world::{World, signing_key},
};

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
    crypto: Rc<RustCrypto>,
    keys: Keys,
    signature_key: Vec<u8>,
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

    fn token(&mut self) -> Token {
        self.tokens += 1;
        Token(self.tokens)
    }

    /// What is to be sent in a room.
    fn outgoing(&self, room: &RoomUri) -> Vec<Outgoing> {
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

    /// Joins from outside with the hub's answer.
    fn join_external(
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

    /// Takes one event from its provider.
    fn receive(&mut self, now: Timestamp, room: &RoomUri, body: &[u8]) {
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
                Body::Null | Body::External(_) | Body::Multi(_) => "(no text)".into(),
            };
            Some(format!("{}: {text} [{:?}]", message.sender.name(), message.franking))
        }
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

/// What the story has people do.
impl World {
    /// A phone of somebody who has an account.
    pub fn phone(&mut self, name: &str, user: &str, client: &str) -> usize {
        let mut phone = Phone::new(name, user, client, &self.crypto, &self.plan);
        let now = self.now;
        let (domain, peer) = (phone.user.domain(), phone.peer());
        let key_packages = phone.make_key_packages(now, 5);
        while self
            .server(&domain)
            .publish(now, &peer, &key_packages)
            .is_none_or(|reply| reply.status != 201)
        {}
        phone.published(now);
        self.phones.push(phone);
        self.phones.len() - 1
    }

    /// Something a phone does in a room, which may be refused by the phone itself.
    pub fn act<R>(
        &mut self,
        phone: usize,
        room: &RoomUri,
        call: impl for<'a> Fn(
            &'a mut client::Room,
            &Env<'_, RustCrypto, Keys>,
            Token,
        ) -> Result<Step<'a, client::Room, R>, Refusal>,
    ) -> Result<R, String> {
        let now = self.now;
        let phone = &mut self.phones[phone];
        let token = phone.token();
        phone
            .room_step(now, room, |machine, env| call(machine, env, token))
            .map_err(|refusal| format!("{}: {refusal}", phone.name))
    }

    /// Sends a text.
    pub fn say(&mut self, phone: usize, room: &RoomUri, text: &str) -> Result<(), String> {
        let sender = &self.phones[phone];
        let salt = Salt(self.crypto.random_array().expect("randomness"));
        let compose = Compose::new(sender.user.as_str().to_owned(), room.as_str().to_owned());
        let content = compose.text(text.to_owned()).encode(salt).expect("a short text");
        self.act(phone, room, |machine, env, token| machine.send(env, token, &content)).map(|_| ())
    }

    /// Asks for a user's KeyPackages through the room's hub.
    pub fn key_material(
        &mut self,
        phone: usize,
        room: &RoomUri,
        target: &UserUri,
    ) -> Result<KeyMaterialResponse, String> {
        let now = self.now;
        let asker = &self.phones[phone];
        let env = Env { now, crypto: &*asker.crypto, keys: &asker.keys };
        let request = asker
            .device
            .request_key_material(&env, target, room, SUITE)
            .expect("the key is at hand")
            .encode();
        let endpoint = Endpoint::KeyMaterial(target.clone());
        let reply = self.ask_until_answered(phone, &endpoint, &request);
        KeyMaterialResponse::decode(&reply.body)
            .map_err(|error| format!("{}: {error}", reply.status))
    }

    /// Asks the hub for what an external commit needs.
    pub fn group_info(&mut self, phone: usize, room: &RoomUri) -> (JoinRequest, GroupInfoResponse) {
        let now = self.now;
        let asker = &mut self.phones[phone];
        let token = asker.token();
        let env = Env { now, crypto: &*asker.crypto, keys: &asker.keys };
        let request =
            JoinRequest::new(&env, token, &asker.user, &asker.signature_key, room, SUITE, None)
                .expect("the key is at hand");
        let body = request.request().encode();
        let reply = self.ask_until_answered(phone, &Endpoint::GroupInfo(room.clone()), &body);
        (request, GroupInfoResponse::decode(&reply.body).expect("the hub's octets"))
    }

    /// Joins from outside.
    pub fn join_external(
        &mut self,
        phone: usize,
        request: &JoinRequest,
        response: &GroupInfoResponse,
    ) {
        let now = self.now;
        self.phones[phone].join_external(now, request, response);
    }

    /// Asks again, the same octets, until there is an answer.
    fn ask_until_answered(&mut self, phone: usize, endpoint: &Endpoint, body: &[u8]) -> Reply {
        let asker = &self.phones[phone];
        let (client, user, name) = (asker.client.clone(), asker.user.clone(), asker.name.clone());
        loop {
            if let Some(reply) = self.ask(&client, &user, &name, endpoint, body) {
                return reply;
            }
        }
    }

    /// Sends what a phone has to send. Says whether that changed anything.
    pub fn send_outbox(&mut self, phone: usize) -> bool {
        let rooms: Vec<RoomUri> = self.phones[phone].rooms.keys().cloned().collect();
        let mut busy = false;
        for room in rooms {
            let outgoing = self.phones[phone].outgoing(&room);
            for sent in &outgoing {
                self.send(phone, &room, sent);
            }
            busy |= self.phones[phone].outgoing(&room) != outgoing;
        }
        busy
    }

    fn send(&mut self, phone: usize, room: &RoomUri, outgoing: &Outgoing) {
        let endpoint = match outgoing.endpoint {
            client::Endpoint::Update => Endpoint::Update(room.clone()),
            client::Endpoint::SubmitMessage => Endpoint::SubmitMessage(room.clone()),
        };
        let reply = self.ask_until_answered(phone, &endpoint, &outgoing.body);
        let (now, id) = (self.now, outgoing.id);
        let sender = &mut self.phones[phone];
        let taken = match outgoing.endpoint {
            client::Endpoint::Update => {
                let response = UpdateRoomResponse::decode(&reply.body).expect("the hub's octets");
                sender
                    .room_step(now, room, |machine, env| machine.answer_update(env, id, &response))
            }
            client::Endpoint::SubmitMessage => {
                let response =
                    SubmitMessageResponse::decode(&reply.body).expect("the hub's octets");
                sender
                    .room_step(now, room, |machine, env| machine.answer_submit(env, id, &response))
            }
        };
        taken.expect("an answer is always taken");
        sender.read_events(now, room);
    }

    /// Takes what a phone's provider has for it. Says whether there was anything.
    pub fn receive_all(&mut self, phone: usize) -> bool {
        let now = self.now;
        if !self.phones[phone].online {
            return false;
        }
        let (client, domain) =
            (self.phones[phone].client.clone(), self.phones[phone].user.domain());
        let deliveries = self.server(&domain).deliveries(&client);
        for (room, event, body) in &deliveries {
            self.phones[phone].receive(now, room, body);
            self.server(&domain).delivered(room, &client, *event);
            if !self.phones[phone].rooms.contains_key(room) {
                self.server(&domain).client_left(room, &client);
            }
        }
        !deliveries.is_empty()
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

//! Rooms of real clients around a hub that does nothing but order, stamp and hand on.

#![expect(clippy::wildcard_enum_match_arm, reason = "a test names what it expects")]

mod devices;
mod flows;
mod forged;
mod framed;
mod hostile;
mod hub;
mod joining;
mod leaves;
mod reading;
mod said;
mod simulated;
mod threats;
mod trees;

use std::collections::BTreeMap;

use openmls_basic_credential::SignatureKeyPair;
use openmls_rust_crypto::RustCrypto;
use openmls_traits::types::Ciphersuite;
use tls_codec::Serialize as _;

use self::hub::Hub;
use super::*;
use crate::{
    codec::Wire,
    content::{Compose, Salt},
    env::{Env, Limits, Timestamp},
    franking,
    machine::{Founding, Records, Step},
    policy::{RoleIndex, presets::Preset},
    room::{ComponentId, Components},
    uri::{ClientUri, GroupUri, ParticipantUri, RoomUri, UserUri},
    wire::{
        ClientKeyMaterial, ClientMaterial, ErrorDescription, FanoutEvent, FanoutMessage, GroupInfo,
        GroupInfoAnswer, GroupInfoOption, GroupInfoRatchetTree, GroupInfoRequest,
        GroupInfoResponse, HandshakeBundle, KeyMaterialResponse, KeyMaterialUserCode, KeyPackage,
        PendingProposal, PublicMessage, RatchetTree, RatchetTreeOption, SealedGroupInfo,
        SubmitMessageRequest, SubmitMessageResponse, UpdateOutcome, UpdateRequest,
        UpdateRoomResponse,
    },
};

pub(super) const CS: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519;

/// The lifetime of every leaf: for years to both sides of any clock.
pub(super) const LIFETIME: Lifetime =
    Lifetime { not_before: Timestamp(1_577_836_800_000), not_after: Timestamp(7_258_118_400_000) };

pub(super) fn user(name: &str) -> UserUri {
    UserUri::parse(format!("mimi://{name}.example/u/{name}")).unwrap()
}

pub(super) fn participant(name: &str) -> ParticipantUri {
    user(name).into()
}

pub(super) fn room_uri() -> RoomUri {
    RoomUri::parse("mimi://alice.example/r/clubhouse").unwrap()
}

fn pair() -> (Vec<u8>, SignatureKeyPair) {
    let pair = SignatureKeyPair::new(CS.signature_algorithm()).unwrap();
    (pair.to_public_vec(), pair)
}

/// How a client goes on after a save.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Crash {
    /// It does not crash.
    Never,
    /// It crashes after every save, before anything is applied.
    Always,
}

/// A device in the room, with its store.
pub(super) struct Client {
    pub(super) crypto: RustCrypto,
    pub(super) keys: Keys,
    pub(super) device: Device,
    pub(super) room: Option<Room>,
    pub(super) records: Records,
    pub(super) seen: usize,
    pub(super) crash: Crash,
    pub(super) now: u64,
    pub(super) tokens: u64,
}

/// What a room answers.
#[derive(Debug, PartialEq)]
pub(super) struct Answers {
    revision: crate::machine::Revision,
    epoch: u64,
    authenticator: Vec<u8>,
    committed: String,
    effective: String,
    outbox: Vec<Outgoing>,
    events: Vec<(EventId, Event)>,
    owes: bool,
    member: bool,
    forked: bool,
}

/// A room in few words, different if the room is.
fn summary(room: &crate::room::RoomState) -> String {
    use sha2::Digest;
    let digest = sha2::Sha256::digest(format!("{room:?}"));
    format!("{:?} {:?} {digest:x}", room.participants(), room.membership())
}

pub(super) fn answers(room: &Room) -> Answers {
    Answers {
        revision: room.revision(),
        epoch: room.epoch(),
        authenticator: room.epoch_authenticator().to_vec(),
        committed: summary(room.committed()),
        effective: summary(room.effective()),
        outbox: room.outbox().collect(),
        events: room.events().map(|(id, event)| (id, event.clone())).collect(),
        owes: room.owes_commit(),
        member: room.is_member(),
        forked: room.is_forked(),
    }
}

impl Client {
    pub(super) fn new(name: &str, device: &str, crash: Crash) -> Self {
        let (public, signer) = pair();
        let keys = Keys::new(public.clone(), Box::new(signer));
        let client = ClientUri::parse(format!("mimi://{name}.example/d/{device}")).unwrap();
        let (device, _) = Device::new(user(name), client, public, &Limits::default()).apply();
        Self {
            crypto: RustCrypto::default(),
            keys,
            device,
            room: None,
            records: Records::default(),
            seen: 0,
            crash,
            now: 1_700_000_000_000,
            tokens: 0,
        }
    }

    pub(super) fn env(&self) -> Env<'_, RustCrypto, Keys> {
        Env { now: Timestamp(self.now), crypto: &self.crypto, keys: &self.keys }
    }

    pub(super) fn token(&mut self) -> Token {
        self.tokens += 1;
        Token(self.tokens)
    }

    pub(super) fn room(&self) -> &Room {
        self.room.as_ref().unwrap()
    }

    /// Does something: once dropped, once for good; saved before it is applied, or restored instead.
    pub(super) fn act<R>(
        &mut self,
        op: impl for<'m> Fn(
            &'m mut Room,
            &Env<'_, RustCrypto, Keys>,
        ) -> Result<Step<'m, Room, R>, Refusal>,
    ) -> Result<R, Refusal> {
        let mut room = self.room.take().unwrap();
        let env = self.env();
        let before = answers(&room);
        if let Ok(step) = op(&mut room, &env) {
            drop(step);
        }
        assert_eq!(answers(&room), before, "a dropped step or a refusal left a trace");
        let restored = Room::restore(&self.records, &Limits::default()).unwrap();
        assert_eq!(answers(&restored), before, "restored equals live");

        let mut records = self.records.clone();
        let result = op(&mut room, &env).map(|step| {
            assert!(records.save(step.changes()));
            step.apply().reply
        });
        self.records = records;
        let restored = Room::restore(&self.records, &Limits::default()).unwrap();
        assert_eq!(answers(&restored), answers(&room), "restored equals live");
        self.room = Some(match self.crash {
            Crash::Never => room,
            Crash::Always => restored,
        });
        result
    }

    pub(super) fn found<R>(&mut self, founding: Founding<Room, R>) -> R {
        self.records = Records::default();
        assert!(self.records.save(founding.changes()));
        let (room, outcome) = founding.apply();
        let restored = Room::restore(&self.records, &Limits::default()).unwrap();
        assert_eq!(answers(&restored), answers(&room), "restored equals live");
        self.room = Some(match self.crash {
            Crash::Never => room,
            Crash::Always => restored,
        });
        outcome.reply
    }

    /// Asks for the GroupInfo.
    pub(super) fn ask(&mut self, code: Option<&[u8]>) -> JoinRequest {
        let token = self.token();
        let code = code.map(<[u8]>::to_vec);
        self.device.join_request(&self.env(), token, &room_uri(), CS, code).unwrap()
    }

    /// Joins from outside, by the tree of somebody who is in, and is let in.
    pub(super) fn enter(
        &mut self,
        hub: &mut Hub,
        tree: &RatchetTree,
        role: RoleIndex,
    ) -> Result<(), Refusal> {
        let request = self.ask(None);
        let response = hub.group_info(request.request(), tree);
        let limits = Limits::default();
        let founding = Room::join_external(&self.env(), &request, &response, role, None, &limits)?;
        self.found(founding);
        self.seen = hub.log.len();
        self.send_all(hub);
        let (room, group) = (self.room().uri().clone(), self.room().group().clone());
        drop(self.device.entered(&room, &group).apply());
        Ok(())
    }

    pub(super) fn create(&mut self, hub: &mut Hub) {
        let key = self.device.signature_key().to_vec();
        let founding = Room::create(
            &self.env(),
            &hub.offer,
            &key,
            LIFETIME,
            Components::new(),
            &Limits::default(),
        )
        .unwrap();
        let created = self.found(founding);
        hub.group_info = created.group_info;
        GroupInfo::decode(&hub.group_info).unwrap();
    }

    pub(super) fn key_package(&mut self) -> KeyPackage {
        let token = self.token();
        let env = Env { now: Timestamp(self.now), crypto: &self.crypto, keys: &self.keys };
        let step = self.device.make_key_packages(&env, token, 1, CS, LIFETIME).unwrap();
        let mut actions = step.apply().actions;
        let DeviceAction::Publish(mut made) = actions.remove(0);
        made.remove(0)
    }

    pub(super) fn material(&mut self) -> KeyMaterialResponse {
        let key_package = self.key_package();
        KeyMaterialResponse {
            protocol: 1,
            user_status: KeyMaterialUserCode::Success,
            user: self.device.user().clone(),
            clients: vec![ClientKeyMaterial {
                client: self.device.client().clone(),
                material: ClientMaterial::KeyPackage(key_package),
            }],
        }
    }

    /// Sends what is in the outbox and takes the answers.
    pub(super) fn send_all(&mut self, hub: &mut Hub) {
        loop {
            let Some(outgoing) = self.room().outbox().next() else { return };
            self.send_one(hub, &outgoing);
        }
    }

    pub(super) fn send_one(&mut self, hub: &mut Hub, outgoing: &Outgoing) {
        match outgoing.endpoint {
            Endpoint::Update => {
                let answer = hub.update(&outgoing.body);
                self.act(|room, env| room.answer_update(env, outgoing.id, &answer)).unwrap();
            }
            Endpoint::SubmitMessage => {
                let answer = hub.submit(&outgoing.body);
                self.act(|room, env| room.answer_submit(env, outgoing.id, &answer)).unwrap();
            }
        }
    }

    /// Takes what the hub has fanned out since.
    pub(super) fn catch_up(&mut self, hub: &Hub) -> Vec<Received> {
        let news = hub.log.get(self.seen..).unwrap_or_default().to_vec();
        self.seen = hub.log.len();
        news.iter()
            .map(|message| self.act(|room, env| room.receive(env, message)).unwrap())
            .collect()
    }

    /// Joins with the last Welcome of the log.
    pub(super) fn join(&mut self, hub: &Hub, tree: &RatchetTree) {
        let (at, message) = hub
            .log
            .iter()
            .enumerate()
            .rev()
            .find(|(_, message)| matches!(message.event, FanoutEvent::Welcome { .. }))
            .unwrap();
        let FanoutEvent::Welcome { welcome, .. } = &message.event else { unreachable!() };
        let lent = self.device.lend(welcome).unwrap();
        let message = FanoutMessage {
            timestamp: message.timestamp,
            event: FanoutEvent::Welcome {
                welcome: welcome.clone(),
                ratchet_tree: RatchetTreeOption::Full(tree.clone()),
            },
        };
        let founding =
            Room::join(&self.env(), &lent, &room_uri(), &message, &Limits::default()).unwrap();
        self.found(founding);
        self.seen = at + 1;
        let reference = self.room().forgets().unwrap().clone();
        drop(self.device.forget(std::slice::from_ref(&reference)).apply());
        self.act(|room, _| room.forgotten(&reference)).unwrap();
        assert!(self.device.lend(welcome).is_none());
    }

    pub(super) fn tree(&self) -> RatchetTree {
        let tree = self.room().member.group().unwrap().export_ratchet_tree();
        RatchetTree::decode(&tree.tls_serialize_detached().unwrap()).unwrap()
    }

    pub(super) fn compose(&self, text: &str) -> Vec<u8> {
        let user = self.device.user().as_str().to_owned();
        let salt = Salt::random(&self.crypto).unwrap();
        let room = room_uri();
        Compose::new(user.as_str(), room.as_str()).text(text).build(salt).unwrap().into_bytes()
    }

    /// Says something.
    pub(super) fn say(&mut self, text: &str) -> Result<crate::content::MessageId, Refusal> {
        let (content, token) = (self.compose(text), self.token());
        self.act(|room, env| room.send(env, token, &content))
    }

    /// Acknowledges all events, and gives them.
    pub(super) fn events(&mut self) -> Vec<Event> {
        let (ids, events): (Vec<_>, Vec<_>) =
            self.room().events().map(|(id, event)| (id, event.clone())).unzip();
        self.act(|room, _| room.acknowledge(&ids)).unwrap();
        assert_eq!(self.room().events().count(), 0);
        events
    }

    /// The texts that came.
    pub(super) fn texts(&mut self) -> Vec<(String, String)> {
        self.events()
            .into_iter()
            .filter_map(|event| match event {
                Event::Message(message) => {
                    assert_eq!(message.franking, franking::Verdict::Valid, "{message:?}");
                    let content = crate::content::Message::decode(&message.content).unwrap();
                    let crate::content::Body::Single(part) = content.body().body() else {
                        panic!()
                    };
                    let text = String::from_utf8(part.content().to_vec()).unwrap();
                    Some((message.sender.to_string(), text))
                }
                _ => None,
            })
            .collect()
    }
}

/// A room of a preset with more in it: the base policy lists what has to be listed.
pub(super) fn policy(preset: Preset, more: &[(ComponentId, Vec<u8>)]) -> Components {
    let mut components = preset.room(&room_uri(), &user("alice"), &[]);
    let mut base = preset.base_policy();
    for (id, data) in more {
        if ![ComponentId::CONTENT_MEDIA_TYPES].contains(id) {
            base.policy_component_ids.push(*id);
        }
        components.insert(*id, data.clone());
    }
    base.policy_component_ids.sort();
    components.insert(ComponentId::BASE_ROOM_POLICY, base.encode());
    components
}

/// A room with alice, bob and carol.
pub(super) fn three(preset: Preset, crash: Crash) -> (Hub, Client, Client, Client) {
    three_in(Hub::new(preset), preset.ordinary(), crash)
}

/// A room with alice, bob and carol at a hub.
pub(super) fn three_in(
    mut hub: Hub,
    role: RoleIndex,
    crash: Crash,
) -> (Hub, Client, Client, Client) {
    let [mut alice, mut bob, mut carol] =
        ["alice", "bob", "carol"].map(|name| Client::new(name, "phone", crash));
    alice.create(&mut hub);
    for other in [&mut bob, &mut carol] {
        let (material, token) = (other.material(), alice.token());
        alice.act(|room, env| room.add(env, token, role, &material)).unwrap();
        alice.send_all(&mut hub);
        alice.catch_up(&hub);
        let tree = alice.tree();
        other.join(&hub, &tree);
    }
    bob.catch_up(&hub);
    for client in [&mut alice, &mut bob, &mut carol] {
        client.events();
    }
    same([&alice, &bob, &carol]);
    (hub, alice, bob, carol)
}

/// The clients are in one epoch and agree on the room.
pub(super) fn same<const N: usize>(clients: [&Client; N]) {
    let [first, rest @ ..] = clients.as_slice() else { return };
    for other in rest {
        let (first, other) = (answers(first.room()), answers(other.room()));
        assert_eq!(first.epoch, other.epoch);
        assert_eq!(first.authenticator, other.authenticator);
        assert_eq!(first.committed, other.committed);
        assert_eq!(first.effective, other.effective);
    }
}

pub(super) fn message(event: &Event) -> &Message {
    match event {
        Event::Message(message) => message,
        other => panic!("{other:?}"),
    }
}

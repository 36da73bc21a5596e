//! What a client's step costs: `cargo bench --bench client`. The table in the documentation of `openmimi::client` is
//! from here.

#![allow(missing_docs, reason = "criterion's macro makes a function without")]

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use openmimi::{
    client::{Intent, Keys, Lifetime, Room, Token},
    codec::Wire,
    content::{Compose, Salt},
    env::{Env, Limits, Timestamp},
    hub::{self, Wish},
    machine::Records,
    policy::presets::Preset,
    room::Components,
    uri::{ClientUri, RoomUri, UserUri},
    wire::{
        FanoutEvent, FanoutMessage, HandshakeBundle, PublicMessage, RatchetTree, RatchetTreeOption,
        SubmitMessageRequest, UpdateRequest, Welcome,
    },
};
use openmls_basic_credential::SignatureKeyPair;
use openmls_rust_crypto::RustCrypto;
use openmls_traits::types::Ciphersuite;

const CS: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519;
const NOW: Timestamp = Timestamp(1_700_000_000_000);

/// The lifetime of every leaf.
const LIFETIME: Lifetime =
    Lifetime { not_before: Timestamp(1_577_836_800_000), not_after: Timestamp(7_258_118_400_000) };

struct Party {
    crypto: RustCrypto,
    keys: Keys,
    key: Vec<u8>,
    user: UserUri,
    device: openmimi::client::Device,
}

impl Party {
    fn new(number: usize) -> Self {
        let pair = SignatureKeyPair::new(CS.signature_algorithm()).expect("a key");
        let key = pair.to_public_vec();
        let domain =
            if number == 0 { "hub.example".into() } else { format!("p{}.example", number % 7) };
        let user = UserUri::parse(format!("mimi://{domain}/u/user-{number:05}")).expect("a user");
        let client =
            ClientUri::parse(format!("mimi://{domain}/d/device-{number:05}")).expect("a client");
        let (device, _) =
            openmimi::client::Device::new(user.clone(), client, key.clone(), &Limits::default())
                .apply();
        let keys = Keys::new(key.clone(), Box::new(pair));
        Self { crypto: RustCrypto::default(), keys, key, user, device }
    }

    fn env(&self) -> Env<'_, RustCrypto, Keys> {
        Env { now: NOW, crypto: &self.crypto, keys: &self.keys }
    }

    fn key_package(&mut self) -> Vec<u8> {
        let env = Env { now: NOW, crypto: &self.crypto, keys: &self.keys };
        let step = self.device.make_key_packages(&env, Token(1), 1, CS, LIFETIME).expect("made");
        drop(step.apply());
        self.device.to_publish()[0].as_bytes().to_vec()
    }

    fn content(&self) -> Vec<u8> {
        let salt = Salt::random(&self.crypto).expect("a salt");
        let room = room();
        let compose = Compose::new(self.user.as_str(), room.as_str());
        compose
            .text("A message of some forty octets, as people send")
            .build(salt)
            .expect("content")
            .into_bytes()
    }
}

fn room() -> RoomUri {
    RoomUri::parse("mimi://hub.example/r/bench").expect("a room")
}

/// Does a step for good; gives the octets it saves.
macro_rules! act {
    ($records:expr, $step:expr) => {{
        let step = $step.expect("a step");
        let octets = step.changes().octets();
        assert!($records.save(step.changes()));
        drop(step.apply());
        octets
    }};
}

/// Commits, and meets the commit in the room's order; gives it, and the octets that building and merging save.
fn committed(
    room: &mut Room,
    records: &mut Records,
    by: &Party,
    token: u64,
    intent: &Intent,
) -> (UpdateRequest, usize, usize) {
    let built = act!(records, room.commit(&by.env(), Token(token), intent));
    let outgoing = room.outbox().next().expect("a commit");
    let update = UpdateRequest::decode(&outgoing.body).expect("an update");
    let HandshakeBundle::Commit { commit, .. } = &update.bundle else { panic!("a commit") };
    let merged = act!(records, room.receive(&by.env(), &fan_out(commit.clone())));
    let events: Vec<_> = room.events().map(|(id, _)| id).collect();
    act!(records, room.acknowledge(&events));
    (update, built, merged)
}

fn fan_out(commit: PublicMessage) -> FanoutMessage {
    let event = FanoutEvent::Commit { commit, external_proposals: Vec::new() };
    FanoutMessage { timestamp: NOW, event }
}

struct World {
    alice: Party,
    bob: Party,
    alices: Records,
    bobs: Records,
}

/// A room of so many members, all listed as participants, with past epochs to keep.
fn world(members: usize) -> World {
    let pair = SignatureKeyPair::new(CS.signature_algorithm()).expect("a key");
    let hub_keys = hub::Keys::new(pair.to_public_vec(), Box::new(pair), [7; 32]);
    let (alice, mut bob) = (Party::new(0), Party::new(1));
    let wish = Wish {
        room: room(),
        creator: alice.user.clone(),
        ciphersuite: CS,
        policy: Preset::Cooperative.room(&room(), &alice.user, &[]),
    };
    let env = Env { now: NOW, crypto: &alice.crypto, keys: &hub_keys };
    let offer = hub::offer(&env, &wish).expect("an offer");
    let limits = Limits::default();
    let founding =
        Room::create(&alice.env(), &offer, &alice.key, LIFETIME, Components::new(), &limits)
            .expect("a room");
    let mut alices = Records::default();
    assert!(alices.save(founding.changes()));
    let (mut room_a, outcome) = founding.apply();
    drop(outcome);

    let role = Preset::Cooperative.ordinary();
    let mut intent = Intent::default();
    intent.add.push((bob.user.clone(), role));
    intent.key_packages.push(bob.key_package());
    for number in 2..members {
        let mut other = Party::new(number);
        intent.add.push((other.user.clone(), role));
        intent.key_packages.push(other.key_package());
    }
    let (update, ..) = committed(&mut room_a, &mut alices, &alice, 1, &intent);
    let HandshakeBundle::Commit { welcome: Some(welcome), .. } = update.bundle else {
        panic!("a Welcome")
    };
    let (mut room_b, mut bobs) = join(&bob, welcome, &room_a, &limits);

    let mut figures = (0, 0, 0);
    for token in 2..5 {
        let again = Intent { update: true, ..Intent::default() };
        let (update, built, merged) = committed(&mut room_a, &mut alices, &alice, token, &again);
        let HandshakeBundle::Commit { commit, .. } = update.bundle else { panic!("a commit") };
        let received = act!(bobs, room_b.receive(&bob.env(), &fan_out(commit)));
        let events: Vec<_> = room_b.events().map(|(id, _)| id).collect();
        act!(bobs, room_b.acknowledge(&events));
        figures = (built, merged, received);
    }
    println!(
        "{members} members: own commit built {} octets, merged {}; another's commit {}",
        figures.0, figures.1, figures.2
    );
    for number in 0..3u64 {
        let content = alice.content();
        let sent = act!(alices, room_a.send(&alice.env(), Token(100 + number), &content));
        let outgoing = room_a.outbox().last().expect("a message");
        let request = SubmitMessageRequest::decode(&outgoing.body).expect("a message");
        let event = FanoutEvent::Application { message: request.app_message, frank: None };
        let received =
            act!(bobs, room_b.receive(&bob.env(), &FanoutMessage { timestamp: NOW, event }));
        println!("{members} members: message {number} sent {sent} octets, received {received}");
    }
    World { alice, bob, alices, bobs }
}

fn join(bob: &Party, welcome: Welcome, room_a: &Room, limits: &Limits) -> (Room, Records) {
    let lent = bob.device.lend(&welcome).expect("for bob");
    let tree = RatchetTree::decode(&room_a.ratchet_tree().expect("a tree")).expect("a tree");
    let event = FanoutEvent::Welcome { welcome, ratchet_tree: RatchetTreeOption::Full(tree) };
    let message = FanoutMessage { timestamp: NOW, event };
    let founding = Room::join(&bob.env(), &lent, &room(), &message, limits).expect("joined");
    let mut records = Records::default();
    assert!(records.save(founding.changes()));
    let (room, outcome) = founding.apply();
    drop(outcome);
    (room, records)
}

fn client(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("client");
    group.sample_size(20);
    for members in [10, 100, 1000] {
        let World { alice, bob, alices, bobs } = world(members);
        let limits = Limits::default();
        let restore = |records: &Records| Room::restore(records, &limits).expect("a room");
        let content = alice.content();
        let id = |what: &str| BenchmarkId::new(what.to_owned(), members);

        group.bench_function(id("restore"), |bencher| {
            bencher.iter(|| black_box(restore(&alices)));
        });
        group.bench_function(id("send"), |bencher| {
            bencher.iter_batched(
                || restore(&alices),
                |mut room| {
                    drop(room.send(&alice.env(), Token(9000), &content).expect("sent").apply());
                    room
                },
                BatchSize::PerIteration,
            );
        });
        let mut sender = restore(&alices);
        let message = {
            let step = sender.send(&alice.env(), Token(9001), &content).expect("sent");
            drop(step.apply());
            let outgoing = sender.outbox().last().expect("a message");
            let request = SubmitMessageRequest::decode(&outgoing.body).expect("a message");
            let event = FanoutEvent::Application { message: request.app_message, frank: None };
            FanoutMessage { timestamp: NOW, event }
        };
        group.bench_function(id("receive"), |bencher| {
            bencher.iter_batched(
                || restore(&bobs),
                |mut room| {
                    drop(room.receive(&bob.env(), &message).expect("received").apply());
                    room
                },
                BatchSize::PerIteration,
            );
        });
        let mut room = restore(&alices);
        group.bench_function(id("send and drop"), |bencher| {
            bencher.iter(|| {
                drop(room.send(&alice.env(), Token(9002), &content).expect("sent"));
            });
        });
    }
    group.finish();
}

criterion_group!(benches, client);
criterion_main!(benches);

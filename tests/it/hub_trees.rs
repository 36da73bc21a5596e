//! Ratchet trees that joiners fetch by https (T-003, T-006, T-013, Q-55): from the hub to a client that takes them there.
//! Every step is a crash drill; where trees are served is said in each, for a restore forgets it.

use openmimi::{
    client::{self, Device, JoinRequest, Lifetime, Refusal, Token},
    codec::Wire,
    env::{Env, Limits, Peer, Timestamp},
    error::Misuse,
    hub::tree_key,
    policy::{RoleIndex, presets::Preset},
    room::ParticipantListUpdate,
    uri::{ClientUri, RoomUri, UserUri},
    wire::{
        FanoutEvent, FanoutMessage, GroupInfoResponse, HttpsUrl, RatchetTree, RatchetTreeOption,
        notify,
    },
};
use openmls::prelude::{KeyPackageIn, ProtocolVersion};
use openmls_basic_credential::SignatureKeyPair;
use openmls_rust_crypto::RustCrypto;
use tls_codec::Deserialize as _;

use crate::kit::*;

const BASE: &str = "https://trees.a.example/clubhouse/";

fn address(url: &str) -> HttpsUrl {
    HttpsUrl::parse(url.as_bytes()).unwrap()
}

/// A client of this crate's, beside those of the kit.
struct Phone {
    crypto: RustCrypto,
    keys: client::Keys,
    key: Vec<u8>,
    user: UserUri,
    device: Device,
    now: Timestamp,
}

impl Phone {
    fn new(name: &str) -> Self {
        let pair = SignatureKeyPair::new(SUITE.signature_algorithm()).unwrap();
        let (key, user) = (pair.to_public_vec(), user(name));
        let uri = ClientUri::new(&user.domain(), "phone").unwrap();
        let device = Device::new(user.clone(), uri, key.clone(), &Limits::default());
        let keys = client::Keys::new(key.clone(), Box::new(pair));
        let crypto = RustCrypto::default();
        Self { crypto, keys, key, user, device: device.apply().0, now: START }
    }

    fn env(&self) -> Env<'_, RustCrypto, client::Keys> {
        Env { now: self.now, crypto: &self.crypto, keys: &self.keys }
    }

    fn peer(&self) -> Peer {
        Peer::Server(self.user.domain())
    }

    fn key_package(&mut self) -> Vec<u8> {
        let env = Env { now: self.now, crypto: &self.crypto, keys: &self.keys };
        let lifetime = Lifetime {
            not_before: Timestamp(1_577_836_800_000),
            not_after: Timestamp(7_258_118_400_000),
        };
        let made = self.device.make_key_packages(&env, Token(1), 1, SUITE, lifetime);
        drop(made.unwrap().apply());
        self.device.to_publish()[0].as_bytes().to_vec()
    }

    fn asks(&self, room: &RoomUri) -> JoinRequest {
        JoinRequest::new(&self.env(), Token(2), &self.user, &self.key, room, SUITE, None).unwrap()
    }
}

/// The answer to a request, where joiners fetch the tree.
fn answer(world: &mut World, peer: &Peer, request: &JoinRequest) -> GroupInfoResponse {
    let body = request.request().encode();
    let answered = world.hub.drill(|room, env| {
        room.serve_trees_at(Some(address(BASE))).unwrap();
        room.group_info(env, peer, &body)
    });
    answered.unwrap()
}

/// What is served at a URL.
fn fetched(world: &World, url: &str) -> Option<Vec<u8>> {
    let key = tree_key(url.strip_prefix(BASE)?)?;
    world.hub.store.read(b"clubhouse", &key).map(<[u8]>::to_vec)
}

/// Alice adds a user's client by the KeyPackage that it has made.
fn add_phone(world: &mut World, phone: &mut Phone) -> FanoutMessage {
    let key_package = KeyPackageIn::tls_deserialize_exact(phone.key_package()).unwrap();
    let key_package = key_package.validate(&phone.crypto, ProtocolVersion::Mls10).unwrap();
    let added = vec![(phone.user.clone().into(), RoleIndex(2))];
    let on = ParticipantListUpdate { added, ..Default::default() };
    let alice = world.client("alice");
    let (peer, bundle) = (alice.peer(), alice.commit(vec![list_update(&on), add(key_package)]));
    let body = bundle.body();
    world.tick();
    let updated = world.hub.drill(|room, env| {
        room.serve_trees_at(Some(address(BASE))).unwrap();
        room.update(env, &peer, &body)
    });
    updated.unwrap();
    let (body, _) = world.hub.notification(&phone.user.domain()).unwrap();
    let welcome = |it: &FanoutMessage| matches!(it.event, FanoutEvent::Welcome { .. });
    let fanned = notify::decode_all(&body).unwrap().into_iter().find(welcome).unwrap();
    world.deliver();
    fanned
}

/// T-003, T-013, Q-55: who is welcomed fetches the tree of its epoch, and another will not do.
#[test]
fn q_55_who_is_welcomed_fetches_the_tree() {
    let mut world = World::clubhouse();
    let mut dora = Phone::new("dora@d.example");
    let mut fanned = add_phone(&mut world, &mut dora);
    let epoch = world.hub.room.epoch();
    // Later epochs have other trees.
    let bundle = world.client("alice").update_path();
    world.committed("alice", &bundle);

    let FanoutEvent::Welcome { welcome, ratchet_tree } = &mut fanned.event else { panic!() };
    assert!(matches!(ratchet_tree, RatchetTreeOption::HttpsUri(_)));
    let lent = dora.device.lend(welcome).unwrap();
    let (room, limits) = (world.hub.room.uri().clone(), Limits::default());
    let join = |fanned: &FanoutMessage| {
        client::Room::join(&dora.env(), &lent, &room, fanned, &limits)
            .map(|founding| founding.apply().0)
    };
    let Err(Refusal::TreeElsewhere(url)) = join(&fanned) else { panic!("not elsewhere") };
    let put = |fanned: &mut FanoutMessage, tree: &[u8]| {
        let FanoutEvent::Welcome { ratchet_tree, .. } = &mut fanned.event else { panic!() };
        *ratchet_tree = RatchetTreeOption::Full(RatchetTree::decode(tree).unwrap());
    };
    put(&mut fanned, &world.client("alice").ratchet_tree());
    assert!(join(&fanned).is_err(), "T-013: the tree of another epoch");
    put(&mut fanned, &fetched(&world, &url).unwrap());
    assert_eq!(join(&fanned).unwrap().epoch(), epoch);
}

/// T-003, Q-55: who asks for the GroupInfo fetches the tree; the hub stores it once an epoch, not with each answer.
#[test]
fn q_55_who_joins_from_outside_fetches_the_tree() {
    let mut world = World::clubhouse();
    let mut dora = Phone::new("dora@d.example");
    add_phone(&mut world, &mut dora);
    let tablet = Phone::new("dora@d.example");
    let room = world.hub.room.uri().clone();
    let (peer, request) = (tablet.peer(), tablet.asks(&room));
    let response = answer(&mut world, &peer, &request);
    let enter = |response: &GroupInfoResponse, tree: Option<&RatchetTree>| {
        let (role, limits) = (RoleIndex::NONE, Limits::default());
        client::Room::join_external(&tablet.env(), &request, response, role, tree, &limits)
            .map(|founding| founding.apply().0)
    };
    let Err(Refusal::TreeElsewhere(url)) = enter(&response, None) else { panic!("not elsewhere") };
    let tree = RatchetTree::decode(&fetched(&world, &url).unwrap()).unwrap();
    assert_eq!(tree.as_bytes(), world.client("alice").ratchet_tree());
    let joined = enter(&response, Some(&tree)).unwrap();
    let commit = joined.outbox().next().unwrap().body.to_vec();
    world.tick();
    world.hub.update(&peer, &commit).unwrap();
    assert_eq!(world.hub.room.members().filter(|(_, user)| **user == tablet.user).count(), 2);

    // The next epoch has another tree, stored with the first answer in it and not with the second.
    let saved = |world: &mut World, name: &str| {
        let phone = Phone::new(name);
        let body = phone.asks(&room).request().encode();
        let peer = phone.peer();
        let (_, changes) = world
            .hub
            .play(|room, env| {
                room.serve_trees_at(Some(address(BASE))).unwrap();
                room.group_info(env, &peer, &body)
            })
            .unwrap();
        changes.writes.iter().filter(|(key, it)| key.is_body() && it.is_some()).count()
    };
    assert_eq!(saved(&mut world, "bob@b.example"), 1);
    assert_eq!(saved(&mut world, "cathy@c.example"), 0);
    assert!(fetched(&world, &url).is_some(), "what was given out stays good");
    // Without an address it is the tree itself.
    let given = world.hub.group_info(&Client::new("bob@b.example/tablet")).unwrap();
    assert!(matches!(given.ratchet_tree, RatchetTreeOption::Full(_)));
}

/// What is served goes by count and by time, and with the room.
#[test]
fn q_55_trees_are_served_for_a_while() {
    let urls = |limits: Limits| {
        let mut world = World::with(limits, Preset::Cooperative);
        let mut urls = Vec::new();
        for name in ["bob@b.example", "cathy@c.example", "dora@d.example"] {
            let fanned = add_phone(&mut world, &mut Phone::new(name));
            let FanoutEvent::Welcome { ratchet_tree, .. } = fanned.event else { panic!() };
            let RatchetTreeOption::HttpsUri(url) = ratchet_tree else { panic!() };
            urls.push(url.as_str().to_owned());
        }
        (world, urls)
    };
    let there = |world: &World, urls: &[String]| -> Vec<bool> {
        urls.iter().map(|url| fetched(world, url).is_some()).collect()
    };
    let mut few = Limits::default();
    few.trees = 2;
    let (world, found) = urls(few);
    assert_eq!(there(&world, &found), [false, true, true]);

    let (mut world, found) = urls(Limits::default());
    assert_eq!(there(&world, &found), [true; 3]);
    let first = world.hub.now.plus(world.hub.limits.trees_for - 2_000);
    world.hub.now = first;
    assert!(!world.hub.store.due(first).is_empty(), "the hub wakes for it");
    world.hub.timeout();
    assert_eq!(there(&world, &found), [false, true, true]);
    world.hub.drill(|room, env| room.destroy(env, openmimi::hub::By::Operator)).unwrap();
    assert_eq!(there(&world, &found), [false; 3]);
}

/// T-006, D-27: trees are served where the group says that they are, and nowhere else.
#[test]
fn t_006_trees_are_served_at_a_domain_of_the_group() {
    let mut world = World::with_trees_from("trees.a.example");
    let mut serve = |url: &str| world.hub.room.serve_trees_at(Some(address(url)));
    assert_eq!(serve(BASE), Ok(()));
    for url in ["https://a.example/trees/", "https://trees.a.example.evil.example/"] {
        assert!(matches!(serve(url), Err(Misuse::Argument(_))), "{url}");
    }
    let mut world = World::new();
    let long = format!("https://a.example/{}/", "x".repeat(2_000));
    for url in ["https://a.example/trees", "https://a.example/?tree=/", &long] {
        let refused = world.hub.room.serve_trees_at(Some(address(url)));
        assert!(matches!(refused, Err(Misuse::Argument(_))), "{url}");
    }
    assert_eq!(world.hub.room.serve_trees_at(None), Ok(()));
    let hash = "0".repeat(63) + "f";
    assert!(tree_key(&hash).is_some_and(|key| key.is_body()));
    for name in ["", "0", &hash.to_uppercase(), "../0", &"0".repeat(130)] {
        assert_eq!(tree_key(name), None, "{name}");
    }
}

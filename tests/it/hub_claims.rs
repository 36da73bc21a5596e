//! KeyPackages that pass through the hub (P-072, Q-29, D-26). Every step is a crash drill, see `kit::Hub::drill`.

#![allow(clippy::wildcard_enum_match_arm, reason = "what is not expected ends the test")]

use std::collections::BTreeSet;

use openmimi::{
    delivery::KeyPackageRef,
    env::{Limits, Peer, Timestamp},
    hub::{Answer, UpdateRefusal},
    policy::{RoleIndex, presets::Preset},
    room::ParticipantListUpdate,
    uri::ClientUri,
    wire::{KeyMaterialResponse, KeyMaterialUserCode, UpdateOutcome},
};

use crate::kit::*;

/// D-25, D-26, P-012, P-072, P-074, Q-25: KeyPackages pass once, and only those of the user that is named.
#[test]
fn d_26_key_packages_pass_once() {
    use openmimi::hub::KeysClaimedRefusal as R;
    let mut limits = Limits::default();
    limits.claims = 2;
    let mut world = World::with(limits, Preset::Cooperative);
    let bob = Client::new("bob@b.example/phone");
    let packages: Vec<Vec<u8>> = (0..3).map(|_| tls(&bob.key_package())).collect();
    let b = domain("b.example");
    let mut claim = |response: &KeyMaterialResponse, from: &str| {
        let from = domain(from);
        let claimed = world.hub.drill(|room, env| room.keys_claimed(env, &from, response));
        claimed.map_err(|refusal| refusal.reason)
    };
    // P-082: none to pass, nothing to write.
    let none = KeyMaterialResponse {
        user_status: KeyMaterialUserCode::NoConsent,
        ..key_material(&bob, &[])
    };
    claim(&none, "b.example").unwrap();
    let one = key_material(&bob, &packages[..1]);
    assert_eq!(claim(&one, "c.example"), Err(R::Peer));
    claim(&one, "b.example").unwrap();
    let other = key_material(&bob, &[packages[1].clone(), packages[0].clone()]);
    assert_eq!(claim(&other, "b.example"), Err(R::Repeated));
    let twice = key_material(&bob, &[packages[1].clone(), packages[1].clone()]);
    assert_eq!(claim(&twice, "b.example"), Err(R::Repeated));
    let many = key_material(&bob, &packages[1..]);
    assert_eq!(claim(&many, "b.example"), Err(R::TooMany(2)));
    claim(&key_material(&bob, &packages[1..2]), "b.example").unwrap();
    claim(&one, "b.example").unwrap_or_else(|_| panic!("the same response again, though full"));
    let mallory = Client::new("mallory@b.example/phone");
    let foreign = KeyMaterialResponse {
        user: bob.user.clone(),
        ..key_material(&mallory, &[tls(&mallory.key_package())])
    };
    assert!(matches!(claim(&foreign, "b.example"), Err(R::KeyPackage(_))));

    // When their lifetime ends they are forgotten.
    assert_eq!(world.hub.record_count(), World::new().hub.record_count() + 2);
    world.hub.now = Timestamp(7_258_118_400_000);
    assert_eq!(world.hub.store.due(world.hub.now).len(), 1);
    world.hub.timeout();
    assert_eq!(world.hub.record_count(), World::new().hub.record_count());
    let _ = b;
}

/// P-012, P-072, P-074, Q-25: who may claim through this room.
#[test]
fn p_072_participants_claim_through_their_own_provider() {
    use openmimi::{
        hub::KeysClaimedRefusal as R,
        wire::{KeyMaterialHead, KeyMaterialRequest},
    };
    let mut world = World::clubhouse();
    let uri = world.hub.room.uri().clone();
    let request = |asks: &str, room: Option<&str>| KeyMaterialRequest::Other {
        protocol: 2,
        head: KeyMaterialHead {
            requesting_user: user(asks),
            target_user: user("dave@d.example"),
            room: room.map(|room| openmimi::uri::RoomUri::parse(room).unwrap()),
        },
        rest: Vec::new(),
    };
    let ask = |world: &World, peer: &Peer, request: &KeyMaterialRequest| {
        world.hub.room.may_claim_keys(peer, request).map_err(|refusal| refusal.reason)
    };
    let b = server("b.example");
    let this = Some(uri.as_str());
    assert_eq!(ask(&world, &b, &request("bob@b.example", this)), Ok(()));
    assert_eq!(ask(&world, &b, &request("cathy@c.example", this)), Err(R::Peer));
    assert_eq!(ask(&world, &b, &request("bob@b.example", None)), Err(R::Room));
    let other = Some("mimi://a.example/r/other");
    assert_eq!(ask(&world, &b, &request("bob@b.example", other)), Err(R::Room));
    let stranger = request("mallory@b.example", this);
    assert_eq!(ask(&world, &b, &stranger), Err(R::NotAParticipant));
    let alice = Peer::Client(
        ClientUri::parse("mimi://a.example/d/alice-phone").unwrap(),
        user("alice@a.example"),
    );
    assert_eq!(ask(&world, &alice, &request("alice@a.example", this)), Ok(()));
    assert_eq!(
        ask(&world, &server("a.example"), &request("alice@a.example", this)),
        Err(R::Peer),
        "the hub's own users come as themselves"
    );
    let body = ban(&mut world, "bob@b.example");
    world.proposed("alice", &body);
    assert_eq!(
        ask(&world, &b, &request("bob@b.example", this)),
        Err(R::NotAParticipant),
        "Q-44: a ban that waits counts"
    );
}

/// Q-29, P-071: a KeyPackage that was claimed for another room of the hub is not used in this one.
#[test]
fn q_29_a_key_package_is_for_one_room() {
    let mut world = World::clubhouse();
    let dora = Client::new("dora@d.example/phone");
    let (ours, theirs) = (dora.key_package(), dora.key_package());
    let d = domain("d.example");
    let claimed = |package| key_material(&dora, &[tls(package)]);
    let here = claimed(&ours);
    let names = world.hub.drill(|room, env| room.keys_claimed(env, &d, &here)).unwrap();
    assert_eq!(names.len(), 1);
    // The other room of the hub, and the index over both.
    let mut other = World::new();
    let there = claimed(&theirs);
    let elsewhere: BTreeSet<KeyPackageRef> = other
        .hub
        .drill(|room, env| room.keys_claimed(env, &d, &there))
        .unwrap()
        .into_iter()
        .collect();

    let added = vec![(dora.user.clone().into(), RoleIndex(2))];
    let on = ParticipantListUpdate { added, ..Default::default() };
    let alice = world.client("alice");
    let peer = alice.peer();
    let proposed = alice.propose(vec![list_update(&on), add(theirs.clone())]);
    alice.forget_proposals();
    let bundle = alice.commit(vec![list_update(&on), add(theirs)]).body();
    alice.forget_commit();
    for body in [&proposed, &bundle] {
        let unclaimed = world.hub.room.unclaimed(&world.hub.env(), body);
        assert_eq!(unclaimed.iter().collect::<BTreeSet<_>>(), elsewhere.iter().collect());
        let refusal = world
            .hub
            .drill(|room, env| room.update_knowing(env, &peer, body, &elsewhere))
            .unwrap_err()
            .reason;
        assert_eq!(refusal, UpdateRefusal::ClaimedElsewhere(unclaimed[0].clone()));
        let Answer::Response(answer) = refusal.answer() else { panic!() };
        assert_eq!(answer.outcome, UpdateOutcome::NotAllowed);
    }
    assert_eq!(world.hub.room.unclaimed(&world.hub.env(), b"nonsense"), []);
    // The one that was claimed for this room is.
    let bundle = world.client("alice").commit(vec![list_update(&on), add(ours)]);
    assert_eq!(world.hub.room.unclaimed(&world.hub.env(), &bundle.body()), []);
    let body = bundle.body();
    world.hub.drill(|room, env| room.update_knowing(env, &peer, &body, &elsewhere)).unwrap();
}

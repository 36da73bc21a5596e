//! Who asks too often waits (D-96). What is counted is in memory only, so nothing here is a drill.

#![allow(clippy::wildcard_enum_match_arm, reason = "what is not expected ends the test")]

use openmimi::{
    codec::Wire,
    delivery::CommitRefusal,
    env::Limits,
    hub::{Answer, GroupInfoRefusal, SubmitRefusal, UpdateRefusal},
    policy::presets::Preset,
};

use crate::kit::*;

/// D-96: whoever asks too often waits, before a signature is verified, and nothing is saved of it.
#[test]
fn d_96_floods_are_turned_away() {
    let mut limits = Limits::default();
    limits.requests_by_user = 20;
    limits.requests_by_peer = 30;
    let mut world = World::with(limits, Preset::Cooperative);
    world.add("alice", "bob@b.example/phone", 2);
    world.add("alice", "ben@b.example/phone", 2);
    let b = server("b.example");
    let later = Answer::Later { retry_after: 60_000 };

    // Submit: Bob is stopped, Ben is not, until their provider is.
    world.hub.now = world.hub.now.plus(60_000);
    let records = world.hub.records();
    // A message of some other group is refused, but only after it was counted.
    let foreign = World::new().client("alice").encrypt(b"elsewhere", Some(&[1; 32]));
    let spoilt = |world: &mut World, name: &str| {
        let body = world.client(name).submit_body(&foreign);
        let peer = server("b.example");
        world.hub.play(|room, env| room.submit_message(env, &peer, &body)).map_err(|it| it.reason)
    };
    let mut bobs = 0;
    let refusal = loop {
        match spoilt(&mut world, "bob@b.example").unwrap_err() {
            SubmitRefusal::WrongGroup => bobs += 1,
            other => break other,
        }
    };
    assert_eq!((bobs, &refusal), (20, &SubmitRefusal::TooMany { retry_after: 60_000 }));
    assert_eq!(refusal.answer(), later);
    let mut bens = 0;
    while spoilt(&mut world, "ben@b.example").unwrap_err() == SubmitRefusal::WrongGroup {
        bens += 1;
    }
    assert_eq!(bens, 10, "b.example has asked thirty times");

    // Update and GroupInfo have counts of their own. A commit whose signature is wrong costs its sender too.
    let honest = world.client("bob@b.example").update_path();
    world.client("bob@b.example").forget_commit();
    let mut torn = honest.commit.clone();
    let place = torn.len() - 80;
    torn[place] ^= 1;
    let body = honest.with_commit(torn).body();
    let update = |world: &mut World, body: &[u8]| {
        world.hub.play(|room, env| room.update(env, &b, body)).map(drop).map_err(|it| it.reason)
    };
    for _ in 0..20 {
        let refusal = update(&mut world, &body).unwrap_err();
        assert!(matches!(refusal, UpdateRefusal::Commit(CommitRefusal::Signature)), "{refusal:?}");
    }
    let refusal = update(&mut world, &body).unwrap_err();
    assert_eq!(refusal, UpdateRefusal::TooMany { retry_after: 60_000 });
    assert!(matches!(refusal.answer(), Answer::Later { retry_after: 60_000 }));
    let tablet = Client::new("bob@b.example/tablet");
    let (mut request, _) = world.hub.group_info_request(&tablet);
    request.signature[0] ^= 1;
    let ask = |world: &mut World| {
        let body = request.encode();
        let asked = world.hub.play(|room, env| room.group_info(env, &b, &body));
        asked.map(drop).map_err(|it| it.reason)
    };
    for _ in 0..20 {
        assert_eq!(ask(&mut world), Err(GroupInfoRefusal::Signature));
    }
    let refusal = ask(&mut world).unwrap_err();
    assert_eq!(refusal, GroupInfoRefusal::TooMany { retry_after: 60_000 });
    assert!(matches!(refusal.answer(world.hub.room.uri()), Answer::Later { .. }));

    assert_eq!(world.hub.records(), records, "all of it in memory");
    world.hub.check();
    // The wait over, Bob is heard; so he is after a restart.
    world.hub.now = world.hub.now.plus(60_000);
    update(&mut world, &honest.body()).unwrap();
}

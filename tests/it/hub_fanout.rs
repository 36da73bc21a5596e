//! What goes out to whom, and in which pieces (P-166, P-177). Every step is a crash drill, see `kit::Hub::drill`.

#![allow(clippy::wildcard_enum_match_arm, reason = "what is not expected ends the test")]

use openmimi::{
    env::{Limits, Peer},
    hub::{Event, Proposal},
    policy::presets::Preset,
    wire::{FanoutEvent, notify},
};

use crate::kit::*;

/// P-177, P-178, P-170: whoever is removed gets the commit that removes it, and nothing after.
#[test]
fn p_177_the_removed_get_their_removal_and_nothing_after() {
    let mut world = World::clubhouse();
    let [b, c] = ["b.example", "c.example"].map(domain);
    world.hub.propose(&[Proposal::Remove(user("bob@b.example"))]).unwrap();
    let say = |world: &mut World| {
        let body = world.client("cathy@c.example").say(b"without Bob", Some(&[1; 32]));
        world.hub.submit(&Peer::Server(domain("c.example")), &body).unwrap();
    };
    say(&mut world);
    let kinds = |world: &World, whom| {
        let Some((body, _)) = world.hub.notification(whom) else { return String::new() };
        let messages = notify::decode_all(&body).unwrap();
        let kind = |message: &openmimi::wire::FanoutMessage| match message.event {
            FanoutEvent::Proposals { .. } => 'p',
            FanoutEvent::Commit { .. } => 'c',
            FanoutEvent::Welcome { .. } => 'w',
            FanoutEvent::Application { .. } => 'a',
        };
        messages.iter().map(kind).collect::<String>()
    };
    assert_eq!((kinds(&world, &b), kinds(&world, &c)), ("p".into(), "pa".into()));
    world.deliver();
    let bundle = world.client("alice").commit(Vec::new());
    let peer = world.client("alice").peer();
    world.tick();
    world.hub.update(&peer, &bundle.body()).unwrap();
    assert_eq!((kinds(&world, &b), kinds(&world, &c)), ("c".into(), "c".into()));
    world.deliver();
    assert!(!world.client("bob@b.example").is_member());
    say(&mut world);
    committed(&mut world, "alice");
    assert_eq!(kinds(&world, &b), "");
}

/// P-166, P-174: a long backlog goes out in pieces, across restarts and failures, each event once and in order.
#[test]
fn p_166_a_backlog_goes_out_in_pieces() {
    let mut limits = Limits::default();
    limits.notify_events = 3;
    let mut world = World::with(limits.clone(), Preset::Cooperative);
    world.add("alice", "bob@b.example/phone", 2);
    let b = domain("b.example");
    for number in 0..8_u8 {
        let body = world.client("alice").say(&[number], Some(&[1; 32]));
        let peer = world.client("alice").peer();
        world.hub.submit(&peer, &body).unwrap();
    }
    let mut sizes = Vec::new();
    let mut got = Vec::new();
    let outstanding = |world: &World| {
        let found = world.hub.room.backlog().find(|(whom, _)| **whom == b);
        found.map(|(_, events)| events)
    };
    while let Some(events) = outstanding(&world) {
        let records = events.map(|event| (event, world.hub.body(event).unwrap()));
        let batch = Event::batch(&b, &limits, records).unwrap().unwrap();
        let messages = notify::decode_all(&batch.body).unwrap();
        sizes.push(messages.len());
        if sizes.len() == 2 {
            // It does not get through, and the hub restarts.
            let failed: Result<(), ()> =
                world.hub.drill(|room, env| Ok(room.notify_failed(env, &b, None)));
            failed.unwrap();
            world.hub.restart();
            world.hub.now = world.hub.now.plus(1_000);
            world.hub.timeout();
            continue;
        }
        got.extend(messages.iter().map(|message| message.timestamp));
        world.hub.acknowledge(&b, batch.through);
    }
    assert_eq!(sizes, [3, 3, 3, 2]);
    assert_eq!(got.len(), 8);
    assert!(got.is_sorted_by(|one, two| one < two));
}

//! A follower beside a real hub.

use openmimi::{
    follower::{Notice, Room, event_key},
    policy::RoleIndex,
    room::ParticipantListUpdate,
    wire::{FanoutMessage, notify::FanoutEvent},
};

use super::*;
use crate::kit::{self, World, list_update, remove};

/// What is owed to a client, as kinds.
fn kinds(room: &Room, store: &MemoryStore, client: &ClientUri) -> Vec<&'static str> {
    let events = room.owed(client).into_iter().flatten();
    events
        .map(|event| {
            let bytes = store.read(ID, &event_key(event)).unwrap();
            match FanoutMessage::decode(bytes).unwrap().event {
                FanoutEvent::Application { .. } => "application",
                FanoutEvent::Proposals { .. } => "proposals",
                FanoutEvent::Commit { .. } => "commit",
                FanoutEvent::Welcome { .. } => "welcome",
            }
        })
        .collect()
}

/// P-178, P-104, P-177: Alice and Amy are of the provider of the hub, and Amy is banned.
#[test]
fn p_178_who_is_out_at_the_hub_is_out_at_its_follower() {
    let mut world = World::clubhouse();
    world.add("alice", "amy@a.example/phone", 2);
    world.deliver();
    let clients = ["alice", "amy@a.example"].map(|name| {
        let client = world.client(name);
        (client.uri.clone(), client.user.clone())
    });
    let [(alice, _), (amy, amys)] = clients.clone();
    let limits = Limits::default();
    let founding = Room::found(limits.clone(), world.hub.room.uri().clone(), clients);
    let mut store = MemoryStore::new();
    store.save(ID, founding.changes()).unwrap();
    let mut follower = founding.apply().0;
    let restore = |records: &Records| Room::restore(records, Limits::default()).unwrap();

    // One turn of the provider: who is out, then what has happened.
    let turn = |world: &World, store: &mut MemoryStore, follower: &mut Room| {
        let hub = &world.hub.room;
        play(store, ID, follower, &restore, &|room| {
            room.withhold_from(|user| !hub.may_receive(user))
        });
        let (body, _) = world.hub.notification(&domain("a.example")).unwrap();
        let notice = Notice::decode(&body, &Limits::default()).unwrap();
        let none = BTreeMap::new();
        play(store, ID, follower, &restore, &|room| {
            room.notify(&at(NOW), &super::hub(), &notice, &none).unwrap()
        });
    };

    let member = world.client("alice");
    let banned = ParticipantListUpdate {
        changed: vec![(member.place(&amys), RoleIndex::BANNED)],
        ..Default::default()
    };
    let mut proposals = vec![list_update(&banned)];
    proposals.extend(member.leaves_of(&amys).into_iter().map(remove));
    let (body, peer) = (member.propose(proposals), member.peer());
    assert!(world.hub.room.may_receive(&amys));
    world.hub.update(&peer, &body).unwrap();
    assert!(!world.hub.room.may_receive(&amys));
    let text = world.client("cathy@c.example").say(b"without Amy", Some(&[1; 32]));
    world.hub.submit(&kit::server("c.example"), &text).unwrap();
    turn(&world, &mut store, &mut follower);
    assert_eq!(kinds(&follower, &store, &alice), ["proposals", "application"]);
    assert_eq!(kinds(&follower, &store, &amy), ["proposals"]);
    world.deliver();

    // She still hears of the commit that removes her.
    let bundle = world.client("alice").commit(Vec::new());
    let (peer, body) = (world.client("alice").peer(), bundle.body());
    world.hub.update(&peer, &body).unwrap();
    turn(&world, &mut store, &mut follower);
    assert_eq!(kinds(&follower, &store, &alice), ["proposals", "application", "commit"]);
    assert_eq!(kinds(&follower, &store, &amy), ["proposals", "commit"]);
}

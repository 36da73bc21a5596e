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

/// P-174, P-175: the last client of c.example is out, the 201 of the last notification is lost, and the follower has
/// forgotten the room when it comes again.
#[test]
fn p_175_the_last_word_is_not_repeated_for_ever() {
    let mut world = World::clubhouse();
    let c = domain("c.example");
    let unknown = |world: &mut World| {
        let done: Result<(), ()> = world.hub.drill(|room, env| Ok(room.notify_unknown(env, &c)));
        done.unwrap();
    };
    let is_owed = |world: &World| world.hub.room.backlog().any(|(whom, _)| *whom == c);
    let cathy = world.client("cathy@c.example");
    let cathy = Client { uri: cathy.uri.clone(), user: cathy.user.clone() };
    let uri = world.hub.room.uri().clone();
    let members = [(cathy.uri.clone(), cathy.user.clone())];
    let founding = Room::found(Limits::default(), uri.clone(), members);
    let mut store = MemoryStore::new();
    store.save(ID, founding.changes()).unwrap();
    let mut follower = founding.apply().0;
    let restore = |records: &Records| Room::restore(records, Limits::default()).unwrap();

    // While a client of it is in the group, something is wrong over there: it hears of everything, later.
    let text = world.client("alice").say(b"Bye, Cathy", Some(&[1; 32]));
    let alice = world.client("alice").peer();
    world.hub.submit(&alice, &text).unwrap();
    unknown(&mut world);
    assert!(is_owed(&world));
    let wait = Limits::default().notify_wait;
    assert_eq!(world.hub.room.retry_at(&c), Some(world.hub.now.plus(wait)));
    world.deliver();

    let member = world.client("alice");
    let off =
        ParticipantListUpdate { removed: vec![member.place(&cathy.user)], ..Default::default() };
    let mut proposals = vec![list_update(&off)];
    proposals.extend(member.leaves_of(&cathy.user).into_iter().map(remove));
    let removal = member.commit(proposals).body();
    world.tick();
    world.hub.update(&alice, &removal).unwrap();
    let (body, through) = world.hub.notification(&c).unwrap();
    let (notice, none) = (notice(&body), BTreeMap::new());
    play(&mut store, ID, &mut follower, &restore, &|room| {
        room.notify(&at(NOW), &super::hub(), &notice, &none).unwrap()
    });
    assert_eq!(kinds(&follower, &store, &cathy.uri), ["commit"]);
    play(&mut store, ID, &mut follower, &restore, &|room| room.acknowledged(&cathy.uri, through));
    let (is_out, _) = play(&mut store, ID, &mut follower, &restore, &|room| {
        room.left(&at(NOW), &cathy.uri, through)
    });
    assert!(is_out);
    // For a while the follower answers it with another 201, to a hub of any make.
    assert!(follower.notify(&at(NOW), &super::hub(), &notice, &none).unwrap().changes().is_empty());
    let week = later(Limits::default().left_for);
    let (_, actions) = play(&mut store, ID, &mut follower, &restore, &|room| room.timeout(&week));
    assert_eq!(actions, [Action::Forget]);

    let again = Room::welcomed(Limits::default(), &at(NOW), &super::hub(), uri, &notice, &none);
    assert_eq!(again.unwrap_err().fault.status(), 404);
    assert!(is_owed(&world));
    unknown(&mut world);
    assert!(!is_owed(&world), "it has delivered the last word");
    assert_eq!(world.hub.room.retry_at(&c), None);
    let revision = world.hub.room.revision();
    unknown(&mut world);
    assert_eq!(world.hub.room.revision(), revision, "once");
    assert_eq!(world.hub.room.backlog().count(), 2, "the others are owed what they were owed");
}

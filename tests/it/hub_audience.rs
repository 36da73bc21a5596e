//! Who gets application messages is found out once and kept in memory (P-160, P-178): each change of the room makes the
//! hub look again. The steps here are no drills, for those restore the room and forget what is kept.

use openmimi::{
    hub::Proposal,
    policy::RoleIndex,
    room::ParticipantListUpdate,
    wire::{FanoutEvent, notify},
};

use crate::kit::*;

/// The providers that get what Alice says now. Everybody is told everything before that.
fn heard(world: &mut World) -> Vec<String> {
    let owed: Vec<_> =
        world.hub.room.backlog().map(|(whom, events)| (whom.clone(), events.end - 1)).collect();
    for (provider, through) in owed {
        let done: Result<_, ()> =
            world.hub.play(|room, env| Ok(room.acknowledged(env, &provider, through)));
        done.unwrap();
    }
    world.tick();
    let alice = world.client("alice");
    let (peer, body) = (alice.peer(), alice.say(b"to all", Some(&[1; 32])));
    world.hub.play(|room, env| room.submit_message(env, &peer, &body)).unwrap();
    world.hub.room.backlog().map(|(provider, _)| provider.to_string()).collect()
}

fn propose(world: &mut World, proposals: &[Proposal]) {
    world.tick();
    world.hub.play(|room, env| room.propose(env, proposals)).unwrap();
}

/// Alice takes what is owed to her, commits what waits and takes her commit.
fn commit(world: &mut World, proposals: Vec<openmls::prelude::Proposal>) {
    let a = domain("a.example");
    if let Some((body, _)) = world.hub.notification(&a) {
        for message in notify::decode_all(&body).unwrap() {
            if let FanoutEvent::Proposals { .. } = message.event {
                world.client("alice").receive(&message);
            }
        }
    }
    let alice = world.client("alice");
    let (peer, bundle) = (alice.peer(), alice.commit(proposals));
    world.tick();
    world.hub.play(|room, env| room.update(env, &peer, &bundle.body())).unwrap();
    world.client("alice").merge_own();
}

/// P-104, P-160: proposals that wait count at once, as does a commit.
#[test]
fn p_160_the_audience_follows_each_change() {
    let mut world = World::clubhouse();
    assert_eq!(heard(&mut world), ["a.example", "b.example", "c.example"]);
    propose(&mut world, &[Proposal::Ban(user("bob@b.example"))]);
    assert_eq!(world.hub.room.pending(), 2);
    // Alice cannot speak while she has proposals, so they wait with the hub until she commits.
    assert_eq!(heard_but(&mut world, "cathy@c.example"), ["a.example", "c.example"]);

    let mut world = World::clubhouse();
    assert_eq!(heard(&mut world).len(), 3);
    let dora = Client::new("dora@d.example/phone");
    let added = vec![(dora.user.clone().into(), RoleIndex(2))];
    let on = ParticipantListUpdate { added, ..Default::default() };
    commit(&mut world, vec![list_update(&on), add(dora.key_package())]);
    assert_eq!(heard(&mut world), ["a.example", "b.example", "c.example", "d.example"]);
    // And out again, by value.
    let alice = world.client("alice");
    let off =
        ParticipantListUpdate { removed: vec![alice.place(&dora.user)], ..Default::default() };
    let leaf = alice.leaves_of(&dora.user)[0];
    commit(&mut world, vec![list_update(&off), remove(leaf)]);
    assert_eq!(heard(&mut world), ["a.example", "b.example", "c.example"]);
}

/// The same for what somebody else says.
fn heard_but(world: &mut World, by: &str) -> Vec<String> {
    let client = world.client(by);
    let (peer, body) = (client.peer(), client.say(b"to all", Some(&[1; 32])));
    let before: Vec<_> =
        world.hub.room.backlog().map(|(whom, events)| (whom.clone(), events.end)).collect();
    world.hub.play(|room, env| room.submit_message(env, &peer, &body)).unwrap();
    let after = world.hub.room.backlog();
    after
        .filter(|(whom, events)| !before.contains(&((*whom).clone(), events.end)))
        .map(|(whom, _)| whom.to_string())
        .collect()
}

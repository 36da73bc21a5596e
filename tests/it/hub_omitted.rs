//! Proposals that nobody can commit, or nobody does (Q-79, D-5C). Every step is a crash drill (see `kit::Hub::drill`)
//! unless it says why not.

#![allow(clippy::wildcard_enum_match_arm, reason = "what is not expected ends the test")]

use openmimi::{
    codec::Wire,
    delivery::{CommitRefusal, LeafIndex},
    env::Timestamp,
    hub::{Answer, Proposal, UpdateRefusal},
    policy::RoleIndex,
    room::{ComponentId, ParticipantListUpdate, RoomMetadata},
    wire::UpdateOutcome,
};

use crate::kit::*;

/// Alice tells the others to remove Cathy, with a tag that no member accepts.
fn poisoned(world: &mut World) -> Vec<u8> {
    let alice = world.client("alice");
    let cathys = alice.leaves_of(&user("cathy@c.example"))[0];
    let off = ParticipantListUpdate {
        removed: vec![alice.place(user("cathy@c.example"))],
        ..Default::default()
    };
    let messages = [tls(&remove(cathys)), tls(&list_update(&off))]
        .map(|proposal| Forge::proposal(alice, &proposal));
    alice.proposals_body(messages.to_vec())
}

/// Q-79, D-5C: a proposal with a wrong membership tag, which no hub can check, stops the room for two commits and no
/// longer; what it was to enforce the hub asks for itself.
#[test]
fn q_79_what_members_cannot_accept_lapses() {
    let mut world = World::clubhouse();
    world.add("alice", "dora@d.example/phone", 2);
    let body = poisoned(&mut world);
    let alice = world.client("alice").peer();
    world.hub.update(&alice, &body).unwrap();
    assert_eq!(world.hub.room.pending(), 2);
    // The clients drop it, so nobody gets it here; each commits without it.
    lose(&mut world);
    let attempt = |world: &mut World, name: &str| {
        let bundle = world.client(name).update_path();
        world.client(name).forget_commit();
        let peer = world.client(name).peer();
        (peer, bundle)
    };
    let missing = |refusal: &UpdateRefusal| matches!(refusal, UpdateRefusal::Commit(CommitRefusal::Missing(names)) if names.len() == 2);
    let (peer, bundle) = attempt(&mut world, "alice");
    assert!(missing(&world.hub.update(&peer, &bundle.body()).unwrap_err()));
    let records = world.hub.records();
    for _ in 0..2 {
        let (peer, bundle) = attempt(&mut world, "bob@b.example");
        let refusal = world.hub.update(&peer, &bundle.body()).unwrap_err();
        assert!(missing(&refusal));
        let Answer::Response(answer) = refusal.answer() else { panic!() };
        assert_eq!(answer.outcome, UpdateOutcome::NotAllowed, "Q-17");
    }
    assert_eq!(world.hub.records(), records, "a refusal saves nothing");
    // Nor is one whose commit is wrong besides.
    let dora = world.client("dora@d.example");
    let honest = dora.update_path();
    dora.forget_commit();
    let mut torn = honest.commit.clone();
    let place = torn.len() - 80;
    torn[place] ^= 1;
    let d = server("d.example");
    let refusal = world.hub.update(&d, &honest.with_commit(torn).body()).unwrap_err();
    assert!(missing(&refusal), "{refusal:?}");

    // Dora is the second witness: her commit passes. Played without a drill, for what the first witness did is in
    // memory only, and a drill restores.
    let bundle = world.client("dora@d.example").update_path();
    world.tick();
    let (_, changes) = world.hub.play(|room, env| room.update(env, &d, &bundle.body())).unwrap();
    assert!(!changes.is_empty());
    world.hub.check();
    assert_eq!(world.hub.room.pending(), 2, "the hub's own");
    let cathy = user("cathy@c.example");
    assert_eq!(world.hub.room.effective().role(&cathy), RoleIndex::NONE);
    world.deliver();
    committed(&mut world, "bob@b.example");
    assert!(!world.client("cathy@c.example").is_member());
    assert!(world.hub.room.committed().participants().find(&cathy).is_none());
}

/// Whether the hub refuses a commit of somebody who leaves out what waits. Played without a drill, which restores the
/// room after a refusal, and has it forget who was refused.
fn refused(world: &mut World, name: &str) -> bool {
    let bundle = world.client(name).update_path();
    world.client(name).forget_commit();
    let peer = world.client(name).peer();
    world.hub.play(|room, env| room.update(env, &peer, &bundle.body())).is_err()
}

/// commits that cross a good proposal on its way are no witnesses against it. A user is one as soon as its provider
/// has acknowledged what carries the proposal, users of the hub's own provider too; a restart changes nothing about
/// that.
#[test]
fn q_79_commits_that_cross_a_proposal_are_no_witnesses() {
    let mut world = World::clubhouse();
    world.add("alice", "dora@d.example/phone", 2);
    lose(&mut world);
    let body = world.client("cathy@c.example").leave();
    let c = server("c.example");
    world.hub.update(&c, &body).unwrap();
    let waiting = world.hub.room.pending();
    for name in ["bob@b.example", "dora@d.example", "alice"] {
        assert!(refused(&mut world, name), "{name} cannot know yet");
        assert!(refused(&mut world, name), "{name} cannot know yet");
    }
    // Something before it does not count, and what comes after it changes nothing.
    let events = |world: &World, whom: &str| {
        let of = domain(whom);
        let (_, events) = world.hub.room.backlog().find(|(it, _)| **it == of).unwrap();
        events
    };
    let carrier = events(&world, "b.example").start;
    let tag = openmimi::franking::tag(b"salt", b"one more");
    let body = world.client("bob@b.example").say(b"one more", Some(&tag.0));
    world.hub.submit(&server("b.example"), &body).unwrap();
    world.hub.acknowledge(&domain("a.example"), carrier);
    world.hub.acknowledge(&domain("b.example"), carrier);
    assert_eq!(events(&world, "a.example").start, carrier + 1);
    world.hub.restart();
    assert!(refused(&mut world, "dora@d.example"), "still on its way");
    assert!(refused(&mut world, "bob@b.example"), "the first one who knows");
    assert!(refused(&mut world, "dora@d.example"), "still on its way");
    assert_eq!(world.hub.room.pending(), waiting);
    assert!(!refused(&mut world, "alice"), "the second one who knows");
}

/// where a proposal lapses beside a ban that the commit contains, the hub does not ask for that ban again. It did, was
/// refused by the policy, for nobody is banned twice, and took that for a removal that has to wait.
#[test]
fn q_79_what_the_commit_contains_is_not_asked_for_again() {
    let mut world = World::clubhouse();
    world.add("alice", "dora@d.example/phone", 2);
    let cathy = user("cathy@c.example");
    let alice = world.client("alice");
    let changed = vec![(alice.place(&cathy), RoleIndex::BANNED)];
    let banned = ParticipantListUpdate { changed, ..Default::default() };
    let leaf = alice.leaves_of(&cathy)[0];
    let body = alice.propose(vec![list_update(&banned), remove(leaf)]);
    world.proposed("alice", &body);
    let alice = world.client("alice");
    let name = RoomMetadata { name: "void".into(), ..alice.room().metadata().clone() };
    let name = component_update(ComponentId::ROOM_METADATA, &name.encode());
    let void = Forge::proposal(alice, &tls(&name));
    let body = alice.proposals_body(vec![void]);
    let peer = alice.peer();
    world.hub.update(&peer, &body).unwrap();
    lose(&mut world);
    assert_eq!(world.hub.room.pending(), 3);
    assert!(refused(&mut world, "bob@b.example"));
    assert!(!refused(&mut world, "dora@d.example"));
    assert_eq!(world.hub.room.pending(), 0);
    assert_eq!(world.hub.room.committed().role(&cathy), RoleIndex::BANNED);
}

/// a restart forgets the first witness, so it takes two more; and what a server proposed never lapses so.
#[test]
fn q_79_witnesses_are_remembered_in_memory_only() {
    let mut world = World::clubhouse();
    world.add("alice", "dora@d.example/phone", 2);
    let body = poisoned(&mut world);
    let alice = world.client("alice").peer();
    world.hub.update(&alice, &body).unwrap();
    lose(&mut world);
    assert!(refused(&mut world, "alice"));
    assert!(refused(&mut world, "bob@b.example"), "its own sender is no witness");
    assert!(refused(&mut world, "bob@b.example"), "nor is the same user twice");
    world.hub.restart();
    assert!(refused(&mut world, "dora@d.example"), "the first one again");
    assert!(!refused(&mut world, "bob@b.example"));

    let mut world = World::clubhouse();
    world.hub.propose(&[Proposal::Remove(user("cathy@c.example"))]).unwrap();
    lose(&mut world);
    for _ in 0..2 {
        assert!(refused(&mut world, "bob@b.example"));
        assert!(refused(&mut world, "alice"));
    }
}

/// in a room of two there is one witness, and two of its commits do; the same octets again are one.
#[test]
fn q_79_who_is_alone_with_the_sender_is_witness_twice() {
    let mut world = World::clubhouse();
    let cathy = world.client("cathy@c.example").leave();
    world.proposed("cathy@c.example", &cathy);
    let alice = world.client("alice");
    let name = RoomMetadata { name: "void".into(), ..alice.room().metadata().clone() };
    let name = component_update(ComponentId::ROOM_METADATA, &name.encode());
    let void = Forge::proposal(alice, &tls(&name));
    let body = alice.proposals_body(vec![void]);
    let peer = alice.peer();
    world.hub.update(&peer, &body).unwrap();
    lose(&mut world);
    let bundle = world.client("bob@b.example").update_path();
    world.client("bob@b.example").forget_commit();
    let bob = world.client("bob@b.example").peer();
    for _ in 0..3 {
        assert!(world.hub.play(|room, env| room.update(env, &bob, &bundle.body())).is_err());
    }
    assert!(refused(&mut world, "alice"), "its own sender is no witness");
    assert!(!refused(&mut world, "bob@b.example"), "another commit of the only one");
}

/// somebody who has a client that stays could be a witness, so nobody is alone; as soon as the hub wants that client
/// out, somebody is. Whoever is alone may have sent the proposal: it harms nobody else.
#[test]
fn q_79_whose_client_is_to_go_is_no_witness() {
    for sender in ["alice", "bob@b.example"] {
        let mut world = World::clubhouse();
        let alice = world.client("alice");
        let name = RoomMetadata { name: "void".into(), ..alice.room().metadata().clone() };
        let name = component_update(ComponentId::ROOM_METADATA, &name.encode());
        let void = Forge::proposal(alice, &tls(&name));
        let body = alice.proposals_body(vec![void]);
        let peer = alice.peer();
        world.hub.update(&peer, &body).unwrap();
        lose(&mut world);
        for _ in 0..3 {
            assert!(refused(&mut world, "bob@b.example"), "Cathy could be a witness");
            assert!(refused(&mut world, "alice"), "its own sender is no witness");
        }
        let mut going = vec!["cathy@c.example"];
        if sender == "alice" {
            going.push("bob@b.example");
        }
        for name in going {
            let leaf = world.client("alice").leaves_of(&user(name))[0];
            world.hub.propose(&[Proposal::RemoveClient(LeafIndex(leaf))]).unwrap();
        }
        world.deliver();
        world.hub.restart();
        assert!(refused(&mut world, sender), "the first time");
        assert!(!refused(&mut world, sender), "alone");
        assert_ne!(world.hub.room.committed().metadata().name, "void");
        assert_eq!(world.hub.room.pending(), 0);
    }
}

/// an Add whose KeyPackage has expired waits no longer; the hub wakes for it.
#[test]
fn q_79_an_expired_add_lapses() {
    let mut world = World::clubhouse();
    assert_eq!(world.hub.room.waiting_since(), None);
    let dora = Client::new("dora@d.example/phone");
    let added = vec![(dora.user.clone().into(), RoleIndex(2))];
    let on = ParticipantListUpdate { added, ..Default::default() };
    let body = world.client("alice").propose(vec![list_update(&on), add(dora.key_package())]);
    world.proposed("alice", &body);
    assert_eq!(world.hub.room.pending(), 2);
    assert_eq!(world.hub.room.waiting_since(), Some(world.hub.now), "D-94");
    let expiry = Timestamp((7_258_118_400 + 1) * 1000);
    assert_eq!(world.hub.store.due(Timestamp(expiry.0 - 1)).len(), 1, "answers are to go before");
    world.hub.now = Timestamp(expiry.0 - 1);
    world.hub.timeout();
    assert_eq!(world.hub.room.pending(), 2);
    assert_eq!(world.hub.store.due(world.hub.now), Vec::<Vec<u8>>::new());
    world.hub.now = expiry;
    assert_eq!(world.hub.store.due(expiry).len(), 1);
    world.hub.timeout();
    assert_eq!(world.hub.room.pending(), 1, "her entry in the list stays");
    assert_eq!(world.hub.room.effective().role(&dora.user), RoleIndex(2));
}

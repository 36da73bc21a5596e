//! The hub takes out whom it must, and what waited survives whoever joins from outside. Every step is a
//! crash drill, see `kit::Hub::drill`.

#![allow(clippy::wildcard_enum_match_arm, reason = "what is not expected ends the test")]

use openmimi::{
    delivery::LeafIndex,
    env::Limits,
    hub::{Answer, GroupInfoRefusal, Keys, Proposal, ProposeRefusal, SubmitRefusal, UpdateRefusal},
    policy::{RoleIndex, presets::Preset},
    room::ParticipantListUpdate,
    wire::FanoutEvent,
};

use crate::kit::*;

/// P-044, P-163, Q-48: the hub proposes as an external sender, and the members commit.
#[test]
fn p_044_the_hub_proposes() {
    let mut world = World::clubhouse();
    world.hub.propose(&[Proposal::Ban(user("bob@b.example"))]).unwrap();
    world.deliver();
    assert_eq!(world.hub.room.pending(), 2);
    let bundle = world.client("cathy@c.example").commit(Vec::new());
    world.committed("cathy@c.example", &bundle);
    assert_eq!(world.hub.room.committed().role(user("bob@b.example")), RoleIndex::BANNED);
    assert!(!world.client("bob@b.example").is_member());

    world.hub.propose(&[Proposal::Remove(user("cathy@c.example"))]).unwrap();
    world.deliver();
    let bundle = world.client("alice").commit(Vec::new());
    world.committed("alice", &bundle);
    assert_eq!(world.hub.room.members().count(), 1);
}

/// P-055 is about clients that are lost: the user stays.
#[test]
fn q_48_the_hub_removes_a_lost_client() {
    let mut world = World::clubhouse();
    world.add("bob@b.example", "bob@b.example/laptop", 2);
    let lost = openmimi::delivery::LeafIndex(world.client("bob@b.example/laptop").leaf());
    world.hub.propose(&[Proposal::RemoveClient(lost)]).unwrap();
    world.deliver();
    let bundle = world.client("alice").commit(Vec::new());
    world.committed("alice", &bundle);
    assert_eq!(world.hub.room.committed().clients(&user("bob@b.example")), 1);
    assert_eq!(world.hub.room.committed().role(user("bob@b.example")), RoleIndex(2));
}

/// P-164, P-165, Q-46, D-84: an external commit voids what waits; the hub proposes bans and removals again, stapled to it.
#[test]
fn q_46_removals_are_proposed_again_after_an_external_commit() {
    let mut world = World::clubhouse();
    let body = ban(&mut world, "bob@b.example");
    world.proposed("alice", &body);
    let mut tablet = Client::new("cathy@c.example/tablet");
    let given = world.hub.group_info(&tablet).unwrap();
    assert_eq!(given.pending_proposals.len(), 2, "P-189");
    let bundle = tablet.enter(&given, None);
    world.clients.push(tablet);
    world.tick();
    world.hub.update(&server("c.example"), &bundle.body()).unwrap();
    assert_eq!(world.hub.room.pending(), 2, "the ban and the Remove, of the new epoch");
    assert_eq!(world.hub.room.effective().role(user("bob@b.example")), RoleIndex::BANNED);
    let delivered = world.deliver();
    for (_, messages) in &delivered {
        let FanoutEvent::Commit { external_proposals, .. } = &messages[0].event else { panic!() };
        assert_eq!(external_proposals.len(), 2, "stapled");
    }
    // Any member can commit them, the joiner too.
    let bundle = world.client("cathy@c.example/tablet").commit(Vec::new());
    world.committed("cathy@c.example/tablet", &bundle);
    assert_eq!(world.hub.room.committed().role(user("bob@b.example")), RoleIndex::BANNED);
    assert!(!world.client("bob@b.example").is_member());
}

/// whoever leaves by itself has gone with the external commit; the rest of its departure the hub proposes.
#[test]
fn q_46_a_departure_goes_on_after_an_external_commit() {
    let mut world = World::clubhouse();
    let body = world.client("bob@b.example").leave();
    world.proposed("bob@b.example", &body);
    let mut tablet = Client::new("cathy@c.example/tablet");
    let given = world.hub.group_info(&tablet).unwrap();
    let bundle = tablet.enter(&given, None);
    world.clients.push(tablet);
    world.committed("cathy@c.example/tablet", &bundle);
    assert!(!world.client("bob@b.example").is_member(), "P-019: the SelfRemove was in it");
    assert_eq!(world.hub.room.pending(), 1);
    let bundle = world.client("alice").commit(Vec::new());
    world.committed("alice", &bundle);
    assert!(world.hub.room.committed().participants().find(user("bob@b.example")).is_none());
}

/// a client that is to go, and comes back from outside at another leaf, is to go from there. The removal had
/// lapsed if its old leaf was free in the new epoch, and stayed if the client got the same one again.
#[test]
fn q_46_a_removal_follows_a_client_that_comes_back_to_its_leaf() {
    for moves in [false, true] {
        let mut world = World::clubhouse();
        if moves {
            let body = world.client("bob@b.example").leave();
            world.proposed("bob@b.example", &body);
        }
        let mut again = Client::new("cathy@c.example/phone");
        again.signer = world.client("cathy@c.example").signer_copy();
        let key = again.signer.to_public_vec();
        let leaf = world.hub.room.leaf_of(&key).unwrap();
        world.hub.propose(&[openmimi::hub::Proposal::RemoveClient(leaf)]).unwrap();
        let given = world.hub.group_info(&again).unwrap();
        let bundle = again.enter(&given, None);
        world.tick();
        world.hub.update(&server("c.example"), &bundle.body()).unwrap();
        assert_eq!(world.hub.room.leaf_of(&key) != Some(leaf), moves);
        // Beside it waits that Bob leaves the list.
        assert_eq!(world.hub.room.pending(), 1 + usize::from(moves));
        world.deliver();
        let bundle = world.client("alice").commit(Vec::new());
        world.tick();
        world.hub.update(&world.clients[0].peer(), &bundle.body()).unwrap();
        assert_eq!(world.hub.room.leaf_of(&key), None);
    }
}

/// a removal that the hub may not make keeps external commits off for a while; then the user stays blocked
/// until a commit does what was asked for.
#[test]
fn q_46_a_removal_that_the_hub_may_not_make_blocks() {
    // In the room of several organisations the enforcer may neither remove nor ban an org_a_user.
    let mut world = World::with(Limits::default(), Preset::MultiOrganization);
    world.add("alice", "bob@b.example/phone", 2);
    world.add("alice", "cathy@c.example/phone", 2);
    let bob = user("bob@b.example");
    let body = ban(&mut world, "bob@b.example");
    world.hub.update(&world.clients[0].peer(), &body).unwrap();
    let banned_at = world.hub.now;
    let mut tablet = Client::new("cathy@c.example/tablet");
    let given = world.hub.group_info(&tablet).unwrap();
    let bundle = tablet.enter(&given, None);
    let c = server("c.example");
    let refusal = world.hub.update(&c, &bundle.body()).unwrap_err();
    assert_eq!(refusal, UpdateRefusal::RemovalWaits);
    world.hub.now = banned_at.plus(world.hub.limits.removal_waits - 1);
    assert_eq!(world.hub.update(&c, &bundle.body()), Err(UpdateRefusal::RemovalWaits));
    world.hub.now = banned_at.plus(world.hub.limits.removal_waits);
    let laptop = Client::new("bob@b.example/laptop");
    world.clients.push(tablet);
    world.committed("cathy@c.example/tablet", &bundle);
    assert_eq!(world.hub.room.pending(), 0);
    assert_eq!(world.hub.room.effective().role(&bob), RoleIndex(2), "it grants and takes nothing");

    // Blocked all the same: no message, no message to it, no commit, no proposal, no rejoin, no KeyPackages.
    let text = world.client("bob@b.example").say(b"still here?", Some(&[1; 32]));
    assert_eq!(world.hub.submit(&server("b.example"), &text), Err(SubmitRefusal::Blocked));
    say(&mut world, "cathy@c.example", b"without Bob");
    assert!(world.hub.notification(&domain("b.example")).is_none());
    world.deliver();
    let bundle = world.client("bob@b.example").update_path();
    let b = server("b.example");
    assert_eq!(world.hub.update(&b, &bundle.body()), Err(UpdateRefusal::Blocked));
    world.client("bob@b.example").forget_commit();
    assert_eq!(world.hub.group_info(&laptop).unwrap_err(), GroupInfoRefusal::Blocked);

    // The same removal again, and it is over.
    let body = ban(&mut world, "bob@b.example");
    world.proposed("alice", &body);
    let bundle = world.client("cathy@c.example").commit(Vec::new());
    world.committed("cathy@c.example", &bundle);
    assert_eq!(world.hub.room.committed().role(&bob), RoleIndex::BANNED);
    let alice = world.client("alice");
    let pardoned = ParticipantListUpdate {
        changed: vec![(alice.place(&bob), RoleIndex(2))],
        ..Default::default()
    };
    let bundle = alice.commit(vec![list_update(&pardoned), add(laptop.key_package())]);
    world.clients.push(laptop);
    world.committed("alice", &bundle);
    assert!(world.client("bob@b.example/laptop").is_member());
    say(&mut world, "bob@b.example/laptop", b"back");
    world.deliver();
    assert_eq!(world.client("alice").read.last().unwrap().text, b"back");
}

/// without its key the hub cannot propose again, and that is its operator's fault, not a block.
#[test]
fn q_46_a_missing_key_is_nobodys_block() {
    let mut world = World::clubhouse();
    let body = ban(&mut world, "bob@b.example");
    world.proposed("alice", &body);
    let mut tablet = Client::new("cathy@c.example/tablet");
    let given = world.hub.group_info(&tablet).unwrap();
    let bundle = tablet.enter(&given, None);
    let (public, signer) = signing_key();
    let keys = std::mem::replace(&mut world.hub.keys, Keys::new(public, signer, [1; 32]));
    world.hub.now = world.hub.now.plus(world.hub.limits.removal_waits + 1);
    let refusal = world.hub.update(&server("c.example"), &bundle.body()).unwrap_err();
    assert_eq!(refusal.answer(), Answer::Status(500));
    world.hub.keys = keys;
    world.hub.update(&server("c.example"), &bundle.body()).unwrap();
}

/// the hub takes out whom it must: a deleted user, a lost device, a provider that left, and the banned.
#[test]
fn q_48_the_hubs_own_removals_survive_an_external_commit() {
    let mut world = World::clubhouse();
    world.add("bob@b.example", "ben@b.example/phone", 2);
    world.add("bob@b.example", "bob@b.example/laptop", 2);
    world.add("alice", "dora@d.example/phone", 2);
    // Who misses a client knows its key; of a user's two clients it is the right one.
    let laptop = world.client("bob@b.example/laptop");
    let (lost, key) = (LeafIndex(laptop.leaf()), laptop.signer.to_public_vec());
    assert_eq!(world.hub.room.leaf_of(&key), Some(lost));
    assert_eq!(world.hub.room.leaf_of(&key[1..]), None);
    let dora = user("dora@d.example");
    world.hub.propose(&[Proposal::RemoveClient(lost), Proposal::Remove(dora.clone())]).unwrap();
    world.deliver();
    assert_eq!(world.hub.room.pending(), 3);
    // Somebody joins from outside: the hub asks for the same again, stapled.
    let mut tablet = Client::new("cathy@c.example/tablet");
    let given = world.hub.group_info(&tablet).unwrap();
    let bundle = tablet.enter(&given, None);
    world.clients.push(tablet);
    world.committed("cathy@c.example/tablet", &bundle);
    assert_eq!(world.hub.room.pending(), 3);
    committed(&mut world, "cathy@c.example/tablet");
    assert!(!world.client("bob@b.example/laptop").is_member());
    assert!(world.client("bob@b.example/phone").is_member(), "only the lost device");
    assert_eq!(world.hub.room.leaf_of(&key), None);
    assert!(world.hub.room.committed().participants().find(&dora).is_none());

    // A provider leaves: all its users, in one bundle, whatever their number of clients.
    world.hub.propose(&[Proposal::RemoveProvider(domain("b.example"))]).unwrap();
    world.deliver();
    let again = world.hub.propose(&[Proposal::RemoveProvider(domain("b.example"))]);
    assert_eq!(again, Err(ProposeRefusal::Unknown), "all are on their way out");
    committed(&mut world, "alice");
    let listed = world.hub.room.committed().participants();
    let theirs = listed.iter().filter(|it| it.uri.contains("b.example")).count();
    assert_eq!(theirs, 0);
    assert!(world.hub.room.members().all(|(_, user)| user.host() != "b.example"));

    // Whoever was banned is forgotten, which lifts the ban (D-91).
    let cathy = user("cathy@c.example");
    world.hub.propose(&[Proposal::Ban(cathy.clone())]).unwrap();
    world.deliver();
    committed(&mut world, "alice");
    assert_eq!(world.hub.room.committed().role(&cathy), RoleIndex::BANNED);
    world.hub.propose(&[Proposal::Remove(cathy.clone())]).unwrap();
    world.deliver();
    committed(&mut world, "alice");
    assert!(world.hub.room.committed().participants().find(&cathy).is_none());
}

/// a provider with more users than a bundle holds leaves in several commits.
#[test]
fn q_48_a_large_provider_leaves_bundle_by_bundle() {
    let mut limits = Limits::default();
    limits.bundle = 4;
    let mut world = World::with(limits, Preset::Cooperative);
    for name in ["bob", "ben", "bea"] {
        world.add("alice", &format!("{name}@b.example/phone"), 2);
        world.add("alice", &format!("{name}@b.example/laptop"), 2);
    }
    let b = Proposal::RemoveProvider(domain("b.example"));
    let mut commits = 0;
    while world.hub.propose(std::slice::from_ref(&b)).is_ok() {
        assert!(world.hub.room.pending() <= 4);
        world.deliver();
        committed(&mut world, "alice");
        commits += 1;
    }
    assert_eq!(commits, 3);
    assert_eq!(world.hub.room.members().count(), 1);
}

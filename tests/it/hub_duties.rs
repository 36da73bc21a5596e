//! What a hub does for a room over time: external senders, proposals of its own, proposals that nobody can accept,
//! floods, repetitions and past epochs. Every step is a crash drill (see `kit::Hub::drill`) unless it says why not.

#![allow(clippy::wildcard_enum_match_arm, reason = "what is not expected ends the test")]

use std::collections::BTreeSet;

use openmimi::{
    codec::Wire,
    delivery::{CommitRefusal, KeyPackageRef, LeafIndex, ProposalFault, ProposalRefusal},
    env::{Limits, Peer, Timestamp},
    franking::{FrankingAgentData, Tag},
    hub::{
        Answer, Event, GroupInfoRefusal, Keys, Proposal, ProposeRefusal, SubmitRefusal,
        UpdateRefusal,
    },
    policy::{
        Reason, RoleIndex,
        components::{AppMessagePolicy, OperationalParameters},
        presets::Preset,
    },
    room::{ComponentId, ParticipantListUpdate, RoomMetadata},
    wire::{
        FanoutEvent, GroupInfoAnswer, PublicMessage, SubmitMessageRequest, SubmitMessageResponse,
        UpdateOutcome, notify,
    },
};
use openmls::prelude::Proposal as MlsProposal;

use crate::{hub::key_material, kit::*};

fn take_keys(world: &mut World, change: impl FnOnce(Keys) -> Keys) {
    world.hub.keys = change(std::mem::take(&mut world.hub.keys));
}

/// The names in the list of external senders of the committed epoch.
fn senders(world: &mut World) -> Vec<String> {
    let group = world.client("alice").mls();
    let senders = group.extensions().external_senders().unwrap();
    let octets: Vec<u8> = senders.iter().flat_map(tls).collect();
    let mut reader = openmimi::codec::Reader::new(&octets);
    let mut names = Vec::new();
    while !reader.is_empty() {
        reader.bytes("signature_key").unwrap();
        assert_eq!(reader.u16("credential_type").unwrap(), 1);
        names.push(reader.text("identity").unwrap().to_owned());
    }
    let at_hub = world.hub.room.external_senders().map(|(provider, _)| provider.to_string());
    assert_eq!(at_hub.collect::<Vec<_>>(), names, "the hub knows what the members have");
    names
}

fn committed(world: &mut World, by: &str) {
    let bundle = world.client(by).commit(Vec::new());
    world.committed(by, &bundle);
}

/// Q-47, P-280, P-281, D-29, D-31: a provider becomes an external sender with its first participant, and is none any
/// more, at once, when its last one is gone.
#[test]
fn q_47_external_senders_are_the_providers_that_are_present() {
    let mut world = World::new();
    let mut bobs = Client::new("bob@b.example/server");
    take_keys(&mut world, |keys| {
        keys.with_peer(domain("b.example"), bobs.signer.to_public_vec())
            .with_peer(domain("z.example"), vec![1; 32])
    });
    world.add("alice", "bob@b.example/phone", 2);
    assert_eq!(world.hub.room.pending(), 1, "the first proposal of the new epoch");
    assert_eq!(senders(&mut world), ["mimi://a.example"], "P-282: not before it is committed");
    // Obligatory, and anybody can commit it: the one who has just joined got it behind its Welcome.
    let client = world.client("alice");
    client.forget_proposals();
    let without = client.update_path();
    client.forget_commit();
    let peer = client.peer();
    let refusal = world.hub.update(&peer, &without.body()).unwrap_err();
    assert!(matches!(refusal, UpdateRefusal::Commit(CommitRefusal::Missing(_))));
    let bundle = world.client("bob@b.example").commit(Vec::new());
    let b = server("b.example");
    world.tick();
    world.hub.update(&b, &bundle.body()).unwrap();
    assert_eq!(world.hub.room.pending(), 0);
    world.client("bob@b.example").merge_own();
    // Alice has thrown the proposal away above, and comes back from outside.
    world.clients.remove(0);
    let mut alice = Client::new("alice@a.example/phone");
    let given = world.hub.group_info(&alice).unwrap();
    let bundle = alice.enter(&given, None);
    world.clients.insert(0, alice);
    world.committed("alice", &bundle);
    assert_eq!(senders(&mut world), ["mimi://a.example", "mimi://b.example"]);
    let keys: Vec<_> = world.hub.room.external_senders().map(|(_, key)| key).collect();
    assert_eq!(keys[1], bobs.signer.public());

    // It may propose by its own index only, and only what its role lets it: none, so nothing.
    let lost = MlsProposal::clone(&remove(world.client("bob@b.example").leaf()));
    let mut propose = |world: &mut World, index: u32, from: &str| {
        let client = world.client("bob@b.example");
        std::mem::swap(&mut client.signer, &mut bobs.signer);
        let forged = Forge::of_server(client, index, &tls(&lost));
        let body = client.proposals_body(vec![forged]);
        std::mem::swap(&mut client.signer, &mut bobs.signer);
        world.hub.update(&server(from), &body).unwrap_err()
    };
    let denied = |refusal: UpdateRefusal| match refusal {
        UpdateRefusal::Denied { denied, .. } => denied.reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(denied(propose(&mut world, 1, "b.example")), Reason::Outsider);
    assert_eq!(propose(&mut world, 1, "c.example"), UpdateRefusal::Peer, "D-29");
    let UpdateRefusal::Proposals(ProposalRefusal::Refused(faults)) =
        propose(&mut world, 0, "a.example")
    else {
        panic!("the hub's entry has another key")
    };
    assert_eq!(faults[0].fault, ProposalFault::Signature);

    // Its last user leaves: refused from now on, though still in the list.
    let leave = world.client("bob@b.example").leave();
    world.proposed("bob@b.example", &leave);
    assert_eq!(propose(&mut world, 1, "b.example"), UpdateRefusal::Blocked);
    committed(&mut world, "alice");
    assert_eq!(senders(&mut world), ["mimi://a.example", "mimi://b.example"]);
    assert_eq!(world.hub.room.pending(), 1, "due in the next epoch");
    committed(&mut world, "alice");
    assert_eq!(senders(&mut world), ["mimi://a.example"]);
    assert_eq!(world.hub.room.pending(), 0);
}

/// after an external commit the list of senders is the first of the staples.
#[test]
fn q_47_the_list_is_stapled_to_an_external_commit() {
    let mut world = World::clubhouse();
    let laptop = Client::new("alice@a.example/laptop");
    take_keys(&mut world, |keys| keys.with_peer(domain("c.example"), vec![1; 32]));
    world.hub.propose(&[Proposal::Ban(user("bob@b.example"))]).unwrap();
    world.deliver();
    let given = world.hub.group_info(&laptop).unwrap();
    world.clients.push(laptop);
    let bundle = world.client("alice@a.example/laptop").enter(&given, None);
    let peer = world.client("alice@a.example/laptop").peer();
    world.tick();
    world.hub.update(&peer, &bundle.body()).unwrap();
    assert_eq!(world.hub.room.pending(), 3);
    for (_, messages) in world.deliver() {
        let FanoutEvent::Commit { external_proposals, .. } = &messages[0].event else { panic!() };
        let kinds: Vec<u16> = external_proposals.iter().map(proposal_type).collect();
        assert_eq!(kinds, [7, 8, 3], "the list of senders, the ban, the Remove");
    }
    committed(&mut world, "alice@a.example/laptop");
    assert_eq!(senders(&mut world), ["mimi://a.example", "mimi://c.example"]);
    assert_eq!(world.hub.room.committed().role(user("bob@b.example")), RoleIndex::BANNED);
}

/// The type of a standalone proposal of an external sender.
fn proposal_type(message: &PublicMessage) -> u16 {
    let mut reader = openmimi::codec::Reader::new(message.as_bytes());
    reader.take("version and wire format", 4).unwrap();
    reader.bytes("group_id").unwrap();
    reader.take("epoch, sender", 13).unwrap();
    reader.bytes("authenticated_data").unwrap();
    reader.u8("content_type").unwrap();
    reader.u16("proposal_type").unwrap()
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

/// What is owed reaches nobody.
fn lose(world: &mut World) {
    let owed: Vec<_> =
        world.hub.room.backlog().map(|(whom, events)| (whom.clone(), events.end - 1)).collect();
    for (provider, through) in owed {
        world.hub.acknowledge(&provider, through);
    }
}

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

/// a persistent room outlives its group: whoever joins from outside takes the leavers out.
#[test]
fn r_042_a_persistent_room_is_revived_from_outside() {
    let mut world = World::founded(Limits::default(), |room, creator| {
        let mut components = Preset::Cooperative.room(room, creator, &[]);
        let mut base = Preset::Cooperative.base_policy();
        base.persistent_room = true;
        components.insert(ComponentId::BASE_ROOM_POLICY, base.encode());
        components
    });
    world.add("alice", "bob@b.example/phone", 2);
    let leave = world.client("bob@b.example").leave();
    world.proposed("bob@b.example", &leave);
    let last = world.client("alice").propose(vec![MlsProposal::SelfRemove]);
    world.proposed("alice", &last);
    assert_eq!(world.hub.room.tombstone(), None);
    // Nobody is left who could commit. Alice's new client joins, and references both SelfRemoves (P-189).
    let mut tablet = Client::new("alice@a.example/tablet");
    let given = world.hub.group_info(&tablet).unwrap();
    assert_eq!(given.pending_proposals.len(), 3);
    let bundle = tablet.enter(&given, None);
    world.clients.push(tablet);
    world.tick();
    let peer = world.client("alice@a.example/tablet").peer();
    world.hub.update(&peer, &bundle.body()).unwrap();
    assert_eq!(world.hub.room.members().count(), 1);
    assert_eq!(world.hub.room.pending(), 1, "Q-46: Bob's entry in the list");
    world.deliver();
    committed(&mut world, "alice@a.example/tablet");
    assert!(world.hub.room.committed().participants().find(user("bob@b.example")).is_none());
}

/// A room whose operational policy takes messages of so many past epochs.
fn tolerant(epochs: u8) -> World {
    let mut world = World::founded(Limits::default(), |room, creator| {
        let mut components = Preset::Cooperative.room(room, creator, &[]);
        let policy = OperationalParameters {
            app_message_policy: AppMessagePolicy { epoch_tolerance: epochs, ..Default::default() },
            ..OperationalParameters::default()
        };
        components.insert(ComponentId::MLS_OPERATIONAL_POLICY, policy.encode());
        let mut base = Preset::Cooperative.base_policy();
        base.policy_component_ids.insert(0, ComponentId::MLS_OPERATIONAL_POLICY);
        components.insert(ComponentId::BASE_ROOM_POLICY, base.encode());
        components
    });
    world.add("alice", "bob@b.example/phone", 2);
    world.add("bob@b.example", "cathy@c.example/phone", 2);
    world
}

/// Q-111, P-124: messages of as many past epochs are taken as the room's policy says, franked as in their epoch, and
/// none from before a removal.
#[test]
fn q_111_messages_of_past_epochs() {
    for tolerance in [0, 1, 2] {
        let mut world = tolerant(tolerance);
        let b = server("b.example");
        let [one, two, three] =
            [b"1", b"2", b"3"].map(|text| world.client("bob@b.example").say(text, Some(&[1; 32])));
        let step = |world: &mut World| {
            let bundle = world.client("alice").update_path();
            world.committed("alice", &bundle);
            world.hub.room.epoch()
        };
        let mut results = Vec::new();
        for body in [&one, &two, &three] {
            let current = step(&mut world);
            match world.hub.submit(&b, body) {
                Ok(SubmitMessageResponse::Accepted { frank, .. }) => {
                    assert!(frank.is_some(), "by the agent of its epoch");
                    lose(&mut world);
                    results.push(true);
                }
                Err(refusal) => {
                    assert_eq!(refusal, SubmitRefusal::EpochTooOld { current });
                    results.push(false);
                }
                other => panic!("{other:?}"),
            }
        }
        let taken = (0..3).map(|age| age < tolerance).collect::<Vec<_>>();
        assert_eq!(results, taken, "tolerance {tolerance}");
    }
    // Never across a commit that removes a leaf (D-8D).
    let mut world = tolerant(2);
    let text = world.client("bob@b.example").say(b"before", Some(&[1; 32]));
    world.hub.propose(&[Proposal::Remove(user("cathy@c.example"))]).unwrap();
    world.deliver();
    committed(&mut world, "alice");
    let refusal = world.hub.submit(&server("b.example"), &text).unwrap_err();
    assert_eq!(refusal, SubmitRefusal::EpochTooOld { current: world.hub.room.epoch() });
    // And the sender has to be one who may send now, whatever it was then.
    let mut world = tolerant(1);
    let text = world.client("bob@b.example").say(b"before", Some(&[1; 32]));
    let bundle = world.client("alice").update_path();
    world.committed("alice", &bundle);
    world.hub.propose(&[Proposal::Ban(user("bob@b.example"))]).unwrap();
    let refusal = world.hub.submit(&server("b.example"), &text).unwrap_err();
    assert_eq!(refusal, SubmitRefusal::Denied);
}

/// S-40, MA-003: the same message ID in the clear is not taken twice, of whomever; the same message may come again.
#[test]
fn s_40_a_message_id_is_taken_once() {
    let mut world = World::clubhouse();
    let say = |world: &mut World, name: &str, text: &[u8], id: &[u8]| {
        let client = world.client(name);
        let items = [(ComponentId::FRANK_AAD, &[1; 32][..]), (ComponentId::MESSAGE_ID, id)];
        let message = client.encrypt_with(text, &items);
        let (peer, body) = (client.peer(), client.submit_body(&message));
        world.hub.submit(&peer, &body)
    };
    let (one, two) = ([1; 32], [2; 32]);
    say(&mut world, "bob@b.example", b"one", &one).unwrap();
    let refusal = say(&mut world, "bob@b.example", b"again", &one).unwrap_err();
    assert_eq!(refusal, SubmitRefusal::DuplicateId);
    assert_eq!(refusal.answer(), Answer::Response(SubmitMessageResponse::NotAllowed));
    let refusal = say(&mut world, "cathy@c.example", b"mine", &one).unwrap_err();
    assert_eq!(refusal, SubmitRefusal::DuplicateId);
    say(&mut world, "cathy@c.example", b"mine", &two).unwrap();
    assert_eq!(say(&mut world, "bob@b.example", b"x", b"short"), Err(SubmitRefusal::SafeAad));
    world.hub.restart();
    assert_eq!(say(&mut world, "bob@b.example", b"x", &two), Err(SubmitRefusal::DuplicateId));
}

/// a ciphertext is remembered for as long as its epoch may be written in, whatever becomes of its answer.
#[test]
fn q_115_a_ciphertext_is_remembered_while_its_epoch_lasts() {
    let mut limits = Limits::default();
    limits.answered = 1;
    limits.messages = 3;
    let mut world = World::with(limits, Preset::Cooperative);
    world.add("alice", "bob@b.example/phone", 2);
    world.add("alice", "eve@b.example/phone", 2);
    let b = server("b.example");
    let say = |world: &mut World, text: &[u8]| {
        let body = world.client("bob@b.example").say(text, Some(&[1; 32]));
        world.hub.submit(&b, &body).unwrap();
        SubmitMessageRequest::decode(&body).unwrap().app_message.as_bytes().to_vec()
    };
    let first = say(&mut world, b"one");
    let steal = |world: &mut World, message: &[u8]| {
        let stolen = world.client("eve@b.example").submit_body(message);
        world.hub.submit(&b, &stolen)
    };
    say(&mut world, b"two");
    assert_eq!(steal(&mut world, &first), Err(SubmitRefusal::Resubmitted), "its answer is gone");
    let records = world.hub.record_count();
    say(&mut world, b"three");
    let bundle = world.client("alice").update_path();
    world.committed("alice", &bundle);
    // In the next epoch those of the last one are forgotten, little by little.
    say(&mut world, b"four");
    assert!(world.hub.record_count() <= records);
    let again = steal(&mut world, &first);
    assert!(matches!(again, Err(SubmitRefusal::EpochTooOld { .. })));
}

/// Q-31, D-24: a GroupInfo request that comes again gets an answer while its joiner is waited for, which buys no time;
/// later it is a replay, and looks like every other refusal.
#[test]
fn q_31_a_group_info_request_is_not_replayed() {
    let mut world = World::clubhouse();
    let tablet = Client::new("cathy@c.example/tablet");
    let (request, _) = world.hub.group_info_request(&tablet);
    let (c, body) = (server("c.example"), request.encode());
    let ask = |world: &mut World| {
        let asked = world.hub.drill(|room, env| room.group_info(env, &c, &body));
        asked.map(drop).map_err(|refusal| refusal.reason)
    };
    let asked_at = world.hub.now;
    ask(&mut world).unwrap();
    let records = world.hub.record_count();
    world.hub.now = asked_at.plus(world.hub.limits.joiner_for - 1);
    ask(&mut world).unwrap();
    assert_eq!(world.hub.record_count(), records);
    assert_eq!(world.hub.store.due(asked_at.plus(world.hub.limits.joiner_for)).len(), 1);
    world.hub.now = asked_at.plus(world.hub.limits.joiner_for);
    let refusal = ask(&mut world).unwrap_err();
    assert_eq!(refusal, GroupInfoRefusal::Replayed);
    let Answer::Response(response) = refusal.answer(world.hub.room.uri()) else { panic!() };
    assert_eq!(response.answer, GroupInfoAnswer::NotAuthorized, "P-188");
    world.hub.timeout();
    world.hub.restart();
    assert_eq!(ask(&mut world), Err(GroupInfoRefusal::Replayed));
    // A new request of the same client is welcome.
    world.hub.group_info(&tablet).unwrap();
    // What is remembered goes by time, and by count.
    world.hub.now = asked_at.plus(world.hub.limits.replays_for);
    world.hub.timeout();
    ask(&mut world).unwrap();
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

/// Q-111, P-140: the agent of the message's own epoch is what franks it.
#[test]
fn q_111_a_past_message_is_franked_by_the_agent_of_its_epoch() {
    let mut world = tolerant(1);
    let text = world.client("bob@b.example").say(b"before", Some(&[1; 32]));
    let bundle = world.client("alice").update_path();
    world.committed("alice", &bundle);
    world.hub.restart();
    let response = world.hub.submit(&server("b.example"), &text).unwrap();
    let SubmitMessageResponse::Accepted { accepted_timestamp, frank: Some(frank) } = response
    else {
        panic!()
    };
    let agent = world.hub.room.committed().component(ComponentId::FRANKING_AGENT).unwrap();
    let agent = FrankingAgentData::decode(&agent).unwrap();
    let evidence = openmimi::franking::Evidence {
        frank: frank.clone(),
        sender: user("bob@b.example"),
        room: world.hub.room.uri().clone(),
        accepted: accepted_timestamp,
    };
    assert!(evidence.is_signed_by(&world.hub.crypto, &agent.signature_key));
    let secrets = world.hub.keys.franking_secrets();
    let tag = Tag([1; 32]);
    let context = evidence.context();
    assert!(openmimi::franking::recognise(secrets, &tag, &context, &frank.server_frank));
}

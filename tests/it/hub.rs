//! The hub's room on real groups. Every step is a crash drill, see `kit::Hub::drill`: dropped, save failed, save lost,
//! save landed and unknown, saved and not applied, applied and not sent; restored equals live each time.

#![allow(clippy::wildcard_enum_match_arm, reason = "what is not expected ends the test")]

use openmimi::{
    codec::Wire,
    env::Limits,
    franking::{self, FrankingAgentData, Received, Tag, Verdict, Witness},
    hub::{Answer, Event, SubmitRefusal},
    machine::Revision,
    policy::{RoleIndex, presets::Preset},
    room::{ComponentId, ParticipantListUpdate},
    wire::{
        FanoutEvent, PrivateMessage, RatchetTreeOption, SubmitMessageResponse, UpdateOutcome,
        notify,
    },
};
use openmls::prelude::Proposal as MlsProposal;

use crate::kit::*;

/// P-006, P-010, P-112, P-162, D-10: Bob is added, his provider gets the Welcome and nothing before it.
#[test]
fn p_010_a_commit_adds_a_user_and_the_welcome_finds_its_way() {
    let mut world = World::new();
    let mut bob = Client::new("bob@b.example/phone");
    let package = bob.key_package();
    let claimed = key_material(&bob, &[tls(&package)]);
    let b = domain("b.example");
    for _ in 0..2 {
        // The response may pass through again, if it got lost behind the hub.
        world.hub.drill(|room, env| room.keys_claimed(env, &b, &claimed)).unwrap();
    }
    let added = vec![(bob.user.clone().into(), RoleIndex(2))];
    let on = ParticipantListUpdate { added, ..Default::default() };
    let bundle = world.client("alice").commit(vec![list_update(&on), add(package)]);
    let peer = world.client("alice").peer();
    let records = world.hub.record_count();
    let response = world.hub.update(&peer, &bundle.body()).unwrap();
    assert_eq!(response.outcome, UpdateOutcome::Success { accepted_timestamp: START.plus(1) });
    assert_eq!(world.hub.room.epoch(), 1);
    assert_eq!(world.hub.room.committed().role(&bob.user), RoleIndex(2));
    assert!(world.hub.room.effective() == world.hub.room.committed());
    assert!(world.hub.record_count() > records);

    // The commit to a.example, the Welcome to b.example: two events, each body once.
    let owed: Vec<_> =
        world.hub.room.backlog().map(|(whom, events)| (whom.as_str().to_owned(), events)).collect();
    assert_eq!(owed, [("a.example".into(), 0..1), ("b.example".into(), 1..2)]);
    let event = Event::read(world.hub.body(1).unwrap()).unwrap();
    assert!(event.is_owed_to(&b) && !event.is_owed_to(&domain("a.example")));
    let delivered = world.deliver();
    assert!(matches!(&delivered[0].1[..], [it] if matches!(it.event, FanoutEvent::Commit { .. })));
    let [welcome] = &delivered[1].1[..] else { panic!("one Welcome") };
    assert!(matches!(
        welcome.event,
        FanoutEvent::Welcome { ratchet_tree: RatchetTreeOption::Full(_), .. }
    ));
    bob.receive(welcome);
    assert_eq!(bob.group_context(), world.hub.room.group_context());
    assert_eq!(world.hub.body(0), None, "a body goes when all have passed it");
    assert_eq!(world.hub.body(1), None);
}

/// a KeyPackage that never passed through goes to the provider of the leaf's user; another provider's claim
/// decides where it did.
#[test]
fn q_29_welcomes_go_to_the_provider_that_handed_out() {
    let mut world = World::clubhouse();
    world.add("cathy@c.example", "dave@d.example/phone", 2);
    assert!(world.client("dave@d.example").is_member());
    assert_eq!(world.hub.room.members().count(), 4);
}

/// P-160, P-166, P-172, P-174, P-177.
#[test]
fn p_160_fan_out_knows_who_has_got_how_far() {
    let mut limits = Limits::default();
    limits.lag = 2;
    let mut world = World::with(limits, Preset::Cooperative);
    world.add("alice", "bob@b.example/phone", 2);
    world.add("bob@b.example", "cathy@c.example/phone", 2);
    let first = world.hub.room.backlog().count();
    assert_eq!(first, 0);
    let [a, b, c] = ["a.example", "b.example", "c.example"].map(domain);
    say(&mut world, "bob@b.example", b"one");
    let events: Vec<_> = world.hub.actions.clone();
    assert_eq!(events.len(), 3, "Q-108: the provider of the sender too");
    say(&mut world, "bob@b.example", b"two");

    // One provider is done, one fails, one is slow.
    let (body, through) = world.hub.notification(&a).unwrap();
    let bodies = notify::decode_all(&body).unwrap();
    assert_eq!(bodies.len(), 2, "all that is owed in one body");
    assert!(bodies[0].timestamp < bodies[1].timestamp, "Q-53");
    world.hub.acknowledge(&a, through);
    world.hub.acknowledge(&a, through);
    assert_eq!(world.hub.store.revision(b"clubhouse"), world.hub.room.revision());
    assert!(world.hub.body(through).is_some(), "others still wait for it");
    let failed: Result<(), ()> =
        world.hub.drill(|room, env| Ok(room.notify_failed(env, &b, Some(30_000))));
    failed.unwrap();
    let retry = world.hub.now.plus(30_000);
    world.hub.restart();
    assert_eq!(world.hub.room.retry_at(&b), Some(retry), "P-174: a restart does not forget it");
    assert_eq!(world.hub.room.retry_at(&c), None);
    assert_eq!(world.hub.room.backlog().count(), 2);
    assert_eq!(world.hub.room.ready().map(|(whom, _)| whom).collect::<Vec<_>>(), [&c]);
    assert_eq!(world.hub.store.due(world.hub.now), Vec::<Vec<u8>>::new());
    assert_eq!(world.hub.store.due(retry).len(), 1, "P-174: woken when it asked for");
    say(&mut world, "cathy@c.example", b"three");
    assert!(
        !world
            .hub
            .actions
            .iter()
            .any(|openmimi::hub::Action::Notify { provider, .. }| *provider == b),
        "who waits out a failure is not told"
    );
    assert_eq!(world.hub.room.lagging().collect::<Vec<_>>(), [&b, &c]);
    assert!(world.hub.room.ready().all(|(whom, _)| *whom != b), "news does not end the wait");
    world.hub.now = retry;
    world.hub.timeout();
    assert_eq!(world.hub.room.retry_at(&b), None);
    assert!(
        matches!(&world.hub.actions[..], [openmimi::hub::Action::Notify { provider, .. }] if *provider == b)
    );
    assert_eq!(world.hub.store.due(world.hub.now.plus(1_000)), Vec::<Vec<u8>>::new());
    world.hub.timeout();
    assert!(world.hub.actions.is_empty(), "once");

    // One provider is given up: it is owed what comes.
    let given_up: Result<(), ()> = world.hub.drill(|room, env| Ok(room.abandon(env, &c)));
    given_up.unwrap();
    assert_eq!(world.hub.room.backlog().count(), 2);
    let (_, through) = world.hub.notification(&b).unwrap();
    world.hub.acknowledge(&b, through);
    let (_, through) = world.hub.notification(&a).unwrap();
    world.hub.acknowledge(&a, through);
    assert!((0..=through).all(|event| world.hub.body(event).is_none()), "nobody waits");
    say(&mut world, "bob@b.example", b"four");
    let (body, _) = world.hub.notification(&c).unwrap();
    assert_eq!(notify::decode_all(&body).unwrap().len(), 1);
    // Unknown providers, and what is not outstanding, change nothing.
    let revision = world.hub.room.revision();
    world.hub.acknowledge(&domain("x.example"), 99);
    let none: Result<(), ()> =
        world.hub.drill(|room, env| Ok(room.notify_failed(env, &domain("x.example"), None)));
    none.unwrap();
    assert_eq!(world.hub.room.revision(), revision);
}

/// P-140 … P-149, Q-53: the receivers verify what the hub has stamped.
#[test]
fn p_144_a_message_is_franked_and_verified_by_all() {
    let mut world = World::clubhouse();
    let response = say(&mut world, "cathy@c.example", b"hello");
    let (at, frank) = accepted(&response);
    world.deliver();
    let agent = world.hub.room.committed().component(ComponentId::FRANKING_AGENT).unwrap();
    let agent = FrankingAgentData::decode(&agent).unwrap();
    let agent_domain = agent.provider().unwrap().domain();
    let sender = user("cathy@c.example");
    let uri = world.hub.room.uri().clone();
    for name in ["alice", "bob@b.example"] {
        let read = world.client(name).read.clone();
        let [read] = &read[..] else { panic!("{name} reads it once") };
        assert_eq!((read.at, read.frank.as_ref()), (at, Some(&frank)));
        let tag = Tag::decode(read.tag.as_ref().unwrap()).unwrap();
        let message = PrivateMessage::decode(&read.message).unwrap();
        let received = Received {
            frank: read.frank.as_ref(),
            tag: Some(&tag),
            application_data: &read.text,
            salt: b"salt",
            claims: franking::Claims {
                sender: Some(sender.as_bytes()),
                room: Some(uri.as_bytes()),
            },
            sender: &sender,
            room: &uri,
            accepted: read.at,
            suite: SUITE,
            agent: Some(&agent),
            agent_domain: Some(&agent_domain),
            message: &message,
            leaf: 2,
            generation: None,
        };
        let crypto = &world.hub.crypto;
        assert_eq!(franking::verify(crypto, &received, &Witness::default()), Verdict::Valid);
        let moved = Received { accepted: read.at.plus(1), ..received };
        assert!(matches!(
            franking::verify(crypto, &moved, &Witness::default()),
            Verdict::Invalid(_)
        ));
    }
    assert!(world.client("cathy@c.example").read.is_empty(), "its own echo is no news");
}

/// P-122: whoever does not commit to its content is fanned out without a frank.
#[test]
fn p_122_a_message_without_a_tag_is_not_franked() {
    let mut world = World::clubhouse();
    let body = world.client("bob@b.example").say(b"no tag", None);
    let response = world.hub.submit(&server("b.example"), &body).unwrap();
    assert!(matches!(response, SubmitMessageResponse::Accepted { frank: None, .. }));
}

/// P-021, P-180 … P-189, P-161: a third client of Cathy's enters with nobody online.
#[test]
fn p_180_a_client_joins_by_external_commit() {
    let mut world = World::clubhouse();
    let mut tablet = Client::new("cathy@c.example/tablet");
    let given = world.hub.group_info(&tablet).unwrap();
    assert_eq!(given.pending_proposals, []);
    let bundle = tablet.enter(&given, None);
    world.clients.push(tablet);
    world.committed("cathy@c.example/tablet", &bundle);
    assert_eq!(world.hub.room.members().count(), 4);
    assert_eq!(world.hub.room.committed().clients(&user("cathy@c.example")), 2);
    say(&mut world, "cathy@c.example/tablet", b"from the tablet");
    world.deliver();
    assert_eq!(world.client("alice").read[0].text, b"from the tablet");
    assert_eq!(world.client("cathy@c.example/phone").read.len(), 1);
}

/// P-272, Q-44: what is accepted counts at once for the effective room, and not for the committed one.
#[test]
fn q_44_proposals_wait_and_count_at_once() {
    let mut world = World::clubhouse();
    let text = world.client("bob@b.example").say(b"I am still here", Some(&[1; 32]));
    let body = ban(&mut world, "bob@b.example");
    let alice = world.client("alice").peer();
    world.hub.update(&alice, &body).unwrap();
    let bob = user("bob@b.example");
    assert_eq!(world.hub.room.pending(), 2);
    assert_eq!(world.hub.room.committed().role(&bob), RoleIndex(2));
    assert_eq!(world.hub.room.effective().role(&bob), RoleIndex::BANNED);

    // P-104: silent, and not fanned out to, at once; P-177: handshakes still flow to its leaf.
    let refusal = world.hub.submit(&server("b.example"), &text).unwrap_err();
    assert_eq!(refusal, SubmitRefusal::Denied);
    assert_eq!(refusal.answer(), Answer::Response(SubmitMessageResponse::NotAllowed));
    say(&mut world, "cathy@c.example", b"without Bob");
    let (body, _) = world.hub.notification(&domain("b.example")).unwrap();
    let [proposals] = &notify::decode_all(&body).unwrap()[..] else { panic!("no message") };
    assert!(matches!(proposals.event, FanoutEvent::Proposals { .. }));
    world.deliver();

    // The next commit, anybody's, removes its client. Its provider still hears of that.
    let bundle = world.client("cathy@c.example").commit(Vec::new());
    let bobs = world.client("bob@b.example").leaf();
    world.committed("cathy@c.example", &bundle);
    assert!(!world.client("bob@b.example").is_member());
    assert!(world.hub.room.members().all(|(leaf, user)| leaf.0 != bobs && *user != bob));
    assert_eq!(world.hub.room.committed().role(&bob), RoleIndex::BANNED);
    assert_eq!(world.hub.room.pending(), 0);

    // P-185: its rejoin is refused already when it asks.
    let laptop = Client::new("bob@b.example/laptop");
    let refusal = world.hub.group_info(&laptop).unwrap_err();
    assert!(format!("{:?}", refusal.answer(world.hub.room.uri())).contains("NotAuthorized"));
}

/// D-83: who leaves is in the next commit, or that is refused, and named in the answer.
#[test]
fn q_79_a_commit_without_a_waiting_proposal_is_refused() {
    let mut world = World::clubhouse();
    let body = world.client("cathy@c.example").leave();
    world.proposed("cathy@c.example", &body);
    assert_eq!(world.hub.room.pending(), 2);
    let alice = world.client("alice");
    let with = alice.commit(Vec::new());
    let names = references_of(&with.commit);
    alice.forget_commit();
    alice.forget_proposals();
    let without = alice.update_path();
    alice.forget_commit();
    let peer = alice.peer();
    let refusal = world.hub.update(&peer, &without.body()).unwrap_err();
    let openmimi::hub::Answer::Response(answer) = refusal.answer() else { panic!() };
    assert_eq!(answer.outcome, UpdateOutcome::NotAllowed, "Q-17: never invalidProposal");
    for name in &names {
        let hex: String = name.iter().map(|octet| format!("{octet:02x}")).collect();
        assert!(answer.error_description.as_str().contains(&hex), "the missing ones are named");
    }
    // With them it goes.
    let peer = world.client("alice").peer();
    world.hub.update(&peer, &with.body()).unwrap();
    assert_eq!(world.hub.room.members().count(), 2);
    assert!(world.hub.room.committed().participants().find(user("cathy@c.example")).is_none());
}

#[test]
fn a_room_is_told_by_its_name_and_revision() {
    let world = World::new();
    assert_eq!(world.hub.room.uri().as_str(), "mimi://a.example/r/clubhouse");
    assert_eq!(world.hub.room.revision(), Revision(1));
    assert_eq!((world.hub.room.epoch(), world.hub.room.pending()), (0, 0));
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

//! The hub's room on real groups. Every step is a crash drill, see `kit::Hub::drill`: dropped, save failed, save lost,
//! save landed and unknown, saved and not applied, applied and not sent; restored equals live each time.

#![allow(clippy::wildcard_enum_match_arm, reason = "what is not expected ends the test")]

use crate::kit::*;
use openmimi::{
    codec::Wire,
    env::{Limits, Peer, Timestamp},
    franking::{self, FrankingAgentData, Received, Tag, Verdict, Witness},
    hub::{Answer, Event, GroupInfoRefusal, Keys, Proposal, SubmitRefusal, UpdateRefusal},
    machine::Revision,
    policy::{RoleIndex, presets::Preset},
    room::{ComponentId, ParticipantListUpdate},
    uri::ClientUri,
    wire::{
        ClientKeyMaterial, ClientMaterial, FanoutEvent, KeyMaterialResponse, KeyMaterialUserCode,
        KeyPackage, PrivateMessage, RatchetTreeOption, SubmitMessageResponse, UpdateOutcome,
        notify,
    },
};

fn accepted(response: &SubmitMessageResponse) -> (Timestamp, openmimi::wire::Frank) {
    match response {
        SubmitMessageResponse::Accepted { accepted_timestamp, frank: Some(frank) } => {
            (*accepted_timestamp, frank.clone())
        }
        other => panic!("{other:?}"),
    }
}

fn ban(world: &mut World, whom: &str) -> Vec<u8> {
    let whom = user(whom);
    let alice = world.client("alice@a.example");
    let banned = ParticipantListUpdate {
        changed: vec![(alice.place(&whom), RoleIndex::BANNED)],
        ..Default::default()
    };
    let mut proposals = vec![list_update(&banned)];
    proposals.extend(alice.leaves_of(&whom).into_iter().map(remove));
    alice.propose(proposals)
}

/// What a provider answers to a claim.
pub(crate) fn key_material(client: &Client, packages: &[Vec<u8>]) -> KeyMaterialResponse {
    let clients = packages.iter().map(|package| ClientKeyMaterial {
        client: client.uri.clone(),
        material: ClientMaterial::KeyPackage(KeyPackage::decode(package).unwrap()),
    });
    KeyMaterialResponse {
        protocol: 1,
        user_status: KeyMaterialUserCode::Success,
        user: client.user.clone(),
        clients: clients.collect(),
    }
}

fn say(world: &mut World, name: &str, text: &[u8]) -> SubmitMessageResponse {
    let tag = franking::tag(b"salt", text);
    let client = world.client(name);
    let (peer, body) = (client.peer(), client.say(text, Some(&tag.0)));
    world.hub.submit(&peer, &body).unwrap()
}

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

/// answers are kept by peer and body, up to a count and an age.
#[test]
fn q_115_the_first_answer_again_to_the_same_peer_only() {
    let mut limits = Limits::default();
    limits.answered = 4;
    let mut world = World::with(limits, Preset::Cooperative);
    world.add("alice", "bob@b.example/phone", 2);
    world.add("alice", "eve@b.example/phone", 2);
    let bob = world.client("bob@b.example");
    let body = bob.say(b"mine", Some(&[1; 32]));
    let message = {
        let request = openmimi::wire::SubmitMessageRequest::decode(&body).unwrap();
        request.app_message.as_bytes().to_vec()
    };
    let first = world.hub.submit(&server("b.example"), &body).unwrap();
    let records = world.hub.records();
    world.tick();
    assert_eq!(world.hub.submit(&server("b.example"), &body), Ok(first.clone()));
    assert_eq!(world.hub.records(), records, "nothing is written");

    // Another peer has no share in the answer; another sender none in the ciphertext (D-21).
    let refusal = world.hub.submit(&server("c.example"), &body).unwrap_err();
    assert_eq!(refusal, openmimi::hub::SubmitRefusal::Peer);
    let stolen = world.client("eve@b.example").submit_body(&message);
    let refusal = world.hub.submit(&server("b.example"), &stolen).unwrap_err();
    assert_eq!(refusal, openmimi::hub::SubmitRefusal::Resubmitted);
    assert_eq!(world.hub.records(), records);

    // By count: four later answers push it out. Its ciphertext is then new, though not its peer.
    for text in [b"a", b"b", b"c", b"d"] {
        say(&mut world, "bob@b.example", text);
    }
    let again = world.hub.submit(&server("b.example"), &body).unwrap();
    assert_ne!(again, first, "forgotten, and accepted anew");

    // By age.
    let records = world.hub.record_count();
    world.hub.now = world.hub.now.plus(Limits::default().answered_for);
    assert_eq!(world.hub.store.due(world.hub.now).len(), 1, "the hub is woken for it");
    world.hub.timeout();
    assert_eq!(world.hub.record_count(), records - 4);
    assert_eq!(world.hub.store.due(Timestamp(u64::MAX)), Vec::<Vec<u8>>::new());
}

/// Q-115, D-8A: an update whose reply was lost gets `success`, not `wrongEpoch`, from its own peer only.
#[test]
fn q_115_a_commit_that_comes_again_is_a_success() {
    let mut world = World::clubhouse();
    let bundle = world.client("bob@b.example").update_path();
    world.committed("bob@b.example", &bundle);
    let again = world.hub.update(&server("b.example"), &bundle.body()).unwrap();
    assert!(matches!(again.outcome, UpdateOutcome::Success { .. }));
    let other = world.hub.update(&server("c.example"), &bundle.body()).unwrap_err();
    let openmimi::hub::Answer::Response(answer) = other.answer() else { panic!() };
    assert_eq!(answer.outcome, UpdateOutcome::WrongEpoch { current_epoch: 3 });
}

/// accepted timestamps strictly increase, whatever the clock does.
#[test]
fn q_53_timestamps_increase_and_a_clock_that_ran_ahead_is_followed_back() {
    let mut world = World::clubhouse();
    let start = world.hub.now;
    let mut last = Timestamp(0);
    for (ahead, text) in [(0_u64, b"1"), (0, b"2"), (59_000, b"3")] {
        world.hub.now = start.plus(ahead);
        let (at, _) = accepted(&say(&mut world, "bob@b.example", text));
        assert!(at > last);
        last = at;
    }
    assert_eq!(last, start.plus(59_000));
    // The clock goes back by no more than a minute: on from the last one.
    world.hub.now = start;
    let (at, _) = accepted(&say(&mut world, "bob@b.example", b"4"));
    assert_eq!(at, last.plus(1));
    // Exactly the limit ahead is still followed; a millisecond more is not.
    world.hub.now = Timestamp(at.0 - 60_000);
    let (at, _) = accepted(&say(&mut world, "bob@b.example", b"5"));
    assert_eq!(at, last.plus(2));
    world.hub.now = Timestamp(at.0 - 60_001);
    let (restarted, _) = accepted(&say(&mut world, "bob@b.example", b"6"));
    assert_eq!(restarted, world.hub.now, "it restarts from the present");
}

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

#[test]
fn a_room_is_told_by_its_name_and_revision() {
    let world = World::new();
    assert_eq!(world.hub.room.uri().as_str(), "mimi://a.example/r/clubhouse");
    assert_eq!(world.hub.room.revision(), Revision(1));
    assert_eq!((world.hub.room.epoch(), world.hub.room.pending()), (0, 0));
}

//! What clients do all day, with a crash at every save and without.

use super::*;

#[test]
fn messages_and_their_stamps() {
    for crash in [Crash::Never, Crash::Always] {
        let (mut hub, mut alice, mut bob, mut carol) = three(Preset::Cooperative, crash);
        let id = alice.say("hello").unwrap();
        alice.send_all(&mut hub);
        assert!(matches!(alice.events().as_slice(), [Event::Accepted { frank: Some(_), .. }]));
        // The echo says nothing new.
        assert_eq!(alice.catch_up(&hub), [Received::Echo]);
        assert_eq!(bob.catch_up(&hub), [Received::Taken]);
        let Some((_, Event::Message(message))) = bob.room().events().next() else { panic!() };
        assert_eq!(message.id, id);
        assert_eq!(bob.texts(), [("mimi://alice.example/u/alice".into(), "hello".into())]);
        carol.catch_up(&hub);
        // What is delivered twice is read once.
        carol.seen -= 1;
        assert_eq!(carol.catch_up(&hub), [Received::Spent]);
        assert_eq!(carol.texts().len(), 1);
    }
}

#[test]
fn a_token_is_one_wish() {
    let (mut hub, mut alice, ..) = three(Preset::Cooperative, Crash::Never);
    let content = alice.compose("once");
    let token = alice.token();
    for _ in 0..2 {
        alice.act(|room, env| room.send(env, token, &content)).unwrap();
    }
    assert_eq!(alice.room().outbox().count(), 1);
    alice.send_all(&mut hub);
    alice.act(|room, env| room.send(env, token, &content)).unwrap();
    assert_eq!(alice.room().outbox().count(), 0, "accepted, and not acknowledged yet");
}

#[test]
fn an_echo_is_an_answer() {
    let (mut hub, mut alice, mut bob, _) = three(Preset::Cooperative, Crash::Always);
    alice.say("the reply is lost").unwrap();
    let outgoing = alice.room().outbox().next().unwrap();
    hub.submit(&outgoing.body);
    assert_eq!(alice.catch_up(&hub), [Received::Echo]);
    assert_eq!(alice.room().outbox().count(), 0);
    assert!(matches!(alice.events().as_slice(), [Event::Accepted { .. }]));

    // The same for a commit, which is merged by its echo.
    let token = alice.token();
    alice.act(|room, env| room.update_self(env, token)).unwrap();
    let outgoing = alice.room().outbox().next().unwrap();
    hub.update(&outgoing.body);
    assert_eq!(alice.catch_up(&hub), [Received::Echo]);
    bob.catch_up(&hub);
    same([&alice, &bob]);
    // The late reply is to something that is settled.
    let answer = hub.update(&outgoing.body);
    alice.act(|room, env| room.answer_update(env, outgoing.id, &answer)).unwrap();
    same([&alice, &bob]);
}

#[test]
fn whoever_is_slower_makes_its_commit_again() {
    for crash in [Crash::Never, Crash::Always] {
        let (mut hub, mut alice, mut bob, mut carol) = three(Preset::Cooperative, crash);
        let mut dave = Client::new("dave", "phone", crash);
        let (material, token) = (dave.material(), alice.token());
        let role = Preset::Cooperative.ordinary();
        alice.act(|room, env| room.add(env, token, role, &material)).unwrap();
        // Bob is faster.
        let faster = bob.token();
        bob.act(|room, env| room.update_self(env, faster)).unwrap();
        bob.send_all(&mut hub);
        // Alice hears of it by the refusal first.
        let outgoing = alice.room().outbox().next().unwrap();
        alice.send_one(&mut hub, &outgoing);
        assert_eq!(alice.room().outbox().count(), 0, "aside until bob's commit comes");
        alice.catch_up(&hub);
        let again = alice.room().outbox().next().unwrap();
        assert_ne!(again.body, outgoing.body);
        assert_eq!(again.token, token);
        alice.send_all(&mut hub);
        alice.catch_up(&hub);
        let tree = alice.tree();
        dave.join(&hub, &tree);
        for client in [&mut bob, &mut carol, &mut dave] {
            client.catch_up(&hub);
        }
        same([&alice, &bob, &carol, &dave]);
        assert!(
            alice
                .events()
                .iter()
                .any(|event| matches!(event, Event::Accepted { token: t, .. } if *t == token))
        );
    }
}

#[test]
fn a_message_overtaken_by_a_commit_keeps_its_name() {
    let (mut hub, mut alice, mut bob, _) = three(Preset::Cooperative, Crash::Always);
    let id = alice.say("too late").unwrap();
    let token = bob.token();
    bob.act(|room, env| room.update_self(env, token)).unwrap();
    bob.send_all(&mut hub);
    let outgoing = alice.room().outbox().next().unwrap();
    alice.send_one(&mut hub, &outgoing);
    assert_eq!(alice.room().outbox().count(), 0);
    alice.catch_up(&hub);
    alice.send_all(&mut hub);
    bob.catch_up(&hub);
    let messages: Vec<_> = bob.events();
    let [.., Event::Message(message)] = messages.as_slice() else { panic!("{messages:?}") };
    assert_eq!(message.id, id);
}

#[test]
fn a_message_that_a_commit_overtakes_on_the_way_is_read() {
    let (mut hub, mut alice, mut bob, _) = three(Preset::Cooperative, Crash::Always);
    bob.say("just in time").unwrap();
    bob.send_all(&mut hub);
    let token = alice.token();
    // Alice merges with the reply, before the message has reached her.
    alice.act(|room, env| room.update_self(env, token)).unwrap();
    alice.send_all(&mut hub);
    alice.catch_up(&hub);
    assert_eq!(alice.texts().len(), 1);
}

#[test]
fn leaving_is_committed_by_another() {
    for crash in [Crash::Never, Crash::Always] {
        let (mut hub, mut alice, mut bob, mut carol) = three(Preset::Cooperative, crash);
        let token = bob.token();
        bob.act(|room, env| room.leave(env, token)).unwrap();
        assert!(matches!(bob.say("no more"), Err(Refusal::Closed)));
        bob.send_all(&mut hub);
        for client in [&mut alice, &mut bob, &mut carol] {
            client.catch_up(&hub);
        }
        assert!(alice.room().owes_commit());
        assert!(alice.room().effective().participants().find(user("bob")).is_none());
        assert!(alice.room().committed().participants().find(user("bob")).is_some());
        // Nobody speaks before the leave is committed (RFC 9420, section 12.4).
        assert!(matches!(alice.say("wait"), Err(Refusal::CommitFirst)));
        let token = alice.token();
        alice.act(|room, env| room.commit_pending(env, token)).unwrap();
        alice.send_all(&mut hub);
        for client in [&mut alice, &mut bob, &mut carol] {
            client.catch_up(&hub);
        }
        same([&alice, &carol]);
        assert!(alice.room().committed().participants().find(user("bob")).is_none());
        let events = bob.events();
        assert!(matches!(events.last(), Some(Event::Removed { .. })), "{events:?}");
        assert!(!bob.room().is_member());
    }
}

#[test]
fn removing_and_banning() {
    for crash in [Crash::Never, Crash::Always] {
        let (mut hub, mut alice, mut bob, mut carol) = three(Preset::Cooperative, crash);
        let token = alice.token();
        alice.act(|room, env| room.ban(env, token, &participant("bob"))).unwrap();
        alice.send_all(&mut hub);
        for client in [&mut alice, &mut bob, &mut carol] {
            client.catch_up(&hub);
        }
        assert!(matches!(bob.events().last(), Some(Event::Removed { by }) if *by == user("alice")));
        assert!(
            alice.room().committed().participants().find(user("bob")).is_some(),
            "listed as banned"
        );
        let token = alice.token();
        alice.act(|room, env| room.remove(env, token, &participant("carol"))).unwrap();
        alice.send_all(&mut hub);
        carol.catch_up(&hub);
        assert!(matches!(carol.events().last(), Some(Event::Removed { .. })));
        assert!(alice.room().committed().participants().find(user("carol")).is_none());
    }
}

#[test]
fn proposals_wait_for_whoever_commits() {
    let (mut hub, mut alice, mut bob, mut carol) = three(Preset::Cooperative, Crash::Always);
    let token = alice.token();
    let intent = Intent { remove: vec![participant("carol")], ..Intent::default() };
    alice.act(|room, env| room.propose(env, token, &intent)).unwrap();
    alice.send_all(&mut hub);
    for client in [&mut alice, &mut bob, &mut carol] {
        client.catch_up(&hub);
    }
    let token = bob.token();
    bob.act(|room, env| room.update_self(env, token)).unwrap();
    bob.send_all(&mut hub);
    alice.catch_up(&hub);
    carol.catch_up(&hub);
    same([&alice, &bob]);
    assert!(matches!(carol.events().last(), Some(Event::Removed { .. })));
}

#[test]
fn joining_from_outside() {
    for crash in [Crash::Never, Crash::Always] {
        let (mut hub, mut alice, mut bob, mut carol) = three(Preset::Cooperative, crash);
        // Carol's leave waits: the joiner includes her SelfRemove.
        let token = carol.token();
        carol.act(|room, env| room.leave(env, token)).unwrap();
        carol.send_all(&mut hub);
        for client in [&mut alice, &mut bob, &mut carol] {
            client.catch_up(&hub);
        }
        let mut tablet = Client::new("alice", "tablet", crash);
        let key = tablet.device.signature_key().to_vec();
        let token = tablet.token();
        let request =
            JoinRequest::new(&tablet.env(), token, &user("alice"), &key, &room_uri(), CS, None)
                .unwrap();
        let response = hub.group_info(request.request(), &alice.tree());
        let role = Preset::Cooperative.ordinary();
        let founding =
            Room::join_external(&tablet.env(), &request, &response, role, None, &Limits::default())
                .unwrap();
        tablet.found(founding);
        tablet.seen = hub.log.len();
        assert!(!tablet.room().is_member(), "not before the hub has said so");
        tablet.send_all(&mut hub);
        assert!(tablet.room().is_member());
        for client in [&mut alice, &mut bob, &mut carol] {
            client.catch_up(&hub);
        }
        assert_eq!(tablet.catch_up(&hub), [Received::Echo]);
        assert!(matches!(carol.events().last(), Some(Event::Removed { .. })));
        same([&alice, &bob, &tablet]);
        tablet.say("from my tablet").unwrap();
        tablet.send_all(&mut hub);
        bob.catch_up(&hub);
        assert_eq!(bob.texts(), [("mimi://alice.example/u/alice".into(), "from my tablet".into())]);
    }
}

#[test]
fn the_device_lends_once_and_survives_crashes() {
    let mut bob = Client::new("bob", "phone", Crash::Never);
    let mut records = Records::default();
    let (device, _) = {
        let founding = Device::new(
            user("bob"),
            bob.device.client().clone(),
            bob.device.signature_key().to_vec(),
            &Limits::default(),
        );
        assert!(records.save(founding.changes()));
        founding.apply()
    };
    bob.device = device;
    let env = Env { now: Timestamp(bob.now), crypto: &bob.crypto, keys: &bob.keys };
    // Dropped: nothing made.
    drop(bob.device.make_key_packages(&env, Token(1), 3, CS, LIFETIME).unwrap());
    assert_eq!(bob.device.key_packages(), 0);
    let step = bob.device.make_key_packages(&env, Token(1), 3, CS, LIFETIME).unwrap();
    assert!(records.save(step.changes()));
    let DeviceAction::Publish(made) = step.apply().actions.remove(0);
    assert_eq!(made.len(), 3);
    // The same token makes no more, and gives the same.
    let step = bob.device.make_key_packages(&env, Token(1), 3, CS, LIFETIME).unwrap();
    assert!(step.changes().is_empty());
    let DeviceAction::Publish(again) = step.apply().actions.remove(0);
    let octets = |made: &[KeyPackage]| {
        let mut octets: Vec<_> = made.iter().map(|it| it.as_bytes().to_vec()).collect();
        octets.sort();
        octets
    };
    assert_eq!(octets(&again), octets(&made));
    // After a crash the obligation is there.
    let mut restored = Device::restore(&records, &Limits::default()).unwrap();
    assert_eq!(octets(&restored.to_publish()), octets(&made));
    let references: Vec<_> = made.iter().map(|it| it.reference(&bob.crypto).unwrap()).collect();
    drop(restored.published(&references).apply());
    assert!(restored.to_publish().is_empty());
    drop(restored.forget(&references[..1]).apply());
    assert_eq!(restored.key_packages(), 2);
    drop(restored.forget_expired(LIFETIME.not_after.plus(1000)).apply());
    assert_eq!(restored.key_packages(), 0);
    assert!(restored.make_key_packages(&env, Token(2), 101, CS, LIFETIME).is_err());
}

#[test]
fn a_room_begins_with_a_leaf_of_the_callers_time() {
    let hub = Hub::new(Preset::Cooperative);
    let mut alice = Client::new("alice", "phone", Crash::Never);
    let key = alice.device.signature_key().to_vec();
    let create = |alice: &Client, lifetime: Lifetime| {
        let limits = Limits::default();
        Room::create(&alice.env(), &hub.offer, &key, lifetime, Components::new(), &limits)
            .map(|founding| founding.apply().0)
    };
    // `Lifetime` as the tree holds it.
    let lifetime = [1_577_836_800u64, 7_258_118_400].map(u64::to_be_bytes).concat();
    // A simulated clock, far from that of the machine.
    alice.now = 4_102_444_800_000;
    let room = create(&alice, LIFETIME).unwrap();
    let tree = room.ratchet_tree().unwrap();
    assert!(tree.windows(16).any(|octets| octets == lifetime));
    let now = Timestamp(alice.now);
    for lifetime in [
        Lifetime { not_before: now.plus(1), ..LIFETIME },
        Lifetime { not_after: Timestamp(now.0 - 1), ..LIFETIME },
    ] {
        assert!(matches!(create(&alice, lifetime), Err(Refusal::Misuse(_))), "{lifetime:?}");
    }
}

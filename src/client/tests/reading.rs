//! What is read of messages: their order, their media type, their stamp, and what can be reported later.

use super::{hostile::*, said::media_types, *};
use crate::{
    franking::{Suspicion, Verdict},
    wire::AbuseReport,
};

#[test]
fn d02_messages_that_have_not_come_are_counted() {
    let (mut hub, mut alice, mut bob, _) = three(Preset::Cooperative, Crash::Always);
    for text in ["0", "1", "2", "3"] {
        alice.say(text).unwrap();
        alice.send_all(&mut hub);
    }
    let news = hub.log[bob.seen..].to_vec();
    // 1 and 2 are kept back; then 1 comes after all, out of order.
    for at in [0, 3, 1] {
        take(&mut bob, &news[at]).unwrap();
    }
    let events = bob.events();
    let skipped: Vec<_> = events.iter().map(|event| message(event).skipped).collect();
    assert_eq!(skipped, [0, 2, 0]);
    // Q-53: the hub's times run against the sender's order only for who was shown another order.
    let verdicts: Vec<_> = events.iter().map(|event| message(event).franking).collect();
    assert_eq!(verdicts[..2], [Verdict::Valid, Verdict::Valid]);
    assert_eq!(verdicts[2], Verdict::Suspect(Suspicion::Regression));
    // In the next epoch they are counted anew, and those of the past one are still known.
    let token = bob.token();
    bob.act(|room, env| room.update_self(env, token)).unwrap();
    bob.seen = hub.log.len();
    bob.send_all(&mut hub);
    bob.catch_up(&hub);
    alice.catch_up(&hub);
    take(&mut bob, &news[2]).unwrap();
    alice.say("4").unwrap();
    alice.send_all(&mut hub);
    bob.catch_up(&hub);
    let events = bob.events();
    let messages: Vec<_> =
        events.iter().filter(|event| matches!(event, Event::Message(_))).map(message).collect();
    assert_eq!(messages.iter().map(|it| it.skipped).collect::<Vec<_>>(), [0, 0]);
}

#[test]
fn q53_a_senders_times_follow_its_order() {
    // D-21: a follower swaps the stamps of two messages of one sender, and brings the second one first.
    let (mut hub, mut alice, mut bob, _) = three(Preset::Cooperative, Crash::Always);
    for text in ["one", "two"] {
        alice.say(text).unwrap();
        alice.send_all(&mut hub);
    }
    let mut news = hub.log[bob.seen..].to_vec();
    let stamp = |message: &FanoutMessage| match &message.event {
        FanoutEvent::Application { frank, .. } => (message.timestamp, frank.clone()),
        other => panic!("{other:?}"),
    };
    let stamps: Vec<_> = news.iter().map(stamp).collect();
    for (message, (at, with)) in news.iter_mut().zip(stamps.iter().rev()) {
        message.timestamp = *at;
        let FanoutEvent::Application { frank, .. } = &mut message.event else { panic!() };
        frank.clone_from(with);
    }
    for message in news.iter().rev() {
        take(&mut bob, message).unwrap();
    }
    let events = bob.events();
    let verdicts: Vec<_> = events.iter().map(|event| message(event).franking).collect();
    // Each is right by itself. That the later message has the earlier time gives it away.
    assert_eq!(verdicts, [Verdict::Valid, Verdict::Suspect(Suspicion::Order)]);
}

#[test]
fn p150_what_was_received_can_be_reported_after_a_restart() {
    for list in [None, Some(media_types(&["application/mimi-content"]))] {
        let more: Vec<_> =
            list.iter().map(|list| (ComponentId::CONTENT_MEDIA_TYPES, list.encode())).collect();
        let hub = Hub::with(policy(Preset::Cooperative, &more));
        let role = Preset::Cooperative.ordinary();
        let (mut hub, mut alice, mut bob, _) = three_in(hub, role, Crash::Always);
        let said = alice.say("an insult").unwrap();
        alice.send_all(&mut hub);
        alice.say("another").unwrap();
        alice.send_all(&mut hub);
        bob.catch_up(&hub);
        let events = bob.events();
        let contents: Vec<_> = events.iter().map(|it| message(it).content.clone()).collect();
        assert!(bob.room().is_reportable(&said));
        let complaint = Complaint {
            about: user("alice"),
            reason: 0,
            note: "see for yourself".into(),
            messages: contents.clone(),
            anonymous: false,
        };
        let report = bob.room().report(&complaint).unwrap();
        let report = AbuseReport::decode(&report.encode()).unwrap();
        assert_eq!(report.reporting_user, Some(user("bob")));
        assert_eq!(report.alleged_abuser, user("alice"));
        assert_eq!(report.note, "see for yourself");
        assert_eq!(report.messages.len(), 2);
        // P-234: the hub knows its stamps on them.
        let key = hub.signer.to_public_vec();
        for (reported, content) in report.messages.iter().zip(&contents) {
            let salt = crate::content::Message::decode(content).unwrap().salt();
            let genuine = |reported: &crate::wire::AbusiveMessage| {
                let (alice, room) = (user("alice"), room_uri());
                franking::is_genuine(&hub.crypto, [[7; 32]], &key, reported, &salt.0, &alice, &room)
            };
            assert!(genuine(reported));
            assert_eq!(list.is_some(), reported.content != *content, "Q-52: with its frame");
            let mut other = reported.clone();
            other.content.push(0);
            assert!(!genuine(&other));
        }
        // P-231: whoever wants to stay unnamed.
        let anonymous = Complaint { anonymous: true, ..complaint.clone() };
        assert_eq!(bob.room().report(&anonymous).unwrap().reporting_user, None);
        // Q-106: nothing that has no stamp, or is not of who is accused.
        let other = Complaint { about: user("carol"), ..complaint.clone() };
        assert!(matches!(bob.room().report(&other), Err(Refusal::Misuse(_))));
        let own = bob.compose("never sent");
        let other = Complaint { messages: vec![own], ..complaint.clone() };
        assert!(matches!(bob.room().report(&other), Err(Refusal::Misuse(_))));
        // Who was removed can report still.
        let token = alice.token();
        alice.act(|room, env| room.remove(env, token, &participant("bob"))).unwrap();
        alice.send_all(&mut hub);
        bob.catch_up(&hub);
        assert!(matches!(bob.events().last(), Some(Event::Removed { .. })));
        assert!(bob.room().report(&complaint).is_ok());
    }
}

#[test]
fn the_oldest_stamps_make_room_for_new_ones() {
    let (mut hub, mut alice, mut bob, _) = three(Preset::Cooperative, Crash::Never);
    bob.room.as_mut().unwrap().limits = Limits { evidence: 2, ..Limits::default() };
    let ids: Vec<_> = ["one", "two", "three"]
        .map(|text| {
            let id = alice.say(text).unwrap();
            alice.send_all(&mut hub);
            id
        })
        .into();
    bob.catch_up(&hub);
    let kept: Vec<_> = ids.iter().map(|id| bob.room().is_reportable(id)).collect();
    assert_eq!(kept, [false, true, true]);
    let of_kind = bob.records.values.keys().filter(|key| key.kind() == 0x07).count();
    assert_eq!(of_kind, 2);
}

#[test]
fn d07_a_wrong_stamp_on_our_own_message_is_none() {
    let (mut hub, mut alice, ..) = three(Preset::Cooperative, Crash::Always);
    for (change, right) in [(0, true), (1, false)] {
        alice.say("stamped").unwrap();
        let outgoing = alice.room().outbox().next().unwrap();
        let mut answer = hub.submit(&outgoing.body);
        let SubmitMessageResponse::Accepted { accepted_timestamp, .. } = &mut answer else {
            panic!()
        };
        // The hub tells another time than it has signed.
        accepted_timestamp.0 += change;
        alice.act(|room, env| room.answer_submit(env, outgoing.id, &answer)).unwrap();
        let events = alice.events();
        let [Event::Accepted { frank, .. }] = events.as_slice() else { panic!("{events:?}") };
        assert_eq!(frank.is_some(), right);
    }
}

#[test]
fn p045_a_commit_before_its_proposals_waits_outside() {
    let (mut hub, mut alice, mut bob, mut carol) = three(Preset::Cooperative, Crash::Always);
    let token = carol.token();
    carol.act(|room, env| room.leave(env, token)).unwrap();
    carol.send_all(&mut hub);
    alice.catch_up(&hub);
    let token = alice.token();
    alice.act(|room, env| room.commit_pending(env, token)).unwrap();
    alice.send_all(&mut hub);
    let news = hub.log[bob.seen..].to_vec();
    assert_eq!(news.len(), 2);
    assert!(matches!(take(&mut bob, &news[1]), Err(Refusal::Unseen)));
    assert!(!bob.room().is_forked());
    for message in &news {
        assert_eq!(take(&mut bob, message).unwrap(), Received::Taken);
    }
    alice.catch_up(&hub);
    same([&alice, &bob]);
}

#[test]
fn the_records_are_as_they_were() {
    // A new format of a record is a new version of it: change these with care.
    let key = |kind: u8| crate::machine::Key::new(kind);
    let kept = super::super::report::Reportable {
        id: crate::content::MessageId([1; 32]),
        evidence: franking::Evidence {
            frank: crate::wire::Frank {
                server_frank: [2; 32],
                ciphersuite: crate::wire::CipherSuite(1),
                integrity_signature: vec![3; 4],
            },
            sender: user("a"),
            room: RoomUri::parse("mimi://a.example/r/r").unwrap(),
            accepted: Timestamp(300),
        },
        framing: Some(vec![9]),
    };
    let octets = crate::machine::record::encode(&kept);
    let expected = [
        vec![1],
        vec![1; 32],
        vec![2; 32],
        vec![1, 4, 3, 3, 3, 3],
        vec![20],
        b"mimi://a.example/u/a".to_vec(),
        vec![20],
        b"mimi://a.example/r/r".to_vec(),
        vec![0xAC, 2],
        vec![1, 1, 9],
    ]
    .concat();
    assert_eq!(octets, expected);
    let head = super::super::state::Head {
        room: RoomUri::parse("mimi://a.example/r/r").unwrap(),
        group: GroupUri::parse("mimi://a.example/g/g").unwrap(),
        user: user("a"),
        standing: super::super::state::Standing::Leaving(Token(2)),
        last_timestamp: Timestamp(300),
        ahead: Some(4),
        key_package: None,
        next: 5,
        lapsed: vec![[6; 32]],
    };
    let expected = [
        vec![1, 20],
        b"mimi://a.example/r/r".to_vec(),
        vec![20],
        b"mimi://a.example/g/g".to_vec(),
        vec![20],
        b"mimi://a.example/u/a".to_vec(),
        vec![2, 2, 0xAC, 2, 1, 4, 0, 5, 1],
        vec![6; 32],
    ]
    .concat();
    assert_eq!(crate::machine::record::encode(&head), expected);
    let difference = |component, role| super::super::epoch::Difference {
        components: [(component, None)].into(),
        roles: [("b".to_owned(), RoleIndex(role))].into(),
    };
    let past = super::super::epoch::Reading {
        agent: Some(vec![1]),
        media_types: None,
        before: difference(2, 3),
        waiting: difference(4, 5),
    };
    let expected = [1, 1, 1, 1, 0, 1, 2, 0, 1, 1, b'b', 3, 1, 4, 0, 1, 1, b'b', 5];
    assert_eq!(crate::machine::record::encode(&past), expected);
    assert_eq!(key(super::super::state::HEAD).as_bytes(), [1]);
    assert_eq!(key(super::super::state::PAST).as_bytes(), [5]);
    assert_eq!(key(super::super::state::EVIDENCE).as_bytes(), [7]);
    assert_eq!(key(super::super::state::HEARD).as_bytes(), [8]);
}

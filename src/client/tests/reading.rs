//! What is read of messages: their order, their media type, their stamp, and what can be reported later.

use super::{threats::take, *};
use crate::{
    content::status::{Report, ReportEntry, Status},
    franking::{Suspicion, Verdict},
    policy::{
        Capability, Role, Roles,
        components::{AppMessagePolicy, MediaType, MediaTypeList, OperationalParameters},
    },
    wire::{AbuseReport, ApplicationFraming},
};

fn message(event: &Event) -> &Message {
    match event {
        Event::Message(message) => message,
        other => panic!("{other:?}"),
    }
}

fn media_types(names: &[&str]) -> MediaTypeList {
    let plain = |name: &&str| MediaType { name: (*name).into(), parameters: Vec::new() };
    MediaTypeList(names.iter().map(plain).collect())
}

fn operational(policy: AppMessagePolicy) -> Vec<u8> {
    OperationalParameters { app_message_policy: policy, ..OperationalParameters::default() }
        .encode()
}

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
fn e085_media_types_are_named_where_the_room_asks() {
    let list = media_types(&["application/mimi-content", "application/mimi-message-status"]);
    let more = [(ComponentId::CONTENT_MEDIA_TYPES, list.encode())];
    let hub = Hub::with(policy(Preset::Cooperative, &more));
    let role = Preset::Cooperative.ordinary();
    let (mut hub, mut alice, mut bob, _) = three_in(hub, role, Crash::Always);
    alice.say("framed").unwrap();
    alice.send_all(&mut hub);
    bob.catch_up(&hub);
    let Event::Message(got) = bob.events().remove(0) else { panic!() };
    assert_eq!(got.franking, Verdict::Valid, "the tag is over the frame too (P-137)");
    let framed = |name: Option<&str>, content: &[u8]| {
        let media_type = name.map(|name| MediaType { name: name.into(), parameters: Vec::new() });
        ApplicationFraming { media_type, content: content.to_vec() }.encode()
    };
    // Q-91: a status report alone.
    let report =
        Report { entries: vec![ReportEntry { id: got.id, status: Status::READ }] }.encode();
    let hostile = super::threats::hostile_message;
    let status = framed(Some("application/mimi-message-status"), &report);
    let status = hostile(&mut alice, None, &status);
    take(&mut bob, &status).unwrap();
    let events = bob.events();
    let [Event::Status { sender, report: found, .. }] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!((sender, found), (&user("alice"), &report));
    for (data, reason) in [
        (framed(Some("image/png"), b"pixels"), Discard::MediaType("image/png".into())),
        (framed(Some("text/plain"), b"\xFF"), Discard::Malformed),
        (framed(Some("application/mimi-message-status"), b"no report"), Discard::Malformed),
        (framed(None, b"no content"), Discard::Malformed),
        (b"no frame".to_vec(), Discard::Malformed),
    ] {
        take(&mut bob, &hostile(&mut alice, None, &data)).unwrap();
        let events = bob.events();
        let [Event::Discarded { reason: found, .. }] = events.as_slice() else {
            panic!("{events:?}")
        };
        assert_eq!(*found, reason);
    }
}

fn with_roles(policy: &mut crate::room::Components, change: impl FnMut(&mut Role)) {
    let mut roles: Vec<Role> = Preset::Cooperative.roles().iter().cloned().collect();
    roles.iter_mut().for_each(change);
    policy.insert(ComponentId::ROLES_LIST, Roles::new(roles).unwrap().encode());
}

/// A room where ordinary users send no links, asks for media types, and the first of them is plain text.
fn without_links(first: &str) -> (Hub, Client, Client, Client) {
    let types = [first, "application/mimi-content"];
    let list = MediaTypeList(types.iter().map(|it| it.parse().unwrap()).collect());
    let more = [(ComponentId::CONTENT_MEDIA_TYPES, list.encode())];
    let ordinary = Preset::Cooperative.ordinary();
    let mut policy = policy(Preset::Cooperative, &more);
    with_roles(&mut policy, |role| {
        if role.index == ordinary {
            role.capabilities.retain(|it| *it != Capability::SEND_LINK);
        }
    });
    three_in(Hub::with(policy), ordinary, Crash::Always)
}

#[test]
fn c_080_a_text_that_comes_alone_is_shown_if_the_policy_lets_it() {
    let (_, mut alice, mut bob, mut carol) = without_links("text/plain;charset=utf-8");
    let framed = |name: Option<&str>, content: &str| {
        let media_type = name.map(|name| name.parse::<MediaType>().unwrap());
        ApplicationFraming { media_type, content: content.into() }.encode()
    };
    let markdown = "text/markdown;variant=GFM-MIMI";
    let link = "see [this](https://evil.example)";
    for (name, text, shown) in [
        (Some("text/plain;charset=utf-8"), "h\u{e9}llo", Some("text/plain;charset=utf-8")),
        // E-086: what has no name is of the first type that the room requires.
        (None, "hello", Some("text/plain;charset=utf-8")),
        (Some(markdown), "**hello**", Some(markdown)),
        // R-196, with the feature `markdown` or without. Plain text has no links.
        (Some(markdown), link, None),
        (None, link, Some("text/plain;charset=utf-8")),
    ] {
        let message = super::threats::hostile_message(&mut carol, None, &framed(name, text));
        take(&mut bob, &message).unwrap();
        let expected = match shown {
            Some(media_type) => Event::Text {
                sender: user("carol"),
                media_type: media_type.into(),
                text: text.into(),
                timestamp: message.timestamp,
            },
            None => Event::Discarded {
                sender: Some(user("carol")),
                timestamp: message.timestamp,
                reason: Discard::Forbidden,
            },
        };
        assert_eq!(bob.events(), [expected], "{name:?} {text}");
    }
    // Alice's role has the capability.
    let message = super::threats::hostile_message(&mut alice, None, &framed(Some(markdown), link));
    take(&mut bob, &message).unwrap();
    assert!(matches!(bob.events().as_slice(), [Event::Text { .. }]));
}

/// R-196: a link in MIMI content, which our own client does not send and no client shows.
#[test]
fn r_196_a_link_is_judged_whatever_the_features() {
    let (_, _, mut bob, mut carol) = without_links("application/mimi-content");
    let name = user("carol");
    let room = room_uri();
    let mut contents = Vec::new();
    for (text, says) in [
        ("[here](https://evil.example)", false),
        ("<https://evil.example>", false),
        ("[Bob](mimi://bob.example/u/bob), see a.example", true),
    ] {
        let part =
            crate::content::DraftPart::single(crate::content::media::MARKDOWN, text.as_bytes());
        let draft = crate::content::Draft::new(name.as_str(), room.as_str(), part);
        let content = draft.build(Salt::random(&carol.crypto).unwrap()).unwrap().into_bytes();
        let media_type = Some("application/mimi-content".parse().unwrap());
        let data = ApplicationFraming { media_type, content: content.clone() }.encode();
        let tag =
            franking::tag(&crate::content::Message::decode(&content).unwrap().salt().0, &data);
        let message = super::threats::hostile_message(&mut carol, Some(tag.0), &data);
        take(&mut bob, &message).unwrap();
        let events = bob.events();
        match events.as_slice() {
            [Event::Message(_)] => assert!(says, "{text}"),
            [Event::Discarded { reason: Discard::Forbidden, .. }] => assert!(!says, "{text}"),
            other => panic!("{other:?}"),
        }
        contents.push((content, says));
    }
    for (content, says) in contents {
        let token = carol.token();
        let sent = carol.act(|room, env| room.send(env, token, &content));
        assert_eq!(sent.is_ok(), says);
    }
}

#[test]
fn e083_no_mimi_content_where_somebody_cannot_read_it() {
    // The room asks for status reports alone; all leaves list MIMI content, so it may be sent.
    let list = media_types(&["application/mimi-message-status"]);
    let more = [(ComponentId::CONTENT_MEDIA_TYPES, list.encode())];
    let hub = Hub::with(policy(Preset::Cooperative, &more));
    let role = Preset::Cooperative.ordinary();
    let (mut hub, mut alice, mut bob, _) = three_in(hub, role, Crash::Never);
    alice.say("everybody reads it").unwrap();
    alice.send_all(&mut hub);
    bob.catch_up(&hub);
    assert_eq!(bob.texts().len(), 1);
}

#[test]
fn q111_the_policy_says_for_how_long_messages_are_read() {
    // Set to 3: four epochs, since our own commit may be ahead by one. Not set: two. Never more than the limit.
    for (tolerance, read) in [(0u8, 2usize), (3, 4), (200, 8)] {
        let set = AppMessagePolicy { epoch_tolerance: tolerance, ..AppMessagePolicy::default() };
        let more = [(ComponentId::MLS_OPERATIONAL_POLICY, operational(set))];
        let hub = Hub::with(policy(Preset::Cooperative, &more));
        let role = Preset::Cooperative.ordinary();
        let (mut hub, mut alice, mut bob, _) = three_in(hub, role, Crash::Never);
        let mut late = Vec::new();
        for _ in 0..10 {
            bob.say("late").unwrap();
            bob.send_all(&mut hub);
            late.push(hub.log.pop().unwrap());
            let token = alice.token();
            alice.act(|room, env| room.update_self(env, token)).unwrap();
            alice.send_all(&mut hub);
            alice.catch_up(&hub);
            bob.catch_up(&hub);
        }
        assert_eq!(alice.room().state.past.keys().count(), read);
        let taken: Vec<_> = late.iter().map(|message| take(&mut alice, message).unwrap()).collect();
        let expected: Vec<_> = (0..10)
            .map(|at| if at + read < 10 { Received::Spent } else { Received::Taken })
            .collect();
        assert_eq!(taken, expected, "tolerance {tolerance}");
        assert_eq!(alice.texts().len(), read, "their stamps too");
    }
}

/// Q-111, Q-92: a message of an epoch that is over is judged by the room of that epoch, not by the present one.
#[test]
fn q111_messages_of_past_epochs_are_judged_by_the_room_of_then() {
    use crate::policy::components::{MessageExpiration, Optionality};
    let expiring = |expiring_messages| MessageExpiration {
        expiring_messages,
        min_expiration_duration: 60,
        max_expiration_duration: 3600,
        default_expiration_duration: Some(600),
    };
    let id = ComponentId::MESSAGE_EXPIRATION_POLICY;
    let tolerant = AppMessagePolicy { epoch_tolerance: 4, ..AppMessagePolicy::default() };
    let more = [
        (id, expiring(Optionality::Required).encode()),
        (ComponentId::MLS_OPERATIONAL_POLICY, operational(tolerant)),
    ];
    let (ordinary, silent) = (Preset::Cooperative.ordinary(), RoleIndex(3));
    let mut policy = policy(Preset::Cooperative, &more);
    with_roles(&mut policy, |role| match role.index {
        RoleIndex(3) => {
            role.participants = crate::policy::Bounds::NONE;
            role.active = crate::policy::Bounds::NONE;
            role.capabilities.retain(|it| *it != Capability::SEND_MESSAGE);
        }
        RoleIndex(4) => role.capabilities.push(Capability::CHANGE_OTHER_POLICY_ATTRIBUTE),
        _ => {}
    });
    let (mut hub, mut alice, mut bob, mut carol) =
        three_in(Hub::with(policy), ordinary, Crash::Always);
    let saying = |carol: &mut Client, expires| {
        let (name, room) = (user("carol"), room_uri());
        let mut draft = Compose::new(name.as_str(), room.as_str()).text("x");
        draft.expires = expires;
        let content = draft.build(Salt::random(&carol.crypto).unwrap()).unwrap().into_bytes();
        let salt = crate::content::Message::decode(&content).unwrap().salt();
        let tag = franking::tag(&salt.0, &content).0;
        super::threats::hostile_message(carol, Some(tag), &content)
    };
    let brief = Some(crate::content::Expiration::Relative(600));
    // Epoch by epoch: expiry is required, then forbidden, then Carol may not speak; then she is back.
    let mut late = Vec::new();
    for change in 0..4 {
        for expires in [brief, None] {
            late.push(saying(&mut carol, expires));
        }
        let token = alice.token();
        let carols = participant("carol");
        match change {
            0 => {
                let octets = expiring(Optionality::Forbidden).encode();
                alice.act(|room, env| room.set_component(env, token, id, Some(octets.clone())))
            }
            1 => alice.act(|room, env| room.set_role(env, token, &carols, silent)),
            2 => alice.act(|room, env| room.set_role(env, token, &carols, ordinary)),
            _ => alice.act(|room, env| room.update_self(env, token)),
        }
        .unwrap();
        alice.send_all(&mut hub);
        for client in [&mut alice, &mut bob, &mut carol] {
            client.catch_up(&hub);
            client.events();
        }
    }
    let heard = |message: &FanoutMessage, bob: &mut Client| {
        take(bob, message).unwrap();
        match bob.events().as_slice() {
            [Event::Message(message)] => {
                assert!(message.judged, "whole");
                "heard"
            }
            [Event::Discarded { reason: Discard::Forbidden, .. }] => "forbidden",
            [Event::Discarded { reason: Discard::NotAllowed, .. }] => "may not speak",
            other => panic!("{other:?}"),
        }
    };
    let found: Vec<_> = late.iter().map(|message| heard(message, &mut bob)).collect();
    let mute = "may not speak";
    assert_eq!(
        found,
        ["heard", "forbidden", "forbidden", "heard", mute, mute, "forbidden", "heard"]
    );
}

#[test]
fn r169_the_policy_says_how_messages_are_padded_and_skipped() {
    let set = AppMessagePolicy {
        pad_to_size: 512,
        max_generations_skipahead: 3,
        ..AppMessagePolicy::default()
    };
    let more = [(ComponentId::MLS_OPERATIONAL_POLICY, operational(set))];
    let hub = Hub::with(policy(Preset::Cooperative, &more));
    let (mut hub, mut alice, mut bob, mut carol) =
        three_in(hub, Preset::Cooperative.ordinary(), Crash::Always);
    let mut sizes = std::collections::BTreeSet::new();
    for text in ["short", "a little longer", "longer still, by some words", "4", "5"] {
        alice.say(text).unwrap();
        sizes.insert(alice.room().outbox().next().unwrap().body.len());
        alice.send_all(&mut hub);
    }
    assert_eq!(sizes.len(), 1, "what is short looks alike: {sizes:?}");
    let news = hub.log[bob.seen..].to_vec();
    // Three may be skipped, four not.
    assert_eq!(take(&mut bob, &news[4]).unwrap(), Received::Spent);
    assert_eq!(take(&mut carol, &news[2]).unwrap(), Received::Taken);
    // Whatever the policy asks for, no more than our own limit.
    let limits = Limits { skip_ahead: 2, ..Limits::default() };
    let tuned = super::super::create::tuned(bob.room().committed(), &limits);
    assert_eq!(tuned.skip_ahead, 2);
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
        vec![2, 2, 0xAC, 2, 0, 5, 1],
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

#[test]
fn r105_what_the_policy_forbids_is_neither_sent_nor_shown() {
    let set = crate::policy::components::MessageExpiration {
        expiring_messages: crate::policy::components::Optionality::Required,
        min_expiration_duration: 60,
        max_expiration_duration: 3600,
        default_expiration_duration: Some(600),
    };
    let more = [(ComponentId::MESSAGE_EXPIRATION_POLICY, set.encode())];
    let hub = Hub::with(policy(Preset::Cooperative, &more));
    let role = Preset::Cooperative.ordinary();
    let (mut hub, mut alice, mut bob, mut carol) = three_in(hub, role, Crash::Always);
    // Our own client does not say it.
    assert!(
        matches!(alice.say("for ever"), Err(Refusal::Denied(denied)) if denied.rule == "R-105")
    );
    assert_eq!(alice.room().outbox().count(), 0);
    // A hostile one does, and is not heard.
    let content = carol.compose("for ever");
    let salt = crate::content::Message::decode(&content).unwrap().salt();
    let tag = franking::tag(&salt.0, &content).0;
    let message = super::threats::hostile_message(&mut carol, Some(tag), &content);
    take(&mut bob, &message).unwrap();
    let events = bob.events();
    let [Event::Discarded { reason, .. }] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(*reason, Discard::Forbidden);
    // What goes in time is said and heard.
    let name = user("alice");
    let (user, room) = (name.as_str(), room_uri());
    let mut draft = Compose::new(user, room.as_str()).text("for a while");
    draft.expires = Some(crate::content::Expiration::Relative(600));
    let content = draft.build(Salt::random(&alice.crypto).unwrap()).unwrap().into_bytes();
    let token = alice.token();
    alice.act(|room, env| room.send(env, token, &content)).unwrap();
    alice.send_all(&mut hub);
    bob.catch_up(&hub);
    let events = bob.events();
    assert!(message_of(&events).judged);
}

fn message_of(events: &[Event]) -> &Message {
    message(events.last().unwrap())
}

#[test]
fn r184_a_reply_to_what_is_not_at_hand_is_judged_again_by_the_app() {
    let (mut hub, mut alice, mut bob, _) = three(Preset::Cooperative, Crash::Always);
    let first = alice.say("first").unwrap();
    let name = user("alice");
    let (user, room) = (name.as_str(), room_uri());
    let reply = |topic: &str| {
        let mut draft = Compose::new(user, room.as_str()).text("second");
        draft.in_reply_to = Some(first);
        draft.topic = topic.as_bytes().to_vec().into();
        draft.build(Salt::random(&hub.crypto).unwrap()).unwrap().into_bytes()
    };
    let (plain, topical) = (reply(""), reply("a topic"));
    for content in [plain, topical] {
        let token = alice.token();
        alice.act(|room, env| room.send(env, token, &content)).unwrap();
    }
    alice.send_all(&mut hub);
    bob.catch_up(&hub);
    let events = bob.events();
    let judged: Vec<_> = events.iter().map(|event| message(event).judged).collect();
    assert_eq!(judged, [true, true, false]);
}

//! What the room's policy says of messages: their media types, whether they are sent and shown, and how their epochs
//! and ratchets are kept.

use super::{hostile::*, *};
use crate::{
    content::status::{Report, ReportEntry, Status},
    franking::Verdict,
    policy::{
        Capability, Role, Roles,
        components::{
            AppMessagePolicy, ExtendedCapabilities, MediaType, MediaTypeList, OperationalParameters,
        },
    },
    wire::ApplicationFraming,
};

pub(super) fn media_types(names: &[&str]) -> MediaTypeList {
    let plain = |name: &&str| MediaType { name: (*name).into(), parameters: Vec::new() };
    MediaTypeList(names.iter().map(plain).collect())
}

fn operational(policy: AppMessagePolicy) -> Vec<u8> {
    OperationalParameters { app_message_policy: policy, ..OperationalParameters::default() }
        .encode()
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
    // a status report alone.
    let report =
        Report { entries: vec![ReportEntry { id: got.id, status: Status::READ }] }.encode();
    let status = framed(Some("application/mimi-message-status"), &report);
    let status = hostile_message(&mut alice, None, &status);
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
        take(&mut bob, &hostile_message(&mut alice, None, &data)).unwrap();
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
        let message = hostile_message(&mut carol, None, &framed(name, text));
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
    let message = hostile_message(&mut alice, None, &framed(Some(markdown), link));
    take(&mut bob, &message).unwrap();
    assert!(matches!(bob.events().as_slice(), [Event::Text { .. }]));
}

/// a link in MIMI content, which our own client does not send and no client shows.
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
        let message = hostile_content(&mut carol, &content, &data);
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

/// a message of an epoch that is over is judged by the room of that epoch, not by the present one.
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
        hostile_content(carol, &content, &content)
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
    take(&mut bob, &hostile_content(&mut carol, &content, &content)).unwrap();
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
    assert!(message(bob.events().last().unwrap()).judged);
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

/// a media type that the room forbids is neither sent nor shown, be it of a part or of all that is encrypted.
#[test]
fn r162_forbidden_media_types_are_neither_sent_nor_shown() {
    let forbidding = |types: &[&str]| {
        let forbidden_capabilities = ExtendedCapabilities {
            media_types: types.iter().map(|it| it.parse().unwrap()).collect(),
            ..ExtendedCapabilities::default()
        };
        let operational = OperationalParameters { forbidden_capabilities, ..Default::default() };
        let more = [
            (ComponentId::CONTENT_MEDIA_TYPES, media_types(&["text/markdown"]).encode()),
            (ComponentId::MLS_OPERATIONAL_POLICY, operational.encode()),
        ];
        let policy = policy(Preset::Cooperative, &more);
        three_in(Hub::with(policy), Preset::Cooperative.ordinary(), Crash::Always)
    };
    let framed = |name: &str, content: &[u8]| {
        let media_type = Some(name.parse().unwrap());
        ApplicationFraming { media_type, content: content.to_vec() }.encode()
    };
    let name = user("carol");
    let of = |client: &Client, media_type: &str| {
        let room = room_uri();
        let part = crate::content::DraftPart::single(media_type, b"<p>hello</p>");
        let draft = crate::content::Draft::new(name.as_str(), room.as_str(), part);
        draft.build(Salt::random(&client.crypto).unwrap()).unwrap().into_bytes()
    };
    let report = Report {
        entries: vec![ReportEntry { id: crate::content::MessageId([1; 32]), status: Status::READ }],
    };
    let (mimi, html) = ("application/mimi-content", "text/html");
    let (text, status) = ("text/plain;charset=utf-8", "application/mimi-message-status");
    for (forbidden, media_type, part, forbids) in [
        (html, mimi, html, true),
        // Without parameters all kinds are meant, and with them that kind.
        (html, mimi, "text/html;charset=utf-8", true),
        ("text/html;charset=utf-8", mimi, html, false),
        (html, mimi, "text/plain;charset=utf-8", false),
        (mimi, mimi, text, true),
        (mimi, text, text, false),
        ("text/plain", text, text, true),
        (mimi, status, status, false),
        (status, status, status, true),
        (status, mimi, text, false),
    ] {
        let (_, _, mut bob, mut carol) = forbidding(&[forbidden]);
        let what = format!("{forbidden} forbids {part} in {media_type}");
        let content = of(&carol, part);
        let message = match media_type {
            _ if media_type == mimi => {
                hostile_content(&mut carol, &content, &framed(mimi, &content))
            }
            _ if media_type == text => hostile_message(&mut carol, None, &framed(text, b"hello")),
            _ => hostile_message(&mut carol, None, &framed(status, &report.encode())),
        };
        take(&mut bob, &message).unwrap();
        let events = bob.events();
        let discarded =
            matches!(events.as_slice(), [Event::Discarded { reason: Discard::Forbidden, .. }]);
        assert_eq!((discarded, events.len()), (forbids, 1), "{what}: {events:?}");
        if media_type == mimi {
            let token = carol.token();
            let sent = carol.act(|room, env| room.send(env, token, &content));
            match sent {
                Err(Refusal::Denied(denied)) if denied.rule == "R-162" => {
                    assert!(forbids, "{what}")
                }
                other => assert!(other.is_ok() && !forbids, "{what}: {other:?}"),
            }
        }
    }
}

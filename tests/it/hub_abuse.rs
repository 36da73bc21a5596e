//! Reports of abuse at the hub (protocol, section 5.9), each call a crash drill (see `kit::Hub::drill`).

#![allow(clippy::wildcard_enum_match_arm, reason = "what is not expected ends the test")]

use openmimi::{
    codec::Wire,
    content::{Compose, Salt},
    env::{Limits, Peer},
    franking::{self, Forgery},
    http::Reply,
    hub::{self, Finding, Report, ReportRefusal, Reported},
    policy::{
        RoleIndex,
        components::{MediaType, MediaTypeList},
        presets::Preset,
    },
    room::ComponentId,
    wire::{
        AbuseReport, AbusiveMessage, AppDataDictionary, ApplicationFraming, CipherSuite,
        SubmitMessageResponse,
    },
};

use crate::kit::*;

const ROOM: &str = "mimi://a.example/r/clubhouse";

/// MIMI content of a user in a room.
fn content(sender: &str, room: &str, text: &str) -> Vec<u8> {
    let sender = user(sender);
    Compose::new(sender.as_str(), room).text(text).encode(Salt([7; 16])).unwrap()
}

/// A client says it, and the hub stamps it.
fn sent(world: &mut World, name: &str, data: &[u8]) -> AbusiveMessage {
    let tag = franking::tag(&[7; 16], data);
    let client = world.client(name);
    let (peer, body) = (client.peer(), client.say(data, Some(&tag.0)));
    let response = world.hub.submit(&peer, &body).unwrap();
    let SubmitMessageResponse::Accepted { accepted_timestamp, frank: Some(frank) } = response
    else {
        panic!("stamped")
    };
    AbusiveMessage { content: data.to_vec(), frank, accepted: accepted_timestamp }
}

/// An insult by Bob.
fn insult(world: &mut World, text: &str) -> AbusiveMessage {
    sent(world, "bob@b.example", &content("bob@b.example", ROOM, text))
}

fn about_bob(reporter: Option<&str>, messages: &[AbusiveMessage]) -> AbuseReport {
    AbuseReport {
        reporting_user: reporter.map(user),
        alleged_abuser: user("bob@b.example"),
        reason_code: 0,
        note: "rude".into(),
        messages: messages.to_vec(),
        extensions: AppDataDictionary::default(),
    }
}

fn report(world: &mut World, peer: &Peer, report: &AbuseReport) -> Result<Reported, ReportRefusal> {
    let body = report.encode();
    world.hub.actions.clear();
    let reported = world.hub.drill(|room, env| room.report_abuse(env, peer, &body));
    assert!(world.hub.actions.is_empty());
    reported.map_err(|refusal| refusal.reason)
}

/// What is found in a report by Cathy of these messages.
fn findings(world: &mut World, messages: &[AbusiveMessage]) -> Result<Vec<Finding>, ReportRefusal> {
    let about = about_bob(Some("cathy@c.example"), messages);
    report(world, &server("c.example"), &about).map(|reported| reported.report.findings)
}

/// P-230 … P-234: what Cathy reports is verified, stored, and gone once somebody has seen to it; a crash at any point
/// loses nothing.
#[test]
fn p_234_a_report_is_verified_and_kept_until_somebody_has_it() {
    let mut world = World::clubhouse();
    let insult = insult(&mut world, "you oaf");
    let about = about_bob(Some("cathy@c.example"), std::slice::from_ref(&insult));
    let Reported { number, report: found } =
        report(&mut world, &server("c.example"), &about).unwrap();
    let number = number.unwrap();
    assert_eq!(found.provider, domain("c.example"));
    assert_eq!((found.reporter, found.alleged_abuser), (RoleIndex(2), RoleIndex(2)));
    assert_eq!(found.report, about);
    let [Finding::Genuine { id, reporters: 1, again: false }] = found.findings[..] else {
        panic!("{:?}", found.findings)
    };
    let message = openmimi::content::Message::decode(&insult.content).unwrap();
    assert_eq!(Some(id), message.claimed_id());

    // It waits, as it was given out; a restart knows it too.
    world.hub.restart();
    assert_eq!(world.hub.room.reports().collect::<Vec<_>>(), [number]);
    let record = world.hub.store.read(b"clubhouse", &Report::key(number)).unwrap().to_vec();
    assert_eq!(Report::read(&record), Ok(found));
    for end in 0..record.len() {
        assert!(Report::read(&record[..end]).is_err(), "cut at {end}");
    }
    assert!(Report::key(number).is_body(), "a restore does not read it");

    // Somebody has it: once, and no other one.
    for _ in 0..2 {
        let done: Result<(), ()> = world.hub.drill(|room, env| Ok(room.reviewed(env, number)));
        done.unwrap();
        assert_eq!(world.hub.room.reports().count(), 0);
        assert_eq!(world.hub.store.read(b"clubhouse", &Report::key(number)), None);
    }
    let words = AbuseReport { messages: Vec::new(), ..about };
    let next = report(&mut world, &server("c.example"), &words).unwrap().number;
    assert_eq!(next, Some(number + 1), "a late word about the first hits no other");
}

/// P-234, D-22, D-74, Q-52: every forgery has its own reason, which only the hub's operator learns.
#[test]
fn p_234_each_forgery_has_its_reason() {
    let mut world = World::clubhouse();
    let genuine = insult(&mut world, "you oaf");
    let with = |change: &dyn Fn(&mut AbusiveMessage)| {
        let mut forged = genuine.clone();
        change(&mut forged);
        forged
    };
    let other_room = content("bob@b.example", "mimi://a.example/r/other", "you oaf");
    let of_alice = sent(&mut world, "alice", &content("alice@a.example", ROOM, "I like you"));
    let forged = [
        (with(&|it| it.content.push(0)), Forgery::Content),
        (with(&|it| it.content.clear()), Forgery::Content),
        (with(&|it| it.content = unnamed(&it.content)), Forgery::Unnamed),
        (with(&|it| it.content.clone_from(&other_room)), Forgery::Room),
        (of_alice.clone(), Forgery::Sender),
        (with(&|it| it.frank.ciphersuite = CipherSuite(2)), Forgery::CipherSuite),
        (with(&|it| it.content = content("bob@b.example", ROOM, "worse")), Forgery::Stamp),
        (with(&|it| it.accepted = it.accepted.plus(1)), Forgery::Stamp),
        (with(&|it| it.frank.server_frank[31] ^= 1), Forgery::Stamp),
        (with(&|it| it.frank.integrity_signature[0] ^= 1), Forgery::Signature),
        (with(&|it| it.frank.integrity_signature.clear()), Forgery::Signature),
    ];
    let records = world.hub.record_count();
    for (message, reason) in &forged {
        let refusal = findings(&mut world, std::slice::from_ref(message)).unwrap_err();
        assert_eq!(refusal, ReportRefusal::Forged(vec![*reason]));
        assert_eq!((refusal.status(), refusal.retry_after()), (201, None), "P-233");
        let judged_at = world.hub.room.revision();
        let reply = Reply::from(hub::Refusal { reason: refusal, judged_at });
        assert_eq!(reply, Reply::Received, "over HTTP too");
    }
    let all: Vec<AbusiveMessage> = forged.iter().map(|(message, _)| message.clone()).collect();
    let reasons: Vec<Forgery> = forged.iter().map(|(_, reason)| *reason).collect();
    assert_eq!(findings(&mut world, &all), Err(ReportRefusal::Forged(reasons.clone())));
    assert_eq!(world.hub.record_count(), records, "nothing is kept of them");

    // A message of Alice cannot be turned against Bob, nor one of Bob against Alice.
    let turned = AbuseReport {
        alleged_abuser: user("alice@a.example"),
        ..about_bob(Some("cathy@c.example"), std::slice::from_ref(&genuine))
    };
    let refusal = report(&mut world, &server("c.example"), &turned).unwrap_err();
    assert_eq!(refusal, ReportRefusal::Forged(vec![Forgery::Sender]));

    // What is genuine stands, whatever comes with it.
    let found = findings(&mut world, &[all[0].clone(), genuine, all[8].clone()]).unwrap();
    assert_eq!(found[0], Finding::Forged(Forgery::Content));
    assert!(matches!(found[1], Finding::Genuine { again: false, .. }));
    assert_eq!(found[2], Finding::Forged(Forgery::Stamp));
}

/// The same content of Bob's, with an empty map in the place of the extensions that name him and the room.
fn unnamed(content: &[u8]) -> Vec<u8> {
    let sender = user("bob@b.example");
    let (sender, room) = (sender.as_bytes(), ROOM.as_bytes());
    let head = |text: &[u8]| match u8::try_from(text.len()).unwrap() {
        short @ 0..24 => vec![0x60 + short],
        long => vec![0x78, long],
    };
    let names = [&[0xa2, 1], &head(sender)[..], sender, &[2], &head(room), room].concat();
    let place = content.windows(names.len()).position(|window| window == names).unwrap();
    [&content[..place], &[0xa0], &content[place + names.len()..]].concat()
}

/// P-143, Q-54: franks of old secrets verify, newest secret first, and no more of them are tried than the limit.
#[test]
fn p_143_old_secrets_verify() {
    let mut limits = Limits::default();
    limits.franking_secrets = 2;
    let mut world = World::with(limits, Preset::Cooperative);
    world.add("alice", "bob@b.example/phone", 2);
    world.add("alice", "cathy@c.example/phone", 2);
    let mut messages = Vec::new();
    for secret in [43, 44] {
        messages.push(insult(&mut world, "you oaf"));
        let keys = std::mem::take(&mut world.hub.keys);
        world.hub.keys = keys.with_franking_secret([secret; 32]);
    }
    messages.push(insult(&mut world, "you oaf"));
    let found = findings(&mut world, &messages).unwrap();
    assert_eq!(found[0], Finding::Forged(Forgery::Stamp), "the oldest is out of reach");
    assert!(matches!(found[1], Finding::Genuine { .. }));
    assert!(matches!(found[2], Finding::Genuine { .. }));
}

/// in a room that frames its content, the tag covers the frame, and the report holds it.
#[test]
fn q_52_content_in_a_frame() {
    let mut world = framing();
    let inner = content("bob@b.example", ROOM, "you oaf");
    let framed = |media_type: Option<&str>| {
        let media_type =
            media_type.map(|name| MediaType { name: name.into(), parameters: Vec::new() });
        ApplicationFraming { media_type, content: inner.clone() }.encode()
    };
    // E-086: no type is the first one that the room requires.
    let named = sent(&mut world, "bob@b.example", &framed(Some("application/mimi-content")));
    let implied = sent(&mut world, "bob@b.example", &framed(None));
    let other = sent(&mut world, "bob@b.example", &framed(Some("text/plain")));
    let found = findings(&mut world, &[named, implied, other]).unwrap();
    assert!(matches!(found[..2], [Finding::Genuine { .. }, Finding::Genuine { .. }]));
    assert_eq!(found[2..], [Finding::Forged(Forgery::Content)]);
}

/// a message from before the room required media types has no frame, and its report was taken for a forgery.
#[test]
fn q_52_content_from_before_the_room_required_media_types() {
    let mut world = framing();
    let bare = content("bob@b.example", ROOM, "you oaf");
    let bare = sent(&mut world, "bob@b.example", &bare);
    let found = findings(&mut world, &[bare]).unwrap();
    assert!(matches!(found[..], [Finding::Genuine { .. }]));
}

/// A room that requires media types.
fn framing() -> World {
    let mut world = World::founded(Limits::default(), |room, creator| {
        let mut components = Preset::Cooperative.room(room, creator, &[]);
        let types = ["application/mimi-content", "text/plain"]
            .map(|name| MediaType { name: name.into(), parameters: Vec::new() });
        let types = MediaTypeList(types.to_vec());
        components.insert(ComponentId::CONTENT_MEDIA_TYPES, types.encode());
        components
    });
    world.add("alice", "bob@b.example/phone", 2);
    world.add("alice", "cathy@c.example/phone", 2);
    world
}

/// D-97: a message counts once for each reporter, anonymous ones together; and it is remembered across restarts.
#[test]
fn d_97_reports_of_the_same_count_once() {
    let mut world = World::clubhouse();
    let one = insult(&mut world, "you oaf");
    let two = insult(&mut world, "you lout");
    let (b, c) = (server("b.example"), server("c.example"));
    let cathys = |messages: &[AbusiveMessage]| about_bob(Some("cathy@c.example"), messages);
    let count = |reported: &Reported| -> Vec<(u32, bool)> {
        let counted = reported.report.findings.iter().map(|finding| match finding {
            Finding::Genuine { reporters, again, .. } => (*reporters, *again),
            Finding::Forged(forgery) => panic!("{forgery}"),
        });
        counted.collect()
    };
    let first = report(&mut world, &c, &cathys(&[one.clone(), one.clone()])).unwrap();
    assert_eq!(count(&first), [(1, false), (1, true)], "twice in one report");
    let again = report(&mut world, &c, &cathys(std::slice::from_ref(&one))).unwrap();
    assert_eq!((again.number, count(&again)), (None, vec![(1, true)]));
    let other_words =
        AbuseReport { note: "still rude".into(), ..cathys(std::slice::from_ref(&one)) };
    assert_eq!(report(&mut world, &c, &other_words).unwrap().number, None);
    let more = report(&mut world, &c, &cathys(&[one.clone(), two])).unwrap();
    assert_eq!((more.number.is_some(), count(&more)), (true, vec![(1, true), (1, false)]));

    // Others count for themselves. All of a provider that do not say who they are count as one.
    let anonymous = about_bob(None, std::slice::from_ref(&one));
    let nobody = report(&mut world, &c, &anonymous).unwrap();
    assert_eq!((nobody.report.reporter, count(&nobody)), (RoleIndex::NONE, vec![(2, false)]));
    assert_eq!(report(&mut world, &c, &anonymous).unwrap().number, None);
    assert_eq!(count(&report(&mut world, &b, &anonymous).unwrap()), [(3, false)]);
    let alice = world.client("alice").peer();
    let at_home = about_bob(None, std::slice::from_ref(&one));
    assert_eq!(count(&report(&mut world, &alice, &at_home).unwrap()), [(4, false)]);
    let by_name = about_bob(Some("alice@a.example"), std::slice::from_ref(&one));
    let named = report(&mut world, &alice, &by_name).unwrap();
    assert_eq!(named.number, None, "the hub's own client is known to it, named or not");

    // Words alone count once too; other words are another report.
    let words = cathys(&[]);
    assert!(report(&mut world, &c, &words).unwrap().number.is_some());
    assert_eq!(report(&mut world, &c, &words).unwrap().number, None);
    let others = AbuseReport { note: "and loud".into(), ..words.clone() };
    assert!(report(&mut world, &c, &others).unwrap().number.is_some());

    // Until it is forgotten.
    world.hub.now = world.hub.now.plus(world.hub.limits.reports_for);
    world.hub.timeout();
    assert!(report(&mut world, &c, &words).unwrap().number.is_some());
}

/// Q-106, P-231: a former participant may report what it has seen; the role it has now stands in the report.
#[test]
fn p_231_a_former_participant_may_report() {
    let mut world = World::clubhouse();
    let insult = insult(&mut world, "you oaf");
    world.deliver();
    let leave = world.client("cathy@c.example").leave();
    world.proposed("cathy@c.example", &leave);
    let bundle = world.client("alice").commit(Vec::new());
    world.committed("alice", &bundle);
    let about = about_bob(Some("cathy@c.example"), &[insult]);
    let reported = report(&mut world, &server("c.example"), &about).unwrap();
    assert_eq!(reported.report.reporter, RoleIndex::NONE);
    assert!(matches!(reported.report.findings[..], [Finding::Genuine { .. }]));
}

/// D-23, D-96, D-97: what is not received, and what is answered then.
#[test]
fn d_97_every_refusal_of_a_report() {
    let mut limits = Limits::default();
    limits.report_messages = 2;
    limits.reports_waiting = 1;
    limits.requests_by_user = 40;
    let mut world = World::with(limits, Preset::Cooperative);
    world.add("alice", "bob@b.example/phone", 2);
    world.add("alice", "cathy@c.example/phone", 2);
    let c = server("c.example");
    let insult = insult(&mut world, "you oaf");
    let about = |count: usize| about_bob(Some("cathy@c.example"), &vec![insult.clone(); count]);
    let octets = vec![0; Limits::default().body + 1];
    let refusal = world.hub.drill(|room, env| room.report_abuse(env, &c, &octets)).unwrap_err();
    assert_eq!(refusal.reason, ReportRefusal::TooLarge(Limits::default().body));
    assert_eq!(refusal.reason.status(), 413);
    let refusal = world.hub.drill(|room, env| room.report_abuse(env, &c, &[7])).unwrap_err();
    assert_eq!(refusal.reason.status(), 400);
    let refusal = report(&mut world, &c, &about(3)).unwrap_err();
    assert_eq!(refusal, ReportRefusal::TooManyMessages(2));
    assert_eq!(refusal.status(), 413);
    for peer in [server("b.example"), world.client("alice").peer()] {
        let refusal = report(&mut world, &peer, &about(1)).unwrap_err();
        assert_eq!((refusal.status(), refusal), (403, ReportRefusal::Peer));
    }
    report(&mut world, &c, &about(2)).unwrap();
    assert_eq!(
        report(&mut world, &c, &about(1)).unwrap().number,
        None,
        "nothing new needs no room"
    );
    let refusal = report(&mut world, &c, &about(0)).unwrap_err();
    assert_eq!((refusal.status(), refusal), (503, ReportRefusal::Full(1)));
    // Too often. The count is in memory only, so this is no drill.
    let body = about(0).encode();
    let refusal = loop {
        let asked = world.hub.play(|room, env| room.report_abuse(env, &c, &body));
        match asked.map(drop).unwrap_err().reason {
            ReportRefusal::Full(_) => {}
            other => break other,
        }
    };
    assert_eq!(refusal, ReportRefusal::TooMany { retry_after: world.hub.limits.requests_for });
    assert_eq!((refusal.status(), refusal.retry_after()), (429, Some(60_000)));
    let judged_at = world.hub.room.revision();
    let reply = Reply::from(hub::Refusal { reason: refusal, judged_at });
    assert_eq!(reply, Reply::too_many(60_000));
    // A hub that is asked too often says the same at its other endpoints.
    let later: hub::Answer<openmimi::wire::GroupInfoResponse> =
        hub::Answer::Later { retry_after: 60_000 };
    assert_eq!(Reply::from(later), Reply::too_many(60_000));
}

/// D-97: reports are stored whole, so their octets are bounded too, all together.
#[test]
fn d_97_the_octets_of_waiting_reports_are_bounded() {
    let mut limits = Limits::default();
    limits.reports_octets = 4_000;
    let mut world = World::with(limits, Preset::Cooperative);
    world.add("alice", "bob@b.example/phone", 2);
    world.add("alice", "cathy@c.example/phone", 2);
    let c = server("c.example");
    let about = |words: usize| AbuseReport {
        note: "x".repeat(words),
        ..about_bob(Some("cathy@c.example"), &[])
    };
    let first = report(&mut world, &c, &about(1_500)).unwrap().number.unwrap();
    report(&mut world, &c, &about(1_600)).unwrap();
    let refusal = report(&mut world, &c, &about(1_700)).unwrap_err();
    assert_eq!((refusal.status(), refusal.retry_after()), (503, None));
    assert_eq!(refusal, ReportRefusal::FullOfOctets(4_000));
    // A short one still goes in, and a long one when somebody has taken another over.
    report(&mut world, &c, &about(10)).unwrap();
    let reviewed: Result<(), ()> = world.hub.drill(|room, env| Ok(room.reviewed(env, first)));
    reviewed.unwrap();
    report(&mut world, &c, &about(1_700)).unwrap();
    // One alone that is longer never does.
    let refusal = report(&mut world, &c, &about(4_000)).unwrap_err();
    assert_eq!(refusal, ReportRefusal::FullOfOctets(4_000));
}

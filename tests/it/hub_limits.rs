//! Every limit of a hub is reached, and what happens then is said (`env::Limits`): one line each.

#![allow(clippy::wildcard_enum_match_arm, reason = "what is not expected ends the test")]

use openmimi::{
    codec::Wire,
    delivery::ProposalRefusal,
    env::Limits,
    hub::{
        Answer, CreateRefusal, GroupInfoRefusal, KeysClaimedRefusal, Offer, Room, SubmitRefusal,
        UpdateRefusal,
    },
    policy::{RoleIndex, presets::Preset},
    room::{ComponentId, ParticipantListUpdate, RoomMetadata},
    wire::UpdateOutcome,
};

use crate::{hub::key_material, kit::*};

/// Alice and Bob in a room with these limits.
fn room(change: impl FnOnce(&mut Limits)) -> World {
    let mut limits = Limits::default();
    change(&mut limits);
    let mut world = World::with(limits, Preset::Cooperative);
    world.add("alice", "bob@b.example/phone", 2);
    world
}

/// The answer to a refused update, in short.
fn answer(refusal: &UpdateRefusal) -> String {
    match refusal.answer() {
        Answer::Response(response) => match response.outcome {
            UpdateOutcome::NotAllowed => {
                format!("notAllowed: {}", response.error_description.as_str())
            }
            UpdateOutcome::WrongEpoch { current_epoch } => format!("wrongEpoch {current_epoch}"),
            other => panic!("{other:?}"),
        },
        Answer::Status(status) => status.to_string(),
        Answer::Later { retry_after } => format!("429, Retry-After {retry_after} ms"),
    }
}

fn updated(world: &mut World, name: &str, body: &[u8]) -> String {
    let peer = world.client(name).peer();
    match world.hub.update(&peer, body) {
        Ok(_) => "success".into(),
        Err(refusal) => answer(&refusal),
    }
}

/// Somebody is listed, without a client.
fn listing(names: &[&str]) -> openmls::prelude::Proposal {
    let added = names.iter().map(|name| (user(name).into(), RoleIndex(2))).collect();
    list_update(&ParticipantListUpdate { added, ..Default::default() })
}

fn body() -> Vec<String> {
    let mut world = room(|limits| limits.body = 100_000);
    let b = server("b.example");
    let large = vec![0; 100_001];
    let update = world.hub.update(&b, &large).unwrap_err();
    let submit = world.hub.submit(&b, &large).unwrap_err();
    let asked = world.hub.drill(|room, env| room.group_info(env, &b, &large)).map(drop);
    let asked = asked.unwrap_err().reason;
    let reported = world.hub.drill(|room, env| room.report_abuse(env, &b, &large)).map(drop);
    assert_eq!(submit, SubmitRefusal::TooLarge(100_000));
    assert_eq!(asked, GroupInfoRefusal::TooLarge(100_000));
    vec![answer(&update), reported.unwrap_err().reason.status().to_string()]
}

fn pending_proposals() -> Vec<String> {
    let mut world = room(|limits| limits.pending_proposals = 2);
    let mut propose = |names: &[&str]| {
        let proposals = names.iter().map(|name| listing(&[name])).collect();
        let body = world.client("alice").propose(proposals);
        updated(&mut world, "alice", &body)
    };
    vec![propose(&["c@c.example", "d@c.example"]), propose(&["e@c.example"])]
}

fn bundle() -> Vec<String> {
    let mut world = room(|limits| limits.bundle = 1);
    let proposals = vec![listing(&["c@c.example"]), listing(&["d@c.example"])];
    let body = world.client("alice").propose(proposals);
    let refusal = world.hub.update(&world.clients[0].peer(), &body).unwrap_err();
    assert_eq!(refusal, UpdateRefusal::Proposals(ProposalRefusal::TooMany { limit: 1 }));
    vec![answer(&refusal)]
}

/// D-55: by a commit, by proposals that wait, and at creation; what lets nothing grow always passes.
fn component() -> Vec<String> {
    let mut answers = Vec::new();
    let large = "x".repeat(900);
    let mut world = room(|_| ());
    let list = world.hub.room.committed().component(ComponentId::PARTICIPANT_LIST).unwrap().len();
    world.hub.limits.component = list + 60;
    world.hub.restart();
    let rename = |world: &mut World, name: &str| {
        let metadata = RoomMetadata {
            room_uri: world.hub.room.uri().clone(),
            name: name.into(),
            ..world.hub.room.committed().metadata().clone()
        };
        component_update(ComponentId::ROOM_METADATA, &metadata.encode())
    };
    let proposal = listing(&["carl-in-the-corner@c.example", "another-one@c.example"]);
    let bundle = world.client("alice").commit(vec![proposal.clone()]);
    world.client("alice").forget_commit();
    answers.push(updated(&mut world, "alice", &bundle.body()));
    let body = world.client("alice").propose(vec![proposal]);
    world.client("alice").forget_proposals();
    answers.push(updated(&mut world, "alice", &body));
    // One by one, counting what waits.
    let one = world.client("alice").propose(vec![listing(&["carl-in-the-corner@c.example"])]);
    answers.push(updated(&mut world, "alice", &one));
    let two = world.client("alice").propose(vec![listing(&["another-one@c.example"])]);
    answers.push(updated(&mut world, "alice", &two));
    // A removal is never too large.
    let off = ParticipantListUpdate {
        removed: vec![world.client("alice").place(user("bob@b.example"))],
        ..Default::default()
    };
    let bobs = world.client("alice").leaves_of(&user("bob@b.example"))[0];
    let gone = world.client("alice").propose(vec![list_update(&off), remove(bobs)]);
    answers.push(updated(&mut world, "alice", &gone));

    // The limit on all of them.
    let mut world = room(|_| ());
    let total: usize = components_of(&world).iter().sum();
    world.hub.limits.components = total + 100;
    world.hub.restart();
    let proposal = rename(&mut world, &large);
    let bundle = world.client("alice").commit(vec![proposal]);
    world.client("alice").forget_commit();
    answers.push(updated(&mut world, "alice", &bundle.body()));
    answers
}

fn components_of(world: &World) -> Vec<usize> {
    let room = world.hub.room.committed();
    let ids = ComponentId::KNOWN.iter();
    ids.filter_map(|id| room.component(*id)).map(|data| data.len()).collect()
}

/// D-55 at creation.
fn component_at_creation() -> Vec<String> {
    let world = World::new();
    let made = |limits: &Limits, offer: &Offer| {
        let alice = &world.clients[0];
        let made = Room::create(
            &world.hub.env(),
            offer,
            &alice.group_info(),
            &alice.ratchet_tree(),
            limits,
        );
        made.map(drop).unwrap_err()
    };
    let mut answers = Vec::new();
    for (component, components) in [(100, usize::MAX), (usize::MAX, 300)] {
        let mut limits = Limits::default();
        (limits.component, limits.components) = (component, components);
        let refusal = made(&limits, &world.hub.offer);
        assert!(matches!(refusal, CreateRefusal::TooLarge(_)), "{refusal:?}");
        answers.push("refused".into());
    }
    answers
}

fn answered(change: fn(&mut Limits), wait: u64) -> Vec<String> {
    let mut world = room(change);
    let bundle = world.client("alice").update_path();
    world.committed("alice", &bundle);
    let mut answers = vec![updated(&mut world, "alice", &bundle.body())];
    world.hub.now = world.hub.now.plus(wait);
    world.hub.timeout();
    let text = world.client("bob@b.example").say(b"another answer", Some(&[1; 32]));
    world.hub.submit(&server("b.example"), &text).unwrap();
    answers.push(updated(&mut world, "alice", &bundle.body()));
    answers
}

fn claims() -> Vec<String> {
    let mut world = room(|limits| limits.claims = 1);
    let dora = Client::new("dora@d.example/phone");
    let mut claim = || {
        let response = key_material(&dora, &[tls(&dora.key_package())]);
        let d = domain("d.example");
        world.hub.drill(|room, env| room.keys_claimed(env, &d, &response)).map(drop)
    };
    claim().unwrap();
    let refusal = claim().unwrap_err();
    assert_eq!(refusal.reason, KeysClaimedRefusal::TooMany(1));
    vec![refusal.to_string()]
}

/// Who asked first and has not come is forgotten; so is who waits too long.
fn joiners(change: fn(&mut Limits), wait: u64) -> Vec<String> {
    let mut world = room(change);
    let mut tablet = Client::new("bob@b.example/tablet");
    let given = world.hub.group_info(&tablet).unwrap();
    let bundle = tablet.enter(&given, None);
    world.hub.now = world.hub.now.plus(wait);
    if wait == 0 {
        world.hub.group_info(&Client::new("alice@a.example/tablet")).unwrap();
    }
    world.clients.push(tablet);
    vec![updated(&mut world, "bob@b.example/tablet", &bundle.body())]
}

fn replays() -> Vec<String> {
    let mut world = room(|limits| {
        limits.replays = 1;
        limits.joiner_for = 1;
    });
    let tablet = Client::new("bob@b.example/tablet");
    let (request, _) = world.hub.group_info_request(&tablet);
    let (b, body) = (server("b.example"), request.encode());
    let ask = |world: &mut World| {
        let asked = world.hub.drill(|room, env| room.group_info(env, &b, &body));
        asked.map(drop).map_or_else(|refusal| refusal.to_string(), |()| "success".into())
    };
    let mut answers = vec![ask(&mut world)];
    world.tick();
    answers.push(ask(&mut world));
    // Another request pushes it out.
    world.hub.group_info(&tablet).unwrap();
    answers.push(ask(&mut world));
    answers
}

fn reports() -> Vec<String> {
    let mut world = room(|limits| limits.reports = 1);
    let mut report = |note: &str| {
        let about = openmimi::wire::AbuseReport {
            reporting_user: Some(user("bob@b.example")),
            alleged_abuser: user("alice@a.example"),
            reason_code: 0,
            note: note.into(),
            messages: Vec::new(),
            extensions: openmimi::wire::AppDataDictionary::default(),
        };
        let (b, body) = (server("b.example"), about.encode());
        let reported = world.hub.drill(|room, env| room.report_abuse(env, &b, &body)).unwrap();
        format!("{:?}", reported.number)
    };
    // Once, again, another, and the first again: forgotten for the other.
    [report("one"), report("one"), report("two"), report("one")].into()
}

fn messages() -> Vec<String> {
    let mut world = room(|limits| limits.messages = 1);
    world.add("alice", "eve@b.example/phone", 2);
    let b = server("b.example");
    let first = world.client("bob@b.example").encrypt(b"one", Some(&[1; 32]));
    let mine = world.client("bob@b.example").submit_body(&first);
    world.hub.submit(&b, &mine).unwrap();
    let stolen = world.client("eve@b.example").submit_body(&first);
    let mut answers = vec![world.hub.submit(&b, &stolen).unwrap_err().to_string()];
    let next = world.client("bob@b.example").say(b"two", Some(&[1; 32]));
    world.hub.submit(&b, &next).unwrap();
    let taken = world.hub.submit(&b, &stolen);
    answers.push(taken.map_or_else(|refusal| refusal.to_string(), |_| "success".into()));
    answers
}

/// Of each limit: its name, how it is reached, and what is answered or happens.
#[test]
fn d_96_every_limit_is_reached_and_answered() {
    const DAY: u64 = 24 * 60 * 60 * 1000;
    type Case = (&'static str, Box<dyn Fn() -> Vec<String>>, &'static [&'static str]);
    let cases: [Case; 14] = [
        ("body", Box::new(body), &["413", "413"]),
        (
            "pending_proposals",
            Box::new(pending_proposals),
            &["success", "notAllowed: more than 0 proposals"],
        ),
        ("bundle", Box::new(bundle), &["notAllowed: more than 1 proposals"]),
        (
            "component, components",
            Box::new(component),
            &[
                "notAllowed: participant_list would become too large",
                "notAllowed: participant_list would become too large",
                "success",
                "notAllowed: participant_list would become too large",
                "success",
                "notAllowed: room_metadata would become too large",
            ],
        ),
        ("component, components at creation", Box::new(component_at_creation), &["refused"; 2]),
        (
            "answered",
            Box::new(|| answered(|limits| limits.answered = 1, 0)),
            &["success", "wrongEpoch 2"],
        ),
        (
            "answered_for",
            Box::new(|| answered(|limits| limits.answered_for = DAY, DAY)),
            &["success", "wrongEpoch 2"],
        ),
        ("claims", Box::new(claims), &["more than 1 KeyPackages are outstanding"]),
        (
            "joiners",
            Box::new(|| joiners(|limits| limits.joiners = 1, 0)),
            &["notAllowed: the joiner did not ask for the GroupInfo"],
        ),
        (
            "joiner_for",
            Box::new(|| joiners(|limits| limits.joiner_for = 1_000, 1_000)),
            &["notAllowed: the joiner did not ask for the GroupInfo"],
        ),
        (
            "replays",
            Box::new(replays),
            &["success", "the request has been answered before", "success"],
        ),
        ("reports", Box::new(reports), &["Some(0)", "None", "Some(1)", "Some(2)"]),
        (
            "messages",
            Box::new(messages),
            &["the same message has been submitted under another name", "success"],
        ),
        // Reached elsewhere in this binary, each in a test of its own rule: requests_by_user, requests_by_peer,
        // requests_for, replays_for, removal_waits, clock_ahead, lag, notify_events, notify_octets, notify_wait,
        // notify_wait_longest, report_messages, reports_waiting, reports_octets, reports_for, franking_secrets, codes.
        ("none", Box::new(Vec::new), &[]),
    ];
    for (name, reach, expected) in cases {
        assert_eq!(reach(), expected, "{name}");
    }
}

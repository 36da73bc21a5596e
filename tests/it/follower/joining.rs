//! What a client sends through its provider, and how it joins from outside.

use super::*;

#[test]
fn q_108_a_joiner_gets_its_own_commit_and_all_after_it() {
    let (bob, ben) = (client("bob", "1"), client("ben", "1"));
    let mut follower = Follower::in_epoch(4, Limits::default(), &[&ben]);
    let join = external(4, 1);
    let body = update(&join);
    let (relay, _) = follower.play(&|room| room.update(&at(NOW), &bob.peer(), &body).unwrap());
    assert_eq!(relay.to, domain("a.example"));
    let before = follower.hears(proposal(4, 1));
    // The notification overtakes the reply (D-30), with what is stapled to the commit.
    let stapled = follower.event(FanoutEvent::Commit {
        commit: join.clone(),
        external_proposals: vec![remove(5, 3)],
    });
    follower.hear(&stapled);
    let after = follower.hears(application(5, 0));
    let (_, actions) =
        follower.play(&|room| room.answered(&bob.peer(), &body, &success()).unwrap());
    assert_eq!(actions, []);
    assert_eq!(follower.take(&bob), [stapled.clone(), after.clone()]);
    assert_eq!(follower.take(&ben), [before, stapled, after]);
}

#[test]
fn q_108_a_hub_that_sends_nothing_back_is_followed_all_the_same() {
    let bob = client("bob", "1");
    let limits = Limits::default();
    let join = external(4, 1);
    let body = update(&join);
    let founding = Room::join(limits.clone(), &at(NOW), &bob.peer(), clubhouse(), &body).unwrap();
    let mut follower = Follower::new(limits, &[]);
    follower.store = MemoryStore::new();
    follower.store.save(ID, founding.changes()).unwrap();
    assert_eq!(founding.changes().wake_at, Some(NOW.plus(Limits::default().answered_for)));
    let (room, outcome) = founding.apply();
    assert_eq!(outcome.reply.to, domain("a.example"));
    follower.room = room;
    assert!(!follower.room.is_idle());

    // Known before the commit is on its way: what overtakes the reply waits.
    let early = follower.event(application(5, 0));
    assert_eq!(follower.hear(&early), []);
    follower.play(&|room| room.answered(&bob.peer(), &body, &success()).unwrap());
    assert_eq!(follower.take(&bob), [early]);
    // Its own later commits move it on as well.
    let own = update(&commit_message(5, 3));
    follower.play(&|room| room.update(&at(NOW), &bob.peer(), &own).unwrap());
    follower.play(&|room| room.answered(&bob.peer(), &own, &success()).unwrap());
    let next = follower.hears(application(6, 0));
    assert_eq!(follower.take(&bob), [next]);
}

/// D-30: the answer to an external commit is lost, and the client asks for it again an hour later. Until then the follower
/// waits for it: it forgot the joiner after ten minutes, and passed what came next to nobody.
#[test]
fn a_joiner_whose_answer_was_lost_is_waited_for() {
    let bob = client("bob", "1");
    let mut follower = Follower::new(Limits::default(), &[]);
    let join = external(4, 1);
    let body = update(&join);
    follower.play(&|room| room.update(&at(NOW), &bob.peer(), &body).unwrap());
    let hour = NOW.plus(60 * 60 * 1000);
    follower.play(&|room| room.timeout(&at(hour)));
    let own = FanoutEvent::Commit { commit: join, external_proposals: Vec::new() };
    let own = follower.hears(own);
    let next = follower.hears(application(5, 0));
    follower.play(&|room| room.update(&at(hour), &bob.peer(), &body).unwrap());
    follower.play(&|room| room.answered(&bob.peer(), &body, &success()).unwrap());
    assert_eq!(follower.take(&bob), [own, next]);
}

#[test]
fn a_refused_or_forgotten_joiner_gets_nothing() {
    let bob = client("bob", "1");
    let limits = small(|it| (it.joiner_for, it.answered_for) = (1000, 1000));
    for outcome in [
        UpdateOutcome::WrongEpoch { current_epoch: 9 },
        UpdateOutcome::NotAllowed,
        UpdateOutcome::InvalidProposal(Vec::new()),
    ] {
        let mut follower = Follower::new(limits.clone(), &[]);
        let body = update(&external(4, 1));
        follower.play(&|room| room.update(&at(NOW), &bob.peer(), &body).unwrap());
        // Its second try is what counts: the answer to the first one changes nothing.
        let second = update(&external(5, 1));
        follower.play(&|room| room.update(&at(NOW), &bob.peer(), &second).unwrap());
        let refusal = answer(outcome);
        follower.play(&|room| room.answered(&bob.peer(), &body, &refusal).unwrap());
        assert!(!follower.room.is_idle());
        let (_, actions) =
            follower.play(&|room| room.answered(&bob.peer(), &second, &refusal).unwrap());
        assert_eq!(actions, [Action::Forget]);
        follower.hears(echo(&external(5, 1)));
        assert_eq!(follower.room.clients().count(), 0);
    }
    // Nobody answers.
    let mut follower = Follower::new(limits, &[]);
    let body = update(&external(4, 1));
    follower.play(&|room| room.update(&at(NOW), &bob.peer(), &body).unwrap());
    let (_, actions) = follower.play(&|room| room.timeout(&later(1000)));
    assert_eq!(actions, [Action::Forget]);
}

#[test]
fn who_is_about_to_join_is_bounded() {
    let mut follower = Follower::new(small(|it| it.joiners = 2), &[]);
    for (minute, name) in (0..).zip(["a", "b", "c"]) {
        let joiner = client(name, "1");
        let body = update(&external(4, minute));
        let env = later(u64::from(minute) * 60_000);
        follower.play(&|room| room.update(&env, &joiner.peer(), &body).unwrap());
    }
    for tag in 0..3 {
        follower.hears(echo(&external(4, tag)));
    }
    let [b, c] = ["b", "c"].map(|it| client(it, "1").uri);
    assert_eq!(follower.room.clients().collect::<Vec<_>>(), [&b, &c], "the oldest is out");
}

#[test]
fn p_012_p_014_relays_vouch_for_their_own_clients_only() {
    let bob = Device::new("bob@b.example", "1");
    let mallory = Device::new("mallory@b.example", "1");
    let (limits, clubhouse) = (Limits::default(), clubhouse());
    let third = user("carol@c.example");
    let astray = Peer::Client(Device::new("bob@c.example", "1").client, bob.user.clone());
    let to = |name: &str| Ok(domain(name));
    let not_ours = Err(Fault::NotOurs);

    let app_message = PrivateMessage::decode(&private(1, 0)).unwrap();
    let message = SubmitMessageRequest { app_message, sending_uri: bob.user.clone() }.encode();
    let submit =
        |peer: &Peer, body: &[u8]| submit_message(&limits, peer, &clubhouse, body).map(|it| it.to);
    assert_eq!(submit(&bob.peer(), &message), to("a.example"));
    for peer in [mallory.peer(), server("b.example"), astray.clone()] {
        assert_eq!(submit(&peer, &message), not_ours);
    }
    assert_eq!(submit(&bob.peer(), &message[1..]).unwrap_err().status(), 400);

    // P-012: another provider's user through the hub; without a room straight.
    let material = |peer: &Peer, body: &[u8]| key_material(&limits, peer, body).map(|it| it.to);
    let for_room = bob.request(&third, Some(&clubhouse), 0);
    assert_eq!(material(&bob.peer(), &for_room), to("a.example"));
    assert_eq!(material(&bob.peer(), &bob.request(&third, None, 0)), to("c.example"));
    for peer in [mallory.peer(), server("b.example"), astray.clone()] {
        assert_eq!(material(&peer, &for_room), not_ours);
    }
    let mut forged = bob.unsigned(&third, None);
    forged.requester_credential = mallory.credential().credential;
    assert_eq!(material(&bob.peer(), &bob.signed(forged)), not_ours);

    let request = GroupInfoRequest {
        cipher_suite: bob.suite.into(),
        requesting_signature_key: bob.signer.to_public_vec(),
        requesting_credential: bob.credential().credential,
        group_info_public_key: vec![1; 32],
        joining_code: None,
        signature: vec![1],
    }
    .encode();
    let info =
        |peer: &Peer, body: &[u8]| group_info(&limits, peer, &clubhouse, body).map(|it| it.to);
    assert_eq!(info(&bob.peer(), &request), to("a.example"));
    for peer in [mallory.peer(), server("b.example"), astray.clone()] {
        assert_eq!(info(&peer, &request), not_ours);
    }

    // An update of a room that nobody here is in has to be an external commit.
    let join = |peer: &Peer, body: &[u8]| {
        let founding = Room::join(limits.clone(), &at(NOW), peer, clubhouse.clone(), body);
        founding.map(|it| it.apply().1.reply.to).map_err(|it| it.fault)
    };
    assert_eq!(join(&bob.peer(), &update(&external(1, 0))), to("a.example"));
    assert_eq!(join(&bob.peer(), &update(&commit_message(1, 0))), Err(Fault::UnknownRoom));
    assert_eq!(join(&server("b.example"), &update(&external(1, 0))), not_ours);
    assert_eq!(join(&astray, &update(&external(1, 0))), not_ours);
    let big = small(|it| it.body = 3);
    let founding =
        Room::join(big, &at(NOW), &bob.peer(), clubhouse.clone(), &update(&external(1, 0)));
    assert_eq!(founding.unwrap_err().fault.status(), 400);
}

/// P-220, P-230, P-245: what is no part of a room's life goes the same way, for a provider's own clients only.
#[test]
fn p_230_reports_searches_and_downloads_are_relayed_for_own_clients_only() {
    let bob = Device::new("bob@b.example", "1");
    let (limits, clubhouse) = (Limits::default(), clubhouse());
    let to = |name: &str| Ok(domain(name));
    let strangers = [
        server("b.example"),
        Peer::Client(Device::new("bob@c.example", "1").client, bob.user.clone()),
    ];

    let report = |reporter: Option<&str>| {
        let report = AbuseReport {
            reporting_user: reporter.map(user),
            alleged_abuser: user("mallory@c.example"),
            reason_code: 0,
            note: "rude".into(),
            messages: Vec::new(),
            extensions: Default::default(),
        };
        report.encode()
    };
    let query = vec![QueryElement { field: SearchField::Handle, value: "cathy".into() }];
    let query = IdentifierRequest { query, extensions: Default::default() }.encode();
    let c = domain("c.example");
    type Check<'a> = &'a dyn Fn(&Limits, &Peer, &[u8]) -> Result<openmimi::uri::Domain, Fault>;
    let reports: Check<'_> =
        &|limits, peer, body| report_abuse(limits, peer, &clubhouse, body).map(|it| it.to);
    let searches: Check<'_> =
        &|limits, peer, body| identifier_query(limits, peer, &c, body).map(|it| it.to);

    // Only to the hub; and nobody complains in another's name.
    assert_eq!(reports(&limits, &bob.peer(), &report(None)), to("a.example"));
    assert_eq!(reports(&limits, &bob.peer(), &report(Some("bob@b.example"))), to("a.example"));
    for other in ["ben@b.example", "bob@c.example"] {
        assert_eq!(reports(&limits, &bob.peer(), &report(Some(other))), Err(Fault::NotOurs));
    }
    // Straight to the provider that is asked.
    assert_eq!(searches(&limits, &bob.peer(), &query), to("c.example"));

    for (check, body) in [(reports, report(None)), (searches, query)] {
        for stranger in &strangers {
            assert_eq!(check(&limits, stranger, &body), Err(Fault::NotOurs));
        }
        for end in 0..body.len() {
            let fault = check(&limits, &bob.peer(), &body[..end]).unwrap_err();
            assert_eq!(fault.status(), 400, "cut at {end}");
        }
        let just = small(|it| it.body = body.len());
        assert!(check(&just, &bob.peer(), &body).is_ok());
        let less = small(|it| it.body = body.len() - 1);
        assert_eq!(check(&less, &bob.peer(), &body).unwrap_err().status(), 400, "too large");
    }

    // Through the hub of the room that the asset was sent in.
    let download = |peer: &Peer| proxy_download(peer, &clubhouse).map(|it| it.to);
    assert_eq!(download(&bob.peer()), to("a.example"));
    for stranger in &strangers {
        assert_eq!(download(stranger), Err(Fault::NotOurs));
    }
}

//! Who gets an event, once, and until when it is kept.

use std::ops::Range;

use super::*;

/// These events without a gap.
fn once(events: Range<u64>) -> Vec<Range<u64>> {
    std::iter::once(events).collect()
}

#[test]
fn d_30_only_the_hub_of_the_room_notifies() {
    let bob = client("bob", "1");
    let mut follower = Follower::new(Limits::default(), &[&bob]);
    let body = follower.event(commit(0));
    for peer in [server("b.example"), server("c.example"), server("x.a.example"), bob.peer()] {
        let fault = follower.fault(&peer, &body);
        assert_eq!((fault.status(), fault), (403, Fault::NotTheHub));
    }
    assert_eq!(follower.hear(&body).len(), 1);
}

#[test]
fn d_30_an_unknown_room_becomes_known_by_a_welcome_for_a_known_key_package() {
    let bob = client("bob", "1");
    let (limits, env) = (Limits::default(), at(NOW));
    let found = |peer: &Peer, body: &[u8], owners: &[(KeyPackageRef, Owner)]| {
        let owners = owners.iter().cloned().collect();
        Room::welcomed(limits.clone(), &env, peer, clubhouse(), &notice(body), &owners)
            .map(|it| it.apply())
            .map_err(|it| it.fault)
    };
    let known = bob.owns(1, Some(clubhouse()));
    let body = [encoded(1, welcome(&[1])), encoded(2, application(5, 0))].concat();

    let unknown = |result: Result<(Room, Outcome<(), Action>), Fault>| {
        let fault = result.err().unwrap();
        assert_eq!((fault.status(), fault), (404, Fault::UnknownRoom));
    };
    unknown(found(&hub(), &body, &[]));
    unknown(found(&hub(), &body, &[bob.owns(2, None)]));
    unknown(found(&hub(), &encoded(1, commit(5)), std::slice::from_ref(&known)));
    // P-071, D-68: claimed for another room.
    let elsewhere = bob.owns(1, Some(room("mimi://a.example/r/other")));
    unknown(found(&hub(), &body, &[elsewhere]));
    assert_eq!(
        found(&server("c.example"), &body, std::slice::from_ref(&known)).err(),
        Some(Fault::NotTheHub)
    );

    let (room, outcome) = found(&hub(), &body, &[known]).unwrap();
    assert_eq!(room.clients().collect::<Vec<_>>(), [&bob.uri]);
    let welcomed =
        Action::Welcomed { user: bob.user.clone(), references: vec![[1].as_slice().into()] };
    let deliver = Action::Deliver { client: bob.uri.clone(), events: once(0..2) };
    assert_eq!(outcome.actions, [welcomed, deliver]);
    assert_eq!(room.backlog(), outcome.actions, "and again after a crash");
}

#[test]
fn p_009_p_010_a_welcome_reaches_only_the_owning_client() {
    let [phone, tablet] = ["phone", "tablet"].map(|it| client("bob", it));
    let ben = client("ben", "1");
    let mut follower = Follower::in_epoch(4, Limits::default(), &[&ben]);
    follower.owners = [phone.owns(1, None), tablet.owns(2, Some(clubhouse()))].into();

    let before = follower.hears(commit(4));
    // Of these three one is of another provider.
    let first = follower.hears(welcome(&[1, 3]));
    let second = follower.hears(welcome(&[2]));
    let after = follower.hears(application(5, 0));
    assert_eq!(follower.take(&ben), [before, after.clone()]);
    // P-179: from the Welcome on, nothing before it.
    assert_eq!(follower.take(&phone), [first, after.clone()]);
    assert_eq!(follower.take(&tablet), [second, after]);

    // A Welcome for nobody here is dropped, the rest of its body is not.
    let body = [follower.event(welcome(&[7])), follower.event(commit(5))].concat();
    assert_eq!(follower.hear(&body).len(), 3);
    assert_eq!(follower.owed(&phone).len(), 1);
}

#[test]
fn q_10_a_notification_is_read_whole_or_not_at_all() {
    let events = [commit(1), application(2, 0), proposal(2, 7), welcome(&[1]), commit(2)];
    let events: Vec<_> = (0..).zip(events).map(|(time, it)| encoded(time, it)).collect();
    let body = events.concat();
    let limits = Limits::default();
    assert_eq!(notice(&body).references().count(), 1);
    let mut ends = BTreeSet::new();
    for count in 1..=events.len() {
        ends.insert(events[..count].concat().len());
    }
    for end in 0..=body.len() {
        let whole = Notice::decode(&body[..end], &limits).is_ok();
        assert_eq!(whole, ends.contains(&end), "cut at {end}");
    }
    let bad = [&events[0][..], &events[1], &[0xFF; 20], &events[3], &events[4]].concat();
    assert!(Notice::decode(&bad, &limits).is_err(), "the third of five is bad");
    assert!(Notice::decode(&body, &small(|it| it.body = body.len() - 1)).is_err());
}

#[test]
fn p_175_p_176_q_109_a_notification_is_processed_once() {
    let bob = client("bob", "1");
    let mut follower = Follower::in_epoch(1, Limits::default(), &[&bob]);
    let [one, two] = [application(1, 1), application(1, 2)].map(|it| follower.event(it));
    let body = [one.clone(), two.clone()].concat();
    assert_eq!(follower.hear(&body).len(), 1);
    let revision = follower.room.revision();
    for _ in 0..3 {
        assert_eq!(follower.hear(&body), [], "the same body again, after a restart too");
    }
    // The hub puts events together in another way when it tries again.
    for part in [&one, &two] {
        assert_eq!(follower.hear(part), []);
    }
    assert_eq!(follower.room.revision(), revision, "and nothing had to be saved");
    let three = follower.event(commit(1));
    follower.hear(&[two.clone(), three.clone()].concat());
    assert_eq!(follower.take(&bob), [one, two, three]);
}

#[test]
fn q_109_what_is_remembered_is_bounded() {
    let bob = client("bob", "1");
    let mut follower = Follower::in_epoch(1, small(|it| it.notified = 3), &[&bob]);
    let events: Vec<_> = (0..6).map(|it| follower.hears(application(1, it))).collect();
    let records = |follower: &Follower| {
        let values = follower.store.load(ID).unwrap().values;
        values.keys().filter(|it| it.kind() == 4).count()
    };
    assert_eq!(records(&follower), 3);
    for recent in &events[3..] {
        assert_eq!(follower.hear(recent), []);
    }
    assert_eq!(follower.hear(&events[0]).len(), 1, "forgotten: clients drop what they have seen");
}

#[test]
fn p_178_application_messages_are_withheld_from_blocked_users() {
    let (bob, ben) = (client("bob", "1"), client("ben", "1"));
    let tablet = client("bob", "tablet");
    let mut follower = Follower::in_epoch(1, Limits::default(), &[&bob, &ben]);
    let before = follower.hears(application(1, 1));
    follower.play(&|room| room.block(&bob.user, ALL));
    let ban = follower.hears(proposal(1, 2));
    let secret = follower.hears(application(1, 2));
    let removal = follower.hears(commit(1));
    let more = follower.hears(application(2, 3));

    assert_eq!(follower.owed(&bob), [&before, &ban, &removal].map(Clone::clone));
    let deliver = |client: &Client, events| Action::Deliver { client: client.uri.clone(), events };
    assert_eq!(
        follower.room.backlog(),
        [deliver(&bob, vec![1..3, 4..5]), deliver(&ben, once(1..6))]
    );
    assert_eq!(follower.take(&ben), [before.clone(), ban.clone(), secret, removal.clone(), more]);
    assert_eq!(follower.take(&bob), [before, ban, removal]);
    assert_eq!(follower.bodies(), 0, "a withheld event keeps nothing back");

    // With nobody else to get it, it is not even stored.
    follower.play(&|room| room.left(&at(NOW), &ben.uri, ALL));
    assert_eq!(follower.hear(&encoded(50, application(2, 9))), []);
    assert_eq!(follower.bodies(), 0);

    // The hub lets only participants in.
    follower.owners = [tablet.owns(1, None)].into();
    follower.hears(welcome(&[1]));
    let back = follower.hears(application(3, 4));
    assert_eq!(follower.take(&bob), std::slice::from_ref(&back));
    assert_eq!(follower.take(&tablet)[1..], [back]);
    // Or somebody says so.
    follower.play(&|room| room.block(&bob.user, ALL));
    follower.hears(application(3, 5));
    follower.play(&|room| room.unblock(&bob.user, ALL));
    let back = follower.hears(application(3, 6));
    assert_eq!(follower.take(&bob), [back]);
}

#[test]
fn p_178_blocks_are_those_that_the_hub_names_and_no_others() {
    let [bob, ben, amy] = ["bob", "ben", "amy"].map(|name| client(name, "1"));
    let mut follower = Follower::in_epoch(1, Limits::default(), &[&bob, &ben, &amy]);
    follower.play(&|room| room.block(&ben.user, ALL));
    let out = [&bob.user, &amy.user];
    follower.play(&|room| room.withhold_from(|user| out.contains(&user)));
    let text = follower.hears(application(1, 1));
    assert_eq!(follower.take(&ben), [text], "not any more");
    assert_eq!((follower.owed(&bob).len(), follower.owed(&amy).len()), (0, 0));
    let revision = follower.room.revision();
    follower.play(&|room| room.withhold_from(|user| out.contains(&user)));
    assert_eq!(follower.room.revision(), revision, "nothing new, nothing saved");
    // Who has left the room as well is forgotten with its block.
    follower.play(&|room| room.left(&at(NOW), &amy.uri, ALL));
    follower.play(&|room| room.withhold_from(|_| false));
    let records = follower.store.load(ID).unwrap();
    assert!(records.values.keys().all(|key| key.kind() != 7));
}

#[test]
fn a_body_goes_when_every_cursor_has_passed_it() {
    let (bob, ben) = (client("bob", "1"), client("ben", "1"));
    let mut follower = Follower::in_epoch(1, Limits::default(), &[&bob, &ben]);
    assert_eq!(follower.bodies(), 0);
    let events: Vec<_> = (0..4).map(|it| follower.hears(application(1, it))).collect();
    assert_eq!(follower.bodies(), 4, "stored once, whoever it is for");
    let first = follower.room.owed(&bob.uri)[0].start;
    follower.play(&|room| room.acknowledged(&bob.uri, first + 1));
    assert_eq!((follower.owed(&bob), follower.bodies()), (events[2..].to_vec(), 4));
    follower.play(&|room| room.acknowledged(&ben.uri, first));
    assert_eq!((follower.owed(&ben), follower.bodies()), (events[1..].to_vec(), 3));
    // An old acknowledgement takes nothing back, one of the future nothing ahead.
    follower.play(&|room| room.acknowledged(&ben.uri, 0));
    assert_eq!(follower.owed(&ben), events[1..]);
    follower.play(&|room| room.acknowledged(&ben.uri, u64::MAX));
    assert_eq!((follower.owed(&ben).len(), follower.bodies()), (0, 2));
    let next = follower.hears(application(1, 9));
    assert_eq!(follower.owed(&ben), [next]);
    // What is kept for a client that is gone goes with it.
    follower.play(&|room| room.left(&at(NOW), &bob.uri, ALL));
    assert_eq!(follower.bodies(), 1);
    let (_, actions) = follower.play(&|room| room.left(&at(NOW), &ben.uri, ALL));
    assert_eq!((actions, follower.bodies()), (Vec::new(), 0));
    assert_eq!(follower.room.backlog(), []);
    // Strangers acknowledge nothing.
    let stranger = client("carl", "1");
    follower.play(&|room| room.acknowledged(&stranger.uri, 7));
    follower.play(&|room| room.left(&at(NOW), &stranger.uri, ALL));
}

#[test]
fn a_client_far_behind_is_named() {
    let bob = client("bob", "1");
    let mut follower = Follower::in_epoch(1, small(|it| it.lag = 2), &[&bob]);
    for text in 0..2 {
        follower.hears(application(1, text));
    }
    assert_eq!(follower.room.lagging().count(), 0);
    follower.hears(application(1, 3));
    assert_eq!(follower.room.lagging().collect::<Vec<_>>(), [(&bob.uri, 3)]);
}

/// P-178: whoever speaks of a user may be behind, or its word may come late.
#[test]
fn p_178_an_old_word_is_not_held_against_who_has_come_back() {
    let [bob, ben] = ["bob", "ben"].map(|name| client(name, "1"));
    let tablet = client("bob", "tablet");
    let mut follower = Follower::in_epoch(1, Limits::default(), &[&bob, &ben]);
    follower.owners = [tablet.owns(1, None)].into();
    let newest = |follower: &Follower| follower.room.owed(&ben.uri).last().map(|it| it.end - 1);
    let hears = |follower: &mut Follower, text| {
        follower.hears(application(9, text));
        follower.room.owed(&bob.uri).last().map(|it| it.end) == newest(follower).map(|it| it + 1)
    };
    // Bob is removed, and says so himself; Ben has read that much.
    follower.hears(commit(1));
    let removal = newest(&follower).unwrap();
    // He comes back with another client.
    let welcome = follower.event(welcome(&[1]));
    follower.hear(&welcome);
    let back = follower.room.owed(&tablet.uri)[0].start;
    assert!(removal < back);
    follower.play(&|room| room.block(&bob.user, removal));
    follower.play(&|room| room.block(&bob.user, back - 1));
    assert!(hears(&mut follower, 1), "an old word");
    follower.play(&|room| room.block(&bob.user, back));
    assert!(!hears(&mut follower, 2), "one that knows of his return");
    // Of two words the newer event counts, whichever comes first.
    follower.play(&|room| room.unblock(&bob.user, back + 2));
    follower.play(&|room| room.block(&bob.user, back + 1));
    assert!(hears(&mut follower, 3));
    follower.play(&|room| room.block(&bob.user, back + 3));
    follower.play(&|room| room.unblock(&bob.user, back + 2));
    assert!(!hears(&mut follower, 4));
    // Nothing is kept of users without a client here.
    follower.play(&|room| room.block(&user("carl@b.example"), ALL));
    let words = follower.store.load(ID).unwrap().values;
    assert_eq!(words.keys().filter(|key| key.kind() == 7).count(), 1);
}

/// P-178, D-30: the hub accepts an external commit before the follower has heard what came before it.
#[test]
fn p_178_who_joins_from_outside_is_in_as_of_its_own_commit() {
    let [bob, ben] = ["bob", "ben"].map(|name| client(name, "1"));
    let phone = client("bob", "phone");
    let mut follower = Follower::in_epoch(4, Limits::default(), &[&bob, &ben]);
    let (join, peer) = (external(5, 1), phone.peer());
    let body = update(&join);
    follower.play(&|room| room.update(&at(NOW), &peer, &body).unwrap());
    follower.play(&|room| room.answered(&peer, &body, &success()).unwrap());
    let is_out = |follower: &mut Follower, text| {
        follower.hears(application(6, text));
        let end = |client: &Client| follower.room.owed(&client.uri).last().map(|it| it.end);
        end(&bob) != end(&ben)
    };
    // The commit that had removed Bob comes now, and Ben speaks of it.
    follower.hears(commit(4));
    let removal = follower.room.owed(&ben.uri).last().unwrap().end - 1;
    follower.play(&|room| room.block(&bob.user, removal));
    assert!(!is_out(&mut follower, 1), "his own commit has not come");
    follower.hears(echo(&join));
    let back = follower.room.owed(&ben.uri).last().unwrap().end - 1;
    follower.play(&|room| room.block(&bob.user, back - 1));
    assert!(!is_out(&mut follower, 2));
    follower.play(&|room| room.block(&bob.user, back));
    assert!(is_out(&mut follower, 3));
}

#[test]
fn an_old_farewell_does_not_put_out_who_has_come_back() {
    let [bob, ben] = ["bob", "ben"].map(|name| client(name, "1"));
    let mut follower = Follower::in_epoch(1, Limits::default(), &[&bob, &ben]);
    follower.owners = [bob.owns(1, None)].into();
    follower.hears(commit(1));
    let removal = follower.room.taken(&bob.uri).unwrap() + 1;
    let welcome = follower.event(welcome(&[1]));
    follower.hear(&welcome);
    let left = |follower: &mut Follower, through| {
        follower.play(&|room| room.left(&at(NOW), &bob.uri, through)).0
    };
    assert!(!left(&mut follower, removal), "a new Welcome waits for him");
    assert_eq!(follower.owed(&bob).last(), Some(&welcome));
    assert!(left(&mut follower, removal + 1));
    assert_eq!(follower.owed(&bob).len(), 0);
    assert!(left(&mut follower, 0), "he is out");

    // From outside: as long as the hub has not answered, he is awaited, in the room or not.
    let body = update(&external(2, 1));
    follower.play(&|room| room.update(&at(NOW), &bob.peer(), &body).unwrap());
    assert!(left(&mut follower, ALL));
    follower.play(&|room| room.answered(&bob.peer(), &body, &success()).unwrap());
    assert!(!left(&mut follower, removal));
    follower.hears(echo(&external(2, 1)));
    assert_eq!(follower.take(&bob).len(), 1);
    let last = follower.room.taken(&bob.uri).unwrap();
    assert!(left(&mut follower, last));

    // A client that is no more is not awaited either.
    follower.play(&|room| room.left(&at(NOW), &ben.uri, ALL));
    let body = update(&external(3, 1));
    follower.play(&|room| room.update(&at(NOW), &bob.peer(), &body).unwrap());
    follower.play(&|room| room.deleted(&at(NOW), &bob.uri));
    follower.hears(echo(&external(3, 1)));
    assert_eq!(follower.room.clients().count(), 0);
}

/// P-174, P-175: only a 201 ends the repetitions of a hub, and a room that everybody has left still gives it.
#[test]
fn p_175_what_comes_again_for_a_room_that_everybody_left_is_accepted() {
    let bob = client("bob", "1");
    let limits = small(|it| (it.left_for, it.early) = (1000, 0));
    let mut follower = Follower::in_epoch(1, limits, &[&bob]);
    follower.owners = [bob.owns(1, None)].into();
    let last = follower.event(commit(1));
    follower.hear(&last);
    let (_, actions) = follower.play(&|room| room.left(&at(NOW), &bob.uri, ALL));
    assert_eq!(actions, []);
    assert!(!follower.room.is_idle());
    let revision = follower.room.revision();
    assert_eq!(follower.hear(&last), []);
    assert_eq!(follower.room.revision(), revision, "nothing to save, and a 201");
    // What is new gets one too, of whatever epoch: nothing is held back for nobody.
    for event in [application(2, 0), commit(2), application(7, 0), commit(90)] {
        follower.hears(event);
    }
    assert_eq!((follower.bodies(), follower.room.backlog()), (0, Vec::new()));
    assert_eq!(follower.room.timeout(&later(999)).changes().wake_at, Some(NOW.plus(1000)));

    // Somebody comes back before it is forgotten: the room is as it was.
    follower.hears(welcome(&[1]));
    let next = follower.hears(application(100, 1));
    assert_eq!(follower.take(&bob)[1..], [next]);
    let (_, actions) = follower.play(&|room| room.timeout(&later(2000)));
    assert_eq!(actions, []);

    follower.play(&|room| room.left(&later(3000), &bob.uri, ALL));
    let (_, actions) = follower.play(&|room| room.timeout(&later(3999)));
    assert_eq!(actions, []);
    let (_, actions) = follower.play(&|room| room.timeout(&later(4000)));
    assert_eq!(actions, [Action::Forget]);
    assert_eq!(follower.room.backlog(), [Action::Forget], "and again after a crash");
    assert!(follower.room.is_idle());
}

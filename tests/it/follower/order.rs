//! Events that arrive out of order.

use proptest::prelude::*;

use super::*;

#[test]
fn d_81_events_of_a_later_epoch_wait_for_the_commits_before_them() {
    let bob = client("bob", "1");
    let mut follower = Follower::in_epoch(1, Limits::default(), &[&bob]);
    let [e1, p2, c2, a2, c1, a3, late] = [
        application(1, 0),
        proposal(2, 5),
        commit(2),
        application(2, 1),
        commit(1),
        application(3, 2),
        application(1, 3),
    ]
    .map(|it| follower.event(it));
    // They arrive as: a message of epoch 3, all of epoch 2, then the commit that starts epoch 2.
    assert_eq!(follower.hear(&a3), []);
    assert_eq!(follower.hear(&[p2.clone(), c2.clone(), a2.clone()].concat()), []);
    assert_eq!(follower.hear(&e1).len(), 1);
    assert_eq!(follower.take(&bob), [e1]);
    follower.hear(&c1);
    // By epoch, and in one epoch as they came; what is behind a commit of its own epoch is not lost.
    assert_eq!(follower.take(&bob), [c1, p2, c2, a2, a3]);
    // What comes too late is passed on at once.
    follower.hear(&late);
    assert_eq!(follower.take(&bob), [late]);
}

#[test]
fn d_81_what_is_held_back_is_bounded_and_the_hub_keeps_the_rest() {
    let bob = client("bob", "1");
    for limits in [small(|it| it.early = 2), small(|it| it.held = 80)] {
        let mut follower = Follower::in_epoch(1, limits, &[&bob]);
        let [one, two, three] = [2, 3, 4].map(|epoch| follower.event(application(epoch, 0)));
        follower.hear(&one);
        follower.hear(&two);
        let body = [follower.event(application(1, 7)), three].concat();
        let fault = follower.fault(&hub(), &body);
        assert_eq!((fault.status(), fault), (503, Fault::TooEarly));
        assert_eq!(follower.owed(&bob).len(), 0, "all or nothing");
        // The commit that is missing is never refused, and makes room.
        follower.hears(commit(1));
        assert!(follower.hear(&body).len() == 1, "the hub tries again");
    }
}

#[test]
fn d_81_nothing_waits_for_ever() {
    let bob = client("bob", "1");
    let mut follower = Follower::in_epoch(1, small(|it| it.held_for = 1000), &[&bob]);
    let [a, b, c] = [application(3, 0), application(4, 1), commit(6)].map(|it| follower.event(it));
    follower.hear(&b);
    follower.hear_at(NOW.plus(10), &a);
    follower.hear_at(NOW.plus(900), &c);
    let (_, actions) = follower.play(&|room| room.timeout(&later(999)));
    assert_eq!(actions, []);
    // The first to be late takes what is before it along.
    assert_eq!(follower.room.timeout(&later(1000)).changes().wake_at, Some(NOW.plus(1900)));
    let (_, actions) = follower.play(&|room| room.timeout(&later(1000)));
    assert_eq!(actions[0], Action::Missing { epochs: 1..4 });
    assert_eq!(follower.take(&bob), [a, b]);
    let (_, actions) = follower.play(&|room| room.timeout(&later(1900)));
    assert_eq!(actions[0], Action::Missing { epochs: 4..6 });
    assert_eq!(follower.take(&bob), [c]);
    let next = follower.hears(application(7, 0));
    assert_eq!(follower.take(&bob), [next], "in turn after the commit of epoch 6");
}

#[test]
fn d_81_a_welcome_leaves_the_order_as_it_is_known() {
    // P-179: the commit that adds the phone, then its Welcome, both at the time at which the hub took them.
    let (ben, phone) = (client("ben", "1"), client("bob", "phone"));
    let mut follower = Follower::in_epoch(4, Limits::default(), &[&ben]);
    follower.owners = [phone.owns(1, None)].into();
    let [added, welcomed] = [commit(4), welcome(&[1])].map(|event| encoded(100, event));
    let [five, six] = [commit(5), commit(6)].map(|event| follower.event(event));
    follower.hear(&added);
    follower.hear(&welcomed);
    assert_eq!(follower.hear(&six), [], "it waits for the commit of epoch 5");
    follower.hear(&five);
    assert_eq!(follower.take(&ben), [added, five.clone(), six.clone()]);
    assert_eq!(follower.take(&phone), [welcomed, five, six]);

    // A Welcome of which no commit has come may be of any epoch: this provider may have been out of the room.
    let again = encoded(300, welcome(&[1]));
    follower.hear(&again);
    let far = follower.event(commit(90));
    follower.hear(&far);
    assert_eq!(follower.take(&phone), [again, far]);
    // It may also be accepted for a client of ours, who has the reply before anything is fanned out.
    let own = update(&commit_message(91, 3));
    follower.play(&|room| room.answered(&ben.peer(), &own, &success()).unwrap());
    follower.hear(&encoded(NOW.0, welcome(&[1])));
    let early = follower.event(application(93, 0));
    assert_eq!(follower.hear(&early), [], "after the commit of epoch 91 comes one of epoch 92");
}

/// Who is in the room of the random test below.
fn members() -> [Client; 2] {
    [client("bob", "1"), client("ben", "1")]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// D-81, P-176: however notifications are cut, reordered and repeated, every member gets every event once, and
    /// none before the commit that starts its epoch.
    #[test]
    fn any_arrival_ends_in_order(
        epochs in proptest::collection::vec(0..4_usize, 1..5),
        order in proptest::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let members = members();
        let mut follower = Follower::in_epoch(1, Limits::default(), &members.each_ref());
        let mut log = Vec::new();
        for (epoch, messages) in (1..).zip(epochs) {
            for text in 0..messages {
                log.push((epoch, false, follower.event(application(epoch, text.try_into().unwrap()))));
            }
            log.push((epoch, true, follower.event(commit(epoch))));
        }
        let mut got = members.each_ref().map(|_| Vec::new());
        // What has been sent in any order comes at last from the hub's cursor, in order.
        let random = order.iter().map(|it| it.index(log.len()));
        for place in random.chain(0..log.len()) {
            follower.hear(&log[place].2);
            if place % 3 == 0 {
                for (member, got) in members.iter().zip(&mut got) {
                    got.extend(follower.take(member));
                }
            }
        }
        for (member, got) in members.iter().zip(&mut got) {
            got.extend(follower.take(member));
            let places: Vec<usize> = got
                .iter()
                .map(|event| log.iter().position(|(_, _, it)| it == event).unwrap())
                .collect();
            let distinct: BTreeSet<_> = places.iter().collect();
            prop_assert_eq!(distinct.len(), log.len(), "every event");
            prop_assert_eq!(places.len(), log.len(), "once");
            let mut epoch = 1;
            for place in places {
                let (of, commits, _) = &log[place];
                prop_assert!(*of <= epoch, "an event of epoch {} in epoch {}", of, epoch);
                if *commits {
                    prop_assert_eq!(*of, epoch, "commits in order");
                    epoch += 1;
                }
            }
        }
        prop_assert_eq!(follower.bodies(), 0);
    }
}

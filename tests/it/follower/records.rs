//! What is stored of a room.

use openmimi::{
    machine::{Changes, Key, Revision},
    testing::Fate,
};

use super::*;

#[test]
fn records_that_are_not_a_room_are_refused() {
    let (bob, ben) = (client("bob", "1"), client("ben", "1"));
    let mut follower = Follower::in_epoch(1, Limits::default(), &[&bob, &ben]);
    follower.play(&|room| room.block(&ben.user, ALL));
    follower.hears(application(1, 0));
    follower.hears(application(2, 0));
    follower.hears(commit(0));
    let body = update(&external(4, 1));
    follower.play(&|room| room.update(&at(NOW), &client("amy", "1").peer(), &body).unwrap());
    let records = follower.store.load(ID).unwrap();
    let kinds: BTreeSet<u8> = records.values.keys().map(|it| it.kind()).collect();
    assert_eq!(kinds, (1..=8).collect(), "every kind is there");
    let load = |records: &Records| Room::restore(records, Limits::default());
    assert_eq!(load(&records).unwrap(), follower.room);
    assert!(load(&Records::default()).is_err());
    for (key, value) in &records.values {
        for end in 0..value.len() {
            let mut cut = records.clone();
            cut.values.insert(key.clone(), value[..end].to_vec());
            assert!(load(&cut).is_err(), "{key:?} cut at {end}");
        }
    }
}

/// A room comes into being in three ways; each is nothing before it is saved, and all of it after.
#[test]
fn a_founding_is_saved_whole_or_never_happened() {
    let (bob, limits) = (client("bob", "1"), Limits::default());
    let env = at(NOW);
    let body = encoded(1, welcome(&[1]));
    let owners = [bob.owns(1, None)].into();
    let join = update(&external(4, 1));
    let member = || [(bob.uri.clone(), bob.user.clone())];
    let foundings: [&dyn Fn() -> (Room, Changes); 3] = [
        &|| {
            let founding = Room::found(limits.clone(), clubhouse(), member());
            let changes = founding.changes().clone();
            (founding.apply().0, changes)
        },
        &|| {
            let (notice, limits) = (notice(&body), limits.clone());
            let founding = Room::welcomed(limits, &env, &hub(), clubhouse(), &notice, &owners);
            let founding = founding.unwrap();
            let changes = founding.changes().clone();
            (founding.apply().0, changes)
        },
        &|| {
            let founding = Room::join(limits.clone(), &env, &bob.peer(), clubhouse(), &join);
            let founding = founding.unwrap();
            let changes = founding.changes().clone();
            (founding.apply().0, changes)
        },
    ];
    for founding in foundings {
        let (live, changes) = founding();
        assert_eq!((changes.base, changes.next), (Revision::NONE, live.revision()));
        for (fate, landed) in [
            (Fate::Fails, false),
            (Fate::LostUnknown, false),
            (Fate::LandsUnknown, true),
            (Fate::Lands, true),
        ] {
            let mut store = MemoryStore::new();
            store.set_fate(fate);
            assert_eq!(store.save(ID, &changes).is_ok(), fate == Fate::Lands);
            let stored = store.load(ID);
            let restored = stored.map(|it| Room::restore(&it, limits.clone()).unwrap());
            assert_eq!(restored.as_ref(), landed.then_some(&live), "{fate:?}");
            // Of two foundings of one room the second is not saved.
            assert_eq!(store.save(ID, &founding().1).is_err(), landed);
        }
    }
}

#[test]
fn the_form_of_the_records_is_fixed() {
    let (bob, ben) = (client("bob", "1"), client("ben", "1"));
    let limits = small(|it| (it.notified, it.answered_for) = (1, it.joiner_for));
    let mut follower = Follower::in_epoch(1, limits, &[&bob, &ben]);
    follower.play(&|room| room.block(&ben.user, ALL));
    follower.hears(commit(1));
    follower.hears(application(2, 7));
    follower.hears(application(9, 0));
    let body = update(&external(4, 1));
    follower.play(&|room| room.update(&at(NOW), &client("amy", "1").peer(), &body).unwrap());
    let text: Vec<String> = follower
        .store
        .load(ID)
        .unwrap()
        .values
        .iter()
        .map(|(key, value)| format!("{} = {}", key.as_bytes().escape_ascii(), value.escape_ascii()))
        .collect();
    assert_eq!(
        text,
        [
            r"\x01 = \x01\x1cmimi://a.example/r/clubhouse\x03\x01\x02\x04\x01\x01\x01g\x02",
            r"\x02\x00\x00\x00\x00\x00\x00\x00\x00 = \x01\x18mimi://b.example/d/bob/1\x16mimi://b.example/u/bob\x01\x00",
            r"\x02\x00\x00\x00\x00\x00\x00\x00\x01 = \x01\x18mimi://b.example/d/ben/1\x16mimi://b.example/u/ben\x01\x00",
            r"\x03\x00\x00\x00\x00\x00\x00\x00\x02 = \x01\x01\x01\x01",
            r#"\x04\x00\x00\x00\x00\x00\x00\x00\x03 = \x016>/\xe2:EU\xc2\x1cm\xb2\xbb\x9c\xad/A\xb5\xa9:\xe5\"/(\x10s\'\xb2[\x7f\xd4o\x94"#,
            r"\x05\x00\x00\x00\x00\x00\x00\x00\x00 = \x01\x01g\t\xe0\xf7\xfc\xb6\xb73\x1e\x00\x00\x00\x00\x00\x00\x00\x04\x00\x01\x00\x02\x01g\x00\x00\x00\x00\x00\x00\x00\t\x01\x01\x00\x01\x00\x01\x00\x00",
            r"\x06mimi://b.example/d/amy/1 = \x01\x16mimi://b.example/u/amyy\xc7\x07Ll\x8b\x10G_\xec\x01\xbdX\x8f\xc67-\xdb\n\x84\xee.c0n\x7f\x99\x1dFZd\xe3\x01g\x04\xc0\x9f\x8f\xb7\xb73\x00",
            r"\x07mimi://b.example/u/ben = \x01\xe8\x07\x01",
            r"\x08 = \x01\x02",
        ]
    );
}

#[test]
fn the_form_of_the_record_of_an_empty_room_is_fixed() {
    let bob = client("bob", "1");
    let mut follower = Follower::in_epoch(1, small(|it| it.left_for = 300), &[&bob]);
    follower.play(&|room| room.left(&at(Timestamp(0)), &bob.uri, ALL));
    let records = follower.store.load(ID).unwrap();
    let kept: Vec<_> = records.values.iter().filter(|(key, _)| key.kind() == 9).collect();
    let [(key, value)] = kept.as_slice() else { panic!("{kept:?}") };
    assert_eq!((key.as_bytes(), value.as_slice()), (&[9][..], &[1, 0xAC, 2][..]));
    for end in 0..value.len() {
        let mut cut = records.clone();
        cut.values.insert(Key::from_bytes(&[9]), value[..end].to_vec());
        assert!(Room::restore(&cut, Limits::default()).is_err(), "cut at {end}");
    }
}

/// Numbers that no room has given out: none overflows, and none keeps a step busy for ever.
#[test]
fn hostile_numbers_are_refused_or_harmless() {
    let (bob, ben) = (client("bob", "1"), client("ben", "1"));
    let mut follower = Follower::in_epoch(1, Limits::default(), &[&bob, &ben]);
    follower.play(&|room| room.block(&ben.user, ALL));
    follower.hears(application(1, 0));
    follower.hears(application(2, 0));
    let records = follower.store.load(ID).unwrap();
    let load = |records: &Records| Room::restore(records, Limits::default());
    // A record of each kind that is numbered, under the last number there is.
    for kind in [2, 3, 4, 5] {
        let value = records.values.iter().find(|(key, _)| key.kind() == kind).unwrap().1.clone();
        for number in [u64::MAX, 1 << 63, 1000] {
            let mut hostile = records.clone();
            hostile.values.insert(Key::new(kind).u64(number), value.clone());
            assert!(load(&hostile).is_err(), "kind {kind}, number {number}");
        }
    }
    // The numbers of the head, one by one, and a room with more events than can be.
    let head = &records.values[&Key::new(1)];
    let name = 2 + clubhouse().as_str().len();
    let numbers = |numbers: [u64; 5]| {
        let mut value = head[..name].to_vec();
        for mut number in numbers {
            while number > 0x7F {
                value.push(0x80 | number.to_le_bytes()[0]);
                number >>= 7;
            }
            value.push(number.to_le_bytes()[0]);
        }
        value.push(0);
        let mut changed = records.clone();
        changed.values.insert(Key::new(1), value);
        changed
    };
    let sound = [2, 1, 2, 3, 1];
    assert!(load(&numbers(sound)).is_ok());
    for at in 0..5 {
        let mut hostile = sound;
        hostile[at] = u64::MAX;
        assert!(load(&numbers(hostile)).is_err(), "number {at}");
        if [0, 2, 3, 4].contains(&at) {
            hostile[at] = 0;
            assert!(load(&numbers(hostile)).is_err(), "number {at} is behind");
        }
    }
    let mut vast = load(&numbers([1 << 62, 1, 2, 3, 1])).unwrap();
    for uri in [&bob.uri, &ben.uri] {
        let step = vast.acknowledged(uri, u64::MAX);
        assert!(step.changes().writes.len() < 70_000, "what is deleted at once is bounded");
        let _ = step.apply();
        assert_eq!(vast.owed(uri), []);
    }
    let step = vast.timeout(&at(NOW));
    assert!(step.changes().writes.len() > 60_000, "and goes on with the next step");
}

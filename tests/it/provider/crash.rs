//! A crash at every save of a user's machine.

use openmimi::{
    codec::Wire,
    env::{Limits, Timestamp},
    error::RestoreError,
    machine::{Key, Records, Step},
    provider::{Contact, Decision, Policy, Stance, User},
    testing::MemoryStore,
    wire::{AppDataDictionary, ConsentEntry, ConsentOperation, ConsentScope},
};
use openmls_rust_crypto::RustCrypto;

use super::support::*;

const BOB: &[u8] = b"bob";

fn policy() -> Policy {
    let mut policy = Policy::default();
    policy.last_resort = true;
    policy
}

fn restore(records: &Records) -> User {
    User::restore(records, Limits::default(), policy()).unwrap()
}

/// Everything that can happen to a user, each step with a crash at every point of its save.
fn life(store: &mut MemoryStore) -> User {
    let crypto = RustCrypto::default();
    let [phone, tablet] = ["phone", "tablet"].map(|it| Device::new("bob@b.example", it));
    let alice = Device::new("alice@a.example", "1");
    let uri = user("bob@b.example");
    let x = room("mimi://a.example/r/x");

    let founding = User::found(Limits::default(), policy(), uri.clone(), Stance::Closed);
    store.save(BOB, founding.changes()).unwrap();
    let (mut bob, _) = founding.apply();
    assert_eq!(restore(&store.load(BOB).unwrap()), bob);

    let ends = NOW.seconds() + 100;
    let mut packages = phone.key_packages(3);
    packages.push(phone.last_resort());
    packages.push(phone.lasting(NOT_BEFORE, ends));
    let others = tablet.key_packages(2);
    for (device, packages) in [(&phone, &packages), (&tablet, &others), (&phone, &packages)] {
        let peer = device.peer();
        let (published, _) = play(store, BOB, &mut bob, &restore, &|bob| {
            bob.publish(&env(&crypto, NOW), &peer, packages).unwrap()
        });
        assert_eq!(published.new + published.known, packages.len());
    }

    let contact = |room| Contact { user: alice.user.clone(), room };
    for (room, decision) in [
        (Some(x.clone()), Decision::Grant),
        (None, Decision::Revoke),
        (Some(x.clone()), Decision::Grant),
        (Some(x.clone()), Decision::Grant),
    ] {
        play(store, BOB, &mut bob, &restore, &|bob| {
            bob.decide(&contact(room.clone()), decision).unwrap()
        });
    }

    let hub = server("a.example");
    let mut answers = Vec::new();
    for nonce in [0, 1, 0, 2, 3] {
        let request = alice.request(&uri, Some(&x), nonce);
        let (answer, _) = play(store, BOB, &mut bob, &restore, &|bob| {
            bob.claim(&env(&crypto, NOW), &hub, &request).unwrap()
        });
        answers.push(answer);
    }
    assert_eq!(answers[0], answers[2], "asked again after the crash: the same answer (Q-21)");
    let used: Vec<_> = handed_out(&answers[1]).iter().map(|it| reference(it, &crypto)).collect();
    assert_eq!(used.len(), 2);
    for _ in 0..2 {
        play(store, BOB, &mut bob, &restore, &|bob| bob.welcomed(&used));
    }

    let later = Timestamp(ends * 1000);
    for _ in 0..2 {
        play(store, BOB, &mut bob, &restore, &|bob| bob.timeout(&env(&crypto, later)));
    }
    for stance in [Stance::Open, Stance::Open] {
        play(store, BOB, &mut bob, &restore, &|bob| bob.set_stance(stance));
    }
    for client in [&tablet.client, &tablet.client] {
        play(store, BOB, &mut bob, &restore, &|bob| bob.retire(client));
    }
    bob
}

#[test]
fn restored_equals_live_at_every_save() {
    let mut store = MemoryStore::new();
    let mut bob = life(&mut store);
    for _ in 0..2 {
        play(&mut store, BOB, &mut bob, &restore, &|bob| bob.delete());
    }
    assert!(bob.is_deleted());
}

#[test]
fn d_89_of_two_owners_one_hands_out() {
    let crypto = RustCrypto::default();
    let mut store = MemoryStore::new();
    let mut one = life(&mut store);
    let phone = Device::new("bob@b.example", "new");
    let step = one.publish(&env(&crypto, NOW), &phone.peer(), &phone.key_packages(1)).unwrap();
    store.save(BOB, step.changes()).unwrap();
    settle(step);

    let mut two = one.clone();
    let [alice, carol] = ["alice@a.example", "carol@c.example"]
        .map(|it| Device::new(it, "1").request(one.uri(), None, 7));
    let refused = one.claim(&env(&crypto, NOW), &server("a.example"), &alice).is_err();
    assert!(refused, "alice has no consent without a room");
    let first = one.claim(&env(&crypto, NOW), &server("c.example"), &carol).unwrap();
    store.save(BOB, first.changes()).unwrap();
    let first = settle(first);

    // The second owner decided on the same state: its save loses, and its answer is never seen.
    let second = two.claim(&env(&crypto, NOW), &server("c.example"), &carol).unwrap();
    assert!(store.save(BOB, second.changes()).is_err());
    drop(second);
    let mut two = restore(&store.load(BOB).unwrap());
    let again = two.claim(&env(&crypto, NOW), &server("c.example"), &carol).unwrap();
    assert_eq!(settle(again), first);
}

#[test]
fn records_that_are_not_a_user_are_refused() {
    let mut store = MemoryStore::new();
    life(&mut store);
    let records = store.load(BOB).unwrap();
    let load = |records: &Records| User::restore(records, Limits::default(), policy());
    assert!(load(&records).is_ok());
    assert_eq!(load(&Records::default()).unwrap_err(), RestoreError::Missing("user"));
    for (key, value) in &records.values {
        for end in 0..value.len() {
            let mut cut = records.clone();
            cut.values.insert(key.clone(), value[..end].to_vec());
            assert!(load(&cut).is_err(), "{key:?} cut at {end}");
        }
        let mut newer = records.clone();
        newer.values.insert(key.clone(), [&[99][..], &value[1..]].concat());
        assert_eq!(load(&newer).unwrap_err(), RestoreError::Format(99), "{key:?}");
    }
    // Keys that name nothing.
    for kind in 2..=6_u8 {
        let key = Key::new(kind).bytes(b"?");
        let some = records.values.iter().find(|(it, _)| it.kind() == kind);
        let Some((_, value)) = some else { panic!("life leaves a record of kind {kind}") };
        let mut odd = records.clone();
        odd.values.insert(key, value.clone());
        assert!(load(&odd).is_err() || kind == 4, "{kind}");
    }
}

/// Storage outlives versions: what these octets are may only change with the format.
#[test]
fn the_form_of_the_records_is_fixed() {
    let mut store = MemoryStore::new();
    let crypto = RustCrypto::default();
    let founding =
        User::found(Limits::default(), Policy::default(), user("bob@b.example"), Stance::Open);
    store.save(BOB, founding.changes()).unwrap();
    let (mut bob, _) = founding.apply();
    let phone = Device::new("bob@b.example", "phone");
    let none: [Vec<u8>; 0] = [];
    let step = bob.publish(&env(&crypto, NOW), &phone.peer(), &none).unwrap();
    store.save(BOB, step.changes()).unwrap();
    settle(step);
    for (room, decision) in
        [(None, Decision::Grant), (Some(room("mimi://a.example/r/x")), Decision::Revoke)]
    {
        let step = bob.decide(&Contact { user: user("alice@a.example"), room }, decision).unwrap();
        store.save(BOB, step.changes()).unwrap();
        settle(step);
    }
    // Bob asks and is asked, tells and is told.
    let save = |store: &mut MemoryStore, step: Step<'_, User, ()>| {
        store.save(BOB, step.changes()).unwrap();
        settle(step);
    };
    let (env, c) = (env(&crypto, NOW), server("c.example"));
    let entry = |operation, requester, target| {
        let scope = ConsentScope { requester: user(requester), target: user(target), room: None };
        ConsentEntry { operation, scope, extensions: AppDataDictionary::default() }.encode()
    };
    let asks = entry(ConsentOperation::Request, "dave@c.example", "bob@b.example");
    let tells = entry(ConsentOperation::Revoke, "bob@b.example", "cathy@c.example");
    save(&mut store, bob.set_stance(Stance::Closed));
    let cathy = Contact { user: user("cathy@c.example"), room: None };
    save(&mut store, bob.ask(&env, &cathy).unwrap());
    save(&mut store, bob.consent_requested(&env, &c, &asks).unwrap());
    save(&mut store, bob.consent_updated(&env, &c, &tells).unwrap());
    save(&mut store, bob.ask(&env, &cathy).unwrap());
    let text: Vec<String> = store
        .load(BOB)
        .unwrap()
        .values
        .iter()
        .map(|(key, value)| format!("{} = {}", key.as_bytes().escape_ascii(), value.escape_ascii()))
        .collect();
    assert_eq!(
        text,
        [
            r"\x01 = \x01\x16mimi://b.example/u/bob\x00\x00\x01\x00\x01",
            r"\x02\x00\x00\x00\x00\x00\x00\x00\x00 = \x01\x1cmimi://b.example/d/bob/phone",
            r"\x06mimi://a.example/u/alice\x00 = \x01\x00",
            r"\x06mimi://a.example/u/alice\x00mimi://a.example/r/x = \x01\x01",
            r"\x07mimi://c.example/u/dave\x00 = \x01\x80\xd0\xea\xb6\xb73",
            r"\x08mimi://c.example/u/cathy\x00 = \x01\x80\xd0\xea\xb6\xb73",
            r"\tmimi://c.example/u/cathy\x00 = \x01\x01\x00",
            r"\n\x00\x00\x00\x00\x00\x00\x00\x00 = \x01\tc.example\x003\x01\x16mimi://b.example/u/bob\x18mimi://c.example/u/cathy\x00\x00",
        ]
    );
}

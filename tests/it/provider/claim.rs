//! What a claim hands out.

use super::*;

#[test]
fn p_070_p_079_p_086_every_client_is_listed() {
    let mut bob = bob();
    let [phone, tablet, watch] =
        ["phone", "tablet", "watch"].map(|it| Device::new("bob@b.example", it));
    let alice = Device::new("alice@a.example", "1");
    let hub = server("a.example");
    let mut nonce = 0;
    let mut ask = |bob: &mut User| {
        nonce += 1;
        response(&claim(bob, &hub, &alice.request(bob_uri(), None, nonce)).unwrap())
    };

    assert_eq!(ask(&mut bob).user_status, Code::NoCompatibleMaterial, "no client at all");
    for device in [&phone, &tablet, &watch] {
        publish(&mut bob, device, &device.key_packages(1));
    }
    let all = ask(&mut bob);
    assert_eq!(all.user_status, Code::Success);
    assert_eq!(
        all.clients.iter().map(|it| &it.client).collect::<Vec<_>>(),
        [&phone.client, &tablet.client, &watch.client]
    );
    assert_eq!(all.user, *bob_uri());

    // P-091, Q-23: drained to nothing.
    let none = ask(&mut bob);
    assert_eq!(none.user_status, Code::NoCompatibleMaterial);
    assert!(none.clients.iter().all(|it| it.material == ClientMaterial::Exhausted));
    assert_eq!(none.clients.len(), 3);

    publish(&mut bob, &tablet, &tablet.key_packages(1));
    let some = ask(&mut bob);
    assert_eq!(some.user_status, Code::PartialSuccess);
    assert!(matches!(some.clients[1].material, ClientMaterial::KeyPackage(_)));
    assert_eq!(some.clients[0].material, ClientMaterial::Exhausted);
}

#[test]
fn p_084_no_key_package_is_in_two_answers() {
    let mut bob = bob();
    let [phone, tablet] = ["phone", "tablet"].map(|it| Device::new("bob@b.example", it));
    let [alice, carol] = ["alice@a.example", "carol@c.example"].map(|it| Device::new(it, "1"));
    publish(&mut bob, &phone, &phone.key_packages(6));
    publish(&mut bob, &tablet, &tablet.key_packages(4));
    let mut seen = BTreeSet::new();
    for nonce in 0..4 {
        for (device, peer) in [(&alice, "a.example"), (&carol, "c.example")] {
            let request = device.request(bob_uri(), None, nonce);
            for package in handed_out(&claim(&mut bob, &server(peer), &request).unwrap()) {
                assert!(seen.insert(package), "handed out twice");
            }
        }
    }
    assert_eq!(seen.len(), 10, "and each of them once");
}

#[test]
fn p_085_nothing_expired_is_handed_out() {
    let mut bob = bob();
    let phone = Device::new("bob@b.example", "phone");
    let alice = Device::new("alice@a.example", "1");
    let end = NOW.seconds() + 1000;
    let (short, long) = (phone.lasting(NOT_BEFORE, end), phone.key_package());
    publish(&mut bob, &phone, &[short.clone(), long.clone()]);

    let request = alice.request(bob_uri(), None, 0);
    let hub = server("a.example");
    let mut early = bob.clone();
    let last = Timestamp(end * 1000 - 1);
    assert_eq!(handed_out(&claim_at(&mut early, last, &hub, &request).unwrap()), [short]);
    let late = Timestamp(end * 1000);
    assert_eq!(handed_out(&claim_at(&mut bob, late, &hub, &request).unwrap()), [long]);
    let request = alice.request(bob_uri(), None, 1);
    let none = response(&claim_at(&mut bob, late, &hub, &request).unwrap());
    assert_eq!(none.clients[0].material, ClientMaterial::Exhausted);
}

#[test]
fn p_048_p_088_what_the_group_requires_is_matched() {
    let mut bob = bob();
    let phone = Device::new("bob@b.example", "phone");
    let tablet = Device::with_suite("bob@b.example", "tablet", P256);
    let alice = Device::new("alice@a.example", "1");
    let plain = Capabilities::builder()
        .ciphersuites(vec![SUITE])
        .credentials(vec![openmls::prelude::CredentialType::Basic])
        .build();
    let (bare, able) = (phone.able(plain), phone.key_package());
    publish(&mut bob, &phone, &[bare.clone(), able.clone()]);
    publish(&mut bob, &tablet, &tablet.key_packages(1));
    let hub = server("a.example");
    let ask = |bob: &User, suites: &[u16], required: RequiredCapabilities| {
        let mut request = alice.unsigned(bob_uri(), None);
        request.acceptable_ciphersuites = suites.iter().copied().map(CipherSuite).collect();
        request.required_capabilities = required;
        response(&claim(&mut bob.clone(), &hub, &alice.signed(request)).unwrap())
    };
    let required =
        |extensions: &[u16], proposals: &[u16], credentials: &[u16]| RequiredCapabilities {
            extension_types: extensions.to_vec(),
            proposal_types: proposals.to_vec(),
            credential_types: credentials.to_vec(),
        };
    let packages = |it: &KeyMaterialResponse| handed_out(&it.encode());
    let ed25519 = u16::from(SUITE);

    // Suites: the tablet has none of the first kind.
    let one = ask(&bob, &[ed25519], required(&[], &[], &[]));
    assert_eq!((one.user_status, packages(&one)), (Code::PartialSuccess, vec![bare.clone()]));
    assert!(matches!(one.clients[1].material, ClientMaterial::NothingCompatible(Some(_))));
    let both = ask(&bob, &[ed25519, P256.into()], required(&[], &[], &[]));
    assert_eq!(both.user_status, Code::Success);

    // MLS's own types need not be listed in a leaf.
    let own = ask(&bob, &[ed25519], required(&[1, 2, 3, 4, 5], &[1, 2, 3, 4, 5, 6, 7], &[1]));
    assert_eq!(packages(&own), [bare]);
    // Others have to be: the bare one does not fit.
    let fits = ask(&bob, &[ed25519], required(&[6], &[8, 10], &[1]));
    assert_eq!(packages(&fits), [able]);
    for impossible in [
        required(&[0xF123], &[], &[]),
        required(&[], &[0xF123], &[]),
        required(&[], &[], &[0xF123]),
        required(&[6, 0xF123], &[8], &[1]),
    ] {
        let none = ask(&bob, &[ed25519, P256.into()], impossible);
        assert_eq!(none.user_status, Code::NoCompatibleMaterial);
        let told = |it: &ClientMaterial| matches!(it, ClientMaterial::NothingCompatible(Some(_)));
        assert!(none.clients.iter().all(|it| told(&it.material)));
    }
}

#[test]
fn p_081_capabilities_are_withheld_for_privacy() {
    let mut bob = bob_with(Limits::default(), policy(|it| it.privacy = true), Stance::Open);
    let phone = Device::with_suite("bob@b.example", "phone", P256);
    publish(&mut bob, &phone, &phone.key_packages(1));
    let alice = Device::new("alice@a.example", "1");
    let answer = claim(&mut bob, &server("a.example"), &alice.request(bob_uri(), None, 0)).unwrap();
    assert_eq!(response(&answer).clients[0].material, ClientMaterial::NothingCompatible(None));
}

#[test]
fn q_24_last_resort_only_by_policy() {
    let phone = Device::new("bob@b.example", "phone");
    let alice = Device::new("alice@a.example", "1");
    let last = phone.last_resort();
    let crypto = RustCrypto::default();
    let hub = server("a.example");
    let request = |nonce| alice.request(bob_uri(), None, nonce);

    let mut strict = bob();
    publish(&mut strict, &phone, std::slice::from_ref(&last));
    assert_eq!(strict.left(&phone.client), 0);
    let none = response(&claim(&mut strict, &hub, &request(0)).unwrap());
    assert_eq!(none.clients[0].material, ClientMaterial::Exhausted);

    let mut lax = bob_with(Limits::default(), policy(|it| it.last_resort = true), Stance::Open);
    let ordinary = phone.key_package();
    publish(&mut lax, &phone, &[last.clone(), ordinary.clone()]);
    assert_eq!(handed_out(&claim(&mut lax, &hub, &request(0)).unwrap()), [ordinary]);
    let reference = reference(&last, &crypto);
    assert_eq!(lax.owner(&reference), None, "not handed out yet");
    for nonce in 1..4 {
        let handed = handed_out(&claim(&mut lax, &hub, &request(nonce)).unwrap());
        assert_eq!(handed, std::slice::from_ref(&last));
        settle(lax.welcomed(std::slice::from_ref(&reference)));
        assert_eq!(lax.owner(&reference).unwrap().client, phone.client);
    }
}

/// E-090: the component that marks a KeyPackage of last resort is empty.
#[test]
fn e_090_last_resort_by_component() {
    let phone = Device::new("bob@b.example", "phone");
    let mut bob = bob();
    publish(&mut bob, &phone, &[phone.last_resort_by_component(b"")]);
    assert_eq!(bob.left(&phone.client), 0, "kept, and not to be handed out");
    let step = bob.publish(
        &env(&RustCrypto::default(), NOW),
        &phone.peer(),
        &[phone.last_resort_by_component(b"1")],
    );
    let refused = format!("{:?}", step.map(drop).unwrap_err());
    assert!(refused.contains("last_resort_key_package"), "{refused}");
}

#[test]
fn p_050_p_092_p_093_a_welcome_finds_its_client_once() {
    let mut bob = bob();
    let [phone, tablet] = ["phone", "tablet"].map(|it| Device::new("bob@b.example", it));
    let alice = Device::new("alice@a.example", "1");
    let crypto = RustCrypto::default();
    let x = room("mimi://a.example/r/x");
    publish(&mut bob, &phone, &phone.key_packages(2));
    let step = bob.publish(&env(&crypto, NOW), &tablet.peer(), &tablet.key_packages(2)).unwrap();
    assert_eq!(references(step.changes()).count(), 0, "nothing was handed out");
    settle(step);

    let request = alice.request(bob_uri(), Some(&x), 0);
    let step = bob.claim(&env(&crypto, NOW), &server("a.example"), &request).unwrap();
    let indexed: BTreeSet<_> = references(step.changes()).collect();
    let handed = handed_out(&step.apply().reply);
    let handed = handed.iter().map(|it| reference(it, &crypto)).collect::<Vec<_>>();
    assert_eq!(indexed, handed.iter().map(|it| (it.clone(), true)).collect());

    let owner = bob.owner(&handed[1]).unwrap();
    assert_eq!(
        (owner.client, owner.user, owner.room),
        (tablet.client.clone(), user("bob@b.example"), Some(x))
    );
    assert_eq!(bob.owner(&reference(&phone.key_package(), &crypto)), None);

    let step = bob.welcomed(&handed[1..]);
    assert_eq!(references(step.changes()).count(), 1, "it stays the user's until it expires");
    settle(step);
    assert_eq!(bob.owner(&handed[1]), None, "P-093");
    assert!(bob.owner(&handed[0]).is_some());
    assert!(bob.welcomed(&handed[1..]).changes().is_empty(), "told twice");

    // P-093: at the end of its life nothing is left of it.
    let step = bob.timeout(&env(&crypto, Timestamp(NOT_AFTER * 1000)));
    let forgotten: BTreeSet<_> = references(step.changes()).collect();
    assert_eq!(forgotten, handed.iter().map(|it| (it.clone(), false)).collect());
    assert_eq!(step.changes().wake_at, None);
    settle(step);
    assert_eq!(bob.owner(&handed[0]), None);

    // A client that is gone is owed nothing.
    publish(&mut bob, &phone, &[]);
    settle(bob.retire(&phone.client));
    assert!(!bob.clients().any(|it| *it == phone.client));
}

#[test]
fn p_091_a_client_that_runs_low_is_woken() {
    let mut bob = bob_with(Limits::default(), policy(|it| it.low_water = 2), Stance::Open);
    let phone = Device::new("bob@b.example", "phone");
    let alice = Device::new("alice@a.example", "1");
    let crypto = RustCrypto::default();
    let low = |left| vec![Action::Replenish { client: phone.client.clone(), left }];
    let ends = NOW.seconds() + 100;
    let packages: Vec<_> = (0..4).map(|_| phone.lasting(NOT_BEFORE, ends)).collect();
    publish(&mut bob, &phone, &packages);
    assert_eq!(bob.backlog(), []);
    for (nonce, actions) in [(0, vec![]), (1, low(2)), (2, low(1))] {
        let request = alice.request(bob_uri(), None, nonce);
        let step = bob.claim(&env(&crypto, NOW), &server("a.example"), &request).unwrap();
        assert_eq!(step.apply().actions, actions);
        assert_eq!(bob.backlog(), actions, "and again after a crash");
    }
    // What expires leaves it low, too.
    let step = bob.timeout(&env(&crypto, Timestamp(ends * 1000)));
    assert_eq!(step.apply().actions, low(0));
    settle(bob.delete());
    assert_eq!(bob.backlog(), []);
}

/// the same request is answered with the same KeyPackages, but not with those of a client that is gone: whoever
/// added it by them would wait for somebody who cannot come.
#[test]
fn q_21_no_answer_is_repeated_with_keys_of_a_client_that_is_gone() {
    let mut bob = bob();
    let [phone, tablet] = ["phone", "tablet"].map(|it| Device::new("bob@b.example", it));
    let alice = Device::new("alice@a.example", "1");
    let hub = server("a.example");
    publish(&mut bob, &phone, &phone.key_packages(2));
    publish(&mut bob, &tablet, &tablet.key_packages(1));
    let request = alice.request(bob_uri(), None, 0);
    let first = handed_out(&claim(&mut bob, &hub, &request).unwrap());
    assert_eq!(handed_out(&claim(&mut bob, &hub, &request).unwrap()), first);
    settle(bob.retire(&tablet.client));
    let again = response(&claim(&mut bob, &hub, &request).unwrap());
    let [left] = again.clients.as_slice() else { panic!("{again:?}") };
    assert_eq!(left.client, phone.client);
    let ClientMaterial::KeyPackage(package) = &left.material else { panic!("{left:?}") };
    assert!(!first.contains(&package.as_bytes().to_vec()), "P-084");
}

//! Who may claim, how often, and what the others are answered.

use super::*;

#[test]
fn q_20_p_077_p_078_only_the_requesting_user_signs() {
    let mut bob = bob();
    let phone = Device::new("bob@b.example", "phone");
    publish(&mut bob, &phone, &phone.key_packages(8));
    let alice = Device::new("alice@a.example", "1");
    let mallory = Device::new("mallory@a.example", "1");
    let curve = Device::with_suite("alice@a.example", "2", P256);
    let hub = server("a.example");

    // The suite of the signature is the first acceptable one whose keys are as long: here the second.
    let mut request = curve.unsigned(bob_uri(), None);
    request.acceptable_ciphersuites = vec![SUITE.into(), P256.into()];
    assert!(claim(&mut bob, &hub, &curve.signed(request.clone())).is_ok());
    // None is as long: rejected.
    request.acceptable_ciphersuites = vec![SUITE.into()];
    assert_eq!(claim(&mut bob, &hub, &curve.signed(request)), Err(ClaimFault::Signature));

    // Another user's credential, or the right one with another key's signature.
    let mut request = alice.unsigned(bob_uri(), None);
    request.requester_credential = mallory.credential().credential;
    assert_eq!(claim(&mut bob, &hub, &alice.signed(request)), Err(ClaimFault::Signature));
    assert_eq!(
        claim(&mut bob, &hub, &mallory.signed(alice.unsigned(bob_uri(), None))),
        Err(ClaimFault::Signature)
    );

    // Whatever octet is changed, nothing is handed out.
    let request = alice.request(bob_uri(), None, 0);
    for index in 0..request.len() {
        let mut forged = request.clone();
        forged[index] ^= 1;
        assert!(claim(&mut bob, &hub, &forged).is_err(), "{index}");
    }
    for end in 0..request.len() {
        assert!(matches!(claim(&mut bob, &hub, &request[..end]), Err(ClaimFault::Malformed(_))));
    }
    let small = limits(|it| it.body = 10);
    let mut small = bob_with(small, Policy::default(), Stance::Open);
    assert!(matches!(claim(&mut small, &hub, &request), Err(ClaimFault::Malformed(_))));
    assert!(claim(&mut bob, &hub, &request).is_ok());
}

#[test]
fn q_21_the_same_request_gets_the_same_answer_for_a_while() {
    let mut bob = bob();
    let phone = Device::new("bob@b.example", "phone");
    publish(&mut bob, &phone, &phone.key_packages(8));
    let crypto = RustCrypto::default();
    // A user of the same provider may come by its own server or directly.
    let carol = Device::new("carol@b.example", "1");
    let request = carol.request(bob_uri(), None, 0);
    let first = claim(&mut bob, &carol.peer(), &request).unwrap();

    let revision = bob.revision();
    assert_eq!(claim(&mut bob, &carol.peer(), &request).unwrap(), first);
    assert_eq!(bob.revision(), revision, "an answer given again saves nothing");
    // Only to the same peer.
    let other = claim(&mut bob, &server("b.example"), &request).unwrap();
    assert_ne!(handed_out(&other), handed_out(&first));
    // Only within the window.
    let window = Limits::default().claim_again;
    let soon = Timestamp(NOW.0 + window - 1);
    assert_eq!(claim_at(&mut bob, soon, &carol.peer(), &request).unwrap(), first);
    let late = Timestamp(NOW.0 + window);
    let second = claim_at(&mut bob, late, &carol.peer(), &request).unwrap();
    assert_ne!(handed_out(&second), handed_out(&first));
    // And it dies at once when a Welcome uses one of its KeyPackages.
    assert_eq!(claim_at(&mut bob, late, &carol.peer(), &request).unwrap(), second);
    settle(bob.welcomed(&[reference(&handed_out(&second)[0], &crypto)]));
    assert_ne!(claim_at(&mut bob, late, &carol.peer(), &request).unwrap(), second);

    // A policy may switch it off.
    let mut strict =
        bob_with(Limits::default(), policy(|it| it.repeat_answers = false), Stance::Open);
    publish(&mut strict, &phone, &phone.key_packages(2));
    let first = claim(&mut strict, &carol.peer(), &request).unwrap();
    assert_ne!(claim(&mut strict, &carol.peer(), &request).unwrap(), first);
}

#[test]
fn q_21_kept_answers_are_bounded() {
    let mut bob = bob_with(limits(|it| it.answered = 2), Policy::default(), Stance::Open);
    let phone = Device::new("bob@b.example", "phone");
    publish(&mut bob, &phone, &phone.key_packages(8));
    let carol = Device::new("carol@b.example", "1");
    let requests = [0, 1, 2].map(|it| carol.request(bob_uri(), None, it));
    let mut ask = |second: u64, nonce: usize| {
        let now = Timestamp(NOW.0 + second * 1000);
        claim_at(&mut bob, now, &carol.peer(), &requests[nonce]).unwrap()
    };
    let answers = [0, 1, 2].map(|it| ask(it, it.try_into().unwrap()));
    assert_eq!(ask(3, 2), answers[2]);
    assert_eq!(ask(3, 1), answers[1]);
    assert_ne!(ask(3, 0), answers[0], "the oldest is out");
}

#[test]
fn q_25_p_012_p_072_who_may_send_a_claim() {
    let mut bob = bob();
    let phone = Device::new("bob@b.example", "phone");
    publish(&mut bob, &phone, &phone.key_packages(20));
    let alice = Device::new("alice@a.example", "1");
    let carol = Device::new("carol@b.example", "1");
    let [here, there] = ["mimi://b.example/r/x", "mimi://h.example/r/x"].map(room);
    let [own, hub, third] = ["b.example", "h.example", "c.example"].map(server);
    let yes = [
        // Straight from the requester's provider, without a room.
        (server("a.example"), alice.request(bob_uri(), None, 0)),
        // For a room through its hub, whoever asks.
        (hub.clone(), alice.request(bob_uri(), Some(&there), 0)),
        (own.clone(), alice.request(bob_uri(), Some(&here), 0)),
        (hub.clone(), carol.request(bob_uri(), Some(&there), 0)),
        // Where the hub is the target's provider too, from the requester's.
        (server("a.example"), alice.request(bob_uri(), Some(&here), 0)),
        // A client of this provider, for a room here or none yet.
        (carol.peer(), carol.request(bob_uri(), None, 0)),
        (carol.peer(), carol.request(bob_uri(), Some(&here), 0)),
        // P-007: the user's own clients among each other.
        (phone.peer(), phone.request(bob_uri(), None, 0)),
    ];
    for (index, (peer, request)) in yes.iter().enumerate() {
        assert!(claim(&mut bob, peer, request).is_ok(), "{index}");
    }
    let no = [
        // Straight from the requester's provider for a room elsewhere; from somebody else.
        (server("a.example"), alice.request(bob_uri(), Some(&there), 1)),
        (third.clone(), alice.request(bob_uri(), Some(&there), 1)),
        (third.clone(), alice.request(bob_uri(), Some(&here), 1)),
        (third, alice.request(bob_uri(), None, 1)),
        (hub, alice.request(bob_uri(), None, 1)),
        // A client in another's name, for a room elsewhere, or of another provider.
        (carol.peer(), phone.request(bob_uri(), None, 1)),
        (carol.peer(), carol.request(bob_uri(), Some(&there), 1)),
        (alice.peer(), alice.request(bob_uri(), None, 1)),
    ];
    for (index, (peer, request)) in no.iter().enumerate() {
        assert_eq!(claim(&mut bob, peer, request), Err(ClaimFault::NotTheHub), "{index}");
    }
    // P-073: another user than the path's.
    let request = alice.request(&user("ben@b.example"), None, 0);
    assert_eq!(claim(&mut bob, &server("a.example"), &request), Err(ClaimFault::OtherUser));
}

/// The answer to a claim that is refused.
fn refused(bob: &mut User, request: &[u8]) -> ClaimAnswer {
    let crypto = RustCrypto::default();
    let before = bob.clone();
    let refusal = bob.claim(&env(&crypto, NOW), &server("a.example"), request).unwrap_err();
    assert_eq!(refusal.revision, before.revision());
    assert_eq!(*bob, before);
    refusal.answer
}

fn unknown(policy: &Policy, request: &[u8]) -> ClaimAnswer {
    let crypto = RustCrypto::default();
    let (limits, env) = (Limits::default(), env(&crypto, NOW));
    claim_unknown(&env, &limits, policy, &server("a.example"), bob_uri(), request).answer
}

fn code(answer: &ClaimAnswer) -> Code {
    match answer {
        ClaimAnswer::Response(answer) => {
            let response = response(answer);
            assert_eq!(response.clients, [], "P-083");
            assert_eq!(response.user, *bob_uri());
            response.user_status
        }
        ClaimAnswer::Status { status, .. } => panic!("{status}"),
    }
}

#[test]
fn p_087_p_089_p_090_codes_and_what_privacy_masks() {
    let alice = Device::new("alice@a.example", "1");
    let x = room("mimi://a.example/r/x");
    let request = alice.request(bob_uri(), None, 0);
    let for_room = alice.request(bob_uri(), Some(&x), 0);
    let users = |policy: &Policy| {
        let closed = bob_with(Limits::default(), policy.clone(), Stance::Closed);
        let mut elsewhere = closed.clone();
        let room = Some(room("mimi://a.example/r/y"));
        let contact = Contact { user: alice.user.clone(), room };
        settle(elsewhere.decide(&contact, Decision::Grant).unwrap());
        let mut deleted = bob_with(Limits::default(), policy.clone(), Stance::Open);
        settle(deleted.delete());
        (closed, elsewhere, deleted)
    };

    let open = Policy::default();
    let (mut closed, mut elsewhere, mut deleted) = users(&open);
    assert_eq!(code(&refused(&mut closed, &request)), Code::NoConsent);
    assert_eq!(code(&refused(&mut closed, &for_room)), Code::NoConsent);
    assert_eq!(code(&refused(&mut elsewhere, &for_room)), Code::NoConsentForThisRoom);
    // P-074: consent for rooms, asked without one.
    assert_eq!(code(&refused(&mut elsewhere, &request)), Code::NoConsent);
    assert_eq!(code(&refused(&mut deleted, &request)), Code::UserDeleted);
    assert_eq!(code(&unknown(&open, &request)), Code::UserUnknown);

    // P-087: of a protocol that is not known here only the head is read.
    let other = KeyMaterialRequest::Other {
        protocol: 2,
        head: KeyMaterialHead {
            requesting_user: alice.user.clone(),
            target_user: bob_uri().clone(),
            room: None,
        },
        rest: b"whatever".to_vec(),
    }
    .encode();
    let answer = refused(&mut closed, &other);
    assert_eq!(code(&answer), Code::IncompatibleProtocol);
    assert!(matches!(&answer, ClaimAnswer::Response(it) if response(it).protocol == 2));

    // D-67: in privacy mode the same octets, whoever is there and whatever was said.
    let private = policy(|it| it.privacy = true);
    let (mut closed, mut elsewhere, mut deleted) = users(&private);
    let forged = [&for_room[..for_room.len() - 1], &[for_room[for_room.len() - 1] ^ 1]].concat();
    for request in [&request, &for_room, &forged, &other] {
        let answer = unknown(&private, request);
        for user in [&mut closed, &mut elsewhere, &mut deleted] {
            assert_eq!(refused(user, request), answer);
        }
    }
    assert_eq!(code(&unknown(&private, &request)), Code::NoConsent);
}

#[test]
fn d_95_claims_without_a_welcome_are_bounded() {
    let limits = limits(|it| {
        it.claims_by_requester = 3;
        it.claims_by_peer = 5;
        it.claims_for = HOUR;
    });
    let mut bob = bob_with(limits, Policy::default(), Stance::Open);
    let [phone, tablet] = ["phone", "tablet"].map(|it| Device::new("bob@b.example", it));
    publish(&mut bob, &phone, &phone.key_packages(20));
    publish(&mut bob, &tablet, &tablet.key_packages(20));
    let [alice, anna, amy] =
        ["alice@a.example", "anna@a.example", "amy@a.example"].map(|it| Device::new(it, "1"));
    let hub = server("a.example");
    let crypto = RustCrypto::default();
    let at = |minute: u64| Timestamp(NOW.0 + minute * 60_000);

    let mut answers = Vec::new();
    for nonce in 0..3 {
        let request = alice.request(bob_uri(), None, nonce);
        answers.push(claim_at(&mut bob, at(nonce.into()), &hub, &request).unwrap());
    }
    let request = alice.request(bob_uri(), None, 9);
    let wait = ClaimFault::TooMany { retry_after: 50 * 60_000 };
    assert_eq!(claim_at(&mut bob, at(10), &hub, &request), Err(wait));
    // The peer has a bound of its own.
    for nonce in 0..2 {
        claim_at(&mut bob, at(10), &hub, &anna.request(bob_uri(), None, nonce)).unwrap();
    }
    let full = claim_at(&mut bob, at(10), &hub, &amy.request(bob_uri(), None, 0));
    assert!(matches!(full, Err(ClaimFault::TooMany { .. })));
    let crypto_env = env(&crypto, at(10));
    let refusal = bob.claim(&crypto_env, &hub, &request).unwrap_err();
    assert_eq!(refusal.answer, ClaimAnswer::Status { status: 429, retry_after: Some(50 * 60_000) });
    // A Welcome makes room, and so does time.
    let used: Vec<_> = handed_out(&answers[1]).iter().map(|it| reference(it, &crypto)).collect();
    let mut welcomed = bob.clone();
    settle(welcomed.welcomed(&used));
    assert!(claim_at(&mut welcomed, at(10), &hub, &request).is_ok());
    assert!(claim_at(&mut bob, at(60), &hub, &request).is_ok());
}

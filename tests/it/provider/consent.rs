//! Consent between two users of two providers.

use openmimi::{
    codec::Wire,
    env::Limits,
    machine::Step,
    provider::{
        Action, ClaimFault, ConsentEndpoint, ConsentFault, Decision, Grant, Policy, Stance, Unfit,
        User, Verdict, consent_unknown,
    },
    uri::RoomUri,
    wire::{ConsentOperation, KeyMaterialUserCode, KeyPackage},
};
use openmls_rust_crypto::RustCrypto;
use proptest::prelude::*;

use super::{account::*, support::*};

#[test]
fn p_200_p_213_a_request_is_asked_shown_granted_and_told() {
    let (mut alice, mut bob) = (Account::new("alice@a.example"), Account::new("bob@b.example"));
    let (for_bob, for_alice) =
        (contact("bob@b.example", Some(&x())), contact("alice@a.example", Some(&x())));
    let actions = alice.ask(&for_bob);
    assert_eq!(alice.letters().len(), 1);
    assert!(matches!(&actions[..], [Action::Send(letter)] if letter.to == domain("b.example")));
    // Asked again before it has gone out: one letter.
    assert_eq!(alice.ask(&for_bob), []);
    assert_eq!(alice.user.asked().collect::<Vec<_>>(), [&for_bob]);

    assert_eq!(alice.send_to(&mut bob), [Action::Requested(for_alice.clone())]);
    assert_eq!(bob.requests(), std::slice::from_ref(&for_alice));
    assert_eq!(bob.user.backlog(), [Action::Requested(for_alice.clone())]);
    assert_eq!(bob.letters(), [], "P-213: no more than a receipt");

    bob.grant(&for_alice);
    assert_eq!(bob.requests(), []);
    assert_eq!(bob.send_to(&mut alice), [Action::Told(for_bob.clone())]);
    assert_eq!(alice.user.asked().count(), 0);
    assert_eq!(alice.told(), [(for_bob.clone(), Grant::Given(Vec::new()))]);
    alice.play(&|user| user.noted(&for_bob));
    alice.play(&|user| user.noted(&for_bob));
    assert_eq!(alice.told(), []);
    assert_eq!(alice.user.backlog(), []);

    // She asks once more: the answer is known, and bob is not asked again.
    alice.ask(&for_bob);
    let actions = {
        let letter = alice.letters().remove(0);
        bob.receive("a.example", &letter)
    };
    assert!(matches!(&actions[..], [Action::Send(_)]));
    assert_eq!(bob.requests(), []);
}

#[test]
fn p_203_p_207_a_cancel_takes_back_exactly_what_was_asked() {
    let (mut alice, mut bob) = (Account::new("alice@a.example"), Account::new("bob@b.example"));
    let for_bob = |room: Option<RoomUri>| contact("bob@b.example", room.as_ref());
    let for_alice = |room: Option<RoomUri>| contact("alice@a.example", room.as_ref());
    for room in [None, Some(x())] {
        alice.ask(&for_bob(room));
    }
    alice.send_to(&mut bob);
    // Another room than any she asked for: nothing goes out.
    assert_eq!(alice.play(&|user| user.withdraw(&for_bob(Some(y()))).unwrap()), []);
    // And if another provider's does, nothing comes of it.
    let stray = entry(ConsentOperation::Cancel, "alice@a.example", "bob@b.example", Some(&y()));
    assert_eq!(requested(&mut bob, &server("a.example"), &stray), Ok(vec![]));
    assert_eq!(bob.requests(), [for_alice(None), for_alice(Some(x()))]);

    alice.play(&|user| user.withdraw(&for_bob(Some(x()))).unwrap());
    assert_eq!(alice.user.asked().collect::<Vec<_>>(), [&for_bob(None)]);
    assert_eq!(alice.send_to(&mut bob), [Action::Withdrawn(for_alice(Some(x())))]);
    assert_eq!(bob.requests(), [for_alice(None)]);
    // request, cancel, request again are three acts.
    alice.play(&|user| user.withdraw(&for_bob(None)).unwrap());
    alice.ask(&for_bob(None));
    alice.play(&|user| user.withdraw(&for_bob(None)).unwrap());
    alice.ask(&for_bob(None));
    assert_eq!(alice.letters().len(), 4);
    alice.send_to(&mut bob);
    assert_eq!(bob.requests(), [for_alice(None)]);
}

#[test]
fn p_208_p_215_grants_and_revocations_need_no_request() {
    let (mut alice, mut bob) = (Account::new("alice@a.example"), Account::new("bob@b.example"));
    let anywhere = contact("alice@a.example", None);
    bob.grant(&anywhere);
    bob.send_to(&mut alice);
    assert_eq!(alice.told(), [(contact("bob@b.example", None), Grant::Given(Vec::new()))]);

    // In advance: whoever is denied asks in vain, and is told once, not again.
    let in_x = contact("alice@a.example", Some(&x()));
    bob.play(&|user| user.revoke(&in_x).unwrap());
    bob.send_to(&mut alice);
    assert_eq!(alice.told()[1], (contact("bob@b.example", Some(&x())), Grant::Withheld));
    alice.ask(&contact("bob@b.example", Some(&x())));
    assert_eq!(alice.send_to(&mut bob), []);
    assert_eq!((bob.requests(), bob.letters()), (vec![], vec![]));

    // A revocation for any room answers what waits for single ones.
    let mut carol = Account::new("carol@c.example");
    for room in [x(), y()] {
        carol.ask(&contact("bob@b.example", Some(&room)));
    }
    carol.send_to(&mut bob);
    assert_eq!(bob.requests().len(), 2);
    bob.play(&|user| user.revoke(&contact("carol@c.example", None)).unwrap());
    assert_eq!(bob.requests(), []);
    bob.send_to(&mut carol);
    assert_eq!(carol.user.asked().count(), 0);
    // And it holds for every room.
    carol.ask(&contact("bob@b.example", Some(&x())));
    assert_eq!(carol.send_to(&mut bob), []);
}

#[test]
fn p_209_q_102_key_packages_in_a_grant_are_handed_out() {
    let (mut alice, mut bob) = (Account::new("alice@a.example"), Account::new("bob@b.example"));
    let [phone, tablet] = ["phone", "tablet"].map(|it| Device::new("bob@b.example", it));
    let requester = Device::new("alice@a.example", "1");
    let crypto = RustCrypto::default();
    let first = phone.key_package();
    for (device, packages) in
        [(&phone, vec![first.clone(), phone.key_package()]), (&tablet, vec![])]
    {
        bob.play(&|user| user.publish(&env(&crypto, NOW), &device.peer(), &packages).unwrap());
    }
    let in_x = contact("alice@a.example", Some(&x()));
    let suites = [SUITE.into()];
    let actions = bob.play(&|user| user.grant(&env(&crypto, NOW), &in_x, &suites).unwrap());
    assert!(actions.contains(&Action::Replenish { client: phone.client.clone(), left: 1 }));
    let owner = bob.user.owner(&reference(&first, &crypto)).unwrap();
    assert_eq!((owner.client, owner.room), (phone.client.clone(), Some(x())));

    bob.send_to(&mut alice);
    let granted = KeyPackage::decode(&first).unwrap();
    assert_eq!(
        alice.told(),
        [(contact("bob@b.example", Some(&x())), Grant::Given(vec![granted.clone()]))]
    );
    // P-084: a claim gets another one.
    let request = requester.request(&user("bob@b.example"), Some(&x()), 0);
    let claim = bob.user.claim(&env(&crypto, NOW), &server("a.example"), &request).unwrap();
    let handed = handed_out(&settle(claim));
    assert_eq!(handed.len(), 1);
    assert_ne!(handed[0], first);

    // D-25: only the target's own, valid, and each once.
    let hub = server("b.example");
    let stranger = KeyPackage::decode(&requester.key_package()).unwrap();
    let expired = KeyPackage::decode(&phone.lasting(NOT_BEFORE, NOT_BEFORE + 1)).unwrap();
    for (packages, fault) in [
        (vec![granted.clone(), stranger], Unfit::Identity),
        (vec![granted.clone(), expired], Unfit::Lifetime),
        (vec![granted.clone(), granted.clone()], Unfit::Seen),
    ] {
        let grant = ConsentOperation::Grant(packages);
        let body = entry(grant, "alice@a.example", "bob@b.example", None);
        let refused = Err((ConsentFault::Unfit { index: 1, fault }, 400));
        assert_eq!(updated(&mut alice, &hub, &body), refused);
    }
    let many = ConsentOperation::Grant(vec![granted; Limits::default().devices + 1]);
    let body = entry(many, "alice@a.example", "bob@b.example", None);
    assert_eq!(updated(&mut alice, &hub, &body), Err((ConsentFault::TooMany, 503)));
}

#[test]
fn p_201_p_202_p_204_p_205_d_68_who_may_say_what_for_whom() {
    let mut bob = Account::new("bob@b.example");
    let (request, grant) = (ConsentOperation::Request, ConsentOperation::Grant(Vec::new()));
    let ask = entry(request.clone(), "alice@a.example", "bob@b.example", None);
    let give = entry(grant.clone(), "bob@b.example", "alice@a.example", None);
    let hub = server("a.example");

    // Each operation at its endpoint only.
    assert!(matches!(requested(&mut bob, &hub, &give), Err((ConsentFault::Malformed(_), 400))));
    assert!(matches!(updated(&mut bob, &hub, &ask), Err((ConsentFault::Malformed(_), 400))));
    // Only from the provider of the user who speaks.
    let client = Device::new("alice@a.example", "1").peer();
    for peer in [server("b.example"), server("c.example"), client] {
        assert_eq!(requested(&mut bob, &peer, &ask), Err((ConsentFault::Foreign, 403)));
        assert_eq!(updated(&mut bob, &peer, &give), Err((ConsentFault::Foreign, 403)));
    }
    // Only for this user, and not with itself.
    let ben = entry(request.clone(), "alice@a.example", "ben@b.example", None);
    assert_eq!(requested(&mut bob, &hub, &ben), Err((ConsentFault::OtherUser, 400)));
    let own = entry(request, "bob@b.example", "bob@b.example", None);
    assert_eq!(
        requested(&mut bob, &server("b.example"), &own),
        Err((ConsentFault::OtherUser, 400))
    );
    let own = entry(grant, "bob@b.example", "bob@b.example", None);
    assert_eq!(updated(&mut bob, &server("b.example"), &own), Err((ConsentFault::OtherUser, 400)));
    let crypto = RustCrypto::default();
    let own = contact("bob@b.example", None);
    assert!(bob.user.ask(&env(&crypto, NOW), &own).is_err());
    assert!(bob.user.grant(&env(&crypto, NOW), &own, &[]).is_err());
    // Cut anywhere, it is refused.
    for end in 0..ask.len() {
        let cut = requested(&mut bob, &hub, &ask[..end]);
        assert!(matches!(cut, Err((ConsentFault::Malformed(_), 400))));
    }
    // A grant that somebody sends to bob gives him nothing of his own: it is about the sender's user.
    updated(&mut bob, &hub, &give).unwrap();
    assert!(bob.user.consent().is_empty());
}

#[test]
fn p_206_p_211_d_67_a_provider_may_hide_who_exists() {
    let private = || {
        let mut policy = Policy::default();
        policy.privacy = true;
        policy
    };
    let limits = || {
        let mut limits = Limits::default();
        limits.consents = 1;
        limits
    };
    let hub = server("a.example");
    let body = entry(ConsentOperation::Request, "alice@a.example", "bob@b.example", None);
    let other = entry(ConsentOperation::Request, "amy@a.example", "bob@b.example", None);
    for (policy, gone, full) in [(Policy::default(), 404, 503), (private(), 201, 201)] {
        let unknown = consent_unknown(
            &limits(),
            &policy,
            ConsentEndpoint::Request,
            &hub,
            &user("bob@b.example"),
            &body,
        );
        assert_eq!((unknown.fault, unknown.status), (ConsentFault::Unknown, gone));

        let mut bob = Account::with("bob@b.example", limits(), policy.clone(), Stance::Closed);
        assert!(requested(&mut bob, &hub, &body).is_ok());
        assert_eq!(requested(&mut bob, &hub, &other), Err((ConsentFault::TooMany, full)));

        // P-211: the target's provider need not tell.
        let mut bob = Account::with("bob@b.example", limits(), policy.clone(), Stance::Closed);
        bob.play(&|user| user.revoke(&contact("alice@a.example", None)).unwrap());
        assert_eq!(bob.letters().len(), usize::from(!policy.privacy));
        assert_eq!(requested(&mut bob, &hub, &body), Ok(vec![]));

        let mut bob = Account::with("bob@b.example", limits(), policy, Stance::Closed);
        let crypto = RustCrypto::default();
        bob.play(&|user| user.consent_requested(&env(&crypto, NOW), &hub, &body).unwrap());
        bob.play(&|user| user.delete());
        assert_eq!(bob.user.backlog(), []);
        assert_eq!(requested(&mut bob, &hub, &body), Err((ConsentFault::Deleted, gone)));
        // What is said to nobody is judged before that.
        let stranger = server("c.example");
        assert_eq!(requested(&mut bob, &stranger, &body), Err((ConsentFault::Foreign, 403)));
    }
}

#[test]
fn what_a_ledger_can_hold_is_bounded() {
    let mut limits = Limits::default();
    limits.consents = 2;
    limits.consents_told = 1;
    let mut bob = Account::with("bob@b.example", limits, Policy::default(), Stance::Closed);
    let crypto = RustCrypto::default();
    let [alice, amy, anna] =
        ["alice@a.example", "amy@a.example", "anna@a.example"].map(|it| contact(it, None));
    for requester in [&alice, &amy] {
        bob.play(&|user| user.decide(requester, Decision::Grant).unwrap());
        // A decision that replaces another needs no room.
        bob.play(&|user| user.decide(requester, Decision::Revoke).unwrap());
    }
    let refused = |result: Result<Step<'_, User, ()>, openmimi::provider::ConsentRefusal>| {
        assert_eq!(result.unwrap_err().fault, ConsentFault::TooMany);
    };
    refused(bob.user.decide(&anna, Decision::Grant));
    for target in [&alice, &amy] {
        bob.ask(target);
    }
    refused(bob.user.ask(&env(&crypto, NOW), &anna));
    refused(bob.user.withdraw(&alice));
    refused(bob.user.revoke(&alice));

    let hub = server("a.example");
    let revoke = |target| entry(ConsentOperation::Revoke, "bob@b.example", target, None);
    updated(&mut bob, &hub, &revoke("alice@a.example")).unwrap();
    updated(&mut bob, &hub, &revoke("alice@a.example")).unwrap();
    let more = updated(&mut bob, &hub, &revoke("amy@a.example"));
    assert_eq!(more, Err((ConsentFault::TooMany, 503)));
}

#[test]
fn p_074_p_090_p_215_what_was_decided_is_what_a_claim_meets() {
    let mut bob = Account::new("bob@b.example");
    let phone = Device::new("bob@b.example", "phone");
    let alice = Device::new("alice@a.example", "1");
    let crypto = RustCrypto::default();
    let packages = phone.key_packages(9);
    bob.play(&|user| user.publish(&env(&crypto, NOW), &phone.peer(), &packages).unwrap());
    let mut nonce = 0;
    let mut claim = |bob: &mut Account, room: Option<&RoomUri>| {
        nonce += 1;
        let request = alice.request(&user("bob@b.example"), room, nonce);
        let claim = bob.user.claim(&env(&crypto, NOW), &server("a.example"), &request);
        claim.map(drop).map_err(|it| it.fault)
    };
    assert_eq!(claim(&mut bob, Some(&x())), Err(ClaimFault::NoConsent));
    bob.grant(&contact("alice@a.example", Some(&x())));
    assert_eq!(claim(&mut bob, Some(&x())), Ok(()));
    assert_eq!(claim(&mut bob, Some(&y())), Err(ClaimFault::NoConsentForRoom));
    assert_eq!(claim(&mut bob, None), Err(ClaimFault::NoConsent));
    bob.grant(&contact("alice@a.example", None));
    for room in [Some(&x()), Some(&y()), None] {
        assert_eq!(claim(&mut bob, room), Ok(()));
    }
    bob.play(&|user| user.revoke(&contact("alice@a.example", None)).unwrap());
    for room in [Some(&x()), Some(&y()), None] {
        assert_eq!(claim(&mut bob, room), Err(ClaimFault::NoConsent));
    }
    assert_eq!(KeyMaterialUserCode::NoConsent as u8, 5);
}

#[test]
fn an_open_user_consents_without_being_asked() {
    let mut bob =
        Account::with("bob@b.example", Limits::default(), Policy::default(), Stance::Open);
    let mut alice = Account::new("alice@a.example");
    alice.ask(&contact("bob@b.example", None));
    let letter = alice.letters().remove(0);
    bob.receive("a.example", &letter);
    assert_eq!(bob.requests(), []);
    bob.send_to(&mut alice);
    assert_eq!(alice.told(), [(contact("bob@b.example", None), Grant::Given(Vec::new()))]);
}

proptest! {
    /// P-215, by a model: of all that was said, the last that covers the room holds, else the stance.
    #[test]
    fn the_last_word_that_covers_a_room_holds(
        open in any::<bool>(),
        said in proptest::collection::vec((0..3_usize, any::<bool>()), 0..12),
    ) {
        let rooms = [None, Some(x()), Some(y())];
        let stance = if open { Stance::Open } else { Stance::Closed };
        let founding =
            User::found(Limits::default(), Policy::default(), user("bob@b.example"), stance);
        let mut bob = founding.apply().0;
        for (room, grants) in &said {
            let requester = contact("alice@a.example", rooms[*room].as_ref());
            let decision = if *grants { Decision::Grant } else { Decision::Revoke };
            settle(bob.decide(&requester, decision).unwrap());
        }
        for (index, room) in rooms.iter().enumerate() {
            let covers = |it: &&(usize, bool)| it.0 == 0 || it.0 == index;
            let expected = said.iter().rev().find(covers).map_or(open, |(_, grants)| *grants);
            let verdict = bob.verdict(&user("alice@a.example"), room.as_ref());
            prop_assert_eq!(verdict == Verdict::Given, expected, "{:?}", room);
            prop_assert_eq!(bob.verdict(&user("amy@a.example"), room.as_ref()) == Verdict::Given, open);
        }
    }
}

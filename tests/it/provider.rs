//! Publication and claims of KeyPackages.

use std::collections::BTreeSet;

use openmimi::{
    codec::Wire,
    env::{Limits, Peer, Timestamp},
    provider::{
        Action, ClaimAnswer, ClaimFault, Contact, Decision, Policy, PublishFault, Stance, Unfit,
        User, claim_unknown, references,
    },
    wire::{
        CipherSuite, ClientMaterial, KeyMaterialHead, KeyMaterialRequest, KeyMaterialResponse,
        KeyMaterialUserCode as Code, RequiredCapabilities,
    },
};
use openmls::prelude::Capabilities;
use openmls_rust_crypto::RustCrypto;

use super::provider_support::*;

const HOUR: u64 = 60 * 60 * 1000;

/// Bob, whom everyone may add.
fn bob() -> User {
    bob_with(Limits::default(), Policy::default(), Stance::Open)
}

fn bob_with(limits: Limits, policy: Policy, stance: Stance) -> User {
    User::found(limits, policy, user("bob@b.example"), stance).apply().0
}

fn limits(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    change(&mut limits);
    limits
}

fn policy(change: impl FnOnce(&mut Policy)) -> Policy {
    let mut policy = Policy::default();
    change(&mut policy);
    policy
}

fn publish(bob: &mut User, device: &Device, packages: &[Vec<u8>]) {
    let crypto = RustCrypto::default();
    let step = bob.publish(&env(&crypto, NOW), &device.peer(), packages).unwrap();
    settle(step);
}

fn publish_fault(bob: &mut User, peer: &Peer, packages: &[Vec<u8>]) -> PublishFault {
    let crypto = RustCrypto::default();
    let before = bob.clone();
    let refusal = bob.publish(&env(&crypto, NOW), peer, packages).unwrap_err();
    assert_eq!(refusal.revision, before.revision());
    assert_eq!(*bob, before, "a refusal changes nothing");
    refusal.reason
}

fn unfit(bob: &mut User, device: &Device, package: Vec<u8>) -> Unfit {
    match publish_fault(bob, &device.peer(), &[device.key_package(), package]) {
        PublishFault::Unfit { index: 1, fault } => fault,
        other => panic!("{other}"),
    }
}

fn claim_at(
    bob: &mut User,
    now: Timestamp,
    peer: &Peer,
    body: &[u8],
) -> Result<Vec<u8>, ClaimFault> {
    let crypto = RustCrypto::default();
    let claim = bob.claim(&env(&crypto, now), peer, body);
    claim.map(|step| step.apply().reply).map_err(|refusal| refusal.fault)
}

fn claim(bob: &mut User, peer: &Peer, body: &[u8]) -> Result<Vec<u8>, ClaimFault> {
    claim_at(bob, NOW, peer, body)
}

fn response(answer: &[u8]) -> KeyMaterialResponse {
    KeyMaterialResponse::decode(answer).unwrap()
}

#[test]
fn p_047_only_the_users_own_valid_key_packages_are_taken() {
    let mut bob = bob();
    let (phone, alice) =
        (Device::new("bob@b.example", "phone"), Device::new("alice@b.example", "1"));

    assert_eq!(unfit(&mut bob, &phone, alice.key_package()), Unfit::Identity);
    // The client of another user may not publish here at all, nor another server.
    for peer in [alice.peer(), server("b.example"), server("a.example")] {
        assert_eq!(publish_fault(&mut bob, &peer, &[]), PublishFault::Foreign);
    }
    let stray = Device::new("bob@c.example", "1").client;
    let stray = Peer::Client(stray, user("bob@b.example"));
    assert_eq!(publish_fault(&mut bob, &stray, &[]), PublishFault::Foreign);

    // D-25: lifetime by the caller's clock, whatever the machine's says.
    let seconds = NOW.seconds();
    for (not_before, not_after) in
        [(seconds + 1, NOT_AFTER), (NOT_BEFORE, seconds), (NOT_BEFORE, NOT_BEFORE), (9, 5)]
    {
        let package = phone.lasting(not_before, not_after);
        assert_eq!(unfit(&mut bob, &phone, package), Unfit::Lifetime);
    }

    // The leaf has to list what it uses.
    let lacking = Capabilities::builder().ciphersuites(vec![P256]).build();
    assert_eq!(unfit(&mut bob, &phone, phone.able(lacking)), Unfit::Capabilities);

    // What is cut, changed or followed by more is refused.
    let package = phone.key_package();
    for end in 0..package.len() {
        assert!(matches!(unfit(&mut bob, &phone, package[..end].to_vec()), Unfit::Malformed(_)));
    }
    let longer = [package.clone(), vec![0]].concat();
    assert!(matches!(unfit(&mut bob, &phone, longer), Unfit::Malformed(_)));
    for index in (package.len() - 60)..package.len() {
        let mut forged = package.clone();
        forged[index] ^= 1;
        let fault = unfit(&mut bob, &phone, forged);
        assert!(matches!(fault, Unfit::Signature | Unfit::Malformed(_)), "{index}: {fault}");
    }
    publish(&mut bob, &phone, &[package]);
    assert_eq!(bob.left(&phone.client), 1);
}

#[test]
fn a_key_package_published_again_is_not_taken_again() {
    let mut bob = bob();
    let (phone, tablet) =
        (Device::new("bob@b.example", "phone"), Device::new("bob@b.example", "tablet"));
    let alice = Device::new("alice@a.example", "1");
    let package = phone.key_package();
    publish(&mut bob, &phone, std::slice::from_ref(&package));
    let crypto = RustCrypto::default();

    // A publication whose reply was lost comes again.
    let again =
        bob.publish(&env(&crypto, NOW), &phone.peer(), &[package.clone(), phone.key_package()]);
    let published = again.unwrap().apply().reply;
    assert_eq!((published.new, published.known, published.left), (1, 1, 2));

    // D-25, D-26: not as another client's, nor twice in one publication.
    assert_eq!(unfit(&mut bob, &tablet, package.clone()), Unfit::Seen);
    let twin = phone.key_package();
    let twins = [twin.clone(), twin];
    assert_eq!(
        publish_fault(&mut bob, &phone.peer(), &twins),
        PublishFault::Unfit { index: 1, fault: Unfit::Seen }
    );

    // P-084: nor when it was handed out, and its Welcome has come.
    let handed = handed_out(
        &claim(&mut bob, &server("a.example"), &alice.request(bob_uri(), None, 0)).unwrap(),
    );
    assert_eq!(handed, [package.clone()], "the oldest first");
    settle(bob.welcomed(&[reference(&package, &crypto)]));
    let again = bob.publish(&env(&crypto, NOW), &phone.peer(), std::slice::from_ref(&package));
    let published = again.unwrap().apply().reply;
    assert_eq!((published.new, published.known, published.left), (0, 1, 1));
    assert_eq!(unfit(&mut bob, &tablet, package), Unfit::Seen);
}

fn bob_uri() -> &'static openmimi::uri::UserUri {
    static BOB: std::sync::LazyLock<openmimi::uri::UserUri> =
        std::sync::LazyLock::new(|| user("bob@b.example"));
    &BOB
}

#[test]
fn what_a_user_can_store_is_bounded() {
    let limits = limits(|it| {
        it.devices = 2;
        it.key_packages = 3;
        it.claimed = 4;
    });
    let mut bob = bob_with(limits, Policy::default(), Stance::Open);
    let [one, two, three] = ["1", "2", "3"].map(|it| Device::new("bob@b.example", it));
    let alice = Device::new("alice@a.example", "1");

    assert_eq!(
        publish_fault(&mut bob, &one.peer(), &vec![Vec::new(); 5]),
        PublishFault::Full(2),
        "unread"
    );
    publish(&mut bob, &one, &one.key_packages(2));
    assert_eq!(publish_fault(&mut bob, &one.peer(), &one.key_packages(3)), PublishFault::Full(2));
    publish(&mut bob, &one, &one.key_packages(1));
    publish(&mut bob, &two, &[]);
    assert_eq!(publish_fault(&mut bob, &three.peer(), &[]), PublishFault::Clients);

    for nonce in 0..3 {
        claim(&mut bob, &server("a.example"), &alice.request(bob_uri(), None, nonce)).unwrap();
    }
    // Three were handed out and are remembered until they expire: one more has room.
    assert_eq!(publish_fault(&mut bob, &one.peer(), &one.key_packages(2)), PublishFault::Claimed);
    publish(&mut bob, &one, &one.key_packages(1));
    for fault in [PublishFault::Full(1), PublishFault::Clients, PublishFault::Claimed] {
        assert_eq!(fault.status(), 429);
    }
    assert_eq!(bob.clients().collect::<Vec<_>>(), [&one.client, &two.client]);
}

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
        assert_eq!(handed_out(&claim(&mut lax, &hub, &request(nonce)).unwrap()), [last.clone()]);
        settle(lax.welcomed(std::slice::from_ref(&reference)));
        assert_eq!(lax.owner(&reference).unwrap().client, phone.client);
    }
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

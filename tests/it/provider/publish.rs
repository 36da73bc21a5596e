//! Publication of KeyPackages.

use super::*;

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
    assert_eq!(handed, std::slice::from_ref(&package), "the oldest first");
    settle(bob.welcomed(&[reference(&package, &crypto)]));
    let again = bob.publish(&env(&crypto, NOW), &phone.peer(), std::slice::from_ref(&package));
    let published = again.unwrap().apply().reply;
    assert_eq!((published.new, published.known, published.left), (0, 1, 1));
    assert_eq!(unfit(&mut bob, &tablet, package), Unfit::Seen);
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

//! MLS structures, kept verbatim.

use openmls_rust_crypto::RustCrypto;

use super::{assert_refused, assert_strict, hex, opaque};
use crate::{codec::Wire, error::Fault, wire::*};

/// External sender 0 proposes to remove leaf 2 of group `g` in epoch 7, with an empty Safe AAD.
pub(super) const PROPOSAL: &str = "
    0001 0001 | 01 67 | 0000000000000007 | 02 00000000 | 01 00 | 02
    0003 00000002 | 03 a1a2a3";

/// Leaf 1 commits nothing, without a path.
pub(super) const COMMIT: &str = "
    0001 0001 | 01 67 | 0000000000000007 | 01 00000001 | 00 | 03
    00 | 00 | 02 b1b2 | 02 c1c2 | 02 d1d2";

/// An application message with an empty Safe AAD.
pub(super) const PRIVATE: &str = "
    0001 0002 | 01 67 | 0000000000000007 | 01 | 01 00 | 02 b1b2 | 03 c1c2c3";

/// A Welcome for two KeyPackages.
pub(super) const WELCOME: &str = "
    0001 | 0d | 02 a1a2 01 b1 01 c1 | 01 a3 01 b3 01 c3 | 02 d1d2";

/// The GroupInfo of group `g` in epoch 8.
pub(super) const GROUP_INFO: &str = "
    0001 0001 | 01 67 | 0000000000000008 | 02 a1a2 | 02 a3a4 | 00
    00 | 02 b1b2 | 00000001 | 03 c1c2c3";

/// The same, with an empty ratchet tree embedded.
pub(super) const GROUP_INFO_WITH_TREE: &str = "
    0001 0001 | 01 67 | 0000000000000008 | 02 a1a2 | 02 a3a4 | 00
    04 0002 01 00 | 02 b1b2 | 00000001 | 03 c1c2c3";

/// A KeyPackage with a basic credential, the lifetime 1 … 2 and no capabilities.
pub(super) const KEY_PACKAGE: &str = "
    0001 0001 | 02 a1a2
    02 b1b2 | 02 b3b4 | 0001 01 62 | 00 00 00 00 00 | 01 0000000000000001 0000000000000002 | 00 | 01 c1
    00 | 01 d1";

/// A blank leaf, a parent and a leaf.
pub(super) const TREE: &str = "
    1e | 00 | 01 02 01 f1 00 00 | 01 01
    02 b1b2 | 02 b3b4 | 0001 01 62 | 00 00 00 00 00 | 03 01 e1 | 00 | 01 c1";

#[test]
fn a_proposal_is_read_for_routing_and_kept() {
    let bytes = hex(PROPOSAL);
    let proposal = assert_strict::<PublicMessage>(&bytes);
    assert_eq!(proposal.as_bytes(), bytes);
    assert_eq!(proposal.group_id(), b"g");
    assert_eq!(proposal.epoch(), 7);
    assert_eq!(proposal.sender(), Sender::External(0));
    assert_eq!(proposal.authenticated_data(), [0]);
    assert_eq!(proposal.content_type(), ContentType::Proposal);
    assert_eq!(proposal.to_openmls().epoch().as_u64(), 7);
    assert_eq!(MlsMessage::decode(&bytes), Ok(MlsMessage::Public(proposal)));
}

#[test]
fn a_commit_is_read_for_routing_and_kept() {
    let commit = assert_strict::<PublicMessage>(&hex(COMMIT));
    assert_eq!(commit.sender(), Sender::Member(1));
    assert!(commit.authenticated_data().is_empty());
    assert_eq!(commit.content_type(), ContentType::Commit);
    assert_eq!(commit.to_openmls().group_id().as_slice(), b"g");
}

#[test]
fn an_application_message_is_read_for_routing_and_kept() {
    let bytes = hex(PRIVATE);
    let message = assert_strict::<PrivateMessage>(&bytes);
    assert_eq!((message.group_id(), message.epoch()), (&b"g"[..], 7));
    assert_eq!(message.authenticated_data(), [0]);
    assert_eq!(message.as_bytes(), bytes);
    assert_eq!(message.to_openmls().epoch().as_u64(), 7);
    assert_eq!(assert_strict::<MlsMessage>(&bytes), MlsMessage::Private(message));
}

#[test]
fn a_handshake_is_public_and_an_application_message_private() {
    // P-042, P-043, P-107, P-120
    for content_type in ["00", "02", "03", "04"] {
        let bytes = hex(&PRIVATE.replace("07 | 01 |", &format!("07 | {content_type} |")));
        assert_refused::<MlsMessage>(&bytes, "PrivateMessage.content_type");
    }
    let application =
        "0001 0001 | 01 67 | 0000000000000007 | 01 00000001 | 00 | 01 | 01 61 | 01 b1 | 01 c1";
    assert_refused::<MlsMessage>(&hex(application), "FramedContent.content_type");
}

#[test]
fn unknown_versions_wire_formats_and_senders_are_named() {
    // SemiPrivateMessage has no number; 0x0006 is the targeted message of Q-58
    for wire_format in [0x0000_u16, 0x0006, 0x0007, 0xFAFE] {
        let bytes = [&[0, 1], &wire_format.to_be_bytes()[..], &[0; 40]].concat();
        let error = MlsMessage::decode(&bytes).unwrap_err();
        assert_eq!(error.what, "MLSMessage.wire_format");
        assert_eq!(error.fault, Fault::Code(wire_format.into()));
        assert!(PublicMessage::decode(&bytes).is_err() && PrivateMessage::decode(&bytes).is_err());
    }
    assert_refused::<MlsMessage>(&hex("0002 0001 00"), "MLSMessage.version");
    assert_refused::<PublicMessage>(&hex(PRIVATE), "MLSMessage.wire_format");
    assert_refused::<PrivateMessage>(&hex(COMMIT), "MLSMessage.wire_format");
    let sender = hex(&COMMIT.replace("01 00000001", "05 00000001"));
    assert_refused::<PublicMessage>(&sender, "Sender.sender_type");
}

#[test]
fn a_welcome_names_its_key_packages() {
    // P-010
    let welcome = assert_strict::<Welcome>(&hex(WELCOME));
    let names: Vec<_> = welcome.new_members().iter().map(KeyPackageRef::as_bytes).collect();
    assert_eq!(names, [&[0xA1, 0xA2][..], &[0xA3]]);
    assert_eq!(welcome.cipher_suite(), CipherSuite(1));
    assert_eq!(welcome.to_openmls().unwrap().secrets().len(), 2);
    let wrapped = [hex("0001 0003"), hex(WELCOME)].concat();
    assert_eq!(assert_strict::<MlsMessage>(&wrapped), MlsMessage::Welcome(welcome));
}

#[test]
fn a_welcome_of_an_unknown_suite_can_be_routed() {
    let welcome = Welcome::decode(&hex(&WELCOME.replacen("0001", "fafe", 1))).unwrap();
    assert_eq!(welcome.new_members().len(), 2);
    assert!(welcome.to_openmls().is_err());
}

#[test]
fn a_welcome_for_nobody_is_refused() {
    // an MLSMessage in place of a bare Welcome looks like this too
    assert_refused::<Welcome>(&hex("0001 00 02 d1d2"), "Welcome.secrets");
    assert_refused::<Welcome>(&[hex("0001 0003"), hex(WELCOME)].concat(), "Welcome.secrets");
}

#[test]
fn a_group_info_shows_its_group() {
    let group_info = assert_strict::<GroupInfo>(&hex(GROUP_INFO));
    assert_eq!((group_info.group_id(), group_info.epoch()), (&b"g"[..], 8));
    assert_eq!(group_info.group_context(), &hex(GROUP_INFO)[..21]);
    assert_eq!(u16::from(group_info.cipher_suite()), 1);
    assert!(!group_info.has_ratchet_tree());
    assert_eq!(group_info.to_openmls().unwrap().epoch().as_u64(), 8);
    assert!(GroupInfo::decode(&hex(GROUP_INFO_WITH_TREE)).unwrap().has_ratchet_tree());
    let wrapped = [hex("0001 0004"), hex(GROUP_INFO)].concat();
    assert_eq!(assert_strict::<MlsMessage>(&wrapped), MlsMessage::GroupInfo(group_info));
}

#[test]
fn a_key_package_has_a_suite_and_a_name() {
    let key_package = assert_strict::<KeyPackage>(&hex(KEY_PACKAGE));
    assert_eq!(u16::from(key_package.cipher_suite()), 1);
    assert_eq!(key_package.as_bytes(), hex(KEY_PACKAGE));
    let name = key_package.reference(&RustCrypto::default()).unwrap();
    let other = KeyPackage::decode(&hex(&KEY_PACKAGE.replace("01 d1", "01 d2"))).unwrap();
    assert_eq!(name.as_bytes().len(), 32);
    assert_ne!(name, other.reference(&RustCrypto::default()).unwrap());
    assert_eq!(
        key_package.to_openmls().unverified_credential().signature_key.as_slice(),
        [0xB3, 0xB4]
    );
    assert_refused::<KeyPackage>(
        &hex(&KEY_PACKAGE.replacen("0001", "0002", 1)),
        "KeyPackage.version",
    );
    let suite = hex(&KEY_PACKAGE.replacen("0001 0001", "0001 fafe", 1));
    assert_refused::<KeyPackage>(&suite, "KeyPackage.cipher_suite");
    let wrapped = [hex("0001 0005"), hex(KEY_PACKAGE)].concat();
    assert_eq!(assert_strict::<MlsMessage>(&wrapped), MlsMessage::KeyPackage(key_package));
}

#[test]
fn codes_that_nobody_knows_are_kept() {
    // E-062: GREASE in every list of the capabilities and among the extensions
    let grease = KEY_PACKAGE.replace(
        "00 00 00 00 00 | 01 0000000000000001 0000000000000002 | 00",
        "02 0001 | 04 0001 0a0a | 02 1a1a | 02 2a2a | 04 0001 3a3a
        01 0000000000000001 0000000000000002 | 04 4a4a 01 ff",
    );
    assert_ne!(grease, KEY_PACKAGE);
    assert_strict::<KeyPackage>(&hex(&grease));
    let credential = KEY_PACKAGE.replace("0001 01 62", "fafe 01 62");
    assert_strict::<KeyPackage>(&hex(&credential));
    let group_info = GROUP_INFO.replace("00 | 02 b1b2", "07 4a4a 01 ff fafe 00 | 02 b1b2");
    assert_strict::<GroupInfo>(&hex(&group_info));
    let proposal = PROPOSAL.replace("0003 00000002", "fafe 02 a1a2");
    assert_strict::<PublicMessage>(&hex(&proposal));
}

#[test]
fn the_four_ways_to_convey_a_tree() {
    // T-001 … T-004, T-015: nothing follows
    let full = [hex("01"), hex(TREE)].concat();
    let RatchetTreeOption::Full(tree) = assert_strict(&full) else { panic!("not a tree") };
    assert_eq!(tree.as_bytes(), hex(TREE));
    let _ = tree.to_openmls();
    assert_eq!(assert_strict::<RatchetTreeOption>(&hex("03")), RatchetTreeOption::OutOfBand);
    assert_eq!(
        assert_strict::<RatchetTreeOption>(&hex("04")),
        RatchetTreeOption::DistributionService
    );
    let url = [hex("02 12"), b"https://a.example/".to_vec()].concat();
    let RatchetTreeOption::HttpsUri(url) = assert_strict(&url) else { panic!("not a URL") };
    assert_eq!((url.as_str(), url.host().as_str()), ("https://a.example/", "a.example"));
    for reserved in ["00", "05", "ff"] {
        assert_refused::<RatchetTreeOption>(&hex(reserved), "RatchetTreeOption.representation");
    }
}

#[test]
fn the_url_of_a_tree_is_https_to_a_domain() {
    // T-003, D-66
    for url in ["https://a.example", "https://a.example:8443/t?x=1", "https://a.example?t"] {
        assert_eq!(HttpsUrl::parse(url.as_bytes()).unwrap().host().as_str(), "a.example", "{url}");
    }
    for url in [
        "",
        "https://",
        "http://a.example/",
        "HTTPS://a.example/",
        "https:a.example",
        "https://A.example/",
        "https://bob@a.example/",
        "https://bob:pass@a.example/",
        "https://a.example:x/",
        "https://a.example:/",
        "https://a.example:+443/",
        "https://a.example:65536/",
        "https://a.example/\\",
        "https://a.example/<",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://a.example/#f",
        "https://a.example/ x",
        "https://a.example/é",
        "https://a.example\\@b.example/",
        "https://a.example:0/",
        "https://localhost/",
        "https://tree/",
        "https://tree.local/t",
        "https://metadata.google.internal/",
    ] {
        assert!(HttpsUrl::parse(url.as_bytes()).is_err(), "{url}");
    }
    for (url, port, target) in [
        ("https://a.example", 443, "/"),
        ("https://a.example:8443/t?x=1", 8443, "/t?x=1"),
        ("https://a.example?t", 443, "/?t"),
    ] {
        let url = HttpsUrl::parse(url.as_bytes()).unwrap();
        assert_eq!((url.port(), url.target().as_str()), (port, target), "{url:?}");
    }
    let long = format!("https://a.example/{}", "x".repeat(2048));
    assert!(matches!(HttpsUrl::parse(long.as_bytes()), Err(Fault::TooLarge { .. })));
}

#[test]
fn the_domains_of_a_tree() {
    // T-006, T-007
    let bytes = opaque([opaque("a.example"), opaque("b.example")].concat());
    let domains = assert_strict::<RatchetTreeSourceDomains>(&bytes);
    assert!(domains.allows(&HttpsUrl::parse(b"https://b.example:8443/t").unwrap()));
    assert!(!domains.allows(&HttpsUrl::parse(b"https://a.b.example/t").unwrap()));
    assert_refused::<RatchetTreeSourceDomains>(&hex("00"), "ratchet_tree_source_domains");
}

#[test]
fn a_tree_of_blanks_is_counted_before_it_is_made() {
    // D-57
    let blanks = |count| opaque(vec![0; count]);
    assert!(RatchetTree::decode(&blanks(131_071)).is_ok());
    let error = RatchetTree::decode(&blanks(131_072)).unwrap_err();
    assert_eq!(error.fault, Fault::TooLarge { found: 131_072, limit: 131_071 });
    assert_refused::<RatchetTree>(&hex("02 01 03"), "Node.node_type");
    assert_refused::<RatchetTree>(&hex("01 02"), "ratchet_tree.node");
}

#[test]
fn a_group_info_in_part() {
    // T-008 … T-010
    for (code, presence) in [
        ("00", RatchetTreePresence::None),
        ("01", RatchetTreePresence::Present),
        ("02", RatchetTreePresence::Removed),
        ("03", RatchetTreePresence::Added),
    ] {
        let bytes = hex(&format!("{code} | 05 0004 02 a1a2 | 02 c1c2"));
        let partial = assert_strict::<PartialGroupInfo>(&bytes);
        assert_eq!(partial.ratchet_tree, presence);
        assert_eq!(partial.extensions(), hex("05 0004 02 a1a2"));
        assert_eq!(PartialGroupInfo::new(presence, partial.extensions(), hex("c1c2")), Ok(partial));
    }
    assert_refused::<PartialGroupInfo>(&hex("04 00 00"), "PartialGroupInfo.ratchet_tree_presence");
    let with_tree = hex("00 | 04 0002 01 00 | 02 c1c2");
    assert_refused::<PartialGroupInfo>(&with_tree, "PartialGroupInfo.group_info_extensions");
}

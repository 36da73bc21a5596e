//! Signatures and encryption over the messages.

use openmls::{credentials::BasicCredential, prelude::OpenMlsCrypto};
use openmls_basic_credential::SignatureKeyPair;
use openmls_rust_crypto::RustCrypto;
use openmls_traits::types::{Ciphersuite, HpkeKeyPair, SignatureScheme};

use super::{hex, mls};
use crate::{
    codec::Wire,
    uri::{RoomUri, UserUri},
    wire::*,
};

const SUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519;
const P256: Ciphersuite = Ciphersuite::MLS_128_DHKEMP256_AES128GCM_SHA256_P256;

fn signer(suite: Ciphersuite) -> SignatureKeyPair {
    SignatureKeyPair::new(suite.signature_algorithm()).unwrap()
}

fn room() -> RoomUri {
    RoomUri::parse("mimi://a.example/r/clubhouse").unwrap()
}

fn hpke_keys(crypto: &RustCrypto, suite: Ciphersuite) -> HpkeKeyPair {
    crypto.derive_hpke_keypair(suite.hpke_config(), b"input key material of the test").unwrap()
}

fn key_material_request(signer: &SignatureKeyPair, suites: &[u16]) -> KeyMaterialMls10 {
    let mut request = KeyMaterialMls10 {
        head: KeyMaterialHead {
            requesting_user: UserUri::parse("mimi://a.example/u/alice").unwrap(),
            target_user: UserUri::parse("mimi://b.example/u/bob").unwrap(),
            room: Some(room()),
        },
        acceptable_ciphersuites: suites.iter().copied().map(CipherSuite).collect(),
        required_capabilities: RequiredCapabilities::default(),
        requester_signature_key: signer.public().to_vec(),
        requester_credential: BasicCredential::new(b"mimi://a.example/u/alice".to_vec()).into(),
        signature: vec![],
    };
    request.sign(signer).unwrap();
    request
}

#[test]
fn a_key_material_request_is_signed_by_the_requester() {
    // P-077
    let crypto = RustCrypto::default();
    let request = key_material_request(&signer(SUITE), &[1]);
    assert!(request.verify(&crypto));
    let bytes = KeyMaterialRequest::Mls10(request).encode();
    for at in 0..bytes.len() {
        let mut tampered = bytes.clone();
        tampered[at] ^= 1;
        if let Ok(KeyMaterialRequest::Mls10(request)) = KeyMaterialRequest::decode(&tampered) {
            assert!(!request.verify(&crypto), "octet {at} is not covered");
        }
    }
}

#[test]
fn the_suite_of_the_signature_is_the_first_whose_keys_are_as_long() {
    //
    let crypto = RustCrypto::default();
    let rows: [(Ciphersuite, &[u16], Option<u16>); 6] = [
        (SUITE, &[1], Some(1)),
        (SUITE, &[3, 1], Some(3)),
        (P256, &[1, 2], Some(2)),
        (P256, &[0xFAFE, 7, 2], Some(2)),
        (P256, &[1, 3], None),
        (SUITE, &[0xFAFE], None),
    ];
    for (suite, acceptable, expected) in rows {
        let request = key_material_request(&signer(suite), acceptable);
        assert_eq!(request.signature_suite().map(u16::from), expected);
        assert_eq!(request.verify(&crypto), expected.is_some());
    }
}

#[test]
fn every_known_suite_has_a_key_length() {
    for (suite, length) in [(1, 32), (2, 65), (3, 32), (4, 57), (5, 133), (6, 57), (7, 97)] {
        assert_eq!(CipherSuite(suite).signature_key_length(), Some(length));
    }
    assert_eq!(CipherSuite(0).signature_key_length(), None);
}

#[test]
fn a_group_info_request_is_signed_by_the_joiner() {
    // P-185
    let crypto = RustCrypto::default();
    let signer = signer(SUITE);
    let mut request = GroupInfoRequest {
        cipher_suite: SUITE.into(),
        requesting_signature_key: signer.public().to_vec(),
        requesting_credential: BasicCredential::new(b"a".to_vec()).into(),
        group_info_public_key: vec![1; 32],
        joining_code: Some(b"code".to_vec()),
        signature: vec![],
    };
    assert!(!request.verify(&crypto));
    request.sign(&signer).unwrap();
    assert!(request.verify(&crypto));
    for change in [
        |request: &mut GroupInfoRequest| request.joining_code = None,
        |request: &mut GroupInfoRequest| request.group_info_public_key[0] ^= 1,
        |request: &mut GroupInfoRequest| request.cipher_suite = CipherSuite(2),
        |request: &mut GroupInfoRequest| request.cipher_suite = CipherSuite(0xFAFE),
        |request: &mut GroupInfoRequest| request.signature.push(0),
    ] {
        let mut tampered = request.clone();
        change(&mut tampered);
        assert!(!tampered.verify(&crypto), "{tampered:?}");
    }
}

#[test]
fn the_group_info_is_sealed_to_the_joiner_and_signed_by_the_hub() {
    // P-186, P-187, Q-34
    let crypto = RustCrypto::default();
    let bytes = [hex(mls::GROUP_INFO), hex("03 00")].concat();
    let state = GroupInfoRatchetTree::decode(&bytes).unwrap();
    let hub = signer(SUITE);
    for suite in [SUITE, P256] {
        let keys = hpke_keys(&crypto, suite);
        let encrypted = state.seal(&crypto, suite, &keys.public, &room()).unwrap();
        let open = |room: &RoomUri, sealed: &HpkeCiphertext| {
            GroupInfoRatchetTree::open(&crypto, suite, &keys.private, room, sealed)
        };
        assert_eq!(open(&room(), &encrypted), Ok(state.clone()));
        let elsewhere = RoomUri::parse("mimi://a.example/r/other").unwrap();
        assert!(open(&elsewhere, &encrypted).is_err());
        let mut tampered = encrypted.clone();
        tampered.ciphertext[0] ^= 1;
        assert!(open(&room(), &tampered).is_err());
        tampered.kem_output.truncate(3);
        assert!(open(&room(), &tampered).is_err());
    }
    let encrypted = HpkeCiphertext { kem_output: vec![1], ciphertext: vec![2] };
    let credential = BasicCredential::new(b"mimi://a.example".to_vec()).into();
    let hub_sender = ExternalSender { signature_key: hub.public().to_vec(), credential };
    let cipher_suite = SUITE.into();
    let mut sealed = SealedGroupInfo { cipher_suite, hub_sender, encrypted, signature: vec![] };
    sealed.sign(&hub, &room()).unwrap();
    assert!(sealed.verify(&crypto, &room()));
    assert!(!sealed.verify(&crypto, &RoomUri::parse("mimi://a.example/r/other").unwrap()));
    sealed.encrypted.ciphertext.push(0);
    assert!(!sealed.verify(&crypto, &room()));
}

#[test]
fn a_public_key_of_no_suite_seals_nothing() {
    let crypto = RustCrypto::default();
    let state =
        GroupInfoRatchetTree::decode(&[hex(mls::GROUP_INFO), hex("03 00")].concat()).unwrap();
    for suite in [SUITE, P256] {
        for key in [vec![], vec![4], vec![4; 31], vec![0xFF; 64], vec![2; 65], vec![4; 66]] {
            assert_eq!(state.seal(&crypto, suite, &key, &room()), None, "{}", key.len());
        }
    }
}

#[test]
fn a_label_is_part_of_what_is_signed() {
    // D-75; the content as in RFC 9420, section 5.1.2
    let crypto = RustCrypto::default();
    let signer = signer(SUITE);
    let signature = labelled::sign(&signer, "FrankingIntegrityTBS", b"x").unwrap();
    let verify = |label| labelled::verify(&crypto, SUITE, label, b"x", signer.public(), &signature);
    assert!(verify("FrankingIntegrityTBS"));
    assert!(!verify("GroupInfoRequestTBS"));
    let content = [&[28], b"MLS 1.0 FrankingIntegrityTBS" as &[u8], &[1], b"x"].concat();
    crypto
        .verify_signature(SignatureScheme::ED25519, &content, signer.public(), &signature)
        .expect("the label with its prefix and length, then the content with its length");
}

#[test]
fn keys_signatures_and_ciphertexts_of_any_length_are_refused_without_panic() {
    let crypto = RustCrypto::default();
    let (label, signer) = ("FrankingIntegrityTBS", signer(SUITE));
    let good = labelled::sign(&signer, label, b"x").unwrap();
    for suite in (1..=7).map(|code| CipherSuite(code).known().unwrap()) {
        for length in 0..140 {
            let octets = vec![4; length];
            assert!(!labelled::verify(&crypto, suite, label, b"x", &octets, &good), "{length}");
            assert!(
                !labelled::verify(&crypto, suite, label, b"x", signer.public(), &octets),
                "{length}"
            );
            let sealed = HpkeCiphertext { kem_output: octets.clone(), ciphertext: octets.clone() };
            assert_eq!(
                labelled::decrypt(&crypto, suite, &[7; 32], label, b"", &sealed),
                None,
                "{length}"
            );
            assert_eq!(
                labelled::decrypt(&crypto, suite, &octets, label, b"", &sealed),
                None,
                "{length}"
            );
            let _ = labelled::encrypt(&crypto, suite, &octets, label, b"", b"x");
        }
    }
}

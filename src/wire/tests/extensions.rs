//! Structures of draft-ietf-mls-extensions.

use openmls::credentials::BasicCredential;
use openmls_basic_credential::SignatureKeyPair;
use openmls_rust_crypto::RustCrypto;
use openmls_traits::types::SignatureScheme;

use super::{assert_refused, assert_strict, hex, opaque};
use crate::{
    codec::Wire,
    error::Fault,
    policy::components::{MediaType, MediaTypeList},
    wire::*,
};

#[test]
fn application_framing() {
    // E-085, E-086
    let required = MediaTypeList(vec!["text/plain;charset=utf-8".parse().unwrap()]);
    let framed = [opaque("application/mimi-content"), hex("00 | 03 c1c2c3")].concat();
    let framed = assert_strict::<ApplicationFraming>(&framed);
    assert_eq!(framed.content, hex("c1c2c3"));
    let content: MediaType = "application/mimi-content".parse().unwrap();
    assert_eq!(framed.media_type_in(&required), Some(&content));
    let first = assert_strict::<ApplicationFraming>(&hex("00 00 | 03 c1c2c3"));
    assert_eq!(first.media_type_in(&required), required.0.first());
    let parameters = [vec![0], opaque([opaque("a"), opaque("b")].concat()), vec![0]].concat();
    assert_refused::<ApplicationFraming>(&parameters, "MediaType.parameters");
}

#[test]
fn code_lists() {
    // E-060, E-061, E-062
    let list = assert_strict::<ComponentsList>(&hex("06 | 0022 0001 0a0a"));
    assert_eq!(list.iter().collect::<Vec<_>>(), [0x22, 1, 0x0A0A]);
    assert!(list.contains(1) && !list.contains(2));
    assert_refused::<ComponentsList>(&hex("03 | 0022 00"), "ComponentsList");
    assert_eq!(assert_strict::<WireFormats>(&hex("04 0001 fafe")).0, [1, 0xFAFE]);
}

#[test]
fn app_ack() {
    // E-065
    let ack = assert_strict::<AppAck>(&hex(
        "18 | 00000001 00000002 00000003 | 00000004 00000005 00000005",
    ));
    assert_eq!(ack.0[0], MessageRange { sender: 1, first_generation: 2, last_generation: 3 });
    assert_strict::<AppAck>(&hex("00"));
    let error = MessageRange::decode(&hex("00000001 00000003 00000002")).unwrap_err();
    assert_eq!(error.fault, Fault::Order);
}

#[test]
fn multi_credential() {
    // E-095
    let one = "0001 | 0001 01 61 | 02 a1a2 | 03 c1c2c3";
    let bindings = assert_strict::<MultiCredential>(&opaque(hex(one).repeat(2))).0;
    assert_eq!(bindings[0], bindings[1]);
    assert_eq!(
        bindings[0].tbs(b"leaf"),
        [&hex("0001 0001 01 61 02 a1a2 04")[..], b"leaf"].concat()
    );
    assert_refused::<MultiCredential>(&hex("00"), "MultiCredential.bindings");

    let crypto = RustCrypto::default();
    let signer = SignatureKeyPair::new(SignatureScheme::ECDSA_SECP256R1_SHA256).unwrap();
    let mut binding = CredentialBinding {
        cipher_suite: CipherSuite(2),
        credential: BasicCredential::new(b"a".to_vec()).into(),
        credential_key: signer.public().to_vec(),
        signature: vec![],
    };
    binding.sign(&signer, b"leaf").unwrap();
    assert!(binding.verify(&crypto, b"leaf"));
    assert!(!binding.verify(&crypto, b"other"));
    binding.cipher_suite = CipherSuite(0xFAFE);
    assert!(!binding.verify(&crypto, b"leaf"));
}

//! The messages that pass between two providers without a room: consent, search, complaints; and pseudonyms.

use openmls::credentials::BasicCredential;
use openmls_basic_credential::SignatureKeyPair;
use openmls_rust_crypto::RustCrypto;
use openmls_traits::types::Ciphersuite;

use super::{assert_refused, assert_strict, hex, mls, opaque};
use crate::{
    codec::Wire,
    env::Timestamp,
    error::Fault,
    uri::{ClientUri, RoomUri, UserUri},
    wire::*,
};

const ALICE: &str = "mimi://a.example/u/alice";
const BOB: &str = "mimi://b.example/u/bob";
const ROOM: &str = "mimi://a.example/r/clubhouse";

fn user(uri: &str) -> UserUri {
    UserUri::parse(uri).unwrap()
}

/// A consent entry: its operation, then what follows the room.
fn consent(operation: u8, room: Option<&str>, rest: &[u8]) -> Vec<u8> {
    let room = room.map_or(vec![0], |room| [vec![1], opaque(room)].concat());
    [&[operation], &*opaque(ALICE), &*opaque(BOB), &room, rest].concat()
}

#[test]
fn consent_entry() {
    // P-209, P-210, P-212, W-33
    let scope = ConsentScope { requester: user(ALICE), target: user(BOB), room: None };
    let key_package = KeyPackage::decode(&hex(mls::KEY_PACKAGE)).unwrap();
    let two = hex(mls::KEY_PACKAGE).repeat(2);
    let rows = [
        (consent(0, None, &[0]), ConsentOperation::Cancel),
        (consent(1, None, &[0]), ConsentOperation::Request),
        (consent(2, None, &[0, 0]), ConsentOperation::Grant(vec![])),
        (
            consent(2, None, &[opaque(&two), vec![0]].concat()),
            ConsentOperation::Grant(vec![key_package.clone(), key_package]),
        ),
        (consent(3, None, &[0]), ConsentOperation::Revoke),
    ];
    for (bytes, operation) in rows {
        let entry = assert_strict::<ConsentEntry>(&bytes);
        assert_eq!(entry.operation, operation);
        assert_eq!(entry.scope, scope);
    }
    let entry = assert_strict::<ConsentEntry>(&consent(1, Some(ROOM), &hex("04 fafe 01 61")));
    assert_eq!(entry.scope.room, Some(RoomUri::parse(ROOM).unwrap()));
    assert_eq!(entry.extensions.get(0xFAFE), Some(&b"a"[..]));
    assert_refused::<ConsentEntry>(&consent(4, None, &[0]), "ConsentEntry.consentOperation");
    assert_refused::<ConsentEntry>(&consent(1, Some(""), &[0]), "ConsentEntry.roomId");
    let unsorted = consent(1, None, &hex("06 0002 00 0001 00"));
    assert_refused::<ConsentEntry>(&unsorted, "AppDataDictionary");
}

#[test]
fn each_consent_endpoint_has_its_operations() {
    // P-201, P-202
    for (operation, rest) in [(0, &[0][..]), (1, &[0]), (2, &[0, 0]), (3, &[0])] {
        let body = consent(operation, None, rest);
        let entry = ConsentEntry::decode(&body).unwrap();
        let is_request = operation < 2;
        assert_eq!(ConsentEntry::decode_request(&body).ok(), is_request.then(|| entry.clone()));
        assert_eq!(ConsentEntry::decode_update(&body).ok(), (!is_request).then_some(entry));
    }
}

#[test]
fn identifier_request() {
    // P-221 … P-224, Q-104
    let elements = [
        ("01 01 61", SearchField::Handle),
        ("02 01 61", SearchField::Nick),
        ("03 01 61", SearchField::Email),
        ("04 01 61", SearchField::Phone),
        ("05 01 61", SearchField::PartialName),
        ("06 01 61", SearchField::WholeProfile),
        ("07 02 6263 01 61", SearchField::OidcStdClaim("bc".into())),
        ("08 02 6263 01 61", SearchField::VcardField("bc".into())),
    ];
    for (text, field) in &elements {
        let element = assert_strict::<QueryElement>(&hex(text));
        assert_eq!(element, QueryElement { field: field.clone(), value: "a".into() });
    }
    let all: Vec<u8> = elements.iter().flat_map(|(text, _)| hex(text)).collect();
    let request = assert_strict::<IdentifierRequest>(&[opaque(all), vec![0]].concat());
    assert_eq!(request.query.len(), 8);
    for code in ["00", "09", "ff"] {
        assert_refused::<QueryElement>(&hex(&format!("{code} 01 61")), "QueryElement.searchType");
    }
    assert_refused::<QueryElement>(&hex("01 01 ff"), "QueryElement.searchValue");
    assert_refused::<IdentifierRequest>(&hex("00 00"), "IdentifierRequest.query_elements");
}

/// The two lists of an answer: users, then users with a field each.
fn lists(users: &[&str], profiles: &[&str]) -> Vec<u8> {
    let users: Vec<u8> = users.iter().flat_map(opaque).collect();
    let field = opaque(hex("07 | 04 6e616d65 | 02 a1a2"));
    let profiles: Vec<u8> =
        profiles.iter().flat_map(|user| [opaque(user), field.clone()].concat()).collect();
    [opaque(users), opaque(profiles)].concat()
}

#[test]
fn identifier_response() {
    // P-226 … P-228, Q-103
    let answer = |code: u8, lists: Vec<u8>| [vec![code], lists, vec![0]].concat();
    let three = [ALICE, BOB, ALICE];
    let users = assert_strict::<IdentifierResponse>(&answer(0, lists(&three, &[])));
    assert_eq!(users.outcome, IdentifierOutcome::Found(Found::Users(three.map(user).to_vec())));
    let with = assert_strict::<IdentifierResponse>(&answer(0, lists(&three, &three)));
    let field =
        ProfileField { source: FieldSource::OidcStdClaim, name: "name".into(), value: hex("a1a2") };
    let profile = |uri| UserProfile { user: user(uri), fields: vec![field.clone()] };
    let profiles = three.map(profile).to_vec();
    assert_eq!(with.outcome, IdentifierOutcome::Found(Found::Profiles(profiles)));
    for (code, outcome) in [
        (1, IdentifierOutcome::NotFound),
        (2, IdentifierOutcome::Ambiguous),
        (3, IdentifierOutcome::Forbidden),
        (4, IdentifierOutcome::UnsupportedField),
    ] {
        let response = assert_strict::<IdentifierResponse>(&answer(code, lists(&[], &[])));
        assert_eq!(response.outcome, outcome);
        for lists in [lists(&[ALICE], &[]), lists(&[], &[ALICE])] {
            assert_refused::<IdentifierResponse>(&answer(code, lists), "IdentifierResponse.uri");
        }
    }
    let fault = |lists| IdentifierResponse::decode(&answer(0, lists)).unwrap_err().fault;
    assert_eq!(fault(lists(&[], &[])), Fault::Empty);
    assert_eq!(fault(lists(&[], &[ALICE])), Fault::Empty);
    assert!(matches!(fault(lists(&[ALICE], &[BOB])), Fault::Contradiction(_)));
    assert!(matches!(fault(lists(&[ALICE, BOB], &[ALICE])), Fault::Contradiction(_)));
    let unknown = answer(5, lists(&[], &[]));
    assert_refused::<IdentifierResponse>(&unknown, "IdentifierResponse.responseCode");
    for source in ["00", "01", "06", "09"] {
        let bytes = hex(&format!("{source} | 00 | 00"));
        assert_refused::<ProfileField>(&bytes, "ProfileField.fieldSource");
    }
    assert_eq!(assert_strict::<ProfileField>(&hex("08 00 00")).source, FieldSource::VcardField);
}

#[test]
fn abuse_report() {
    // P-231, P-232, P-235, Q-105, Q-106
    let frank = Frank {
        server_frank: [9; 32],
        ciphersuite: CipherSuite(1),
        integrity_signature: hex("a1a2"),
    };
    let message = [hex("03 c1c2c3"), frank.encode(), hex("0000000000000005")].concat();
    let content = hex("c1c2c3");
    let message_read = AbusiveMessage { content, frank, accepted: Timestamp(5) };
    assert_eq!(assert_strict::<AbusiveMessage>(&message), message_read);
    let bytes =
        [opaque(ALICE), opaque(BOB), hex("00 | 02 6162"), opaque(message.repeat(2)), vec![0]];
    let report = assert_strict::<AbuseReport>(&bytes.concat());
    assert_eq!(report.reporting_user, Some(user(ALICE)));
    assert_eq!(report.alleged_abuser, user(BOB));
    assert_eq!((report.reason_code, &*report.note), (0, "ab"));
    assert_eq!(report.messages, [message_read.clone(), message_read]);
    let anonymous = [hex("00"), opaque(BOB), hex("07 | 00 | 00 | 00")].concat();
    let report = assert_strict::<AbuseReport>(&anonymous);
    assert_eq!((report.reporting_user, report.reason_code), (None, 7));
    let nobody = [opaque(ALICE), hex("00 | 00 | 00 | 00 | 00")].concat();
    assert_refused::<AbuseReport>(&nobody, "AbuseReport.allegedAbuserUri");
}

#[test]
fn pseudonymous_credential() {
    // P-261, P-262, Q-70
    let crypto = RustCrypto::default();
    let suite = Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519;
    let client = "mimi://a.example/d/7d444840-9dc0-11d1-b245-5ffdce74fad2";
    let pseudonym = "mimi://a.example/u/e902893a-9d22-11d1-b245-5ffdce74fad2";
    let bytes = [opaque(client), opaque(pseudonym), hex("02 a1a2 | 03 b1b2b3")].concat();
    let mut credential = assert_strict::<PseudonymousCredential>(&bytes);
    assert_eq!(credential.tbs(), bytes[..bytes.len() - 4]);
    assert!(credential.fits(&[0xA1, 0xA2]));
    assert!(!credential.fits(&[0xA1]), "another key than the leaf's");

    let real = SignatureKeyPair::new(suite.signature_algorithm()).unwrap();
    let link = credential.link(&real, BasicCredential::new(b"a".to_vec()).into()).unwrap();
    assert!(link.verify(&crypto, suite, real.public(), &credential));
    assert!(!link.verify(&crypto, suite, &[1; 32], &credential));
    credential.client_pseudonym = ClientUri::parse("mimi://b.example/d/x").unwrap();
    assert!(!credential.fits(&[0xA1, 0xA2]), "pseudonyms of two providers");
    assert!(!link.verify(&crypto, suite, real.public(), &credential), "another pseudonym");
    let tbe = assert_strict::<IdentityLink>(&hex("02 a1a2 | 0001 01 61"));
    assert_eq!(tbe.signature, hex("a1a2"));
}

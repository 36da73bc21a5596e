//! The messages of the endpoints.

use openmls::credentials::BasicCredential;

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
const CLIENT: &str = "mimi://b.example/d/ClientB1";

fn user(uri: &str) -> UserUri {
    UserUri::parse(uri).unwrap()
}

fn frank() -> Frank {
    Frank {
        server_frank: [0x5F; 32],
        ciphersuite: CipherSuite(1),
        integrity_signature: hex("a1a2"),
    }
}

/// `frank()` as hexadecimal text.
const FRANK: &str = "
    5f5f5f5f5f5f5f5f 5f5f5f5f5f5f5f5f 5f5f5f5f5f5f5f5f 5f5f5f5f5f5f5f5f | 0001 | 02 a1a2";

fn request_for_bob() -> Vec<u8> {
    [
        hex("01"),
        opaque(ALICE),
        opaque(BOB),
        opaque(ROOM),
        hex("04 0001 0002"),
        hex("02 0006 | 04 0008 000a | 02 0001"),
        hex("02 a1a2"),
        hex("0001 01 61"),
        hex("03 c1c2c3"),
    ]
    .concat()
}

#[test]
fn key_material_request() {
    let bytes = request_for_bob();
    let KeyMaterialRequest::Mls10(request) = assert_strict(&bytes) else { panic!("not MLS 1.0") };
    assert_eq!(request.head.requesting_user, user(ALICE));
    assert_eq!(request.head.target_user, user(BOB));
    assert_eq!(request.head.room, Some(RoomUri::parse(ROOM).unwrap()));
    assert_eq!(request.acceptable_ciphersuites, [CipherSuite(1), CipherSuite(2)]);
    assert_eq!(request.required_capabilities.extension_types, [6]);
    assert_eq!(request.required_capabilities.proposal_types, [8, 10]);
    assert_eq!(request.required_capabilities.credential_types, [1]);
    assert_eq!(request.requester_signature_key, [0xA1, 0xA2]);
    assert_eq!(request.requester_credential, BasicCredential::new(b"a".to_vec()).into());
    assert_eq!(request.signature, [0xC1, 0xC2, 0xC3]);
    assert_eq!(request.tbs(), bytes[..bytes.len() - 4], "all but the signature is signed");
}

#[test]
fn a_request_without_a_room_or_a_suite() {
    // Q-22, P-075, P-076
    let without = |room: &[u8], suites: &str| {
        let mut bytes = [hex("01"), opaque(ALICE), opaque(BOB), opaque(room)].concat();
        bytes.extend(hex(suites));
        bytes.extend(hex("00 00 00 | 00 | 0001 00 | 00"));
        bytes
    };
    let request = assert_strict::<KeyMaterialRequest>(&without(b"", "02 fafe"));
    assert_eq!(request.head().room, None);
    let what = "KeyMaterialRequest.acceptableCiphersuites";
    assert_refused::<KeyMaterialRequest>(&without(b"", "00"), what);
    assert_refused::<KeyMaterialRequest>(&without(b"", "03 000100"), "CipherSuite");
    assert_refused::<KeyMaterialRequest>(
        &without(BOB.as_bytes(), "02 0001"),
        "KeyMaterialRequest.roomId",
    );
}

#[test]
fn a_request_of_an_unknown_protocol_shows_its_head() {
    // P-052, P-087
    let head = [opaque(ALICE), opaque(BOB), opaque(ROOM)].concat();
    for rest in ["", "ff 00 ff"] {
        let bytes = [hex("02"), head.clone(), hex(rest)].concat();
        let request = KeyMaterialRequest::decode(&bytes).unwrap();
        assert_eq!((request.protocol(), &request.head().target_user), (2, &user(BOB)));
        assert_eq!(request.encode(), bytes);
    }
    for length in 0..=head.len() {
        assert!(
            KeyMaterialRequest::decode(&[&[2], &head[..length]].concat()).is_ok()
                == (length == head.len())
        );
    }
    assert_refused::<KeyMaterialRequest>(
        &[hex("00"), head].concat(),
        "KeyMaterialRequest.protocol",
    );
}

#[test]
fn a_uri_of_the_wrong_kind_is_named() {
    // D-72
    let mut bytes = [hex("01"), opaque(ROOM), opaque(BOB), opaque(ROOM)].concat();
    let error = KeyMaterialRequest::decode(&bytes).unwrap_err();
    assert_eq!((error.what, error.offset), ("KeyMaterialRequest.requestingUser", 1));
    assert!(matches!(error.fault, Fault::Uri(_)));
    bytes = [hex("01"), opaque(""), opaque(BOB), opaque(ROOM)].concat();
    assert_refused::<KeyMaterialRequest>(&bytes, "KeyMaterialRequest.requestingUser");
}

#[test]
fn key_material_response() {
    // P-080, P-081, Q-27
    let clients = [
        [hex("00"), opaque(CLIENT), hex(mls::KEY_PACKAGE)].concat(),
        [hex("01"), opaque(CLIENT)].concat(),
        [hex("02"), opaque(CLIENT), hex("00")].concat(),
        [hex("02"), opaque(CLIENT), hex("01 | 02 0001 | 02 0001 | 02 0006 | 02 0008 | 02 0001")]
            .concat(),
    ];
    for client in &clients {
        assert_strict::<ClientKeyMaterial>(client);
    }
    let bytes = [hex("01 01"), opaque(BOB), opaque(clients.concat())].concat();
    let response = assert_strict::<KeyMaterialResponse>(&bytes);
    assert_eq!(response.user_status, KeyMaterialUserCode::PartialSuccess);
    let client = ClientUri::parse(CLIENT).unwrap();
    let key_package = KeyPackage::decode(&hex(mls::KEY_PACKAGE)).unwrap();
    let capabilities = Capabilities {
        versions: vec![1],
        cipher_suites: vec![1],
        extensions: vec![6],
        proposals: vec![8],
        credentials: vec![1],
    };
    let materials = [
        ClientMaterial::KeyPackage(key_package),
        ClientMaterial::Exhausted,
        ClientMaterial::NothingCompatible(None),
        ClientMaterial::NothingCompatible(Some(capabilities)),
    ];
    assert_eq!(
        response.clients,
        materials.map(|material| ClientKeyMaterial { client: client.clone(), material })
    );
    let unknown = [hex("03"), opaque(CLIENT)].concat();
    assert_refused::<ClientKeyMaterial>(&unknown, "ClientKeyMaterial.clientStatus");
}

#[test]
fn clients_are_listed_only_where_the_status_allows() {
    // P-082, P-083
    let one = opaque([hex("01"), opaque(CLIENT)].concat());
    for code in 0..=8 {
        let full = [&[1, code], &*opaque(BOB), &*one].concat();
        assert_eq!(KeyMaterialResponse::decode(&full).is_ok(), matches!(code, 0 | 1 | 3), "{code}");
        let empty = [&[1, code], &*opaque(BOB), &[0]].concat();
        let decoded = KeyMaterialResponse::decode(&empty);
        assert_eq!(decoded.is_ok_and(|response| response.encode() == empty), code < 8, "{code}");
    }
    let other = [hex("02 02"), opaque(BOB), hex("00")].concat();
    assert_eq!(assert_strict::<KeyMaterialResponse>(&other).protocol, 2);
    let listed = [hex("02 00"), opaque(BOB), one].concat();
    assert_refused::<KeyMaterialResponse>(&listed, "KeyMaterialResponse.clients");
    let reserved = [hex("00 02"), opaque(BOB), hex("00")].concat();
    assert_refused::<KeyMaterialResponse>(&reserved, "KeyMaterialResponse.protocol");
}

#[test]
fn update_with_a_commit() {
    // P-107, P-108, Q-05, Q-09
    let tail = [hex("01"), hex(mls::GROUP_INFO), hex("04")].concat();
    let with_welcome = [hex(mls::COMMIT), hex("01"), hex(mls::WELCOME), tail.clone()].concat();
    let HandshakeBundle::Commit { commit, welcome, group_info, ratchet_tree } =
        assert_strict::<UpdateRequest>(&with_welcome).bundle
    else {
        panic!("not a commit")
    };
    assert_eq!(commit.as_bytes(), hex(mls::COMMIT));
    assert_eq!(welcome.unwrap().as_bytes(), hex(mls::WELCOME));
    assert!(matches!(group_info, GroupInfoOption::Full(_)));
    assert_eq!(ratchet_tree, RatchetTreeOption::DistributionService);
    let without = [hex(mls::COMMIT), hex("00"), tail].concat();
    assert_strict::<UpdateRequest>(&without);
    let partial =
        [hex(mls::COMMIT), hex("00 | 02 00 00 02 c1c2"), hex("01"), hex(mls::TREE)].concat();
    assert_strict::<UpdateRequest>(&partial);
}

#[test]
fn a_group_info_that_embeds_the_tree_is_refused() {
    // P-108
    let embedded =
        [hex(mls::COMMIT), hex("00 01"), hex(mls::GROUP_INFO_WITH_TREE), hex("04")].concat();
    assert_refused::<UpdateRequest>(&embedded, "GroupInfo.extensions");
    for reserved in ["00", "03"] {
        let bytes =
            [hex(mls::COMMIT), hex("00"), hex(reserved), hex(mls::GROUP_INFO), hex("04")].concat();
        assert_refused::<UpdateRequest>(&bytes, "GroupInfoOption.representation");
    }
}

#[test]
fn update_with_proposals() {
    // P-109
    let one = [hex(mls::PROPOSAL), hex("00")].concat();
    assert_strict::<UpdateRequest>(&one);
    let three =
        [hex(mls::PROPOSAL), opaque([hex(mls::PROPOSAL), hex(mls::PROPOSAL)].concat())].concat();
    let HandshakeBundle::Proposals { more, .. } = assert_strict::<UpdateRequest>(&three).bundle
    else {
        panic!("not proposals")
    };
    assert_eq!(more.len(), 2);
    let commit = [hex(mls::PROPOSAL), opaque(hex(mls::COMMIT))].concat();
    assert_refused::<UpdateRequest>(&commit, "MLSMessage.content_type");
    let private = [hex(mls::PROPOSAL), opaque(hex(mls::PRIVATE))].concat();
    assert_refused::<UpdateRequest>(&private, "MLSMessage.wire_format");
    assert_refused::<UpdateRequest>(&hex(mls::PRIVATE), "MLSMessage.wire_format");
}

#[test]
fn update_response() {
    // P-112 … P-115, Q-12
    let rows = [
        (
            "00 | 00 | 0000018f00000000",
            UpdateOutcome::Success { accepted_timestamp: Timestamp(0x0000_018F_0000_0000) },
        ),
        ("01 | 00 | 0000000000000009", UpdateOutcome::WrongEpoch { current_epoch: 9 }),
        ("02 | 00", UpdateOutcome::NotAllowed),
        ("03 | 00 | 00", UpdateOutcome::InvalidProposal(vec![])),
        (
            "03 | 00 | 05 02 a1a2 01 a3",
            UpdateOutcome::InvalidProposal(vec![
                ProposalRef::from(&[0xA1, 0xA2][..]),
                ProposalRef::from(&[0xA3][..]),
            ]),
        ),
    ];
    for (text, outcome) in rows {
        let response = assert_strict::<UpdateRoomResponse>(&hex(text));
        assert_eq!(response.outcome, outcome);
    }
    let response = assert_strict::<UpdateRoomResponse>(&hex("02 | 02 6e6f"));
    assert_eq!(response.error_description.as_str(), "no");
    assert_refused::<UpdateRoomResponse>(&hex("04 00"), "UpdateRoomResponse.responseCode");
    for text in ["02 | 01 ff", "02 | 01 00"] {
        assert_refused::<UpdateRoomResponse>(&hex(text), "UpdateRoomResponse.errorDescription");
    }
}

#[test]
fn a_description_is_capped() {
    // Q-12, D-09
    let description = ErrorDescription::shortened(&format!("a\0{}", "é".repeat(1000)));
    assert_eq!(description.as_str().len(), 1023, "cut between characters, without NUL");
    let longest = [hex("02"), opaque("x".repeat(1024))].concat();
    assert!(UpdateRoomResponse::decode(&longest).is_ok());
    let longer = [hex("02"), opaque("x".repeat(1025))].concat();
    let error = UpdateRoomResponse::decode(&longer).unwrap_err();
    assert_eq!(error.fault, Fault::TooLarge { found: 1025, limit: 1024 });
}

#[test]
fn submit_message() {
    // P-120, P-121
    let bytes = [hex("01"), hex(mls::PRIVATE), opaque(ALICE)].concat();
    let request = assert_strict::<SubmitMessageRequest>(&bytes);
    assert_eq!(request.app_message.as_bytes(), hex(mls::PRIVATE));
    assert_eq!(request.sending_uri, user(ALICE));
    for protocol in [0, 2] {
        let other = [&[protocol], &bytes[1..]].concat();
        assert_refused::<SubmitMessageRequest>(&other, "SubmitMessageRequest.protocol");
    }
    let public = [hex("01"), hex(mls::COMMIT), opaque(ALICE)].concat();
    assert_refused::<SubmitMessageRequest>(&public, "MLSMessage.wire_format");
}

#[test]
fn submit_message_response() {
    // P-123 … P-125, Q-07, Q-08
    let accepted =
        |frank| SubmitMessageResponse::Accepted { accepted_timestamp: Timestamp(1), frank };
    let rows = [
        (hex("01 00 0000000000000001 00"), accepted(None)),
        ([hex("01 00 0000000000000001 01"), hex(FRANK)].concat(), accepted(Some(frank()))),
        (hex("01 01"), SubmitMessageResponse::NotAllowed),
        (hex("01 02 0000000000000009"), SubmitMessageResponse::EpochTooOld { current_epoch: 9 }),
    ];
    for (bytes, response) in rows {
        assert_eq!(assert_strict::<SubmitMessageResponse>(&bytes), response);
    }
    assert_refused::<SubmitMessageResponse>(&hex("02 01"), "SubmitMessageResponse.protocol");
    assert_refused::<SubmitMessageResponse>(&hex("01 03"), "SubmitMessageResponse.statusCode");
    assert_eq!(assert_strict::<Frank>(&hex(FRANK)), frank());
}

/// One body of each kind of event, with what is in it.
fn events() -> Vec<(Vec<u8>, FanoutEvent)> {
    let time = hex("0000000000000001");
    let proposal = PublicMessage::decode(&hex(mls::PROPOSAL)).unwrap();
    let commit = PublicMessage::decode(&hex(mls::COMMIT)).unwrap();
    let message = PrivateMessage::decode(&hex(mls::PRIVATE)).unwrap();
    let welcome = Welcome::decode(&hex(mls::WELCOME)).unwrap();
    let listed = opaque(hex(mls::PROPOSAL));
    let after = |message: &str, rest: &[u8]| [&*time, &*hex(message), rest].concat();
    vec![
        (
            after(mls::PRIVATE, &[0]),
            FanoutEvent::Application { message: message.clone(), frank: None },
        ),
        (
            after(mls::PRIVATE, &[&[1], &*hex(FRANK)].concat()),
            FanoutEvent::Application { message, frank: Some(frank()) },
        ),
        (
            after(&format!("0001 0003 {}", mls::WELCOME), &[3]),
            FanoutEvent::Welcome { welcome, ratchet_tree: RatchetTreeOption::OutOfBand },
        ),
        (
            after(mls::PROPOSAL, &[0]),
            FanoutEvent::Proposals { first: proposal.clone(), more: vec![] },
        ),
        (
            after(mls::PROPOSAL, &listed),
            FanoutEvent::Proposals { first: proposal.clone(), more: vec![proposal.clone()] },
        ),
        (
            after(mls::COMMIT, &[0]),
            FanoutEvent::Commit { commit: commit.clone(), external_proposals: vec![] },
        ),
        (
            after(mls::COMMIT, &listed),
            FanoutEvent::Commit { commit, external_proposals: vec![proposal] },
        ),
    ]
}

#[test]
fn fanout_message() {
    // P-165, P-167, Q-06
    for (bytes, event) in events() {
        let message = assert_strict::<FanoutMessage>(&bytes);
        assert_eq!(message, FanoutMessage { timestamp: Timestamp(1), event });
    }
}

#[test]
fn what_is_not_fanned_out_is_refused() {
    //
    let time = hex("0000000000000001");
    for other in
        [format!("0001 0004 {}", mls::GROUP_INFO), format!("0001 0005 {}", mls::KEY_PACKAGE)]
    {
        assert_refused::<FanoutMessage>(
            &[time.clone(), hex(&other)].concat(),
            "FanoutMessage.message",
        );
    }
    for kind in [mls::PROPOSAL, mls::COMMIT] {
        let stapled = [time.clone(), hex(kind), opaque(hex(mls::COMMIT))].concat();
        assert_refused::<FanoutMessage>(&stapled, "MLSMessage.content_type");
    }
    let no_presence = [time, hex(mls::PRIVATE), hex("02")].concat();
    assert_refused::<FanoutMessage>(&no_presence, "FanoutMessage.frank");
}

#[test]
fn a_body_of_many_messages_is_read_whole_or_not_at_all() {
    // P-166, Q-10
    let all: Vec<u8> = events().into_iter().flat_map(|(bytes, _)| bytes).collect();
    let messages = notify::decode_all(&all).unwrap();
    assert_eq!(messages.len(), events().len());
    assert_eq!(notify::encode_all(&messages), all);
    let fifty = all.repeat(50);
    assert_eq!(notify::decode_all(&fifty).unwrap().len(), 50 * events().len());
    let ends: Vec<usize> = events()
        .iter()
        .scan(0, |end, (bytes, _)| {
            *end += bytes.len();
            Some(*end)
        })
        .collect();
    for length in 0..all.len() {
        assert_eq!(notify::decode_all(&all[..length]).is_ok(), ends.contains(&length), "{length}");
    }
    let error = notify::decode_all(&[all.clone(), hex("00")].concat()).unwrap_err();
    assert_eq!(error.offset, all.len(), "trailing garbage");
}

#[test]
fn group_info_request() {
    //
    let tail = "02 a1a2 | 0001 01 61 | 02 b1b2";
    let with = hex(&format!("01 | 0001 | {tail} | 01 02 d1d2 | 03 c1c2c3"));
    let request = assert_strict::<GroupInfoRequest>(&with);
    assert_eq!(request.cipher_suite, CipherSuite(1));
    assert_eq!(request.requesting_signature_key, [0xA1, 0xA2]);
    assert_eq!(request.requesting_credential, BasicCredential::new(b"a".to_vec()).into());
    assert_eq!(request.group_info_public_key, [0xB1, 0xB2]);
    assert_eq!(request.joining_code, Some(vec![0xD1, 0xD2]));
    assert_eq!(request.tbs(), with[..with.len() - 4]);
    let without = hex(&format!("01 | fafe | {tail} | 00 | 03 c1c2c3"));
    assert_eq!(assert_strict::<GroupInfoRequest>(&without).joining_code, None);
    assert_refused::<GroupInfoRequest>(&[&[2], &with[1..]].concat(), "GroupInfoRequest.protocol");
}

#[test]
fn group_info_response() {
    // P-188, Q-32
    let head = [hex("01"), opaque(ROOM)].concat();
    let body = hex("0001 | 02 a1a2 | 0001 01 61 | 01 b1 | 02 b2b3");
    let success = [head.clone(), hex("01"), body, hex("03 c1c2c3")].concat();
    let response = assert_strict::<GroupInfoResponse>(&success);
    let GroupInfoAnswer::Success(sealed) = &response.answer else { panic!("not a success") };
    assert_eq!(sealed.tbs(&response.room), success[..success.len() - 4]);
    assert_eq!(sealed.hub_sender.signature_key, [0xA1, 0xA2]);
    assert_eq!(sealed.encrypted.kem_output, [0xB1]);
    for (code, answer) in
        [("02", GroupInfoAnswer::NotAuthorized), ("03", GroupInfoAnswer::NoSuchRoom)]
    {
        let bytes = [head.clone(), hex(code)].concat();
        assert_eq!(assert_strict::<GroupInfoResponse>(&bytes).answer, answer);
    }
    for code in ["00", "04"] {
        assert_refused::<GroupInfoResponse>(
            &[head.clone(), hex(code)].concat(),
            "GroupInfoResponse.status",
        );
    }
}

#[test]
fn what_a_joiner_decrypts() {
    // P-186
    let pending = [hex(mls::PROPOSAL), hex("0000000000000005")].concat();
    let bytes = [hex(mls::GROUP_INFO), hex("01"), hex(mls::TREE), opaque(&pending)].concat();
    let opened = assert_strict::<GroupInfoRatchetTree>(&bytes);
    assert_eq!(opened.pending_proposals, [assert_strict::<PendingProposal>(&pending)]);
    assert_eq!(opened.pending_proposals[0].accepted, Timestamp(5));
    let commit = [hex(mls::COMMIT), hex("0000000000000005")].concat();
    assert_refused::<PendingProposal>(&commit, "MLSMessage.content_type");
    let embedded = [hex(mls::GROUP_INFO_WITH_TREE), hex("03 00")].concat();
    assert_refused::<GroupInfoRatchetTree>(&embedded, "GroupInfo.extensions");
}

//! Every way in which the hub refuses, reached and with its answer. Forged handshakes have a file of their own.

#![allow(clippy::wildcard_enum_match_arm, reason = "what is not expected ends the test")]

use openmimi::{
    codec::{Reader, Wire, write_bytes},
    delivery::{
        CommitRefusal, Conflict, ExternalFault, GroupInfoFault, LeafFault, LeafIndex,
        ProposalFault, ProposalRef, ProposalRefusal, ProposeError, RefusedProposal, WelcomeFault,
    },
    env::Limits,
    error::Misuse,
    hub::{
        Answer, GroupInfoRefusal, Keys, Nobody, Proposal, ProposeRefusal, SubmitRefusal,
        UpdateRefusal,
    },
    policy::presets::Preset,
    wire::{
        CipherSuite, GroupInfoAnswer, GroupInfoRequest, SubmitMessageResponse, UpdateOutcome,
        UpdateRequest, UpdateRoomResponse,
    },
};
use openmls::prelude::Ciphersuite;
use openmls_traits::signatures::{Signer, SignerError};

use crate::kit::*;

/// A key that cannot sign.
struct Broken;

impl Signer for Broken {
    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, SignerError> {
        Err(SignerError::SigningError)
    }

    fn signature_scheme(&self) -> openmls::prelude::SignatureScheme {
        SUITE.signature_algorithm()
    }
}

/// The same message in another group or epoch: the header of a PrivateMessage is not encrypted.
fn moved(message: &[u8], group: Option<&[u8]>, epochs: i64) -> Vec<u8> {
    let mut reader = Reader::new(message);
    reader.take("version and wire format", 4).unwrap();
    let id = reader.bytes("group_id").unwrap();
    let epoch = reader.u64("epoch").unwrap();
    let mut out = message[..4].to_vec();
    write_bytes(&mut out, group.unwrap_or(id));
    out.extend(epoch.strict_add_signed(epochs).to_be_bytes());
    out.extend_from_slice(reader.rest());
    out
}

/// P-120 … P-125, Q-04, Q-59, Q-111.
#[test]
fn p_124_every_refusal_of_a_message() {
    let mut world = World::clubhouse();
    let b = server("b.example");
    let not_allowed = Answer::Response(SubmitMessageResponse::NotAllowed);
    let bob = world.client("bob@b.example");
    let message = bob.encrypt(b"text", Some(&[1; 32]));
    let body = bob.submit_body(&message);
    let elsewhere = bob.submit_body(&moved(&message, Some(b"mimi://a.example/g/x"), 0));
    let past = bob.submit_body(&moved(&message, None, -1));
    let future = bob.submit_body(&moved(&message, None, 1));
    let short = bob.say(b"half a tag", Some(&[1; 16]));
    let mut submit = |peer: &openmimi::env::Peer, body: &[u8]| {
        let records = world.hub.records();
        let refusal = world.hub.submit(peer, body).unwrap_err();
        assert_eq!(world.hub.records(), records);
        let answer = refusal.answer();
        (refusal, answer)
    };
    assert_eq!(
        submit(&b, &vec![0; Limits::default().body + 1]),
        (SubmitRefusal::TooLarge(Limits::default().body), Answer::Status(413))
    );
    let (refusal, answer) = submit(&b, &body[1..]);
    assert!(matches!(refusal, SubmitRefusal::Malformed(_)));
    assert_eq!(answer, Answer::Status(400));
    assert_eq!(submit(&server("c.example"), &body), (SubmitRefusal::Peer, not_allowed.clone()));
    assert_eq!(submit(&b, &elsewhere), (SubmitRefusal::WrongGroup, not_allowed.clone()));
    assert_eq!(
        submit(&b, &past),
        (
            SubmitRefusal::EpochTooOld { current: 2 },
            Answer::Response(SubmitMessageResponse::EpochTooOld { current_epoch: 2 })
        )
    );
    assert_eq!(submit(&b, &future), (SubmitRefusal::EpochTooNew, not_allowed.clone()));
    assert_eq!(submit(&b, &short), (SubmitRefusal::SafeAad, not_allowed.clone()));
    let mallory = Client::new("mallory@b.example/phone").submit_body(&message);
    assert_eq!(submit(&b, &mallory), (SubmitRefusal::Denied, not_allowed));

    // A key that fails is the operator's fault; without it messages go unfranked (P-140).
    let broken = Keys::new(world.hub.offer.signature_key.clone(), Box::new(Broken), [1; 32]);
    let keys = std::mem::replace(&mut world.hub.keys, broken);
    let refusal = world.hub.submit(&b, &body).unwrap_err();
    assert_eq!(refusal.answer(), Answer::Status(500));
    let (public, signer) = signing_key();
    world.hub.keys = Keys::new(public, signer, [1; 32]);
    let unfranked = world.client("bob@b.example").say(b"unfranked", Some(&[1; 32]));
    let response = world.hub.submit(&b, &unfranked).unwrap();
    assert!(matches!(response, SubmitMessageResponse::Accepted { frank: None, .. }));
    world.hub.keys = keys;
    world.hub.submit(&b, &body).unwrap();
}

/// P-023, P-181 … P-188, Q-04.
#[test]
fn p_188_every_refusal_of_the_group_info() {
    let mut world = World::clubhouse();
    let uri = world.hub.room.uri().clone();
    let tablet = Client::new("bob@b.example/tablet");
    let (request, _) = world.hub.group_info_request(&tablet);
    let b = server("b.example");
    let mut ask = |peer: &openmimi::env::Peer, body: &[u8]| {
        let asked = world.hub.drill(|room, env| room.group_info(env, peer, body));
        let refusal = asked.unwrap_err().reason;
        let answer = refusal.answer(&uri);
        (refusal, answer)
    };
    let hidden = |answer: &Answer<_>| match answer {
        Answer::Response(openmimi::wire::GroupInfoResponse { answer, .. }) => {
            *answer == GroupInfoAnswer::NotAuthorized
        }
        Answer::Status(_) | Answer::Later { .. } => false,
    };
    let with = |change: &dyn Fn(&mut GroupInfoRequest)| {
        let mut request = request.clone();
        change(&mut request);
        request.sign(&tablet.signer).unwrap();
        request.encode()
    };
    assert_eq!(
        ask(&b, &vec![0; Limits::default().body + 1]),
        (GroupInfoRefusal::TooLarge(Limits::default().body), Answer::Status(413))
    );
    let (refusal, answer) = ask(&b, &request.encode()[1..]);
    assert!(matches!(refusal, GroupInfoRefusal::Malformed(_)));
    assert_eq!(answer, Answer::Status(400));
    let mut unsigned = request.clone();
    unsigned.signature[5] ^= 1;
    let credential = |name: &[u8]| openmls::prelude::BasicCredential::new(name.to_vec()).into();
    let cases = [
        (with(&|it| it.cipher_suite = CipherSuite(0xF000)), GroupInfoRefusal::Ciphersuite),
        // a suite that the key in the request is not of.
        (
            with(&|it| {
                it.cipher_suite = Ciphersuite::MLS_128_DHKEMP256_AES128GCM_SHA256_P256.into();
            }),
            GroupInfoRefusal::Signature,
        ),
        (unsigned.encode(), GroupInfoRefusal::Signature),
        (
            with(&|it| it.requesting_credential = credential(b"bob")),
            GroupInfoRefusal::Nobody(Nobody::NotAUser),
        ),
        (
            with(&|it| {
                it.requesting_credential = credential(user("mallory@b.example").as_bytes());
            }),
            GroupInfoRefusal::NotAuthorized,
        ),
        (with(&|it| it.group_info_public_key = vec![1, 2, 3]), GroupInfoRefusal::Key),
    ];
    for (body, expected) in cases {
        let (refusal, answer) = ask(&b, &body);
        assert_eq!(refusal, expected);
        assert!(hidden(&answer), "P-188: whatever the reason");
    }
    let (refusal, answer) = ask(&server("c.example"), &request.encode());
    assert_eq!(refusal, GroupInfoRefusal::Peer);
    assert!(hidden(&answer));

    let (public, signer) = signing_key();
    world.hub.keys = Keys::new(public, signer, [1; 32]);
    let refusal = world.hub.group_info(&tablet).unwrap_err();
    assert!(matches!(refusal, GroupInfoRefusal::Misuse(Misuse::MissingKey(_))));
    assert_eq!(refusal.answer(world.hub.room.uri()), Answer::Status(500));
}

/// what the hub may not ask for either.
#[test]
fn q_48_every_refusal_of_the_hubs_own_proposals() {
    let mut world = World::with(Limits::default(), Preset::MultiOrganization);
    world.add("alice", "bob@b.example/phone", 2);
    let bob = user("bob@b.example");
    let nobody = user("nobody@b.example");
    assert_eq!(world.hub.propose(&[Proposal::Ban(nobody)]), Err(ProposeRefusal::Unknown));
    let refusal = world.hub.propose(&[Proposal::Ban(bob)]).unwrap_err();
    assert!(matches!(refusal, ProposeRefusal::Refused(UpdateRefusal::Denied { .. })));
    let nowhere = Proposal::RemoveClient(LeafIndex(9));
    let refusal = world.hub.propose(&[nowhere]).unwrap_err();
    let ProposeRefusal::Refused(UpdateRefusal::Proposals(ProposalRefusal::Refused(faults))) =
        refusal
    else {
        panic!("{refusal:?}")
    };
    assert_eq!(faults[0].fault, ProposalFault::NoSuchLeaf(LeafIndex(9)));
    let refusal = world.hub.propose(&[]).unwrap_err();
    assert_eq!(refusal, ProposeRefusal::Refused(UpdateRefusal::Proposals(ProposalRefusal::Empty)));
    world.hub.keys = Keys::new(world.hub.offer.signature_key.clone(), Box::new(Broken), [1; 32]);
    let refusal = world.hub.propose(&[Proposal::RemoveClient(LeafIndex(1))]).unwrap_err();
    assert_eq!(refusal, ProposeRefusal::Propose(ProposeError::Signer));
    let (public, signer) = signing_key();
    world.hub.keys = Keys::new(public, signer, [1; 32]);
    let refusal = world.hub.propose(&[Proposal::RemoveClient(LeafIndex(1))]).unwrap_err();
    assert!(matches!(refusal, ProposeRefusal::Misuse(Misuse::MissingKey(_))));
}

/// P-117, P-284: what an update can be refused for beside forgery.
#[test]
fn p_113_an_update_that_is_too_large_malformed_or_of_nobody() {
    let mut world = World::clubhouse();
    let b = server("b.example");
    let body = vec![0; Limits::default().body + 1];
    let refusal = world.hub.update(&b, &body).unwrap_err();
    assert_eq!(refusal, UpdateRefusal::TooLarge(Limits::default().body));
    assert_eq!(refusal.answer(), Answer::Status(413));
    let refusal = world.hub.update(&b, &[]).unwrap_err();
    assert_eq!(refusal.answer(), Answer::Status(400));

    // a SemiPrivateMessage, by any number that it may get; it is told so. A PrivateMessage is malformed (P-107).
    for wire_format in [[0, 6], [0xFA, 0xFE]] {
        let body = [&[0, 1], &wire_format[..], &[0; 40]].concat();
        let refusal = world.hub.update(&b, &body).unwrap_err();
        let Answer::Response(answer) = refusal.answer() else { panic!("{refusal:?}") };
        assert_eq!(answer.outcome, UpdateOutcome::NotAllowed);
        assert!(answer.error_description.as_str().starts_with("MLSMessage.wire_format"));
    }
    let refusal = world.hub.update(&b, &[0, 1, 0, 2, 0]).unwrap_err();
    assert_eq!(refusal.answer(), Answer::Status(400));

    // P-283, D-54: a leaf whose credential is nobody's.
    let mut tablet = Client::new("bob@b.example/tablet");
    tablet.identity = Some(b"bob".to_vec());
    let bundle = world.client("bob@b.example").commit(vec![add(tablet.key_package())]);
    let refusal = world.hub.update(&b, &bundle.body()).unwrap_err();
    assert_eq!(refusal, UpdateRefusal::Nobody(Nobody::NotAUser));
    assert_eq!(outcome(&refusal), UpdateOutcome::NotAllowed);
    world.client("bob@b.example").forget_commit();

    // what is pending already is no proposal.
    let body = world.client("bob@b.example").leave();
    world.proposed("bob@b.example", &body);
    let mut request = UpdateRequest::decode(&body).unwrap();
    if let openmimi::wire::HandshakeBundle::Proposals { more, .. } = &mut request.bundle {
        more.truncate(0);
    }
    let refusal = world.hub.update(&b, &request.encode()).unwrap_err();
    let UpdateRefusal::Proposals(ProposalRefusal::Refused(faults)) = &refusal else { panic!() };
    assert_eq!(faults[0].fault, ProposalFault::Conflict(Conflict::Repeated));
    assert_eq!(outcome(&refusal), UpdateOutcome::NotAllowed);
}

/// D-09: the number of proposals that wait is bounded.
#[test]
fn d_09_no_more_proposals_than_the_limit() {
    let mut limits = Limits::default();
    limits.pending_proposals = 3;
    let mut world = World::with(limits, Preset::Cooperative);
    world.add("alice", "bob@b.example/phone", 2);
    world.add("alice", "cathy@c.example/phone", 2);
    for name in ["bob@b.example", "cathy@c.example"] {
        let peer = world.client(name).peer();
        let body = world.client(name).leave();
        match world.hub.update(&peer, &body) {
            Ok(_) => assert_eq!(name, "bob@b.example"),
            Err(refusal) => {
                assert_eq!(
                    refusal,
                    UpdateRefusal::Proposals(ProposalRefusal::TooMany { limit: 1 })
                );
                assert_eq!(outcome(&refusal), UpdateOutcome::NotAllowed);
            }
        }
    }
    assert_eq!(world.hub.room.pending(), 2);
}

fn outcome(refusal: &UpdateRefusal) -> UpdateOutcome {
    match refusal.answer() {
        Answer::Response(UpdateRoomResponse { outcome, error_description }) => {
            assert!(!error_description.as_str().is_empty());
            outcome
        }
        other => panic!("{other:?}"),
    }
}

/// P-113 … P-115, Q-17: what is answered to each refusal of a commit or of proposals.
#[test]
fn p_115_every_refusal_of_an_update_has_its_code() {
    let name = ProposalRef(vec![1, 2, 3]);
    let named = || UpdateOutcome::InvalidProposal(vec![name.0.as_slice().into()]);
    let unnamed = || UpdateOutcome::InvalidProposal(Vec::new());
    let code = |refusal: CommitRefusal| outcome(&UpdateRefusal::from(refusal));
    assert_eq!(
        code(CommitRefusal::WrongEpoch { current: 7 }),
        UpdateOutcome::WrongEpoch { current_epoch: 7 }
    );
    let fault = ProposalFault::OwnLeaf;
    let proposal =
        |reference| CommitRefusal::Proposal { index: 0, reference, fault: fault.clone() };
    assert_eq!(code(proposal(Some(name.clone()))), named());
    assert_eq!(code(proposal(None)), unnamed());
    assert_eq!(code(CommitRefusal::UnknownReference(vec![name.clone()])), named());
    assert_eq!(code(CommitRefusal::Components(0x22)), unnamed());
    assert_eq!(code(CommitRefusal::External(ExternalFault::Init)), unnamed());
    for refusal in [
        CommitRefusal::WireFormat,
        CommitRefusal::ContentType,
        CommitRefusal::WrongGroup,
        CommitRefusal::Sender,
        CommitRefusal::Signature,
        CommitRefusal::SafeAad,
        CommitRefusal::Missing(vec![name.clone()]),
        CommitRefusal::NoPath,
        CommitRefusal::Unsupported { leaf: LeafIndex(0), component: 0x22 },
        CommitRefusal::Path(LeafFault::Credential),
        CommitRefusal::Welcome(WelcomeFault::Missing),
        CommitRefusal::GroupInfo(GroupInfoFault::Differs),
        CommitRefusal::Tree,
        CommitRefusal::Engine,
    ] {
        assert_eq!(code(refusal.clone()), UpdateOutcome::NotAllowed, "{refusal:?}");
    }

    let code = |refusal: ProposalRefusal| outcome(&UpdateRefusal::from(refusal));
    assert_eq!(
        code(ProposalRefusal::WrongEpoch { current: 7 }),
        UpdateOutcome::WrongEpoch { current_epoch: 7 }
    );
    assert_eq!(code(ProposalRefusal::Empty), UpdateOutcome::NotAllowed);
    assert_eq!(code(ProposalRefusal::TooMany { limit: 1 }), UpdateOutcome::NotAllowed);
    let one = |fault| RefusedProposal { index: 0, reference: Some(name.clone()), fault };
    let clash = one(ProposalFault::Conflict(Conflict::Leaving));
    let wrong = one(ProposalFault::Signature);
    assert_eq!(code(ProposalRefusal::Refused(vec![clash.clone()])), UpdateOutcome::NotAllowed);
    assert_eq!(code(ProposalRefusal::Refused(vec![wrong])), named());
    for refusal in [
        UpdateRefusal::Peer,
        UpdateRefusal::Blocked,
        UpdateRefusal::Nobody(Nobody::Unknown),
        UpdateRefusal::Nobody(Nobody::NotAProvider),
        UpdateRefusal::UnknownJoiner,
        UpdateRefusal::RemovalWaits,
    ] {
        assert_eq!(outcome(&refusal), UpdateOutcome::NotAllowed, "{refusal:?}");
    }
    let misuse = UpdateRefusal::Misuse(Misuse::MissingKey("a key"));
    assert_eq!(misuse.answer(), Answer::Status(500));
}

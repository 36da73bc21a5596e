//! Messages that the MLS engine makes.

use openmls::{
    group::{MIXED_PLAINTEXT_WIRE_FORMAT_POLICY, MlsGroup, MlsGroupCreateConfig},
    prelude::{
        BasicCredential, Ciphersuite, CredentialWithKey, KeyPackage as EngineKeyPackage,
        LeafNodeIndex, OpenMlsProvider, ProcessedMessageContent, ProtocolMessage,
    },
};
use openmls_basic_credential::SignatureKeyPair;
use openmls_rust_crypto::OpenMlsRustCrypto;
use proptest::prelude::*;
use tls_codec::Serialize as _;

use super::assert_strict;
use crate::{codec::Wire, env::Timestamp, wire::*};

const SUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519;

struct Member {
    provider: OpenMlsRustCrypto,
    signer: SignatureKeyPair,
    credential: CredentialWithKey,
}

impl Member {
    fn new(name: &str) -> Self {
        let signer = SignatureKeyPair::new(SUITE.signature_algorithm()).unwrap();
        let credential = CredentialWithKey {
            credential: BasicCredential::new(name.as_bytes().to_vec()).into(),
            signature_key: signer.public().into(),
        };
        Self { provider: OpenMlsRustCrypto::default(), signer, credential }
    }

    fn key_package(&self) -> EngineKeyPackage {
        let builder = EngineKeyPackage::builder();
        let bundle =
            builder.build(SUITE, &self.provider, &self.signer, self.credential.clone()).unwrap();
        bundle.key_package().clone()
    }

    fn group(&self) -> MlsGroup {
        let config = MlsGroupCreateConfig::builder()
            .ciphersuite(SUITE)
            .wire_format_policy(MIXED_PLAINTEXT_WIRE_FORMAT_POLICY)
            .use_ratchet_tree_extension(false)
            .build();
        MlsGroup::new(&self.provider, &self.signer, &config, self.credential.clone()).unwrap()
    }
}

/// Alice adds Bob: her group, the request that says so, and the GroupInfo of the new epoch with the tree embedded.
fn alice_adds_bob(alice: &Member, bob: &Member) -> (MlsGroup, UpdateRequest, Vec<u8>) {
    let mut group = alice.group();
    let bundle = group
        .commit_builder()
        .propose_adds([bob.key_package()])
        .load_psks(alice.provider.storage())
        .unwrap()
        .create_group_info(true)
        .use_ratchet_tree_extension(false)
        .build(alice.provider.rand(), alice.provider.crypto(), &alice.signer, |_| true)
        .unwrap()
        .stage_commit(&alice.provider)
        .unwrap();
    let (commit, welcome, group_info) = bundle.into_contents();
    group.merge_pending_commit(&alice.provider).unwrap();
    let tree = group.export_ratchet_tree().tls_serialize_detached().unwrap();
    let group_info = group_info.unwrap().tls_serialize_detached().unwrap();
    let welcome = welcome.unwrap().tls_serialize_detached().unwrap();
    let request = UpdateRequest {
        bundle: HandshakeBundle::Commit {
            commit: PublicMessage::decode(&commit.to_bytes().unwrap()).unwrap(),
            welcome: Some(Welcome::decode(&welcome).unwrap()),
            group_info: GroupInfoOption::Full(GroupInfo::decode(&group_info).unwrap()),
            ratchet_tree: RatchetTreeOption::Full(RatchetTree::decode(&tree).unwrap()),
        },
    };
    let (crypto, signer) = (alice.provider.crypto(), &alice.signer);
    let embedded = group.export_group_info(crypto, signer, true).unwrap().to_bytes().unwrap();
    (group, request, embedded)
}

#[test]
fn a_commit_with_all_that_belongs_to_it() {
    let (alice, bob) = (Member::new("alice"), Member::new("bob"));
    let (group, request, embedded) = alice_adds_bob(&alice, &bob);
    let bytes = request.encode();
    assert_eq!(UpdateRequest::decode(&bytes).as_ref(), Ok(&request));
    let HandshakeBundle::Commit { commit, welcome, group_info, .. } = request.bundle else {
        panic!("not a commit")
    };
    assert_eq!(commit.group_id(), group.group_id().as_slice());
    assert_eq!((commit.epoch(), commit.sender()), (0, Sender::Member(0)));
    let GroupInfoOption::Full(group_info) = group_info else { panic!("not a full GroupInfo") };
    assert_eq!(group_info.epoch(), 1);
    let context = group.public_group().group_context().tls_serialize_detached().unwrap();
    assert_eq!(group_info.group_context(), context);
    assert!(!group_info.has_ratchet_tree());
    assert_eq!(welcome.unwrap().new_members().len(), 1);

    let MlsMessage::GroupInfo(embedded) = MlsMessage::decode(&embedded).unwrap() else {
        panic!("not a GroupInfo")
    };
    assert!(embedded.has_ratchet_tree(), "P-108 is about this one");
    assert!(GroupInfoOption::decode(&[&[1], embedded.as_bytes()].concat()).is_err());
}

#[test]
fn a_key_package_has_the_engines_name() {
    // P-092
    let bob = Member::new("bob");
    let key_package = bob.key_package();
    let read = assert_strict::<KeyPackage>(&key_package.tls_serialize_detached().unwrap());
    let name = key_package.hash_ref(bob.provider.crypto()).unwrap();
    assert_eq!(read.reference(bob.provider.crypto()).unwrap().as_bytes(), name.as_slice());
}

#[test]
fn what_is_kept_is_what_the_engine_verifies() {
    let (alice, bob) = (Member::new("alice"), Member::new("bob"));
    let (mut group, _, _) = alice_adds_bob(&alice, &bob);
    let (proposal, _) =
        group.propose_remove_member(&alice.provider, &alice.signer, LeafNodeIndex::new(1)).unwrap();
    let proposal = assert_strict::<PublicMessage>(&proposal.to_bytes().unwrap());
    assert_eq!(proposal.content_type(), ContentType::Proposal);
    group.clear_pending_proposals(alice.provider.storage()).unwrap();
    let message = group.create_message(&alice.provider, &alice.signer, b"hello").unwrap();
    let message = PrivateMessage::decode(&message.to_bytes().unwrap()).unwrap();
    assert_eq!((message.group_id(), message.epoch()), (group.group_id().as_slice(), 1));
    assert!(matches!(message.to_openmls(), ProtocolMessage::PrivateMessage(_)));
    let processed = group.process_message(&alice.provider, proposal.to_openmls()).unwrap();
    assert!(matches!(processed.into_content(), ProcessedMessageContent::ProposalMessage(_)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_input_panics_and_what_is_read_is_written_again(
        octets in prop::collection::vec(any::<u8>(), 0..200),
        version in prop::bool::ANY,
        wire_format in 0..7u16,
    ) {
        fn exact<T: Wire>(octets: &[u8]) {
            if let Ok(value) = T::decode(octets) {
                assert_eq!(value.encode(), octets);
            }
        }
        exact::<KeyMaterialRequest>(&octets);
        exact::<KeyMaterialResponse>(&octets);
        exact::<UpdateRoomResponse>(&octets);
        exact::<SubmitMessageResponse>(&octets);
        exact::<GroupInfoRequest>(&octets);
        exact::<GroupInfoResponse>(&octets);
        exact::<ConsentEntry>(&octets);
        exact::<IdentifierRequest>(&octets);
        exact::<IdentifierResponse>(&octets);
        exact::<AbuseReport>(&octets);
        exact::<RatchetTreeOption>(&octets);
        exact::<Welcome>(&octets);
        exact::<GroupInfo>(&octets);
        let head = [u16::from(version).to_be_bytes(), wire_format.to_be_bytes()].concat();
        let message = [head, octets].concat();
        exact::<MlsMessage>(&message);
        exact::<UpdateRequest>(&message);
        exact::<SubmitMessageRequest>(&[&[1], &*message].concat());
        let event = [&Timestamp(1).0.to_be_bytes()[..], &message].concat();
        if let Ok(events) = notify::decode_all(&event) {
            assert_eq!(notify::encode_all(&events), event);
        }
    }
}

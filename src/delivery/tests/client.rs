//! Real clients, and what a hostile one could sign.

use openmls::{
    messages::group_info::{GroupInfo, VerifiableGroupInfo},
    prelude::{DeserializeBytes as _, OpenMlsProvider as _, *},
    treesync::LeafNodeParameters,
};
use openmls_basic_credential::SignatureKeyPair;
use openmls_rust_crypto::OpenMlsRustCrypto;
use openmls_traits::signatures::Signer as _;

use super::parts::*;
use crate::{
    codec::{write_bytes, write_within},
    delivery::{
        self, CommitBundle, GroupInfoForm, LeafIndex, TreeForm,
        external::sign_content,
        frame::{Body, read_frame},
    },
};

pub(super) struct Client {
    pub(super) provider: OpenMlsRustCrypto,
    pub(super) signer: SignatureKeyPair,
    pub(super) credential: CredentialWithKey,
    pub(super) group: Option<MlsGroup>,
}

/// What a committer sends.
#[derive(Clone)]
pub(super) struct Made {
    pub(super) commit: Vec<u8>,
    pub(super) welcome: Option<Vec<u8>>,
    pub(super) group_info: Vec<u8>,
}

impl Made {
    pub(super) fn bundle(&self) -> CommitBundle<'_> {
        CommitBundle {
            welcome: self.welcome.as_deref(),
            group_info: GroupInfoForm::Full(&self.group_info),
            ratchet_tree: TreeForm::DistributionService,
        }
    }
}

impl Client {
    pub(super) fn new(name: &str) -> Self {
        let provider = OpenMlsRustCrypto::default();
        let signer = SignatureKeyPair::new(SUITE.signature_algorithm()).unwrap();
        signer.store(provider.storage()).unwrap();
        let credential = CredentialWithKey {
            credential: BasicCredential::new(name.as_bytes().to_vec()).into(),
            signature_key: signer.public().into(),
        };
        Self { provider, signer, credential, group: None }
    }

    pub(super) fn mls(&mut self) -> &mut MlsGroup {
        self.group.as_mut().unwrap()
    }

    pub(super) fn leaf(&self) -> LeafIndex {
        LeafIndex(self.group.as_ref().unwrap().own_leaf_index().u32())
    }

    pub(super) fn key_package(&self) -> KeyPackage {
        self.key_package_with(&KNOWN, lifetime())
    }

    pub(super) fn key_package_with(&self, known: &[u16], lifetime: Lifetime) -> KeyPackage {
        KeyPackage::builder()
            .leaf_node_capabilities(capabilities())
            .leaf_node_extensions(Extensions::single(leaf_dictionary(known)).unwrap())
            .key_package_lifetime(lifetime)
            .build(SUITE, &self.provider, &self.signer, self.credential.clone())
            .unwrap()
            .key_package()
            .clone()
    }

    pub(super) fn create(&mut self, extensions: Extensions<GroupContext>) {
        let config = MlsGroupCreateConfig::builder()
            .ciphersuite(SUITE)
            .capabilities(capabilities())
            .with_leaf_node_extensions(Extensions::single(leaf_dictionary(&KNOWN)).unwrap())
            .unwrap()
            .with_group_context_extensions(extensions)
            .lifetime(lifetime())
            .wire_format_policy(MIXED_PLAINTEXT_WIRE_FORMAT_POLICY)
            .use_ratchet_tree_extension(false)
            .build();
        let group = MlsGroup::new_with_group_id(
            &self.provider,
            &self.signer,
            &config,
            GroupId::from_slice(b"mimi://hub.example/g/1"),
            self.credential.clone(),
        );
        self.group = Some(group.unwrap());
    }

    pub(super) fn group_info(&self) -> Vec<u8> {
        let group = self.group.as_ref().unwrap();
        bare(&group.export_group_info(self.provider.crypto(), &self.signer, false).unwrap())
    }

    pub(super) fn propose(&mut self, propose: Propose) -> Vec<u8> {
        let Self { provider, signer, group, .. } = self;
        let group = group.as_mut().unwrap();
        let made = group.propose(provider, signer, propose, ProposalOrRefType::Reference);
        tls(&made.unwrap().0)
    }

    pub(super) fn leave(&mut self) -> Vec<u8> {
        let Self { provider, signer, group, .. } = self;
        tls(&group.as_mut().unwrap().leave_group_via_self_remove(provider, signer).unwrap())
    }

    /// Commits what is pending, and proposals by value.
    pub(super) fn commit(&mut self, proposals: Vec<Proposal>) -> Made {
        let Self { provider, signer, group, .. } = self;
        let group = group.as_mut().unwrap();
        let mut stage =
            group.commit_builder().add_proposals(proposals).load_psks(provider.storage()).unwrap();
        let mut updater = stage.app_data_dictionary_updater();
        compute_into(&mut updater, stage.app_data_update_proposals());
        let changes = updater.changes();
        stage.with_app_data_dictionary_updates(changes);
        let bundle = stage
            .create_group_info(true)
            .use_ratchet_tree_extension(false)
            .build(provider.rand(), provider.crypto(), signer, |_| true)
            .unwrap()
            .stage_commit(provider)
            .unwrap();
        made_of(bundle.into_contents())
    }

    /// A commit with an update path and nothing else.
    pub(super) fn update_path(&mut self) -> Made {
        let Self { provider, signer, group, .. } = self;
        let bundle = group
            .as_mut()
            .unwrap()
            .commit_builder()
            .force_self_update(true)
            .load_psks(provider.storage())
            .unwrap()
            .create_group_info(true)
            .use_ratchet_tree_extension(false)
            .build(provider.rand(), provider.crypto(), signer, |_| true)
            .unwrap()
            .stage_commit(provider)
            .unwrap();
        made_of(bundle.into_contents())
    }

    pub(super) fn forget_commit(&mut self) {
        let Self { provider, group, .. } = self;
        group.as_mut().unwrap().clear_pending_commit(provider.storage()).unwrap();
    }

    pub(super) fn merge_own(&mut self) {
        let Self { provider, group, .. } = self;
        group.as_mut().unwrap().merge_pending_commit(provider).unwrap();
    }

    /// Takes what the hub fanned out.
    pub(super) fn receive(&mut self, message: &[u8]) {
        let Self { provider, group, .. } = self;
        let group = group.as_mut().unwrap();
        if !group.is_active() {
            return;
        }
        if delivery::external::is_component_update(message) {
            let context = tls(group.public_group().group_context());
            let context = delivery::context::Context::decode(&context).unwrap();
            let queued = delivery::external::verify(provider.crypto(), &context, message).unwrap();
            group.store_pending_proposal(provider.storage(), queued).unwrap();
            return;
        }
        let processed = group.process_message(provider, protocol_message(message)).unwrap();
        let staged = match processed.into_content() {
            ProcessedMessageContent::ProposalMessage(proposal)
            | ProcessedMessageContent::ExternalJoinProposalMessage(proposal) => {
                group.store_pending_proposal(provider.storage(), *proposal).unwrap();
                return;
            }
            ProcessedMessageContent::StagedCommitMessage(staged) => *staged,
            ProcessedMessageContent::UnresolvedAppDataCommit(open) => {
                let mut updater = group.app_data_dictionary_updater();
                compute_into(&mut updater, open.app_data_update_proposals());
                let changes = updater.changes();
                group.stage_app_data_commit(provider, *open, changes).unwrap()
            }
            other => panic!("{other:?}"),
        };
        group.merge_staged_commit(provider, staged).unwrap();
    }

    pub(super) fn join(&mut self, welcome: &[u8], tree: &[u8]) {
        let welcome = Welcome::tls_deserialize_exact_bytes(welcome).unwrap();
        let tree = RatchetTreeIn::tls_deserialize_exact_bytes(tree).unwrap();
        let staged = StagedWelcome::build_from_welcome(&self.provider, &join_config(), welcome)
            .unwrap()
            .with_ratchet_tree(tree)
            .build()
            .unwrap();
        self.group = Some(staged.into_group(&self.provider).unwrap());
    }

    /// Enters from outside, with what the hub gives to joiners.
    pub(super) fn enter(
        &mut self,
        group: &delivery::Group,
        proposals: Vec<AppDataUpdateProposal>,
    ) -> Made {
        let info = VerifiableGroupInfo::tls_deserialize_exact_bytes(&group.group_info()).unwrap();
        let tree = RatchetTreeIn::tls_deserialize_exact_bytes(&group.ratchet_tree()).unwrap();
        let pending = group
            .pending()
            .filter(|it| it.content == delivery::ProposalView::SelfRemove)
            .map(|it| {
                match MlsMessageIn::tls_deserialize_exact_bytes(&it.message).unwrap().extract() {
                    MlsMessageBodyIn::PublicMessage(message) => message,
                    other => panic!("{other:?}"),
                }
            })
            .collect();
        let leaf = LeafNodeParameters::builder()
            .with_capabilities(capabilities())
            .with_extensions(Extensions::single(leaf_dictionary(&KNOWN)).unwrap())
            .build();
        let mut builder = MlsGroup::external_commit_builder()
            .with_ratchet_tree(tree)
            .with_proposals(pending)
            .with_config(join_config())
            .build_group(&self.provider, info, self.credential.clone())
            .unwrap()
            .leaf_node_parameters(leaf);
        for proposal in proposals {
            builder = builder.add_app_data_update_proposal(proposal);
        }
        let mut stage = builder
            .load_psks(self.provider.storage())
            .unwrap()
            .create_group_info(true)
            .use_ratchet_tree_extension(false);
        let mut updater = stage.app_data_dictionary_updater();
        compute_into(&mut updater, stage.app_data_update_proposals());
        let changes = updater.changes();
        stage.with_app_data_dictionary_updates(changes);
        let (joined, bundle) = stage
            .build(self.provider.rand(), self.provider.crypto(), &self.signer, |_| true)
            .unwrap()
            .finalize(&self.provider)
            .unwrap();
        self.group = Some(joined);
        made_of(bundle.into_contents())
    }

    /// Signs other proposals into a commit, or into none: what a hostile member could send. The confirmation tag and
    /// the membership tag are those of nothing, which no server can tell.
    pub(super) fn forge(&self, commit: &[u8], proposals: &[Vec<u8>]) -> Vec<u8> {
        let context = tls(self.group.as_ref().unwrap().public_group().group_context());
        self.forge_in(&context, commit, |out| {
            write_within(out, |out| proposals.iter().for_each(|it| out.extend_from_slice(it)));
        })
    }

    fn forge_in(
        &self,
        context: &[u8],
        commit: &[u8],
        proposals: impl FnOnce(&mut Vec<u8>),
    ) -> Vec<u8> {
        let (head, path) = split_commit(commit);
        let mut message = head.to_vec();
        proposals(&mut message);
        message.extend_from_slice(path);
        self.seal(message, context, true)
    }

    /// A commit without a path.
    pub(super) fn forge_pathless(&self, any: &[u8], proposals: &[Vec<u8>]) -> Vec<u8> {
        let (head, _) = split_commit(any);
        let mut message = head.to_vec();
        write_within(&mut message, |out| {
            proposals.iter().for_each(|it| out.extend_from_slice(it));
        });
        message.push(0);
        let context = tls(self.group.as_ref().unwrap().public_group().group_context());
        self.seal(message, &context, true)
    }

    /// A standalone proposal, whatever it is.
    pub(super) fn forge_proposal(&self, aad: &[u8], proposal: &[u8]) -> Vec<u8> {
        let group = self.group.as_ref().unwrap();
        let mut message = vec![0, 1, 0, 1];
        write_bytes(&mut message, group.group_id().as_slice());
        message.extend(group.epoch().as_u64().to_be_bytes());
        message.push(1);
        message.extend(self.leaf().0.to_be_bytes());
        write_bytes(&mut message, aad);
        message.push(2);
        message.extend_from_slice(proposal);
        let context = tls(group.public_group().group_context());
        self.seal(message, &context, false)
    }

    fn seal(&self, mut message: Vec<u8>, context: &[u8], commit: bool) -> Vec<u8> {
        let signed = [&message, context].concat();
        let signature =
            self.signer.sign(&sign_content("FramedContentTBS", &signed).unwrap()).unwrap();
        write_bytes(&mut message, &signature);
        if commit {
            write_bytes(&mut message, &[7; 32]);
        }
        write_bytes(&mut message, &[9; 32]);
        message
    }
}

/// The octets before the proposals of a commit, and those of its path.
fn split_commit(commit: &[u8]) -> (&[u8], &[u8]) {
    let frame = read_frame(commit).unwrap();
    let Body::Commit(raw) = &frame.body else { panic!("no commit") };
    let mut reader = crate::codec::Reader::new(commit);
    reader.take("", 4).unwrap();
    reader.bytes("").unwrap();
    reader.take("", 8).unwrap();
    if reader.u8("").unwrap() == 1 {
        reader.take("", 4).unwrap();
    }
    reader.bytes("").unwrap();
    reader.u8("").unwrap();
    let head = reader.offset();
    let list = reader.bytes("").unwrap();
    assert_eq!(raw.proposals.is_empty(), list.is_empty());
    (&commit[..head], &frame.content[reader.offset()..])
}

fn join_config() -> MlsGroupJoinConfig {
    MlsGroupJoinConfig::builder()
        .wire_format_policy(MIXED_PLAINTEXT_WIRE_FORMAT_POLICY)
        .use_ratchet_tree_extension(false)
        .build()
}

pub(super) fn bare(message: &MlsMessageOut) -> Vec<u8> {
    tls(message)[4..].to_vec()
}

pub(super) fn made_of(
    (commit, welcome, info): (MlsMessageOut, Option<Welcome>, Option<GroupInfo>),
) -> Made {
    Made {
        commit: tls(&commit),
        welcome: welcome.map(|it| tls(&it)),
        group_info: tls(&info.unwrap()),
    }
}

pub(super) fn protocol_message(message: &[u8]) -> ProtocolMessage {
    MlsMessageIn::tls_deserialize_exact_bytes(message).unwrap().try_into_protocol_message().unwrap()
}

/// What the application makes of updates: the list grows, everything else is replaced.
pub(super) fn compute_into<'a>(
    updater: &mut AppDataDictionaryUpdater<'_>,
    proposals: impl Iterator<Item = &'a AppDataUpdateProposal>,
) {
    let mut list: Option<Vec<u8>> = None;
    for proposal in proposals {
        let component = proposal.component_id();
        match proposal.operation() {
            AppDataUpdateOperation::Update(data) if component == LIST => {
                let mut value = list
                    .take()
                    .unwrap_or_else(|| updater.old_value(component).unwrap_or_default().to_vec());
                value.extend_from_slice(data.as_slice());
                updater.set(openmls::component::ComponentData::from_parts(
                    component,
                    value.clone().into(),
                ));
                list = Some(value);
            }
            AppDataUpdateOperation::Update(data) => {
                updater.set(openmls::component::ComponentData::from_parts(component, data.clone()));
            }
            AppDataUpdateOperation::Remove => updater.remove(&component),
        }
    }
}

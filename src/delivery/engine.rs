//! The MLS engine, behind octets.
//!
//! Above this file there are messages, GroupContexts, proposals that are verified and changes that are staged; no
//! type of the engine's groups. An engine with cached tree hashes can take the place of openmls's `PublicGroup`.
//! What the engine believes of a message is final here; what it does not look at is looked at above.

use std::collections::BTreeMap;

use openmls::{
    ciphersuite::hash_ref::ProposalRef as EngineRef,
    component::ComponentData,
    framing::{MlsMessageBodyIn, MlsMessageIn, ProcessedMessageContent, ProtocolMessage},
    group::{
        AppDataDictionaryUpdater, AppDataUpdates, GroupContext, GroupId, ProposalStore,
        PublicGroup, PublicProcessMessageError, QueuedProposal, StagedCommit,
        UnresolvedAppDataCommit, ValidationError,
    },
    messages::group_info::VerifiableGroupInfo,
    treesync::RatchetTreeIn,
};
use openmls_traits::crypto::OpenMlsCrypto;
use serde::{Serialize, de::DeserializeOwned};
use tls_codec::DeserializeBytes;

use super::{
    context::Context,
    external,
    frame::{Frame, FrameSender, RawLeaf, read_leaf},
    refusal::ProposalFault,
    shelf::{Parts, Shelf},
    view::{LeafIndex, ProposalRef},
};
use crate::codec::{decode_exact, write_bytes};

/// A group as the engine has it.
#[derive(Debug)]
pub(super) struct Engine {
    group: PublicGroup,
    /// The engine shows it only to its store. Postcard.
    interim_transcript_hash: Vec<u8>,
}

/// A proposal that the engine has verified.
#[derive(Clone, Debug)]
pub(super) struct Verified(QueuedProposal);

/// A commit whose signature the engine has verified.
#[derive(Debug)]
pub(super) enum Opened {
    /// It updates no component, and is staged already.
    Staged(Box<StagedCommit>),
    /// The components it updates are to be computed first.
    Open(Box<UnresolvedAppDataCommit>),
}

/// What a commit changes.
#[derive(Debug)]
pub(super) struct Diff(StagedCommit);

/// Why the engine refuses a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EngineFault {
    Signature,
    Other,
}

impl EngineFault {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "one of the engine's many reasons has a name of its own here"
    )]
    fn of(error: &PublicProcessMessageError) -> Self {
        match error {
            PublicProcessMessageError::ValidationError(
                ValidationError::InvalidSignature
                | ValidationError::InvalidLeafNodeSignature
                | ValidationError::UnknownMember
                | ValidationError::UnauthorizedExternalSender,
            ) => Self::Signature,
            _ => Self::Other,
        }
    }
}

impl Engine {
    /// Verifies a group from its GroupInfo and its tree.
    pub(super) fn import(
        crypto: &impl OpenMlsCrypto,
        group_info: &[u8],
        ratchet_tree: &[u8],
    ) -> Option<Self> {
        let group_info = VerifiableGroupInfo::tls_deserialize_exact_bytes(group_info).ok()?;
        let ratchet_tree = RatchetTreeIn::tls_deserialize_exact_bytes(ratchet_tree).ok()?;
        let shelf = Shelf::default();
        let (group, _) = PublicGroup::from_external(
            crypto,
            &shelf,
            ratchet_tree,
            group_info,
            ProposalStore::new(),
        )
        .ok()?;
        Some(Self { group, interim_transcript_hash: shelf.interim_transcript_hash()? })
    }

    /// The octets of the GroupContext.
    pub(super) fn context(&self) -> Vec<u8> {
        octets(self.group.group_context())
    }

    /// All leaves.
    pub(super) fn leaves(&self) -> impl Iterator<Item = (LeafIndex, Option<RawLeaf>)> {
        self.group.treesync().full_leaves().map(|(index, leaf)| {
            (LeafIndex(index.u32()), decode_exact(&octets(leaf), read_leaf).ok())
        })
    }

    /// `optional<Node> ratchet_tree<V>`.
    pub(super) fn ratchet_tree(&self) -> Vec<u8> {
        octets(&self.group.export_ratchet_tree())
    }

    /// Verifies a standalone proposal. Group, epoch and SafeAAD of the frame have been checked.
    pub(super) fn verify(
        &self,
        crypto: &impl OpenMlsCrypto,
        context: &Context,
        frame: &Frame<'_>,
        message: &[u8],
    ) -> Result<Verified, ProposalFault> {
        if matches!(frame.sender, FrameSender::External(_)) && frame.is_component_update() {
            return Self::verify_external(crypto, context, frame);
        }
        match self.process(crypto, message) {
            Ok(
                ProcessedMessageContent::ProposalMessage(proposal)
                | ProcessedMessageContent::ExternalJoinProposalMessage(proposal),
            ) => Ok(Verified(*proposal)),
            Ok(
                ProcessedMessageContent::ApplicationMessage(_)
                | ProcessedMessageContent::StagedCommitMessage(_)
                | ProcessedMessageContent::UnresolvedAppDataCommit(_)
                | ProcessedMessageContent::OwnPendingCommit
                | ProcessedMessageContent::OwnPrivateMessage,
            ) => Err(ProposalFault::ContentType),
            Err(EngineFault::Signature) => Err(ProposalFault::Signature),
            Err(EngineFault::Other) => Err(ProposalFault::Engine),
        }
    }

    /// Verifies a proposal of an external sender that is no Add, for the epoch of `context`: the engine's own or the
    /// next one.
    pub(super) fn verify_external(
        crypto: &impl OpenMlsCrypto,
        context: &Context,
        frame: &Frame<'_>,
    ) -> Result<Verified, ProposalFault> {
        external::verify_frame(crypto, context, frame).map(Verified)
    }

    /// Lets commits reference a proposal.
    pub(super) fn queue(&mut self, proposal: Verified) {
        // The shelf refuses nothing.
        let _ = self.group.add_proposal(&Shelf::default(), proposal.0);
    }

    /// Lets commits reference a proposal no more.
    pub(super) fn unqueue(&mut self, reference: &ProposalRef) {
        let mut octets = Vec::new();
        write_bytes(&mut octets, &reference.0);
        if let Ok(reference) = EngineRef::tls_deserialize_exact_bytes(&octets) {
            let _ = self.group.remove_proposal(&Shelf::default(), &reference);
        }
    }

    /// Verifies a commit.
    pub(super) fn open(
        &self,
        crypto: &impl OpenMlsCrypto,
        message: &[u8],
    ) -> Result<Opened, EngineFault> {
        match self.process(crypto, message)? {
            ProcessedMessageContent::StagedCommitMessage(staged) => Ok(Opened::Staged(staged)),
            ProcessedMessageContent::UnresolvedAppDataCommit(open) => Ok(Opened::Open(open)),
            ProcessedMessageContent::ApplicationMessage(_)
            | ProcessedMessageContent::ProposalMessage(_)
            | ProcessedMessageContent::ExternalJoinProposalMessage(_)
            | ProcessedMessageContent::OwnPendingCommit
            | ProcessedMessageContent::OwnPrivateMessage => Err(EngineFault::Other),
        }
    }

    /// Stages a commit with the components it leads to.
    pub(super) fn stage(
        &self,
        crypto: &impl OpenMlsCrypto,
        opened: Opened,
        changes: &BTreeMap<u16, Option<Vec<u8>>>,
    ) -> Result<Diff, EngineFault> {
        match opened {
            Opened::Staged(staged) => Ok(Diff(*staged)),
            Opened::Open(open) => self
                .group
                .stage_app_data_commit(crypto, *open, self.updates(changes))
                .map(Diff)
                .map_err(|_| EngineFault::Other),
        }
    }

    fn updates(&self, changes: &BTreeMap<u16, Option<Vec<u8>>>) -> Option<AppDataUpdates> {
        let mut updater: AppDataDictionaryUpdater<'_> = self.group.app_data_dictionary_updater();
        for (component, data) in changes {
            match data {
                Some(data) => {
                    updater.set(ComponentData::from_parts(*component, data.as_slice().into()));
                }
                None => updater.remove(component),
            }
        }
        updater.changes()
    }

    /// Enters the next epoch. The queue is empty then.
    pub(super) fn merge(&mut self, diff: Diff) {
        let shelf = Shelf::default();
        // The shelf refuses nothing, and nothing else of a merge can fail.
        let _ = self.group.merge_commit(&shelf, diff.0);
        if let Some(hash) = shelf.interim_transcript_hash() {
            self.interim_transcript_hash = hash;
        }
    }

    fn process(
        &self,
        crypto: &impl OpenMlsCrypto,
        message: &[u8],
    ) -> Result<ProcessedMessageContent, EngineFault> {
        let message =
            MlsMessageIn::tls_deserialize_exact_bytes(message).map_err(|_| EngineFault::Other)?;
        let MlsMessageBodyIn::PublicMessage(message) = message.extract() else {
            return Err(EngineFault::Other);
        };
        self.group
            .process_message(crypto, ProtocolMessage::from(message))
            .map(|processed| processed.into_content())
            .map_err(|error| EngineFault::of(&error))
    }

    /// All of the group but its queue.
    pub(super) fn parts(&self) -> Parts {
        Parts {
            tree: write(self.group.treesync()),
            context: write(self.group.group_context()),
            interim_transcript_hash: self.interim_transcript_hash.clone(),
            confirmation_tag: write(self.group.confirmation_tag()),
        }
    }

    /// The group that [`Engine::parts`] was called on, its queue empty.
    pub(super) fn load(group_id: &[u8], parts: Parts) -> Option<Self> {
        let interim_transcript_hash = parts.interim_transcript_hash.clone();
        let group =
            PublicGroup::load(&Shelf::new(parts), &GroupId::from_slice(group_id)).ok()??;
        Some(Self { group, interim_transcript_hash })
    }
}

impl Verified {
    /// Its name.
    pub(super) fn reference(&self) -> ProposalRef {
        ProposalRef(self.0.proposal_reference_ref().as_slice().to_vec())
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        write(&self.0)
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        read(bytes).map(Self)
    }
}

impl Diff {
    /// The octets of the new GroupContext.
    pub(super) fn context(&self) -> Vec<u8> {
        octets(self.0.group_context())
    }

    /// Forgets the proposals, which the merge does not look at.
    pub(super) fn forget_proposals(&mut self) {
        self.0.staged_proposal_queue = Default::default();
    }

    /// The change without the GroupContext, and where that stood in it.
    pub(super) fn encode(&self) -> (usize, Vec<u8>) {
        let mut octets = write(&self.0);
        let context = write(self.0.group_context());
        // It stands near the end: only two hashes and a leaf follow it.
        let at = octets
            .windows(context.len())
            .rposition(|window| window == context)
            .expect("postcard writes a field as it writes the value alone");
        octets.drain(at..at + context.len());
        (at, octets)
    }

    /// Puts a GroupContext back into what [`Diff::encode`] left.
    pub(super) fn decode(at: usize, rest: &[u8], context: &[u8]) -> Option<Self> {
        let context = GroupContext::tls_deserialize_exact_bytes(context).ok()?;
        let mut octets = rest.get(..at)?.to_vec();
        octets.extend(write(&context));
        octets.extend_from_slice(rest.get(at..)?);
        read(&octets).map(Self)
    }
}

/// What stands on the wire.
fn octets(value: &impl tls_codec::Serialize) -> Vec<u8> {
    value.tls_serialize_detached().expect("the engine writes what it has read")
}

fn write(value: &impl Serialize) -> Vec<u8> {
    postcard::to_allocvec(value).expect("the engine's state holds nothing that postcard lacks")
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Some(value),
        _ => None,
    }
}

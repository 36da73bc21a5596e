//! Why the delivery service refuses. The blame is with whoever sent the message, save in [`FoundRefusal`], where it
//! is with the creator of the group.

use thiserror::Error;

use super::view::{LeafIndex, ProposalRef};
use crate::error::DecodeError;

/// A group that the delivery service does not take up.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FoundRefusal {
    /// The GroupInfo or the ratchet tree does not decode.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// The GroupInfo holds the ratchet tree, which travels beside it (P-108).
    #[error("the GroupInfo embeds the ratchet tree")]
    EmbeddedTree,
    /// There is no `app_data_dictionary` in the GroupContext, or it is not its last extension: some stacks would
    /// move it there with the first update, and the group would fork.
    #[error("app_data_dictionary is not the last extension of the GroupContext")]
    DictionaryNotLast,
    /// An extension of the GroupContext is neither one that every client supports nor a required one: no change of
    /// extensions could be committed any more.
    #[error("extension {0:#06x} is not required of members")]
    ExtensionNotRequired(u16),
    /// The required capabilities lack extension 6, proposal 8 or 10, or the basic credential.
    #[error("the required capabilities lack what this service needs")]
    RequiredCapabilities,
    /// There are no `external_senders`.
    #[error("the group has no external senders")]
    NoExternalSenders,
    /// A leaf of the tree does not do.
    #[error("leaf {}: {fault}", .leaf.0)]
    Leaf {
        /// Which one.
        leaf: LeafIndex,
        /// Why.
        fault: LeafFault,
    },
    /// The engine refuses the GroupInfo or the tree: a signature, hash or key that does not fit.
    #[error("the GroupInfo and the ratchet tree are not those of a valid group")]
    Invalid,
}

/// What is wrong with a leaf node.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LeafFault {
    /// It is not valid yet, or no more.
    #[error("its lifetime does not include the present")]
    Lifetime,
    /// Another leaf has its signature key.
    #[error("its signature key is another leaf's")]
    SignatureKey,
    /// One of its HPKE keys is in use already.
    #[error("one of its HPKE keys is in use")]
    HpkeKey,
    /// It does not list a component of the GroupContext in its `app_components` (E-012, Q-50).
    #[error("it does not know component {0:#06x}")]
    Component(u16),
    /// A component in it does not decode.
    #[error("its component {0:#06x} does not decode")]
    ComponentData(u16),
    /// It does not support what the group requires.
    #[error("it lacks a capability")]
    Capability,
    /// A basic credential became another one: a member keeps its identity.
    #[error("its credential is not the one it replaces")]
    Credential,
}

/// A bundle of proposals that is refused as a whole (P-116).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProposalRefusal {
    /// A proposal is made for another epoch.
    #[error("the group is in epoch {current}")]
    WrongEpoch {
        /// The epoch the group is in.
        current: u64,
    },
    /// There is nothing in the bundle.
    #[error("the bundle is empty")]
    Empty,
    /// There are more proposals than the group or a bundle may hold.
    #[error("more than {limit} proposals")]
    TooMany {
        /// How many there may be.
        limit: usize,
    },
    /// These proposals are wrong, the others are not (P-115).
    #[error("{} of the proposals are refused, first: {}", .0.len(), .0.first().map_or("none".to_owned(), |it| it.fault.to_string()))]
    Refused(Vec<RefusedProposal>),
}

/// One proposal of a bundle, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedProposal {
    /// Its place in the bundle.
    pub index: usize,
    /// Its name, if it got far enough to have one.
    pub reference: Option<ProposalRef>,
    /// What is wrong.
    pub fault: ProposalFault,
}

/// What is wrong with a proposal.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProposalFault {
    /// It does not decode.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// It is no PublicMessage.
    #[error("not a PublicMessage")]
    WireFormat,
    /// It holds no proposal.
    #[error("not a proposal")]
    ContentType,
    /// It is made for another group.
    #[error("made for another group")]
    WrongGroup,
    /// Its sender may not send what it sent, or is not there.
    #[error("this sender may not send this proposal")]
    Sender,
    /// Its signature is not its sender's.
    #[error("the signature does not verify")]
    Signature,
    /// Its authenticated data is not SafeAAD (E-050).
    #[error("the authenticated data is not SafeAAD")]
    SafeAad,
    /// Proposals of this type are not taken.
    #[error("proposals of type {0:#06x} are not accepted")]
    Type(u16),
    /// A commit may hold it by reference only (E-070; RFC 9420, section 12.4).
    #[error("may be committed by reference only")]
    ByValue,
    /// The committer cannot commit what takes out or replaces its own leaf (RFC 9420, section 12.2).
    #[error("about the committer's own leaf")]
    OwnLeaf,
    /// It removes a leaf that is not there.
    #[error("there is no leaf {}", .0.0)]
    NoSuchLeaf(LeafIndex),
    /// It removes a component that is not there (E-022).
    #[error("there is no component {0:#06x}")]
    NoSuchComponent(u16),
    /// A leaf in it does not do.
    #[error("the leaf: {0}")]
    Leaf(LeafFault),
    /// A member's leaf does not know the component that it brings (E-087).
    #[error("leaf {} does not know component {component:#06x}", .leaf.0)]
    Unsupported {
        /// The member.
        leaf: LeafIndex,
        /// The component.
        component: u16,
    },
    /// It changes extensions of the GroupContext that it must leave alone.
    #[error("it changes more than the list of external senders")]
    Extensions,
    /// It cannot stand in one commit with a pending proposal.
    #[error("it cannot be committed together with another proposal: {0}")]
    Conflict(Conflict),
    /// The engine refuses it.
    #[error("the MLS engine refuses it")]
    Engine,
}

impl ProposalFault {
    /// Whether the proposal is well formed, and only clashes with what is pending: `notAllowed`, not
    /// `invalidProposal`.
    #[must_use]
    pub const fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict(_))
    }
}

/// Why two proposals exclude each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Conflict {
    /// The same message is pending already.
    #[error("it is pending already")]
    Repeated,
    /// The leaf is already on its way out (E-076).
    #[error("its leaf is being removed already")]
    Leaving,
    /// The sender has an Update pending already.
    #[error("its leaf is being updated already")]
    Updating,
    /// A client with this signature key or KeyPackage is being added already.
    #[error("the client is being added already")]
    Adding,
    /// The component is being changed already, and its updates do not accumulate.
    #[error("the component is being changed already")]
    Component,
    /// One is about removing a component, the other changes it too (E-023).
    #[error("the component is being removed")]
    ComponentRemoval,
    /// A client that is being added, or a leaf that is being updated, does not know the component.
    #[error("a leaf that comes in does not know the component")]
    Knowledge,
    /// A change of the extensions is pending already.
    #[error("the extensions are being changed already")]
    Extensions,
}

/// A commit that is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CommitRefusal {
    /// It is made for another epoch: somebody else was first (P-113, D-82).
    #[error("the group is in epoch {current}")]
    WrongEpoch {
        /// The epoch the group is in.
        current: u64,
    },
    /// It does not decode.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// It is no PublicMessage.
    #[error("not a PublicMessage")]
    WireFormat,
    /// It holds no commit.
    #[error("not a commit")]
    ContentType,
    /// It is made for another group.
    #[error("made for another group")]
    WrongGroup,
    /// Only members and joiners commit (P-276).
    #[error("this sender may not commit")]
    Sender,
    /// Its signature is not its sender's.
    #[error("the signature does not verify")]
    Signature,
    /// Its authenticated data is not SafeAAD (E-050).
    #[error("the authenticated data is not SafeAAD")]
    SafeAad,
    /// It leaves out proposals that it has to contain (Q-79, D-83). Answer `notAllowed`, never `invalidProposal`.
    #[error("{} pending proposals are missing", .0.len())]
    Missing(Vec<ProposalRef>),
    /// It references what is not pending.
    #[error("{} references are of no pending proposal", .0.len())]
    UnknownReference(Vec<ProposalRef>),
    /// One of its proposals is wrong, or clashes with another one of it.
    #[error("proposal {index}: {fault}")]
    Proposal {
        /// Its place in the commit.
        index: usize,
        /// Its name, if it is there by reference.
        reference: Option<ProposalRef>,
        /// What is wrong.
        fault: ProposalFault,
    },
    /// It breaks a rule of external commits.
    #[error("external commit: {0}")]
    External(ExternalFault),
    /// It has no update path where there must be one (RFC 9420, section 12.4).
    #[error("an update path is missing")]
    NoPath,
    /// A leaf of the tree that it leads to does not know what the new components require (E-087).
    #[error("leaf {} does not know component {component:#06x}", .leaf.0)]
    Unsupported {
        /// The leaf, in the new tree.
        leaf: LeafIndex,
        /// The component.
        component: u16,
    },
    /// The leaf of its update path does not do.
    #[error("the update path's leaf: {0}")]
    Path(LeafFault),
    /// Its Welcome is not for exactly the clients that it adds (P-117).
    #[error("the Welcome: {0}")]
    Welcome(WelcomeFault),
    /// Its GroupInfo is not that of the epoch it leads to (T-011, T-012).
    #[error("the GroupInfo: {0}")]
    GroupInfo(GroupInfoFault),
    /// The ratchet tree with it is not that of the epoch it leads to.
    #[error("the ratchet tree is not that of the new epoch")]
    Tree,
    /// The components that the application computed are not those that the commit updates.
    #[error("component {0:#06x} is changed without an update, or updated without a change")]
    Components(u16),
    /// The engine refuses it.
    #[error("the MLS engine refuses it")]
    Engine,
}

/// A rule of external commits that is broken (P-118, Q-38).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ExternalFault {
    /// Not exactly one ExternalInit.
    #[error("not exactly one ExternalInit")]
    Init,
    /// More than one Remove.
    #[error("more than one Remove")]
    Removes,
    /// A Remove of a leaf with another credential than the joiner's.
    #[error("it removes a leaf of somebody else")]
    RemovesOther,
    /// A reference to something else than a SelfRemove.
    #[error("it references more than SelfRemoves")]
    Reference,
    /// A proposal by value that it may not hold.
    #[error("it holds a proposal of a type it may not hold")]
    Type,
}

/// What is wrong with a Welcome (P-117).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WelcomeFault {
    /// It does not decode.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// The commit adds clients, and there is none.
    #[error("missing")]
    Missing,
    /// The commit adds nobody, and there is one.
    #[error("there is nobody to welcome")]
    Surplus,
    /// It is made for another ciphersuite.
    #[error("of another ciphersuite")]
    Ciphersuite,
    /// It is for others than the commit adds.
    #[error("not for the clients that are added")]
    Addressees,
}

/// What is wrong with a GroupInfo.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GroupInfoFault {
    /// It does not decode.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// It holds the ratchet tree, which travels beside it (P-108, T-009, T-010).
    #[error("it embeds the ratchet tree")]
    EmbeddedTree,
    /// A PartialGroupInfo says that a ratchet tree is, or was, in the GroupInfo (T-009).
    #[error("it says that there was an embedded tree")]
    TreePresence(u8),
    /// It is another one than this commit leads to.
    #[error("not the one that the commit leads to")]
    Differs,
    /// Its signature is not the committer's.
    #[error("the signature does not verify")]
    Signature,
}

/// Why a server's own proposal cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProposeError {
    /// There is no external sender at this index, or it has another key than the signer.
    #[error("the signer is not external sender {0}")]
    NotASender(u32),
    /// The signer failed.
    #[error("the signer failed")]
    Signer,
    /// The proposal would be refused.
    #[error("proposal {index}: {fault}")]
    Refused {
        /// Its place among those to be made.
        index: usize,
        /// Why.
        fault: ProposalFault,
    },
}

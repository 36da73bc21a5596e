//! What a delivery service tells the application about members, proposals and their senders.

use std::collections::BTreeMap;

use super::frame::read_leaf;
use crate::{codec::decode_exact, error::DecodeError};

/// The place of a member in the ratchet tree.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct LeafIndex(pub u32);

/// The hash that names a standalone proposal (RFC 9420, section 5.2): what a commit references.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct ProposalRef(pub Vec<u8>);

/// The hash that names a KeyPackage (RFC 9420, section 5.2): whom a Welcome is for.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct KeyPackageRef(pub Vec<u8>);

/// Who sent a standalone proposal.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub enum Sender {
    /// A member, by its leaf.
    Member(LeafIndex),
    /// An entry of the `external_senders` extension, by its index there.
    External(u32),
    /// A client that asks to be added (RFC 9420, section 12.1.8), or the joiner of an external commit.
    NewMember,
}

/// A credential, as it stands on the wire: a type, and content that is opaque to the delivery service.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct Credential {
    /// The credential type; 1 is basic.
    pub kind: u16,
    /// The content. Of a basic credential this is the identity.
    pub identity: Vec<u8>,
}

impl Credential {
    /// The credential type of a bare identity (RFC 9420, section 5.3).
    pub const BASIC: u16 = 1;
}

impl From<&openmls::credentials::Credential> for Credential {
    fn from(credential: &openmls::credentials::Credential) -> Self {
        Self {
            kind: credential.credential_type().into(),
            identity: credential.serialized_content().to_vec(),
        }
    }
}

/// A member of the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// Where it stands in the tree.
    pub leaf: LeafIndex,
    /// Who it says it is.
    pub credential: &'a Credential,
    /// What it signs with; unique in the group.
    pub signature_key: &'a [u8],
}

/// A leaf node that a proposal or an update path brings into the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Who it says it is. Whether that is true is for the application to check.
    pub credential: Credential,
    /// What it signs with.
    pub signature_key: Vec<u8>,
    /// The application components in it, by identifier: `app_components` (1), `safe_aad` (2),
    /// `content_media_types` (3) and whatever else it says (draft-ietf-mls-extensions, section 4.6).
    pub components: BTreeMap<u16, Vec<u8>>,
    /// Seconds since the Unix epoch, first and last, for which it is valid. Only a KeyPackage's leaf has them.
    pub lifetime: Option<(u64, u64)>,
    /// What it says that its client can do.
    pub capabilities: Capabilities,
    /// The types of its extensions.
    pub extensions: Vec<u16>,
}

impl Leaf {
    /// Reads a LeafNode.
    ///
    /// # Errors
    /// If it does not decode.
    pub(crate) fn decode(octets: &[u8]) -> Result<Self, DecodeError> {
        decode_exact(octets, read_leaf).map(|raw| raw.leaf)
    }
}

/// What a leaf says that its client can do (RFC 9420, section 7.2). What MLS has of every client is not listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Protocol versions.
    pub versions: Vec<u16>,
    /// Cipher suites.
    pub ciphersuites: Vec<u16>,
    /// Extension types.
    pub extensions: Vec<u16>,
    /// Proposal types.
    pub proposals: Vec<u16>,
    /// Credential types.
    pub credentials: Vec<u16>,
}

/// What an AppDataUpdate does to its component (draft-ietf-mls-extensions, section 4.7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ComponentOperation {
    /// An update, in a format that the component defines.
    Update(Vec<u8>),
    /// The component goes.
    Remove,
}

/// What a proposal asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProposalView {
    /// A client is to be added.
    Add {
        /// The name of its KeyPackage.
        key_package: KeyPackageRef,
        /// Its leaf.
        leaf: Leaf,
        /// The types of the KeyPackage's own extensions.
        extensions: Vec<u16>,
    },
    /// The sender's leaf is to be replaced.
    Update {
        /// The new leaf.
        leaf: Leaf,
    },
    /// A member is to be removed.
    Remove(LeafIndex),
    /// The sender leaves.
    SelfRemove,
    /// A component of the GroupContext is to change.
    AppDataUpdate {
        /// Which one.
        component: u16,
        /// How.
        operation: ComponentOperation,
    },
    /// The extensions of the GroupContext are to be others.
    GroupContextExtensions(ExtensionsChange),
    /// The joiner of an external commit enters. In no other commit, and never on its own.
    ExternalInit,
}

/// What a GroupContextExtensions proposal changes. One that touches anything but the list of external senders, or
/// the order of extensions, is refused before the application sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtensionsChange {
    /// The external senders of the group from the next epoch on, in order.
    pub external_senders: Vec<ExternalSender>,
}

/// A server that may send proposals to the group without being a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalSender {
    /// What it signs with.
    pub signature_key: Vec<u8>,
    /// Who it is.
    pub credential: Credential,
}

/// A proposal of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedProposal {
    /// The proposal's own sender if it is referenced; else the committer.
    pub sender: Sender,
    /// Its name, if the commit references it; `None` if the commit holds it by value.
    pub reference: Option<ProposalRef>,
    /// What it asks for.
    pub content: ProposalView,
}

/// Who made a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Committer {
    /// A member.
    Member(LeafIndex),
    /// A client that enters by this commit.
    Joiner {
        /// The leaf that it gets.
        leaf: LeafIndex,
        /// What is in that leaf.
        node: Box<Leaf>,
    },
}

//! Proposals as the policy sees them: leaves and senders become users.

use openmls::{
    credentials::{Credential, CredentialType},
    extensions::Extensions,
    group::GroupContext,
    messages::proposals::{AppDataUpdateOperation, Proposal},
    prelude::{LeafNode, LeafNodeIndex},
};
use tls_codec::Serialize as _;

use std::collections::BTreeMap;

use crate::{
    codec::{Reader, Wire, decode_exact},
    error::DecodeError,
    policy::{Action, Claims, Committed, Proposed, Proposer},
    room::{ComponentId, ComponentOperation},
    uri::{ProviderUri, UserUri},
    wire::{ExternalSender, Sender},
};

/// The extension type of `external_senders`.
const EXTERNAL_SENDERS: u16 = 5;

/// The user of a leaf: the identity of its basic credential, octet for octet (P-283, D-54).
pub(super) fn user(credential: &Credential) -> Option<UserUri> {
    basic(credential).and_then(|identity| UserUri::parse(identity).ok())
}

/// The provider of a server's credential.
pub(super) fn provider(credential: &Credential) -> Option<ProviderUri> {
    basic(credential).and_then(|identity| ProviderUri::parse(identity).ok())
}

fn basic(credential: &Credential) -> Option<&[u8]> {
    (credential.credential_type() == CredentialType::Basic).then(|| credential.serialized_content())
}

/// The servers that may propose.
pub(super) fn servers(
    extensions: &Extensions<GroupContext>,
) -> Result<Vec<ExternalSender>, DecodeError> {
    extensions
        .external_senders()
        .into_iter()
        .flatten()
        .map(|sender| {
            let octets = sender.tls_serialize_detached().unwrap_or_default();
            ExternalSender::decode(&octets)
        })
        .collect()
}

/// The leaf that a Remove removes.
pub(super) fn removed(proposal: &Proposal) -> Option<u32> {
    if let Proposal::Remove(remove) = proposal { Some(remove.removed().u32()) } else { None }
}

/// Whether it is a SelfRemove.
pub(super) const fn is_self_remove(proposal: &Proposal) -> bool {
    matches!(proposal, Proposal::SelfRemove)
}

/// Whether it is an Update.
pub(super) const fn is_update(proposal: &Proposal) -> bool {
    matches!(proposal, Proposal::Update(_))
}

/// Who made a proposal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum Who {
    /// The user of a member's leaf.
    User(UserUri),
    /// A server, as external sender.
    Server(ProviderUri),
    /// Somebody who is not a member yet.
    Joiner(UserUri),
}

/// A proposal that owns what the policy's [`Proposed`] borrows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owned {
    pub(super) by: Who,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Add(UserUri),
    Remove(UserUri),
    SelfRemove,
    Update(UserUri),
    Component(ComponentId, Option<Vec<u8>>),
    Ephemeral(ComponentId),
    ExternalSenders { added: Vec<ProviderUri>, removed: Vec<ProviderUri> },
    Extensions,
    ReInit,
    Unsupported,
}

/// Who stands behind the leaves and the external senders of an epoch.
#[derive(Clone, Copy, Debug)]
pub(super) struct People<'a> {
    pub(super) leaves: &'a BTreeMap<u32, UserUri>,
    pub(super) servers: &'a [ExternalSender],
    pub(super) extensions: &'a Extensions<GroupContext>,
}

impl People<'_> {
    pub(super) fn leaf(&self, leaf: LeafNodeIndex) -> Option<&UserUri> {
        self.leaves.get(&leaf.u32())
    }

    /// Who sent a standalone proposal; of a newcomer only the Add says it.
    fn sender(&self, sender: Sender, proposal: &Proposal) -> Option<Who> {
        match sender {
            Sender::Member(leaf) => self.leaves.get(&leaf).cloned().map(Who::User),
            Sender::External(index) => {
                let sender = self.servers.get(usize::try_from(index).ok()?)?;
                provider(&sender.credential).map(Who::Server)
            }
            Sender::NewMemberProposal => {
                let Proposal::Add(add) = proposal else { return None };
                user(add.key_package().leaf_node().credential()).map(Who::Joiner)
            }
            Sender::NewMemberCommit => None,
        }
    }

    /// A standalone proposal.
    pub(super) fn standalone(&self, sender: Sender, proposal: &Proposal) -> Option<Owned> {
        self.read(self.sender(sender, proposal)?, proposal)
    }

    /// A proposal of whoever is known already.
    pub(super) fn read(&self, by: Who, proposal: &Proposal) -> Option<Owned> {
        let what = match proposal {
            Proposal::Add(add) => What::Add(self.newcomer(add.key_package().leaf_node())?),
            Proposal::Update(update) => What::Update(self.newcomer(update.leaf_node())?),
            Proposal::Remove(remove) => What::Remove(self.leaf(remove.removed())?.clone()),
            Proposal::SelfRemove => What::SelfRemove,
            Proposal::AppDataUpdate(update) => {
                let data = match update.operation() {
                    AppDataUpdateOperation::Update(data) => Some(data.as_slice().to_vec()),
                    AppDataUpdateOperation::Remove => None,
                };
                What::Component(ComponentId(update.component_id()), data)
            }
            Proposal::AppEphemeral(ephemeral) => {
                What::Ephemeral(ComponentId(ephemeral.component_id()))
            }
            Proposal::GroupContextExtensions(change) => self.extensions(change.extensions()),
            Proposal::ReInit(_) => What::ReInit,
            Proposal::PreSharedKey(_) | Proposal::ExternalInit(_) | Proposal::Custom(_) => {
                What::Unsupported
            }
        };
        Some(Owned { by, what })
    }

    /// The user of a leaf that comes, if it understands all that the group uses.
    fn newcomer(&self, leaf: &LeafNode) -> Option<UserUri> {
        super::leaf::understands(leaf, self.extensions).then(|| user(leaf.credential())).flatten()
    }

    /// A change of extensions touches nothing but entries 1 and up of `external_senders`.
    fn extensions(&self, new: &Extensions<GroupContext>) -> What {
        let (Some(old), Some(changed)) = (raw(self.extensions), raw(new)) else {
            return What::Extensions;
        };
        let same = old.len() == changed.len()
            && old
                .iter()
                .zip(&changed)
                .all(|(old, new)| old.0 == new.0 && (old.0 == EXTERNAL_SENDERS || old.1 == new.1));
        let Ok(after) = servers(new) else { return What::Extensions };
        if !same || after.first() != self.servers.first() {
            return What::Extensions;
        }
        // By key and credential: another key for a provider is another sender.
        let missing =
            |from: &[ExternalSender], of: &[ExternalSender]| -> Option<Vec<ProviderUri>> {
                let missing = of.iter().filter(|sender| !from.contains(sender));
                missing.map(|sender| provider(&sender.credential)).collect()
            };
        match (missing(self.servers, &after), missing(&after, self.servers)) {
            (Some(added), Some(removed)) => What::ExternalSenders { added, removed },
            (None, _) | (_, None) => What::Extensions,
        }
    }
}

/// Extensions by type and data, in order.
fn raw(extensions: &Extensions<GroupContext>) -> Option<Vec<(u16, Vec<u8>)>> {
    let octets = extensions.tls_serialize_detached().ok()?;
    decode_exact(&octets, |reader: &mut Reader<'_>| {
        reader.vec("extensions", |reader| {
            Ok((reader.u16("extension_type")?, reader.bytes("extension_data")?.to_vec()))
        })
    })
    .ok()
}

impl Owned {
    /// As the policy takes it.
    pub(super) fn borrow(&self) -> Proposed<'_> {
        let by = match &self.by {
            Who::User(user) => Proposer::User(user),
            Who::Server(provider) => Proposer::Server(provider),
            Who::Joiner(user) => Proposer::Joiner(user),
        };
        let what = match &self.what {
            What::Add(user) => Action::AddClient { user, pseudonym: false },
            What::Remove(user) => Action::RemoveClient { user },
            What::SelfRemove => Action::SelfRemove,
            What::Update(user) => Action::UpdateLeaf { user, pseudonym: false },
            What::Component(id, data) => Action::Component {
                id: *id,
                operation: data
                    .as_deref()
                    .map_or(ComponentOperation::Remove, ComponentOperation::Update),
            },
            What::Ephemeral(id) => Action::Ephemeral { id: *id },
            What::ExternalSenders { added, removed } => Action::ExternalSenders { added, removed },
            What::Extensions => Action::Extensions,
            What::ReInit => Action::ReInit,
            What::Unsupported => Action::Unsupported,
        };
        Proposed { by, claims: Claims::BASIC, what }
    }

    /// As the policy takes it in a commit.
    pub(super) fn committed(&self, by_reference: bool) -> Committed<'_> {
        Committed { proposed: self.borrow(), by_reference }
    }
}

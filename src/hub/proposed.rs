//! Proposals as the policy sees them: leaves and senders become users.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::{
    delivery::{ComponentOperation, Credential, ExternalSender, LeafIndex, ProposalView, Sender},
    policy::{Action, Claims, Committed, Proposed, Proposer},
    room::{self, ComponentId},
    uri::{ProviderUri, UserUri},
};

/// A credential or an index that names nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Nobody {
    /// A leaf's credential is not a basic one with a user URI.
    #[error("a leaf's credential does not hold a user URI")]
    NotAUser,
    /// A server's credential is not a basic one with a provider URI.
    #[error("a server's credential does not hold a provider URI")]
    NotAProvider,
    /// There is no such member or external sender.
    #[error("no such member or external sender")]
    Unknown,
}

/// The user of a leaf: the identity of its basic credential (P-283, D-54).
pub(super) fn user(credential: &Credential) -> Result<UserUri, Nobody> {
    if credential.kind != Credential::BASIC {
        return Err(Nobody::NotAUser);
    }
    UserUri::parse(&credential.identity).map_err(|_| Nobody::NotAUser)
}

/// The provider of a server's credential.
pub(super) fn provider(credential: &Credential) -> Result<ProviderUri, Nobody> {
    if credential.kind != Credential::BASIC {
        return Err(Nobody::NotAProvider);
    }
    ProviderUri::parse(&credential.identity).map_err(|_| Nobody::NotAProvider)
}

/// Who made a proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Who {
    User(UserUri),
    Server(ProviderUri),
    Joiner(UserUri),
}

/// A proposal that owns what the policy's [`Proposed`] borrows.
#[derive(Clone, Debug)]
pub(super) struct Owned<'a> {
    by: Who,
    what: What<'a>,
}

#[derive(Clone, Debug)]
enum What<'a> {
    Add(UserUri),
    Remove(UserUri),
    SelfRemove,
    Update(UserUri),
    Component(u16, &'a ComponentOperation),
    ExternalSenders { added: Vec<ProviderUri>, removed: Vec<ProviderUri> },
    Unsupported,
}

/// Who stands behind the leaves and the external senders of an epoch.
#[derive(Clone, Copy, Debug)]
pub(super) struct People<'a> {
    pub(super) leaves: &'a BTreeMap<LeafIndex, UserUri>,
    pub(super) servers: &'a [ExternalSender],
}

impl People<'_> {
    pub(super) fn leaf(&self, leaf: LeafIndex) -> Result<&UserUri, Nobody> {
        self.leaves.get(&leaf).ok_or(Nobody::Unknown)
    }

    pub(super) fn server(&self, index: u32) -> Result<ProviderUri, Nobody> {
        let index = usize::try_from(index).map_err(|_| Nobody::Unknown)?;
        provider(&self.servers.get(index).ok_or(Nobody::Unknown)?.credential)
    }

    /// A proposal of a member or a server.
    pub(super) fn read<'p>(
        &self,
        sender: Sender,
        content: &'p ProposalView,
    ) -> Result<Owned<'p>, Nobody> {
        let by = match (sender, content) {
            (Sender::Member(leaf), _) => Who::User(self.leaf(leaf)?.clone()),
            (Sender::External(index), _) => Who::Server(self.server(index)?),
            (Sender::NewMember, ProposalView::Add { leaf, .. }) => {
                Who::Joiner(user(&leaf.credential)?)
            }
            (Sender::NewMember, _) => return Err(Nobody::Unknown),
        };
        self.read_as(by, content)
    }

    /// A proposal of whoever is known already: by value in a commit.
    pub(super) fn read_as<'p>(
        &self,
        by: Who,
        content: &'p ProposalView,
    ) -> Result<Owned<'p>, Nobody> {
        let what = match content {
            ProposalView::Add { leaf, .. } => What::Add(user(&leaf.credential)?),
            ProposalView::Update { leaf } => What::Update(user(&leaf.credential)?),
            ProposalView::Remove(leaf) => What::Remove(self.leaf(*leaf)?.clone()),
            ProposalView::SelfRemove => What::SelfRemove,
            ProposalView::AppDataUpdate { component, operation } => {
                What::Component(*component, operation)
            }
            ProposalView::GroupContextExtensions(change) => {
                // By key and credential: another key for a provider is another sender.
                let (before, after) = (self.servers, change.external_senders.as_slice());
                let missing = |from: &[ExternalSender], of: &[ExternalSender]| {
                    let missing = of.iter().filter(|sender| !from.contains(sender));
                    missing.map(|sender| provider(&sender.credential)).collect::<Result<_, _>>()
                };
                What::ExternalSenders {
                    added: missing(before, after)?,
                    removed: missing(after, before)?,
                }
            }
            ProposalView::ExternalInit => What::Unsupported,
        };
        Ok(Owned { by, what })
    }
}

impl Owned<'_> {
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
            What::Component(id, operation) => {
                let operation = match operation {
                    ComponentOperation::Update(data) => room::ComponentOperation::Update(data),
                    ComponentOperation::Remove => room::ComponentOperation::Remove,
                };
                Action::Component { id: ComponentId(*id), operation }
            }
            What::ExternalSenders { added, removed } => Action::ExternalSenders { added, removed },
            What::Unsupported => Action::Unsupported,
        };
        Proposed { by, claims: Claims::BASIC, what }
    }

    pub(super) fn committed(&self, by_reference: bool) -> Committed<'_> {
        Committed { proposed: self.borrow(), by_reference }
    }
}

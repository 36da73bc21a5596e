//! Commits, in two phases: the application computes the new component data in between.

use std::collections::BTreeMap;

use openmls_traits::{crypto::OpenMlsCrypto, signatures::Signer};

use super::{
    Group, Writes,
    propose::{ExternalProposal, Pending},
    refusal::{CommitRefusal, ProposeError},
    view::{
        CommittedProposal, Committer, ComponentOperation, Credential, KeyPackageRef, Leaf,
        LeafIndex,
    },
};
use crate::env::Timestamp;

/// What comes with a commit (protocol, section 5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitBundle<'a> {
    /// A bare Welcome, if the commit adds clients.
    pub welcome: Option<&'a [u8]>,
    /// The GroupInfo of the new epoch.
    pub group_info: GroupInfoForm<'a>,
    /// Where the ratchet tree of the new epoch is.
    pub ratchet_tree: TreeForm<'a>,
}

/// How a committer conveys the GroupInfo (draft-ietf-mls-ratchet-tree-options).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupInfoForm<'a> {
    /// A bare GroupInfo.
    Full(&'a [u8]),
    /// A PartialGroupInfo: only what cannot be known from the commit.
    Partial(&'a [u8]),
}

/// How a committer conveys the ratchet tree (draft-ietf-mls-ratchet-tree-options).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TreeForm<'a> {
    /// The tree itself, `optional<Node> ratchet_tree<V>`; it has to be the one that the commit leads to.
    Full(&'a [u8]),
    /// An address to fetch it from. This service does not: it has its own.
    HttpsUri(&'a [u8]),
    /// By other means. This service has its own.
    OutOfBand,
    /// This service has it.
    DistributionService,
}

/// A commit whose signature is verified, and whose proposals are known.
#[derive(Debug)]
pub struct OpenCommit {
    committer: Committer,
    proposals: Vec<CommittedProposal>,
}

impl OpenCommit {
    /// Who made it.
    #[must_use]
    pub fn committer(&self) -> &Committer {
        &self.committer
    }

    /// Its proposals, in its order.
    #[must_use]
    pub fn proposals(&self) -> &[CommittedProposal] {
        &self.proposals
    }

    /// The updates of components, in the order of the commit, with the proposal each stands in.
    pub fn component_updates(
        &self,
    ) -> impl Iterator<Item = (u16, &ComponentOperation, &CommittedProposal)> {
        std::iter::empty()
    }

    /// The leaf of the update path, if it has one.
    #[must_use]
    pub fn path(&self) -> Option<&Leaf> {
        None
    }

    /// Checks the rest, with the components that the application computed: `Some` is the new data of a component,
    /// `None` its removal. Exactly the components of [`OpenCommit::component_updates`] are to be there.
    ///
    /// # Errors
    /// If the commit is refused. Nothing has happened then.
    pub fn resolve(
        self,
        group: &Group,
        crypto: &impl OpenMlsCrypto,
        changes: BTreeMap<u16, Option<Vec<u8>>>,
        bundle: &CommitBundle<'_>,
    ) -> Result<StagedCommit, CommitRefusal> {
        let _ = (group, crypto, changes, bundle);
        unimplemented!()
    }
}

/// A commit ready to be accepted, in memory and on disk.
#[derive(Debug)]
#[must_use = "the group stays in its epoch until this is saved and accepted"]
pub struct StagedCommit {
    committer: Committer,
    proposals: Vec<CommittedProposal>,
    writes: Writes,
}

impl StagedCommit {
    /// The epoch that it leads to.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        unimplemented!()
    }

    /// Who made it.
    #[must_use]
    pub fn committer(&self) -> &Committer {
        &self.committer
    }

    /// Its proposals, in its order.
    #[must_use]
    pub fn proposals(&self) -> &[CommittedProposal] {
        &self.proposals
    }

    /// The KeyPackages of the clients that it adds, with their leaves and where these are put.
    pub fn added(&self) -> impl Iterator<Item = (&KeyPackageRef, LeafIndex, &Leaf)> {
        std::iter::empty()
    }

    /// The members that it removes, with the credentials they had.
    #[must_use]
    pub fn removed(&self) -> &[(LeafIndex, Credential)] {
        &[]
    }

    /// The leaf of the update path, if it has one.
    #[must_use]
    pub fn path(&self) -> Option<&Leaf> {
        None
    }

    /// The components of the GroupContext that it leads to.
    #[must_use]
    pub fn components(&self) -> &BTreeMap<u16, Vec<u8>> {
        unimplemented!()
    }

    /// The bare GroupInfo of the new epoch.
    #[must_use]
    pub fn group_info(&self) -> &[u8] {
        unimplemented!()
    }

    /// The ratchet tree of the new epoch, for those that the Welcome is for. Takes time in proportion to the group.
    #[must_use]
    pub fn ratchet_tree(&self, group: &Group) -> Vec<u8> {
        let _ = group;
        unimplemented!()
    }

    /// Makes proposals of this server itself for the *new* epoch, and queues them there in the same acceptance
    /// . Returns what will be pending, in order.
    ///
    /// # Errors
    /// If the signer is not the external sender at `sender` of the new epoch, fails, or a proposal could not be
    /// committed. Nothing is queued then.
    pub fn propose_as(
        &mut self,
        crypto: &impl OpenMlsCrypto,
        signer: &impl Signer,
        sender: u32,
        proposals: &[ExternalProposal],
        accepted_at: Timestamp,
    ) -> Result<&[Pending], ProposeError> {
        let _ = (crypto, signer, sender, proposals, accepted_at);
        unimplemented!()
    }

    /// What to save before it is accepted.
    #[must_use]
    pub fn writes(&self) -> &Writes {
        &self.writes
    }
}

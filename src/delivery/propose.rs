//! Standalone proposals: checked, staged, pending.

use super::{
    Writes,
    view::{ComponentOperation, ExternalSender, LeafIndex, ProposalRef, ProposalView, Sender},
};
use crate::env::Timestamp;

/// A bundle of proposals that MLS has nothing against, for the application to judge.
#[derive(Debug)]
pub struct CheckedProposals {
    proposals: Vec<CheckedProposal>,
    lapsed: Vec<ProposalRef>,
}

/// One proposal of a checked bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedProposal {
    /// Its name.
    pub reference: ProposalRef,
    /// Who sent it; the signature is verified.
    pub sender: Sender,
    /// What it asks for.
    pub content: ProposalView,
}

impl CheckedProposals {
    /// The proposals, in the order of the bundle.
    #[must_use]
    pub fn proposals(&self) -> &[CheckedProposal] {
        &self.proposals
    }

    /// Pending proposals that lapse when these are accepted: an Update whose leaf is being removed, an Update or a
    /// Remove whose leaf leaves by itself.
    #[must_use]
    pub fn lapsed(&self) -> &[ProposalRef] {
        &self.lapsed
    }
}

/// Proposals ready to be accepted, in memory and on disk.
#[derive(Debug)]
#[must_use = "nothing is pending until this is saved and accepted"]
pub struct StagedProposals {
    writes: Writes,
}

impl StagedProposals {
    /// What to save before they are accepted.
    #[must_use]
    pub fn writes(&self) -> &Writes {
        &self.writes
    }

    /// What will be pending, in order.
    pub fn pending(&self) -> impl Iterator<Item = &Pending> {
        std::iter::empty()
    }
}

/// A proposal that waits for a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Its name.
    pub reference: ProposalRef,
    /// Who sent it.
    pub sender: Sender,
    /// What it asks for.
    pub content: ProposalView,
    /// The MLSMessage, as it came.
    pub message: Vec<u8>,
    /// When it was accepted.
    pub accepted_at: Timestamp,
}

/// A proposal of this server itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExternalProposal {
    /// Remove a member.
    Remove(LeafIndex),
    /// Change a component.
    AppDataUpdate {
        /// Which one.
        component: u16,
        /// How.
        operation: ComponentOperation,
    },
    /// Replace the list of external senders; all other extensions stay as they are.
    ExternalSenders(Vec<ExternalSender>),
}

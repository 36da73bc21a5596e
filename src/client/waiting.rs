//! Proposals that wait for a commit.

use openmls::{
    ciphersuite::hash_ref::ProposalRef, group::QueuedProposal, messages::proposals::Proposal,
};
use serde::{Deserialize, Serialize};

use super::proposed::{self, Owned, People};
use crate::{
    codec::Wire,
    error::RestoreError,
    machine::record,
    wire::{PublicMessage, Sender},
};

/// The record of a proposal that waits for a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct WaitingRecord {
    message: Vec<u8>,
    queued: Vec<u8>,
}

/// A proposal that waits for a commit.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) number: u64,
    pub(super) message: PublicMessage,
    pub(super) queued: QueuedProposal,
    pub(super) owned: Owned,
}

impl Waiting {
    /// The proposal that a record holds.
    pub(super) fn restore(
        number: u64,
        record: &[u8],
        people: &People<'_>,
    ) -> Result<Self, RestoreError> {
        let corrupt = || RestoreError::Corrupt("a proposal");
        let WaitingRecord { message, queued } = record::decode("a proposal", record)?;
        let message = PublicMessage::decode(&message).map_err(|_| corrupt())?;
        let queued: QueuedProposal = postcard::from_bytes(&queued).map_err(|_| corrupt())?;
        let owned = people.standalone(message.sender(), queued.proposal()).ok_or_else(corrupt)?;
        Ok(Self { number, message, queued, owned })
    }

    /// Its record.
    pub(super) fn record(&self) -> Vec<u8> {
        record::encode(&WaitingRecord {
            message: self.message.as_bytes().to_vec(),
            queued: postcard::to_stdvec(&self.queued)
                .expect("the engine itself keeps queued proposals in postcard"),
        })
    }

    pub(super) fn reference(&self) -> &ProposalRef {
        self.queued.proposal_reference_ref()
    }

    /// The leaf that sent it.
    pub(super) fn sender_leaf(&self) -> Option<u32> {
        leaf_of(&self.message)
    }

    /// Whether a later proposal makes this one lapse by MLS's own rules.
    pub(super) fn yields_to(&self, later: &Proposal, later_leaf: Option<u32>) -> bool {
        let by_itself = proposed::is_self_remove(later);
        let gone = if by_itself { later_leaf } else { proposed::removed(later) };
        let own = self.queued.proposal();
        gone.is_some()
            && (proposed::is_update(own) && self.sender_leaf() == gone
                || by_itself && proposed::removed(own) == gone)
    }
}

/// The leaf that sent a message.
pub(super) const fn leaf_of(message: &PublicMessage) -> Option<u32> {
    match message.sender() {
        Sender::Member(leaf) => Some(leaf),
        Sender::External(_) | Sender::NewMemberProposal | Sender::NewMemberCommit => None,
    }
}

//! Where the engine believes it stores itself.
//!
//! It changes memory before storage and cannot take the change back, so its store must not fail: this one drops what
//! it is given, save the one value that the engine shows nowhere else. The records are ours (design law 2).

use std::cell::RefCell;

use openmls_traits::{
    public_storage::PublicStorageProvider,
    storage::{CURRENT_VERSION, traits},
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The engine's state but its queue, each value in postcard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Parts {
    pub(super) tree: Vec<u8>,
    pub(super) context: Vec<u8>,
    pub(super) interim_transcript_hash: Vec<u8>,
    pub(super) confirmation_tag: Vec<u8>,
}

/// A store that answers with the parts it was made of, and keeps the interim transcript hash it is told.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    parts: Parts,
    interim_transcript_hash: RefCell<Option<Vec<u8>>>,
}

/// A part does not decode.
#[derive(Debug, Error)]
#[error("a part of the group's state does not decode")]
pub(super) struct Unreadable;

impl Shelf {
    pub(super) fn new(parts: Parts) -> Self {
        Self { parts, interim_transcript_hash: RefCell::default() }
    }

    /// The interim transcript hash that was stored here.
    pub(super) fn interim_transcript_hash(self) -> Option<Vec<u8>> {
        self.interim_transcript_hash.into_inner()
    }
}

fn read<T: for<'a> Deserialize<'a>>(bytes: &[u8]) -> Result<Option<T>, Unreadable> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(Some(value)),
        _ => Err(Unreadable),
    }
}

const V: u16 = CURRENT_VERSION;

impl PublicStorageProvider<V> for Shelf {
    type PublicError = Unreadable;

    fn write_tree<G: traits::GroupId<V>, T: traits::TreeSync<V>>(
        &self,
        _: &G,
        _: &T,
    ) -> Result<(), Unreadable> {
        Ok(())
    }

    fn write_interim_transcript_hash<G: traits::GroupId<V>, T: traits::InterimTranscriptHash<V>>(
        &self,
        _: &G,
        hash: &T,
    ) -> Result<(), Unreadable> {
        *self.interim_transcript_hash.borrow_mut() = postcard::to_allocvec(hash).ok();
        Ok(())
    }

    fn write_context<G: traits::GroupId<V>, T: traits::GroupContext<V>>(
        &self,
        _: &G,
        _: &T,
    ) -> Result<(), Unreadable> {
        Ok(())
    }

    fn write_confirmation_tag<G: traits::GroupId<V>, T: traits::ConfirmationTag<V>>(
        &self,
        _: &G,
        _: &T,
    ) -> Result<(), Unreadable> {
        Ok(())
    }

    fn queue_proposal<
        G: traits::GroupId<V>,
        R: traits::ProposalRef<V>,
        T: traits::QueuedProposal<V>,
    >(
        &self,
        _: &G,
        _: &R,
        _: &T,
    ) -> Result<(), Unreadable> {
        Ok(())
    }

    fn queued_proposals<
        G: traits::GroupId<V>,
        R: traits::ProposalRef<V>,
        T: traits::QueuedProposal<V>,
    >(
        &self,
        _: &G,
    ) -> Result<Vec<(R, T)>, Unreadable> {
        Ok(Vec::new())
    }

    fn tree<G: traits::GroupId<V>, T: traits::TreeSync<V>>(
        &self,
        _: &G,
    ) -> Result<Option<T>, Unreadable> {
        read(&self.parts.tree)
    }

    fn group_context<G: traits::GroupId<V>, T: traits::GroupContext<V>>(
        &self,
        _: &G,
    ) -> Result<Option<T>, Unreadable> {
        read(&self.parts.context)
    }

    fn interim_transcript_hash<G: traits::GroupId<V>, T: traits::InterimTranscriptHash<V>>(
        &self,
        _: &G,
    ) -> Result<Option<T>, Unreadable> {
        read(&self.parts.interim_transcript_hash)
    }

    fn confirmation_tag<G: traits::GroupId<V>, T: traits::ConfirmationTag<V>>(
        &self,
        _: &G,
    ) -> Result<Option<T>, Unreadable> {
        read(&self.parts.confirmation_tag)
    }

    fn delete_tree<G: traits::GroupId<V>>(&self, _: &G) -> Result<(), Unreadable> {
        Ok(())
    }

    fn delete_confirmation_tag<G: traits::GroupId<V>>(&self, _: &G) -> Result<(), Unreadable> {
        Ok(())
    }

    fn delete_context<G: traits::GroupId<V>>(&self, _: &G) -> Result<(), Unreadable> {
        Ok(())
    }

    fn delete_interim_transcript_hash<G: traits::GroupId<V>>(
        &self,
        _: &G,
    ) -> Result<(), Unreadable> {
        Ok(())
    }

    fn remove_proposal<G: traits::GroupId<V>, R: traits::ProposalRef<V>>(
        &self,
        _: &G,
        _: &R,
    ) -> Result<(), Unreadable> {
        Ok(())
    }

    fn clear_proposal_queue<G: traits::GroupId<V>, R: traits::ProposalRef<V>>(
        &self,
        _: &G,
    ) -> Result<(), Unreadable> {
        Ok(())
    }
}

//! The hub's answers to what we sent.

use super::{
    Keys, OutgoingId,
    draft::Draft,
    event::Failure,
    outbox::{Entry, Stage, Wish},
    refusal::Refusal,
    room::{Room, Tried},
    state::Standing,
};
use crate::{
    env::{Crypto, Env, Timestamp},
    machine::Step,
    wire::{ProposalRef, SubmitMessageResponse, UpdateOutcome, UpdateRoomResponse},
};

/// How long a refused commit waits for the proposals that it may have missed, in milliseconds: the hub names them only
/// in words, and the fan-out brings them.
const PATIENCE: u64 = 30 * 1000;

impl Room {
    /// Takes the hub's answer to an update.
    ///
    /// After `success` to a commit the room is in the new epoch. If the room's order has not brought an earlier commit of
    /// ours yet, the new epoch begins when it has brought this one. After `wrongEpoch` the change is made again when the
    /// commit that was faster has come, after `notAllowed` when proposals come that the commit has missed; if none do,
    /// [`Room::timeout`] gives it up. An answer to octets that have been replaced changes nothing.
    ///
    /// # Errors
    /// If the room's records do not load.
    pub fn answer_update<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        id: OutgoingId,
        response: &UpdateRoomResponse,
    ) -> Result<Step<'_, Self, ()>, Refusal> {
        let tried = self.try_answer(env, id, &response.outcome);
        self.conclude(tried)
    }

    fn try_answer<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        id: OutgoingId,
        outcome: &UpdateOutcome,
    ) -> Tried<()> {
        let mut draft = Draft::of(&self.state);
        let Some(entry) = self.state.outbox.get(id).map(|entry| Entry::clone(entry)) else {
            return Ok((draft, ()));
        };
        if entry.is_accepted() {
            return Ok((draft, ()));
        }
        match outcome {
            UpdateOutcome::Success { accepted_timestamp } => match entry.wish {
                // What others sent before our earlier commit is still to come, and is read with secrets of then, which
                // are kept for few epochs.
                Wish::Commit(_) if draft.state.head.ahead.is_some() => {
                    draft.set(id, Entry { stage: Stage::Accepted(*accepted_timestamp), ..entry });
                }
                Wish::Commit(_) => {
                    let left = self.epoch();
                    self.merge_own(env, &mut draft, id, *accepted_timestamp)?;
                    draft.state.head.ahead = Some(left);
                    self.revive(env, &mut draft)?;
                }
                Wish::Join => {
                    draft.accepted(id, *accepted_timestamp, None);
                    self.revive(env, &mut draft)?;
                }
                Wish::Message { .. } | Wish::Proposals(_) | Wish::Leave => {
                    draft.accepted(id, *accepted_timestamp, None);
                }
            },
            UpdateOutcome::WrongEpoch { current_epoch } => {
                if *current_epoch > entry.epoch {
                    let stage = next_epoch(&entry);
                    self.park(env, &mut draft, id, entry, stage)?;
                }
            }
            UpdateOutcome::NotAllowed => {
                let (epoch, proposals) = (entry.epoch, entry.proposals);
                let stage = Stage::Parked { epoch, proposals, until: Some(env.now.plus(PATIENCE)) };
                match entry.wish {
                    Wish::Commit(_) => self.park(env, &mut draft, id, entry, stage)?,
                    Wish::Message { .. } | Wish::Proposals(_) | Wish::Leave | Wish::Join => {
                        self.give_up(&mut draft, id, Failure::NotAllowed);
                    }
                }
            }
            UpdateOutcome::InvalidProposal(references) => {
                let ours = |reference: &[u8]| {
                    references.iter().any(|other: &ProposalRef| other.as_bytes() == reference)
                };
                let before = draft.state.waiting.len();
                draft.lapse(|_, waiting| ours(waiting.reference().as_slice()));
                if draft.state.waiting.len() < before && entry.is_commit() {
                    // The hub has let them go: so do we, and try without them.
                    draft.replay();
                    self.park(env, &mut draft, id, entry, Stage::Stale)?;
                } else {
                    self.give_up(&mut draft, id, Failure::NotAllowed);
                }
            }
        }
        Ok((draft, ()))
    }

    /// Puts an entry aside until the room has moved on, and makes it again at once if it has.
    fn park<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        draft: &mut Draft,
        id: OutgoingId,
        entry: Entry,
        stage: Stage,
    ) -> Result<(), Refusal> {
        if entry.wish == Wish::Join {
            self.give_up(draft, id, Failure::Obsolete);
            return Ok(());
        }
        if entry.is_commit() {
            self.member.drop_own(env.crypto)?;
        }
        draft.set(id, Entry { stage, ..entry });
        self.revive(env, draft)
    }

    fn give_up(&mut self, draft: &mut Draft, id: OutgoingId, reason: Failure) {
        match draft.state.outbox.get(id).map(|entry| &entry.wish) {
            Some(Wish::Join) => draft.state.head.standing = Standing::Gone,
            Some(Wish::Leave) => draft.state.head.standing = Standing::Member,
            Some(Wish::Message { .. } | Wish::Commit(_) | Wish::Proposals(_)) | None => {}
        }
        draft.end(id, reason);
    }

    /// Takes the hub's answer to a message. After `epochTooOld` the same content is encrypted again, so that its
    /// message ID stays.
    ///
    /// # Errors
    /// If the room's records do not load.
    pub fn answer_submit<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        id: OutgoingId,
        response: &SubmitMessageResponse,
    ) -> Result<Step<'_, Self, ()>, Refusal> {
        let tried = self.try_answer_submit(env, id, response);
        self.conclude(tried)
    }

    fn try_answer_submit<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        id: OutgoingId,
        response: &SubmitMessageResponse,
    ) -> Tried<()> {
        let mut draft = Draft::of(&self.state);
        let Some(entry) = self.state.outbox.get(id).map(|entry| Entry::clone(entry)) else {
            return Ok((draft, ()));
        };
        match response {
            SubmitMessageResponse::Accepted { accepted_timestamp, frank } => {
                let at = *accepted_timestamp;
                let frank = self.own_frank(env, &draft, id, at, frank.as_ref());
                draft.accepted(id, at, frank);
            }
            SubmitMessageResponse::NotAllowed => self.give_up(&mut draft, id, Failure::NotAllowed),
            SubmitMessageResponse::EpochTooOld { current_epoch } => {
                if *current_epoch > entry.epoch {
                    let stage = next_epoch(&entry);
                    self.park(env, &mut draft, id, entry, stage)?;
                }
            }
        }
        Ok((draft, ()))
    }

    /// Gives up what has waited too long for proposals that the hub says are missing. Call it at
    /// [`Changes::wake_at`](crate::machine::Changes::wake_at).
    ///
    /// # Errors
    /// None of the room's own; the type is that of all steps.
    pub fn timeout(&mut self, now: Timestamp) -> Result<Step<'_, Self, ()>, Refusal> {
        let mut draft = Draft::of(&self.state);
        let due: Vec<_> = self
            .state
            .outbox
            .iter()
            .filter(|(_, entry)| entry.waits_until().is_some_and(|until| until <= now))
            .map(|(id, _)| id)
            .collect();
        for id in due {
            self.give_up(&mut draft, id, Failure::NotAllowed);
        }
        self.conclude(Ok((draft, ())))
    }
}

/// Aside until the room is in another epoch.
fn next_epoch(entry: &Entry) -> Stage {
    Stage::Parked { epoch: entry.epoch, proposals: usize::MAX, until: None }
}

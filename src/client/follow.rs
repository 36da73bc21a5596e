//! Commits, others' and our own: judged, followed or not, and what they leave to be made again.

use std::sync::Arc;

use openmls::{
    framing::{ProcessedMessage, ProcessedMessageContent},
    group::{QueuedProposal, StageCommitError, StagedCommit},
    prelude::ProcessMessageError,
};

use super::{
    Intent, Keys, OutgoingId,
    commit::{self, Bad},
    create::{kept, tuned},
    draft::Draft,
    event::{Event, Evidence, Failure},
    member::MemberError,
    outbox::Wish,
    receive::Received,
    refusal::Refusal,
    room::Room,
    state::Standing,
    waiting::Waiting,
};
use crate::{
    env::{Crypto, Env, Timestamp},
    wire::{PublicMessage, Sender},
};

impl Room {
    pub(super) fn commit_received<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        draft: &mut Draft,
        at: Timestamp,
        message: &PublicMessage,
        staples: &[PublicMessage],
    ) -> Result<Received, Refusal> {
        self.not_early(message.epoch())?;
        let hash = commit::hash(message.as_bytes());
        if message.epoch() < self.epoch() {
            let received = match draft.state.commits.get(message.epoch()) {
                Some(known) if **known == hash => {
                    if draft.state.head.ahead == Some(message.epoch()) {
                        draft.state.head.ahead = None;
                    }
                    Received::Echo
                }
                // Our own external commit, which the hub has not accepted: this one was faster.
                Some(_) if draft.state.head.standing == Standing::Joining => {
                    draft.keep_out(Failure::Obsolete);
                    return Ok(Received::Taken);
                }
                Some(_) => return Ok(draft.fork(self.epoch(), Evidence::SecondCommit)),
                None => return Ok(Received::Duplicate),
            };
            // Merged with the reply already, or our own external commit: what the hub stapled is news all the same.
            let ours = draft.state.outbox.iter().find(|(_, entry)| entry.hash == hash);
            if let Some(id) = ours.map(|(id, _)| id) {
                draft.accepted(id, at, None);
            }
            self.staples(env, draft, at, staples)?;
            self.revive(env, draft)?;
            return Ok(received);
        }

        let own = draft.state.own_commit().filter(|(_, entry)| entry.hash == hash);
        if let Some((id, _)) = own {
            self.merge_own(env, draft, id, at)?;
            self.staples(env, draft, at, staples)?;
            self.revive(env, draft)?;
            return Ok(Received::Echo);
        }
        let (staged, judged) = match self.open(env, draft, message) {
            Ok(opened) => opened,
            Err(Opened::Refused(refusal)) => return Err(refusal),
            Err(Opened::Fork(evidence)) => {
                self.member.rollback();
                return Ok(draft.fork(self.epoch(), evidence));
            }
        };
        if draft.state.own_commit().is_some_and(|(_, entry)| entry.is_accepted()) {
            self.member.rollback();
            return Ok(draft.fork(self.epoch(), Evidence::SecondCommit));
        }
        let epoch = self.epoch();
        let removed = staged.self_removed();
        self.member.merge(env.crypto, *staged)?;
        let by = judged.by.clone();
        self.enter(env, draft, epoch, hash, judged)?;
        if removed {
            draft.leave(Event::Removed { by });
            return Ok(Received::Taken);
        }
        self.staples(env, draft, at, staples)?;
        self.revive(env, draft)?;
        Ok(Received::Taken)
    }

    /// Somebody else's commit, staged and judged; nothing is merged.
    fn open<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        draft: &Draft,
        message: &PublicMessage,
    ) -> Result<(Box<StagedCommit>, commit::Judged), Opened> {
        let pending: Vec<QueuedProposal> = draft
            .state
            .waiting
            .iter()
            .map(|waiting: &Arc<Waiting>| waiting.queued.clone())
            .collect();
        let processed: ProcessedMessage =
            match self.member.process(env.crypto, message.to_openmls(), pending) {
                Ok(processed) => processed,
                // Its proposals may have been overtaken by it on the way (P-045).
                Err(MemberError::Message(ProcessMessageError::InvalidCommit(
                    StageCommitError::MissingProposal,
                ))) => return Err(Opened::Refused(Refusal::Unseen)),
                // It is signed by a member, and the hub has accepted it: the group has moved on without us.
                Err(MemberError::Message(ProcessMessageError::InvalidCommit(_))) => {
                    return Err(Opened::Fork(Evidence::InvalidCommit));
                }
                Err(error) => return Err(Opened::Refused(error.into())),
            };
        let staged = match processed.into_content() {
            ProcessedMessageContent::StagedCommitMessage(staged) => staged,
            ProcessedMessageContent::UnresolvedAppDataCommit(unresolved) => {
                let proposals: Vec<_> = unresolved.app_data_update_proposals().cloned().collect();
                let group = self.member.group().map_err(|error| Opened::Refused(error.into()))?;
                let updater = group.app_data_dictionary_updater();
                let updates = commit::fold(&draft.state.epoch.committed, &proposals, updater)
                    .ok_or(Opened::Fork(Evidence::ForbiddenCommit))?;
                let staged = self.member.stage(env.crypto, *unresolved, Some(updates));
                Box::new(staged.map_err(|_| Opened::Fork(Evidence::InvalidCommit))?)
            }
            ProcessedMessageContent::ApplicationMessage(_)
            | ProcessedMessageContent::OwnPrivateMessage
            | ProcessedMessageContent::ProposalMessage(_)
            | ProcessedMessageContent::ExternalJoinProposalMessage(_)
            | ProcessedMessageContent::OwnPendingCommit => {
                return Err(Opened::Refused(Refusal::Mls("the commit")));
            }
        };
        let group = self.member.group().map_err(|error| Opened::Refused(error.into()))?;
        let judged = commit::judge(&draft.state, group, &staged, message.sender());
        match judged {
            Ok(judged) => Ok((staged, judged)),
            Err(Bad::Invalid) => Err(Opened::Fork(Evidence::InvalidCommit)),
            Err(Bad::Denied(_)) => Err(Opened::Fork(Evidence::ForbiddenCommit)),
        }
    }

    /// Enters the epoch of our own commit, which the hub has accepted.
    pub(super) fn merge_own<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        draft: &mut Draft,
        id: OutgoingId,
        at: Timestamp,
    ) -> Result<(), Refusal> {
        let group = self.member.group()?;
        let (epoch, leaf) = (group.epoch().as_u64(), group.own_leaf_index());
        let staged = group.pending_commit().ok_or(Refusal::Mls("our own commit"))?;
        let sender = Sender::Member(leaf.u32());
        let judged = commit::judge(&draft.state, group, staged, sender)
            .map_err(|_| Refusal::Mls("our own commit"))?;
        self.member.merge_own(env.crypto)?;
        let hash = draft.state.outbox.get(id).map(|entry| entry.hash).unwrap_or_default();
        draft.accepted(id, at, None);
        self.enter(env, draft, epoch, hash, judged)
    }

    /// The room's side of a new epoch that the group has entered.
    fn enter<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        draft: &mut Draft,
        left: u64,
        hash: [u8; 32],
        judged: commit::Judged,
    ) -> Result<(), Refusal> {
        let group = self.member.group()?;
        let epoch = group.epoch().as_u64();
        let entered = commit::entered(&draft.state.epoch, judged.verdict.clone(), group)?;
        let tuning = tuned(&entered.committed, &self.limits);
        draft.pass(left, hash, kept(&tuning), &entered.committed);
        draft.state.epoch = entered;
        draft.state.head.ahead = None;
        draft.lapse(|_, _| true);
        self.member.tune(env.crypto, &tuning)?;
        draft.event(Event::Changed { epoch, by: judged.by, unverified: judged.verdict.unverified });
        if judged.omitted > 0 {
            draft.event(Event::Omitted { epoch, proposals: judged.omitted });
        }
        Ok(())
    }

    /// The hub's proposals for the epoch that an external commit has led to (P-165).
    fn staples<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        draft: &mut Draft,
        at: Timestamp,
        staples: &[PublicMessage],
    ) -> Result<(), Refusal> {
        // All together: a ban is nothing without the removals that go with it.
        let bundle: Vec<&PublicMessage> = staples.iter().collect();
        self.proposals(env, draft, at, &bundle)?;
        Ok(())
    }

    /// Makes again what the room has overtaken: commits of an epoch that is over, and what the hub refused because we
    /// did not know yet what it knew.
    pub(super) fn revive<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        draft: &mut Draft,
    ) -> Result<(), Refusal> {
        if draft.state.head.standing == Standing::Joining {
            // Not before the hub has let us in.
            return Ok(());
        }
        let epoch = self.epoch();
        let overtaken: Vec<_> = draft
            .state
            .outbox
            .iter()
            .filter(|(_, entry)| entry.is_overtaken(epoch, draft.state.waiting.len()))
            .map(|(id, _)| id)
            .collect();
        for id in overtaken {
            let Some(entry) = draft.settle(id) else { continue };
            let made = match &entry.wish {
                Wish::Message { content } => self.encrypt(env, &draft.state, entry.token, content),
                Wish::Commit(intent) => {
                    let nothing = *intent == Intent::default();
                    if nothing && draft.state.waiting.is_empty() {
                        // Somebody else has committed what waited.
                        draft
                            .event(Event::Failed { token: entry.token, reason: Failure::Obsolete });
                        continue;
                    }
                    self.make_commit(env, &draft.state, entry.token, intent)
                }
                Wish::Proposals(_) | Wish::Leave => {
                    self.make_bundle(env, &draft.state, entry.token, entry.wish.clone())
                }
                Wish::Join => Err(Refusal::Closed),
            };
            match made {
                Ok(entry) => {
                    draft.send(entry);
                }
                Err(refusal) => {
                    if entry.is_commit() {
                        self.unmake(env)?;
                    }
                    let denied = matches!(refusal, Refusal::Denied(_));
                    let reason = if denied { Failure::Forbidden } else { Failure::Obsolete };
                    draft.event(Event::Failed { token: entry.token, reason });
                }
            }
        }
        // Our leave was not in the commit: ask again.
        if let Standing::Leaving(token) = draft.state.head.standing
            && !draft.state.outbox.values().any(|entry| entry.wish == Wish::Leave)
            && !draft.leaves(self.member.group()?.own_leaf_index().u32())
        {
            let entry = self.make_bundle(env, &draft.state, token, Wish::Leave)?;
            draft.send(entry);
        }
        Ok(())
    }
}

/// Why a commit is not merged.
#[derive(Debug)]
enum Opened {
    /// It is nobody's.
    Refused(Refusal),
    /// It is somebody's, and must not be.
    Fork(Evidence),
}

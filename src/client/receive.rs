//! What the hub fans out: in.

use std::sync::Arc;

use openmls::{
    framing::errors::MessageDecryptionError,
    framing::{ProcessedMessage, ProcessedMessageContent},
    group::{QueuedProposal, StageCommitError, StagedCommit, ValidationError},
    prelude::ProcessMessageError,
};
use tls_codec::Serialize as _;

use super::{
    Keys, Who,
    commit::{self, Bad},
    create::{kept, tuned},
    draft::Draft,
    event::{Event, Evidence, Failure},
    leaf,
    member::MemberError,
    outbox::{Entry, Wish},
    proposed::Owned,
    refusal::Refusal,
    room::{Room, Tried},
    state::Standing,
    waiting::{self, Waiting},
};
use crate::{
    delivery::{self, context::Context},
    env::{Crypto, Env, Timestamp},
    machine::Step,
    policy::{Proposed, Queue, View, judge_proposals},
    wire::{FanoutEvent, FanoutMessage, Frank, PrivateMessage, PublicMessage},
};

/// What became of a message from the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// The room took it.
    Taken,
    /// It is our own, come back.
    Echo,
    /// It was taken before.
    Duplicate,
    /// Its key is used up: it was read before, or it comes too late.
    Spent,
    /// A Welcome: not for a room that we are in.
    Welcome,
}

impl Room {
    /// Takes what the hub fans out, in the hub's order.
    ///
    /// A commit takes the room into its next epoch only if the policy lets it; proposals wait for a commit only if it
    /// lets them. The functions that judge are those of the hub. What must not be is an event, not a refusal, once
    /// it has used up a key or shown that the hub is at fault.
    ///
    /// # Errors
    /// If the message does not stand up to MLS's checks, or belongs to a later epoch ([`Refusal::Early`]). Nothing
    /// has happened then: give the room what comes before it, or drop it.
    pub fn receive<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        message: &FanoutMessage,
    ) -> Result<Step<'_, Self, Received>, Refusal> {
        let tried = self.try_receive(env, message);
        self.conclude(tried)
    }

    fn try_receive<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        message: &FanoutMessage,
    ) -> Tried<Received> {
        match self.state.head.standing {
            Standing::Member | Standing::Joining | Standing::Leaving(_) => {}
            Standing::Gone | Standing::Forked => return Err(Refusal::Closed),
        }
        let mut draft = Draft::of(&self.state);
        let at = message.timestamp;
        let received = match &message.event {
            FanoutEvent::Application { message, frank } => {
                self.application(env, &mut draft, at, message, frank.as_ref())?
            }
            FanoutEvent::Proposals { first, more } => {
                let bundle: Vec<&PublicMessage> = std::iter::once(first).chain(more).collect();
                let received = self.proposals(env, &mut draft, at, &bundle)?;
                self.revive(env, &mut draft)?;
                received
            }
            FanoutEvent::Commit { commit, external_proposals } => {
                self.commit_received(env, &mut draft, at, commit, external_proposals)?
            }
            FanoutEvent::Welcome { .. } => Received::Welcome,
        };
        draft.state.head.last_timestamp = draft.state.head.last_timestamp.max(at);
        Ok((draft, received))
    }

    fn application<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        draft: &mut Draft,
        at: Timestamp,
        message: &PrivateMessage,
        frank: Option<&Frank>,
    ) -> Result<Received, Refusal> {
        self.not_early(message.epoch())?;
        let hash = commit::hash(message.as_bytes());
        let ours = draft.state.outbox.iter().find(|(_, entry)| entry.hash == hash);
        if let Some(id) = ours.map(|(id, _)| id) {
            // The reply was lost, or is on its way: the echo tells the same.
            let frank = self.own_frank(env, draft, id, at, frank);
            draft.accepted(id, at, frank);
            return Ok(Received::Echo);
        }
        let processed = match self.member.process(env.crypto, message.to_openmls(), []) {
            Ok(processed) => processed,
            Err(MemberError::Message(ProcessMessageError::ValidationError(
                ValidationError::UnableToDecrypt(MessageDecryptionError::SecretTreeError(_)),
            ))) => {
                self.member.rollback();
                return Ok(Received::Spent);
            }
            Err(error) => return Err(error.into()),
        };
        let tag = processed.safe_aad_item(leaf::FRANK_AAD).map(<[u8]>::to_vec);
        let generation = self.member.generation(env.crypto, message);
        let sender = processed.sender().clone();
        let credential = processed.credential().clone();
        match processed.into_content() {
            ProcessedMessageContent::ApplicationMessage(data) => {
                let data = data.into_bytes();
                let got = super::inbound::Decrypted {
                    at,
                    message,
                    frank,
                    tag,
                    sender,
                    credential,
                    generation,
                    data,
                };
                self.judge_message(env, draft, &got)?;
                Ok(Received::Taken)
            }
            ProcessedMessageContent::OwnPrivateMessage => Ok(Received::Echo),
            ProcessedMessageContent::ProposalMessage(_)
            | ProcessedMessageContent::ExternalJoinProposalMessage(_)
            | ProcessedMessageContent::StagedCommitMessage(_)
            | ProcessedMessageContent::UnresolvedAppDataCommit(_)
            | ProcessedMessageContent::OwnPendingCommit => Err(Refusal::Mls("the message")),
        }
    }

    fn not_early(&self, found: u64) -> Result<(), Refusal> {
        match self.epoch() {
            current if found.saturating_sub(current) > self.limits.behind => {
                Err(Refusal::Behind { found, current })
            }
            current if found > current => Err(Refusal::Early { found, current }),
            _ => Ok(()),
        }
    }

    /// A bundle of proposals: all wait for a commit, or none.
    fn proposals<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        draft: &mut Draft,
        at: Timestamp,
        bundle: &[&PublicMessage],
    ) -> Result<Received, Refusal> {
        let Some(first) = bundle.first() else { return Ok(Received::Taken) };
        self.not_early(first.epoch())?;
        let hash = commit::hash(first.as_bytes());
        let ours = draft.state.outbox.iter().find(|(_, entry)| entry.hash == hash);
        let ours = ours.map(|(id, _)| id);
        if let Some(id) = ours {
            draft.accepted(id, at, None);
        }
        let known = |message: &PublicMessage| {
            draft.state.waiting.iter().any(|waiting| waiting.message == *message)
        };
        if first.epoch() < self.epoch() || bundle.iter().all(|message| known(message)) {
            return Ok(if ours.is_some() { Received::Echo } else { Received::Duplicate });
        }

        let mut verified: Vec<(PublicMessage, QueuedProposal, Owned)> = Vec::new();
        for message in bundle {
            let queued = self.verify(env, message)?;
            let group = self.member.group()?;
            let people = draft.state.epoch.people(group);
            let owned = people
                .standalone(message.sender(), queued.proposal())
                .ok_or(Refusal::Mls("a proposal"))?;
            verified.push(((*message).clone(), queued, owned));
        }

        // What lapses by MLS's own rules.
        let before = draft.state.waiting.len();
        draft.lapse(|_, waiting| {
            verified.iter().any(|(message, queued, _)| {
                waiting.yields_to(queued.proposal(), waiting::leaf_of(message))
            })
        });
        let rebuild = draft.state.waiting.len() != before;
        let lapsed = {
            let epoch = &draft.state.epoch;
            let waiting: Vec<Proposed<'_>> =
                draft.state.waiting.iter().map(|waiting| waiting.owned.borrow()).collect();
            let bundle: Vec<Proposed<'_>> =
                verified.iter().map(|(_, _, owned)| owned.borrow()).collect();
            let view = View::new(&epoch.committed, &epoch.effective);
            judge_proposals(view, Queue { waiting: &waiting, rebuild }, &bundle)
        };
        let accepted = match lapsed {
            Ok(accepted) => accepted,
            Err(denied) => {
                // The hub has let in what must not be (D-05): nobody commits it, and nothing lapses by it.
                draft.wait_as(&self.state);
                draft.event(Event::Forbidden { rule: denied.rule.into() });
                return Ok(Received::Taken);
            }
        };
        let gone = accepted.lapsed.clone();
        let mut effective = crate::room::RoomState::clone(&draft.state.epoch.effective);
        accepted.apply(&mut effective);
        draft.state.epoch.effective = Arc::new(effective);
        draft.lapse(|at, _| gone.contains(&at));
        let by: std::collections::BTreeSet<Who> =
            verified.iter().map(|(_, _, owned)| owned.by.clone()).collect();
        for (message, queued, owned) in verified {
            draft.wait(message, queued, owned);
        }
        for by in by {
            draft.event(Event::Proposed { by });
        }
        Ok(if ours.is_some() { Received::Echo } else { Received::Taken })
    }

    /// A standalone proposal, verified by MLS.
    fn verify<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        message: &PublicMessage,
    ) -> Result<QueuedProposal, Refusal> {
        if delivery::external::is_component_update(message.as_bytes()) {
            let context = self
                .member
                .group()?
                .public_group()
                .group_context()
                .tls_serialize_detached()
                .map_err(|_| Refusal::Mls("the GroupContext"))?;
            let context = Context::decode(&context)?;
            return delivery::external::verify(env.crypto, &context, message.as_bytes())
                .map_err(|_| Refusal::Mls("a proposal"));
        }
        match self.member.process(env.crypto, message.to_openmls(), [])?.into_content() {
            ProcessedMessageContent::ProposalMessage(queued)
            | ProcessedMessageContent::ExternalJoinProposalMessage(queued) => Ok(*queued),
            ProcessedMessageContent::ApplicationMessage(_)
            | ProcessedMessageContent::OwnPrivateMessage
            | ProcessedMessageContent::StagedCommitMessage(_)
            | ProcessedMessageContent::UnresolvedAppDataCommit(_)
            | ProcessedMessageContent::OwnPendingCommit => Err(Refusal::Mls("a proposal")),
        }
    }

    fn commit_received<C: Crypto>(
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
                Some(known) if **known == hash => Received::Echo,
                Some(_) => {
                    // Nobody has said yet that our external commit was taken: another one was faster.
                    let join =
                        |entry: &Entry| entry.wish == Wish::Join && entry.epoch == message.epoch();
                    let lost = draft.state.outbox.iter().find(|(_, entry)| join(entry));
                    let Some(id) = lost.map(|(id, _)| id) else {
                        return Ok(draft.fork(self.epoch(), Evidence::SecondCommit));
                    };
                    if let Some(entry) = draft.settle(id) {
                        let reason = Failure::Obsolete;
                        draft.leave(Event::Failed { token: entry.token, reason });
                    }
                    return Ok(Received::Taken);
                }
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
        id: super::OutgoingId,
        at: Timestamp,
    ) -> Result<(), Refusal> {
        let group = self.member.group()?;
        let (epoch, leaf) = (group.epoch().as_u64(), group.own_leaf_index());
        let staged = group.pending_commit().ok_or(Refusal::Mls("our own commit"))?;
        let sender = crate::wire::Sender::Member(leaf.u32());
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
        draft.pass(left, hash, kept(&tuning));
        draft.state.epoch = entered;
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
                    let nothing = *intent == super::Intent::default();
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

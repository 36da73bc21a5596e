//! What the hub fans out: in.

use std::{collections::BTreeSet, sync::Arc};

use openmls::{
    framing::ProcessedMessageContent,
    framing::errors::MessageDecryptionError,
    group::{MlsGroup, QueuedProposal, ValidationError},
    prelude::ProcessMessageError,
};
use tls_codec::Serialize as _;

use super::{
    Keys, Who, commit,
    draft::Draft,
    event::Event,
    leaf,
    member::MemberError,
    proposed::Owned,
    refusal::Refusal,
    room::{Room, Tried},
    state::Standing,
    waiting,
};
use crate::{
    delivery::{self, context::Context},
    env::{Crypto, Env, Timestamp},
    machine::Step,
    policy::{self, Denied, Proposed, Queue, Reason, View, judge_proposals},
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

    pub(super) fn not_early(&self, found: u64) -> Result<(), Refusal> {
        match self.epoch() {
            current if found.saturating_sub(current) > self.limits.behind => {
                Err(Refusal::Behind { found, current })
            }
            current if found > current => Err(Refusal::Early { found, current }),
            _ => Ok(()),
        }
    }

    /// A bundle of proposals: all wait for a commit, or none.
    pub(super) fn proposals<C: Crypto>(
        &mut self,
        env: &Env<'_, C, Keys>,
        draft: &mut Draft,
        at: Timestamp,
        bundle: &[&PublicMessage],
    ) -> Result<Received, Refusal> {
        let Some(first) = bundle.first() else { return Ok(Received::Taken) };
        self.not_early(first.epoch())?;
        let hash = commit::hash_of(bundle.iter().copied());
        let ours = draft.state.outbox.iter().find(|(_, entry)| entry.hash == hash);
        let ours = ours.map(|(id, _)| id);
        if let Some(id) = ours {
            draft.accepted(id, at, None);
        }
        let known = |message: &PublicMessage| {
            draft.state.waiting.iter().any(|waiting| waiting.message == *message)
                || draft.state.head.lapsed.contains(&commit::hash(message.as_bytes()))
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
        let group = self.member.group()?;
        let verdict = outgrown(draft, group, &verified).and_then(|outgrown| {
            draft.lapse(|at, _| outgrown.contains(&at));
            let epoch = &draft.state.epoch;
            let waiting: Vec<Proposed<'_>> =
                draft.state.waiting.iter().map(|waiting| waiting.owned.borrow()).collect();
            let bundle: Vec<Proposed<'_>> =
                verified.iter().map(|(_, _, owned)| owned.borrow()).collect();
            let view = View::new(&epoch.committed, &epoch.effective);
            let rebuild = waiting.len() != before;
            judge_proposals(view, Queue { waiting: &waiting, rebuild }, &bundle)
        });
        let accepted = match verdict {
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
        draft.know_lapsed(&self.state, self.limits.pending_proposals);
        let by: BTreeSet<Who> = verified.iter().map(|(_, _, owned)| owned.by.clone()).collect();
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
}

/// The places of what waits and no longer fits, if the bundle may wait as far as leaves go.
fn outgrown(
    draft: &Draft,
    group: &MlsGroup,
    bundle: &[(PublicMessage, QueuedProposal, Owned)],
) -> Result<BTreeSet<usize>, Denied> {
    let epoch = &draft.state.epoch;
    let view = View::new(&epoch.committed, &epoch.effective);
    let bundle = bundle.iter().map(|(_, queued, _)| leaf::arrival(queued.proposal()));
    let unread = || Denied::new("R-160", Reason::Lacks);
    let bundle: Vec<_> = bundle.collect::<Option<_>>().ok_or_else(unread)?;
    let waiting = draft.state.waiting.iter();
    let waiting = waiting.filter_map(|waiting| leaf::arrival(waiting.queued.proposal()));
    let nobody = BTreeSet::new();
    let ground = leaf::ground(group.ciphersuite(), group.extensions());
    policy::leaf::proposals(view, &ground, waiting, &bundle, leaf::all(group, &nobody))
}

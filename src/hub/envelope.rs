//! What the hub's operator lets a room choose, at its creation and at every change of its policy.

use std::collections::BTreeSet;

use super::{CreateRefusal, Room, UpdateRefusal, Wish};
use crate::{
    codec::Wire,
    delivery::{ComponentOperation, OpenCommit, ProposalView},
    env::Limits,
    policy::{Accepted, Verdict, judge_creation},
    room::{ComponentId, ParticipantList, ParticipantListUpdate, RoomState},
    uri::{ProviderUri, UserUri},
};

impl Room {
    /// The components that some proposals change, as far as the operator has a say in them: those of the policy, and the
    /// list where it is about the hub itself.
    fn changed<'p>(
        &self,
        proposals: impl IntoIterator<Item = &'p ProposalView>,
    ) -> BTreeSet<ComponentId> {
        let component = |content: &ProposalView| match content {
            ProposalView::AppDataUpdate { component, operation } => match ComponentId(*component) {
                ComponentId::PARTICIPANT_LIST if !self.moves_the_hub(operation) => None,
                ComponentId::ROOM_METADATA => None,
                other => Some(other),
            },
            ProposalView::Add { .. }
            | ProposalView::Update { .. }
            | ProposalView::Remove(_)
            | ProposalView::SelfRemove
            | ProposalView::GroupContextExtensions(_)
            | ProposalView::ExternalInit => None,
        };
        proposals.into_iter().filter_map(component).collect()
    }

    /// Whether a change of the list is one of the hub's own entry, of which its authority comes.
    fn moves_the_hub(&self, operation: &ComponentOperation) -> bool {
        let own = self.committed.participants().find(ProviderUri::new(&self.domain()));
        let ComponentOperation::Update(update) = operation else { return false };
        let (Some(own), Ok(update)) = (own, ParticipantListUpdate::decode(update)) else {
            return false;
        };
        update.removed.contains(&own.place)
            || update.changed.iter().any(|(place, _)| *place == own.place)
    }

    /// Whether proposals that the policy accepts stay within the envelope.
    pub(super) fn proposals_within_envelope<'p>(
        &self,
        proposals: impl IntoIterator<Item = &'p ProposalView>,
        accepted: &Accepted,
    ) -> Result<(), UpdateRefusal> {
        let changed = self.changed(proposals);
        if changed.is_empty() {
            return Ok(());
        }
        let mut after = self.effective().clone();
        accepted.clone().apply(&mut after);
        self.within_envelope(self.effective(), &after, &changed)
    }

    /// Whether a commit that the policy accepts stays within the envelope. What it names was judged when it was
    /// accepted: an operator who has changed its mind since does not keep the next commit off.
    pub(super) fn commit_within_envelope(
        &self,
        open: &OpenCommit,
        verdict: &Verdict,
    ) -> Result<(), UpdateRefusal> {
        let by_value = open.proposals().iter().filter(|proposal| proposal.reference.is_none());
        let changed = self.changed(by_value.map(|proposal| &proposal.content));
        if changed.is_empty() {
            return Ok(());
        }
        let mut after = self.committed.clone();
        verdict.clone().apply(&mut after);
        self.within_envelope(&self.committed, &after, &changed)
    }

    fn within_envelope(
        &self,
        before: &RoomState,
        after: &RoomState,
        changed: &BTreeSet<ComponentId>,
    ) -> Result<(), UpdateRefusal> {
        let faults = self.limits.envelope.faults_of_change(before, after, changed);
        faults.into_iter().next().map_or(Ok(()), |fault| Err(UpdateRefusal::Outside(fault)))
    }
}

/// Whether a room may be created like this: by its own rules, and by the operator's.
pub(super) fn may_be_created(
    room: &RoomState,
    creator: &UserUri,
    parent: Option<&ParticipantList>,
    limits: &Limits,
) -> Result<(), CreateRefusal> {
    judge_creation(room, creator, parent)?;
    let fault = limits.envelope.faults(room).into_iter().next();
    fault.map_or(Ok(()), |fault| Err(CreateRefusal::Outside(fault)))
}

impl Wish {
    /// Whether this hub would take the room up, before a client builds its group. [`Room::create`] judges again.
    ///
    /// # Errors
    /// If the components do not make a room, or not one that may be created here.
    pub fn judge(
        &self,
        parent: Option<&ParticipantList>,
        limits: &Limits,
    ) -> Result<(), CreateRefusal> {
        let room = RoomState::from_components(self.policy.clone(), [&self.creator])
            .map_err(CreateRefusal::State)?;
        may_be_created(&room, &self.creator, parent, limits)
    }
}

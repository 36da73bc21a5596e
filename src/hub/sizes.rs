//! How large the components of a room may become (D-55): every MLS signature covers them, and every member holds them.

use std::collections::BTreeMap;

use super::{Room, UpdateRefusal};
use crate::{
    codec::Wire,
    delivery::{CheckedProposal, ComponentOperation, ProposalView},
    env::Limits,
    room::{ComponentId, ParticipantListUpdate},
};

/// By how many octets an update lets its component grow, at most.
fn growth(component: u16, update: &[u8]) -> usize {
    if component != ComponentId::PARTICIPANT_LIST.0 {
        return update.len();
    }
    // Removals and changes of roles let no list grow, and are never refused for its size.
    match ParticipantListUpdate::decode(update) {
        Ok(update) if update.added.is_empty() => 0,
        Ok(_) | Err(_) => update.len(),
    }
}

/// Whether these components are too large, and have grown.
pub(super) fn check(
    limits: &Limits,
    before: &BTreeMap<u16, Vec<u8>>,
    after: &BTreeMap<u16, usize>,
) -> Result<(), ComponentId> {
    let mut total = 0_usize;
    let mut grown = None;
    for (id, length) in after {
        total = total.saturating_add(*length);
        if *length > before.get(id).map_or(0, Vec::len) {
            grown = Some(ComponentId(*id));
            if *length > limits.component {
                return Err(ComponentId(*id));
            }
        }
    }
    match grown {
        Some(id) if total > limits.components => Err(id),
        Some(_) | None => Ok(()),
    }
}

impl Room {
    fn lengths(&self) -> BTreeMap<u16, usize> {
        self.group.components().iter().map(|(id, data)| (*id, data.len())).collect()
    }

    /// Whether the components still fit once these proposals and all that wait are committed: what is accepted here
    /// every commit has to contain, and none of them may be refused for it.
    pub(super) fn proposals_fit(&self, proposals: &[CheckedProposal]) -> Result<(), UpdateRefusal> {
        fn update(content: &ProposalView) -> Option<(u16, &[u8])> {
            match content {
                ProposalView::AppDataUpdate {
                    component,
                    operation: ComponentOperation::Update(data),
                } => Some((*component, data)),
                ProposalView::AppDataUpdate { operation: ComponentOperation::Remove, .. }
                | ProposalView::Add { .. }
                | ProposalView::Update { .. }
                | ProposalView::Remove(_)
                | ProposalView::SelfRemove
                | ProposalView::GroupContextExtensions(_)
                | ProposalView::ExternalInit => None,
            }
        }
        let updates: Vec<_> = proposals.iter().filter_map(|it| update(&it.content)).collect();
        if updates.iter().all(|(component, data)| growth(*component, data) == 0) {
            return Ok(());
        }
        let waiting = self.group.pending().filter_map(|pending| update(&pending.content));
        let mut lengths = self.lengths();
        for (component, data) in waiting.chain(updates) {
            let length = lengths.entry(component).or_default();
            *length = length.saturating_add(growth(component, data));
        }
        check(&self.limits, self.group.components(), &lengths)
            .map_err(UpdateRefusal::ComponentTooLarge)
    }

    /// Whether the components that a commit leads to fit.
    pub(super) fn commit_fits(
        &self,
        changes: &[(ComponentId, Option<Vec<u8>>)],
    ) -> Result<(), UpdateRefusal> {
        if changes.is_empty() {
            return Ok(());
        }
        let mut lengths = self.lengths();
        for (id, data) in changes {
            match data {
                Some(data) => lengths.insert(id.0, data.len()),
                None => lengths.remove(&id.0),
            };
        }
        check(&self.limits, self.group.components(), &lengths)
            .map_err(UpdateRefusal::ComponentTooLarge)
    }
}

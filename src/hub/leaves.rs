//! Leaves as the room's operational policy wants them.

use std::{borrow::Cow, collections::BTreeSet};

use super::{Room, UpdateRefusal};
use crate::{
    delivery::{
        CheckedProposals, Committer, ComponentOperation, Group, LeafIndex, OpenCommit, ProposalRef,
        ProposalView, Sender,
    },
    policy::{
        Denied, View,
        leaf::{self, Arrival, Ground},
    },
    room::{ComponentId, RoomState},
};

impl Room {
    /// Whether some proposals may wait. Gives those that lapse by it.
    pub(super) fn leaves_fit(
        &self,
        checked: &CheckedProposals,
    ) -> Result<BTreeSet<ProposalRef>, UpdateRefusal> {
        let lapsed = checked.lapsed();
        let waiting = || self.group.pending().filter(|it| !lapsed.contains(&it.reference));
        let arrivals = waiting().map(|it| arrival(&it.content));
        let proposals = checked.proposals();
        let bundle: Vec<_> = proposals.iter().map(|it| arrival(&it.content)).collect();
        let members = self.group.leaves().map(|(_, leaf)| leaf);
        leaf::proposals(self.view(), &ground(&self.group), arrivals, &bundle, members)
            .map(|outgrown| {
                let waiting = waiting().enumerate().filter(|(place, _)| outgrown.contains(place));
                waiting.map(|(_, it)| it.reference.clone()).collect()
            })
            .map_err(|denied| {
                let at = denied.index.and_then(|index| proposals.get(index));
                let proposal = at.map(|it| it.reference.clone());
                UpdateRefusal::Denied { denied: Box::new(denied), proposal }
            })
    }

    pub(super) fn leaves_of_commit_fit(
        &self,
        open: &OpenCommit,
        view: View<'_>,
    ) -> Result<(), UpdateRefusal> {
        let proposals = open.proposals();
        let arrivals: Vec<_> = proposals.iter().map(|it| arrival(&it.content)).collect();
        let mut gone: BTreeSet<LeafIndex> = open.removed().iter().map(|(leaf, _)| *leaf).collect();
        gone.extend(proposals.iter().filter_map(|it| match (it.sender, &it.content) {
            (Sender::Member(leaf), ProposalView::Update { .. }) => Some(leaf),
            (Sender::Member(_) | Sender::External(_) | Sender::NewMember, _) => None,
        }));
        let joins = match open.committer() {
            Committer::Member(leaf) => {
                gone.extend(open.path().map(|_| *leaf));
                false
            }
            Committer::Joiner { .. } => true,
        };
        let staying = self.group.leaves().filter(|(leaf, _)| !gone.contains(leaf));
        let staying = staying.map(|(_, leaf)| leaf);
        leaf::commit(view, &ground(&self.group), joins, &arrivals, open.path(), staying).map_err(
            |denied| {
                let at = denied.index.and_then(|index| proposals.get(index));
                let proposal = at.and_then(|it| it.reference.clone());
                UpdateRefusal::Denied { denied: Box::new(denied), proposal }
            },
        )
    }
}

/// Whether a new group may have such a room.
pub(super) fn stand(room: &RoomState, group: &Group) -> Result<(), Denied> {
    leaf::stand(room, &ground(group), group.leaves().map(|(_, leaf)| leaf))
}

fn ground(group: &Group) -> Ground {
    Ground { ciphersuite: group.ciphersuite(), extensions: group.extension_types().collect() }
}

fn arrival(content: &ProposalView) -> Arrival<'_> {
    match content {
        ProposalView::Add { leaf, extensions, .. } => {
            Arrival::Added(Cow::Borrowed(leaf), extensions.into())
        }
        ProposalView::Update { leaf } => Arrival::Renewed(Cow::Borrowed(leaf)),
        ProposalView::AppDataUpdate { component, operation } => {
            let octets = match operation {
                ComponentOperation::Update(data) => Some(data.as_slice()),
                ComponentOperation::Remove => None,
            };
            Arrival::Component(ComponentId(*component), octets)
        }
        ProposalView::Remove(_)
        | ProposalView::SelfRemove
        | ProposalView::GroupContextExtensions(_)
        | ProposalView::ExternalInit => Arrival::Nothing,
    }
}

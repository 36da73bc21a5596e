//! Leaves as the room's operational policy wants them.

use std::{borrow::Cow, collections::BTreeSet};

use super::{Room, UpdateRefusal};
use crate::{
    delivery::{
        CheckedProposals, Committer, ComponentOperation, Leaf, LeafIndex, OpenCommit, ProposalView,
        Sender,
    },
    policy::{
        View,
        leaf::{self, Arrival},
    },
    room::ComponentId,
};

impl Room {
    pub(super) fn leaves_fit(&self, checked: &CheckedProposals) -> Result<(), UpdateRefusal> {
        let lapsed = checked.lapsed();
        let waiting = self.group.pending().filter(|it| !lapsed.contains(&it.reference));
        let waiting = waiting.map(|it| arrival(&it.content));
        let proposals = checked.proposals();
        let bundle: Vec<_> = proposals.iter().map(|it| arrival(&it.content)).collect();
        leaf::proposals(self.view(), waiting, &bundle, self.group.leaves().map(|(_, leaf)| leaf))
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
        let staying = staying.map(|(_, leaf): (LeafIndex, Leaf)| leaf);
        leaf::commit(view, joins, &arrivals, open.path(), staying).map_err(|denied| {
            let at = denied.index.and_then(|index| proposals.get(index));
            let proposal = at.and_then(|it| it.reference.clone());
            UpdateRefusal::Denied { denied: Box::new(denied), proposal }
        })
    }
}

fn arrival(content: &ProposalView) -> Arrival<'_> {
    match content {
        ProposalView::Add { leaf, .. } => Arrival::Added(Cow::Borrowed(leaf)),
        ProposalView::Update { leaf } => Arrival::Renewed(Cow::Borrowed(leaf)),
        ProposalView::AppDataUpdate { component, operation }
            if *component == ComponentId::MLS_OPERATIONAL_POLICY.0 =>
        {
            Arrival::Policy(match operation {
                ComponentOperation::Update(data) => Some(data),
                ComponentOperation::Remove => None,
            })
        }
        ProposalView::AppDataUpdate { .. }
        | ProposalView::Remove(_)
        | ProposalView::SelfRemove
        | ProposalView::GroupContextExtensions(_)
        | ProposalView::ExternalInit => Arrival::Nothing,
    }
}

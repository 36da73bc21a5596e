//! What a member makes: commits and proposals of its own.

use openmls::{
    framing::MlsMessageOut,
    group::{
        AppDataDictionaryUpdater, AppDataUpdates, CommitBuilder, CommitMessageBundle, LoadedPsks,
        MlsGroup, Propose, QueuedProposal,
    },
    key_packages::KeyPackage,
    messages::proposals::{AppDataUpdateProposal, Proposal, ProposalOrRefType},
    prelude::{LeafNodeIndex, LeafNodeParameters},
};
use openmls_traits::OpenMlsProvider;

use super::{Member, MemberError};
use crate::{client::keys::Lent, env::Crypto};

/// What an own commit consists of.
#[derive(Debug, Default)]
pub(in crate::client) struct Plan {
    /// Pending proposals to cover, in the order to put them.
    pub(in crate::client) pending: Vec<QueuedProposal>,
    /// KeyPackages to add.
    pub(in crate::client) adds: Vec<KeyPackage>,
    /// Leaves to remove.
    pub(in crate::client) removes: Vec<LeafNodeIndex>,
    /// Other proposals by value.
    pub(in crate::client) proposals: Vec<Proposal>,
    /// What the committer's leaf says from now on, if anything else.
    pub(in crate::client) leaf: LeafNodeParameters,
    /// Whether to take new keys in any case.
    pub(in crate::client) update: bool,
}

impl Member {
    /// An own commit, staged until it is merged or given up.
    pub(in crate::client) fn commit<C: Crypto>(
        &mut self,
        crypto: &C,
        signer: &Lent<'_>,
        plan: Plan,
        fold: impl FnOnce(
            &[AppDataUpdateProposal],
            AppDataDictionaryUpdater<'_>,
        ) -> Option<AppDataUpdates>,
    ) -> Result<CommitMessageBundle, MemberError> {
        self.lend(crypto, plan.pending)?;
        let (group, provider) = self.parts(crypto)?;
        let mut builder = group
            .commit_builder()
            .force_self_update(plan.update)
            .leaf_node_parameters(plan.leaf)
            .propose_adds(plan.adds)
            .propose_removals(plan.removes)
            .add_proposals(plan.proposals)
            .load_psks(provider.storage())
            .map_err(|_| MemberError::Ours("a commit"))?
            .create_group_info(true)
            .use_ratchet_tree_extension(false);
        fold_into(&mut builder, fold);
        let bundle = builder
            .build(crypto, crypto, signer, |_| true)
            .map_err(|_| MemberError::Ours("this commit"))?
            .stage_commit(&provider)
            .map_err(|_| MemberError::Ours("a staged commit"))?;
        self.reclaim(crypto)?;
        Ok(bundle)
    }

    /// A standalone proposal: its message, and the proposal as others queue it.
    pub(in crate::client) fn propose<C: Crypto>(
        &mut self,
        crypto: &C,
        signer: &Lent<'_>,
        propose: Propose,
    ) -> Result<(MlsMessageOut, QueuedProposal), MemberError> {
        let (group, provider) = self.parts(crypto)?;
        let (message, reference) = group
            .propose(&provider, signer, propose, ProposalOrRefType::Reference)
            .map_err(|_| MemberError::Ours("a proposal"))?;
        let queued = group
            .pending_proposals()
            .find(|queued| queued.proposal_reference_ref() == &reference)
            .cloned()
            .ok_or(MemberError::Ours("a proposal"))?;
        self.reclaim(crypto)?;
        Ok((message, queued))
    }

    /// The proposal that this client's leaf leaves.
    pub(in crate::client) fn self_remove<C: Crypto>(
        &mut self,
        crypto: &C,
        signer: &Lent<'_>,
    ) -> Result<(MlsMessageOut, QueuedProposal), MemberError> {
        let (group, provider) = self.parts(crypto)?;
        let message = group
            .leave_group_via_self_remove(&provider, signer)
            .map_err(|_| MemberError::Ours("a SelfRemove"))?;
        let queued =
            group.pending_proposals().last().cloned().ok_or(MemberError::Ours("a SelfRemove"))?;
        self.reclaim(crypto)?;
        Ok((message, queued))
    }
}

/// Gives a commit in the making what its AppDataUpdates make of the dictionary.
pub(super) fn fold_into<G: std::borrow::BorrowMut<MlsGroup>>(
    builder: &mut CommitBuilder<'_, LoadedPsks, G>,
    fold: impl FnOnce(&[AppDataUpdateProposal], AppDataDictionaryUpdater<'_>) -> Option<AppDataUpdates>,
) {
    let proposals: Vec<AppDataUpdateProposal> =
        builder.app_data_update_proposals().cloned().collect();
    let updates = if proposals.is_empty() {
        None
    } else {
        fold(&proposals, builder.app_data_dictionary_updater())
    };
    builder.with_app_data_dictionary_updates(updates);
}

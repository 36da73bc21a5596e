//! The MLS delivery service: a group as a server sees it, with two operations, *propose* and *commit*.
//!
//! It is generic (S-53 … S-62): it knows members, proposals, commits and epochs, and nothing of rooms, users or
//! policy. An application above it (here `hub::Room`) is asked for a verdict and for the new component data, between
//! the check and the acceptance:
//!
//! ```text
//! propose   Group::check_proposals ─▶ CheckedProposals ─ the application judges ─▶ Group::stage ─▶ StagedProposals
//! commit    Group::open_commit ─▶ OpenCommit ─ the application computes components ─▶ OpenCommit::resolve ─▶ StagedCommit
//! ```
//!
//! Both end in a staged value: it shows what to save (`writes`), and is accepted without a way to fail
//! ([`Group::accept_proposals`], [`Group::accept_commit`]), or dropped, which leaves no trace. Checks are on `&self`.
//!
//! What MLS leaves to a delivery service, and its engine does not check, is checked here: the commit that everybody
//! could merge but one rule forbids, the proposal that nobody could commit, the GroupInfo that nobody could join
//! with. Proposals that exclude each other are refused or lapse when they are *queued* (Q-79), so that the next
//! commit can hold all that is pending, and has to.

mod commit;
pub(crate) mod context;
mod engine;
pub(crate) mod external;
mod frame;
mod propose;
mod refusal;
mod shelf;
mod view;

use std::collections::{BTreeMap, BTreeSet};

use openmls_traits::{crypto::OpenMlsCrypto, signatures::Signer};

pub use self::{
    commit::{CommitBundle, GroupInfoForm, OpenCommit, StagedCommit, TreeForm},
    propose::{CheckedProposal, CheckedProposals, ExternalProposal, Pending, StagedProposals},
    refusal::{
        CommitRefusal, Conflict, ExternalFault, FoundRefusal, GroupInfoFault, LeafFault,
        ProposalFault, ProposalRefusal, ProposeError, RefusedProposal, WelcomeFault,
    },
    view::{
        CommittedProposal, Committer, ComponentOperation, Credential, ExtensionsChange,
        ExternalSender, KeyPackageRef, Leaf, LeafIndex, Member, ProposalRef, ProposalView, Sender,
    },
};
use crate::{
    env::Timestamp,
    error::{DecodeError, RestoreError},
    machine::{Key, Records},
};

/// What differs between the uses of a group. Not part of its records: give the same to [`Group::restore`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Components whose updates accumulate: several may be pending, and stand in one commit. For all others the
    /// second one is refused (Q-79).
    pub mergeable: BTreeSet<u16>,
    /// Proposals that may be pending.
    pub pending: usize,
    /// Proposals in one bundle.
    pub bundle: usize,
}

/// Records to be put (`Some`) or deleted (`None`). All keys have a kind in [`Group::KINDS`].
pub type Writes = Vec<(Key, Option<Vec<u8>>)>;

/// A group of which this server is the delivery service.
#[derive(Debug)]
pub struct Group {
    _todo: (),
}

impl Group {
    /// The record kinds of a group, first and last; the machine around it uses others.
    pub const KINDS: std::ops::RangeInclusive<u8> = 0x10..=0x2F;

    /// Takes up a group that its creator has made: verifies the GroupInfo (bare, as a commit's bundle carries it)
    /// and the ratchet tree (`optional<Node> ratchet_tree<V>`).
    ///
    /// # Errors
    /// If they are not those of a valid group that this service can serve to the end.
    pub fn found(
        crypto: &impl OpenMlsCrypto,
        now: Timestamp,
        group_info: &[u8],
        ratchet_tree: &[u8],
        config: &Config,
    ) -> Result<Self, FoundRefusal> {
        let _ = (crypto, now, group_info, ratchet_tree, config);
        unimplemented!()
    }

    /// What to save with the founding.
    #[must_use]
    pub fn writes(&self) -> Writes {
        unimplemented!()
    }

    /// The group that was saved: equal to the live one in every answer. Needs no clock and no cryptography.
    ///
    /// # Errors
    /// If the records are not complete or do not decode.
    pub fn restore(records: &Records, config: &Config) -> Result<Self, RestoreError> {
        let _ = (records, config);
        unimplemented!()
    }

    /// The group's identifier.
    #[must_use]
    pub fn group_id(&self) -> &[u8] {
        unimplemented!()
    }

    /// The epoch the group is in.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        unimplemented!()
    }

    /// The code of the group's ciphersuite.
    #[must_use]
    pub fn ciphersuite(&self) -> u16 {
        unimplemented!()
    }

    /// The GroupContext of this epoch, as every member has it.
    #[must_use]
    pub fn group_context(&self) -> &[u8] {
        unimplemented!()
    }

    /// All members, by leaf.
    pub fn members(&self) -> impl Iterator<Item = Member<'_>> {
        std::iter::empty()
    }

    /// The member at a leaf.
    #[must_use]
    pub fn member(&self, leaf: LeafIndex) -> Option<Member<'_>> {
        let _ = leaf;
        unimplemented!()
    }

    /// The member that signs with this key.
    #[must_use]
    pub fn member_by_key(&self, signature_key: &[u8]) -> Option<Member<'_>> {
        let _ = signature_key;
        unimplemented!()
    }

    /// A component of the GroupContext, verbatim.
    #[must_use]
    pub fn component(&self, component: u16) -> Option<&[u8]> {
        self.components().get(&component).map(Vec::as_slice)
    }

    /// All components of the GroupContext, verbatim.
    #[must_use]
    pub fn components(&self) -> &BTreeMap<u16, Vec<u8>> {
        unimplemented!()
    }

    /// The servers that may propose, by index.
    #[must_use]
    pub fn external_senders(&self) -> &[ExternalSender] {
        unimplemented!()
    }

    /// The GroupInfo of this epoch, bare: signed by the last committer, without the ratchet tree.
    #[must_use]
    pub fn group_info(&self) -> Vec<u8> {
        unimplemented!()
    }

    /// The ratchet tree of this epoch: `optional<Node> ratchet_tree<V>`. Takes time in proportion to the group.
    #[must_use]
    pub fn ratchet_tree(&self) -> Vec<u8> {
        unimplemented!()
    }

    /// The proposals that the next commit has to contain, in the order they were accepted.
    pub fn pending(&self) -> impl Iterator<Item = &Pending> {
        std::iter::empty()
    }

    /// Checks a bundle of proposals: all are good, or all are refused (P-116).
    ///
    /// Each element of `bundle` is an MLSMessage. Signature, epoch, framing, sender, and everything that could make
    /// a commit with them invalid: together with each other and with what is pending (Q-79).
    ///
    /// # Errors
    /// If one of them is wrong, or all are for another epoch.
    pub fn check_proposals(
        &self,
        crypto: &impl OpenMlsCrypto,
        now: Timestamp,
        bundle: &[&[u8]],
    ) -> Result<CheckedProposals, ProposalRefusal> {
        let _ = (crypto, now, bundle);
        unimplemented!()
    }

    /// Readies a checked bundle for acceptance, now that the application agrees.
    ///
    /// `also_lapsed` are pending proposals that lapse by the application's own rules, beside
    /// [`CheckedProposals::lapsed`]; names of what is not pending are ignored.
    #[must_use]
    pub fn stage(
        &self,
        checked: CheckedProposals,
        also_lapsed: &[ProposalRef],
        accepted_at: Timestamp,
    ) -> StagedProposals {
        let _ = (checked, also_lapsed, accepted_at);
        unimplemented!()
    }

    /// Readies the lapse of pending proposals that the application takes back.
    #[must_use]
    pub fn stage_lapse(&self, lapsed: &[ProposalRef]) -> StagedProposals {
        let _ = lapsed;
        unimplemented!()
    }

    /// Queues the proposals. Cannot fail.
    ///
    /// # Panics
    /// If they were staged in another epoch: a fault of our caller that would fork the group.
    pub fn accept_proposals(&mut self, staged: StagedProposals) {
        let _ = staged;
    }

    /// Makes proposals of this server itself, as the external sender at `sender`. They are MLSMessages, to be given
    /// to [`Group::check_proposals`] like anybody's.
    ///
    /// # Errors
    /// If the signer is not that external sender, or fails.
    pub fn propose_as(
        &self,
        signer: &impl Signer,
        sender: u32,
        proposals: &[ExternalProposal],
    ) -> Result<Vec<Vec<u8>>, ProposeError> {
        let _ = (signer, sender, proposals);
        unimplemented!()
    }

    /// Opens a commit (an MLSMessage): checks its framing and its signature, and finds its proposals.
    ///
    /// # Errors
    /// If it is for another epoch, or wrong in itself.
    pub fn open_commit(
        &self,
        crypto: &impl OpenMlsCrypto,
        now: Timestamp,
        commit: &[u8],
    ) -> Result<OpenCommit, CommitRefusal> {
        let _ = (crypto, now, commit);
        unimplemented!()
    }

    /// Takes the group into its next epoch. Cannot fail.
    ///
    /// # Panics
    /// If the commit was staged in another epoch: a fault of our caller that would fork the group.
    pub fn accept_commit(&mut self, staged: StagedCommit) {
        let _ = staged;
    }
}

/// Whom a Welcome (bare) is for.
///
/// # Errors
/// If it does not decode.
pub fn welcome_refs(welcome: &[u8]) -> Result<Vec<KeyPackageRef>, DecodeError> {
    let _ = welcome;
    unimplemented!()
}

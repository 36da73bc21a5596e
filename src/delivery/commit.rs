//! Commits, in two phases: the application computes the new component data in between.

use std::collections::{BTreeMap, BTreeSet};

use openmls_traits::crypto::OpenMlsCrypto;

use super::{
    Group,
    admission::admit,
    engine::{EngineFault, Opened},
    frame::{Body, FrameFault, FrameSender, RawLeaf, RawProposal, is_safe_aad, read_frame},
    listed::{Item, Origin, check_path_presence, taken_out},
    refusal::{CommitRefusal, ExternalFault, LeafFault},
    roster::{Entry, RosterChange},
    rules::Court,
    staged::{self, StagedCommit},
    view::{
        CommittedProposal, Committer, ComponentOperation, Credential, KeyPackageRef, Leaf,
        LeafIndex, ProposalRef, ProposalView, Sender,
    },
};
use crate::env::Timestamp;

/// What comes with a commit (protocol, section 5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitBundle<'a> {
    /// A bare Welcome, if the commit adds clients.
    pub welcome: Option<&'a [u8]>,
    /// The GroupInfo of the new epoch.
    pub group_info: GroupInfoForm<'a>,
    /// Where the ratchet tree of the new epoch is.
    pub ratchet_tree: TreeForm<'a>,
}

/// How a committer conveys the GroupInfo (draft-ietf-mls-ratchet-tree-options).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupInfoForm<'a> {
    /// A bare GroupInfo.
    Full(&'a [u8]),
    /// A PartialGroupInfo: only what cannot be known from the commit.
    Partial(&'a [u8]),
}

/// How a committer conveys the ratchet tree (draft-ietf-mls-ratchet-tree-options, Q-55).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TreeForm<'a> {
    /// The tree itself, `optional<Node> ratchet_tree<V>`; it has to be the one that the commit leads to.
    Full(&'a [u8]),
    /// An address to fetch it from. This service does not: it has its own.
    HttpsUri(&'a [u8]),
    /// By other means. This service has its own.
    OutOfBand,
    /// This service has it.
    DistributionService,
}

/// A commit whose signature is verified, and whose proposals are known.
#[derive(Debug)]
pub struct OpenCommit {
    pub(super) epoch: u64,
    pub(super) committer: Committer,
    pub(super) proposals: Vec<CommittedProposal>,
    pub(super) path: Option<Leaf>,
    pub(super) opened: Opened,
    pub(super) outcome: Outcome,
    pub(super) confirmation_tag: Vec<u8>,
}

/// What a commit does to the members.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) change: RosterChange,
    pub(super) added: Vec<(KeyPackageRef, LeafIndex, Leaf)>,
    pub(super) removed: Vec<(LeafIndex, Credential)>,
    /// The committer's leaf in the new tree, and its key there.
    pub(super) signer: LeafIndex,
    pub(super) signature_key: Vec<u8>,
}

impl OpenCommit {
    /// Who made it.
    #[must_use]
    pub fn committer(&self) -> &Committer {
        &self.committer
    }

    /// Its proposals, in its order.
    #[must_use]
    pub fn proposals(&self) -> &[CommittedProposal] {
        &self.proposals
    }

    /// The updates of components, in the order of the commit, with the proposal each stands in.
    pub fn component_updates(
        &self,
    ) -> impl Iterator<Item = (u16, &ComponentOperation, &CommittedProposal)> {
        self.proposals.iter().filter_map(|it| match &it.content {
            ProposalView::AppDataUpdate { component, operation } => {
                Some((*component, operation, it))
            }
            ProposalView::Add { .. }
            | ProposalView::Update { .. }
            | ProposalView::Remove(_)
            | ProposalView::SelfRemove
            | ProposalView::GroupContextExtensions(_)
            | ProposalView::ExternalInit => None,
        })
    }

    /// The clients that it adds, with their KeyPackages' names and the leaves they get.
    pub fn added(&self) -> impl Iterator<Item = (&KeyPackageRef, LeafIndex, &Leaf)> {
        self.outcome.added.iter().map(|(name, index, leaf)| (name, *index, leaf))
    }

    /// The members that it removes, with the credentials they had.
    #[must_use]
    pub fn removed(&self) -> &[(LeafIndex, Credential)] {
        &self.outcome.removed
    }

    /// The leaf of the update path, if it has one.
    #[must_use]
    pub fn path(&self) -> Option<&Leaf> {
        self.path.as_ref()
    }

    /// Checks the rest, with the components that the application computed: `Some` is the new data of a component,
    /// `None` its removal. Exactly the components of [`OpenCommit::component_updates`] are to be there.
    ///
    /// # Errors
    /// If the commit is refused. Nothing has happened then.
    pub fn resolve(
        self,
        group: &Group,
        crypto: &impl OpenMlsCrypto,
        changes: BTreeMap<u16, Option<Vec<u8>>>,
        bundle: &CommitBundle<'_>,
    ) -> Result<StagedCommit, CommitRefusal> {
        staged::stage(self, group, crypto, &changes, bundle)
    }
}

impl Group {
    /// Opens a commit (an MLSMessage): checks its framing and its signature, finds its proposals, and checks all
    /// that does not depend on the component data it leads to.
    ///
    /// # Errors
    /// If it is for another epoch, or wrong in itself.
    pub fn open_commit(
        &self,
        crypto: &impl OpenMlsCrypto,
        now: Timestamp,
        commit: &[u8],
    ) -> Result<OpenCommit, CommitRefusal> {
        self.open_commit_without(crypto, now, commit, &BTreeSet::new())
    }

    /// [`Group::open_commit`], where these pending proposals may be left out: the application lets them lapse with
    /// this commit.
    ///
    /// # Errors
    /// If it is for another epoch, or wrong in itself.
    pub fn open_commit_without(
        &self,
        crypto: &impl OpenMlsCrypto,
        now: Timestamp,
        commit: &[u8],
        lapsed: &BTreeSet<ProposalRef>,
    ) -> Result<OpenCommit, CommitRefusal> {
        let frame = read_frame(commit).map_err(|fault| match fault {
            FrameFault::WireFormat => CommitRefusal::WireFormat,
            FrameFault::Malformed(error) => CommitRefusal::Malformed(error),
        })?;
        if frame.group_id != self.context.group_id {
            return Err(CommitRefusal::WrongGroup);
        }
        let Body::Commit(raw) = &frame.body else { return Err(CommitRefusal::ContentType) };
        if frame.epoch != self.context.epoch {
            return Err(CommitRefusal::WrongEpoch { current: self.context.epoch });
        }
        let from = match frame.sender {
            FrameSender::Member(leaf) if self.roster.get(leaf).is_some() => Origin::Member(leaf),
            FrameSender::NewMemberCommit => Origin::Outside,
            FrameSender::Member(_) | FrameSender::External(_) | FrameSender::NewMemberProposal => {
                return Err(CommitRefusal::Sender);
            }
        };
        if self.context.safe_aad() && !is_safe_aad(frame.authenticated_data) {
            return Err(CommitRefusal::SafeAad);
        }
        let court = Court { context: &self.context, roster: &self.roster, now };
        let items = self.find(crypto, court, from, raw, lapsed)?;
        check_path_presence(raw, &items)?;
        self.check_list(court, &items)?;
        let path = raw
            .path
            .as_ref()
            .map(|leaf| self.check_path(court, from, &items, leaf))
            .transpose()
            .map_err(CommitRefusal::Path)?;
        let outcome = self.outcome(from, &items, path);
        if let (Origin::Outside, Some(leaf)) = (from, &raw.path) {
            check_resync(&items, &outcome, &leaf.leaf)?;
        }
        let committer = match (from, &raw.path) {
            (Origin::Outside, Some(leaf)) => {
                Committer::Joiner { leaf: outcome.signer, node: Box::new(leaf.leaf.clone()) }
            }
            (Origin::Member(leaf), _) => Committer::Member(leaf),
            (Origin::Outside, None) => return Err(CommitRefusal::NoPath),
        };
        let opened = self.engine.open(crypto, commit).map_err(|fault| match fault {
            EngineFault::Signature => CommitRefusal::Signature,
            EngineFault::Other => CommitRefusal::Engine,
        })?;
        Ok(OpenCommit {
            epoch: self.context.epoch,
            committer,
            proposals: items.into_iter().map(|item| item.committed).collect(),
            path: raw.path.as_ref().map(|leaf| leaf.leaf.clone()),
            opened,
            outcome,
            confirmation_tag: frame.confirmation_tag.unwrap_or_default().to_vec(),
        })
    }

    /// Whether the leaf of the update path may stand where it is to stand, its keys nobody else's. Of the signature
    /// key the engine does not ask.
    fn check_path(
        &self,
        court: Court<'_>,
        from: Origin,
        items: &[Item<'_>],
        leaf: &RawLeaf,
    ) -> Result<Entry, LeafFault> {
        let entry = admit(court.context, court.roster, court.now, leaf)?;
        if self.roster.has_encryption_key(&entry.encryption_key) {
            return Err(LeafFault::HpkeKey);
        }
        match from {
            Origin::Member(index) => court.replaces(index, &entry)?,
            Origin::Outside => {
                let taken = self.roster.by_signature_key(&entry.signature_key);
                if taken.is_some_and(|leaf| !items.iter().any(|item| taken_out(item) == Some(leaf)))
                {
                    return Err(LeafFault::SignatureKey);
                }
            }
        }
        let comes_in = |item: &Item<'_>| {
            item.entry.as_ref().is_some_and(|other| other.signature_key == entry.signature_key)
        };
        if items.iter().any(comes_in) {
            return Err(LeafFault::SignatureKey);
        }
        Ok(entry)
    }

    /// What the proposals and the path do to the members (RFC 9420, section 12.3).
    fn outcome(&self, from: Origin, items: &[Item<'_>], path: Option<Entry>) -> Outcome {
        let mut change = RosterChange::default();
        let mut removed = Vec::new();
        for item in items {
            if let (RawProposal::Update(_), Sender::Member(leaf), Some(entry)) =
                (item.raw, item.committed.sender, &item.entry)
            {
                change.put.insert(leaf, entry.clone());
            }
            if let Some(leaf) = taken_out(item) {
                change.removed.insert(leaf);
                removed.extend(self.roster.get(leaf).map(|old| (leaf, old.credential.clone())));
            }
        }
        let mut added = Vec::new();
        let gone = change.removed.clone();
        let mut free = self.roster.free(&gone);
        for item in items {
            if let (
                RawProposal::Add { .. },
                Some(entry),
                ProposalView::Add { key_package, leaf, .. },
            ) = (item.raw, &item.entry, &item.committed.content)
                && let Some(index) = free.next()
            {
                change.put.insert(index, entry.clone());
                added.push((key_package.clone(), index, leaf.clone()));
            }
        }
        let signer = match from {
            Origin::Member(leaf) => leaf,
            Origin::Outside => free.next().unwrap_or(LeafIndex(u32::MAX)),
        };
        let old_key = self.roster.get(signer).map(|old| old.signature_key.clone());
        let signature_key =
            path.as_ref().map(|entry| entry.signature_key.clone()).or(old_key).unwrap_or_default();
        change.put.extend(path.map(|entry| (signer, entry)));
        Outcome { change, added, removed, signer, signature_key }
    }
}

/// A joiner removes no leaf but its own old one (Q-38, D-5E): of the same credential. The application may know more
/// of who it is, and has to ask.
fn check_resync(items: &[Item<'_>], outcome: &Outcome, joiner: &Leaf) -> Result<(), CommitRefusal> {
    // Beside the joiner's own there are only Removes by value; a SelfRemove is of whom it removes.
    let others = items.iter().filter(|item| item.committed.reference.is_none()).any(|item| {
        let taken = taken_out(item);
        let mut removed = outcome.removed.iter().filter(|(leaf, _)| Some(*leaf) == taken);
        removed.any(|(_, credential)| *credential != joiner.credential)
    });
    if others { Err(CommitRefusal::External(ExternalFault::RemovesOther)) } else { Ok(()) }
}

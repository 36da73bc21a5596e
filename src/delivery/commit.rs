//! Commits, in two phases: the application computes the new component data in between.

use std::collections::{BTreeMap, BTreeSet};

use openmls_traits::crypto::OpenMlsCrypto;

use super::{
    Group,
    admission::admit,
    engine::{EngineFault, Opened},
    frame::{
        Body, FrameFault, FrameSender, RawCommit, RawLeaf, RawOrRef, RawProposal, is_safe_aad,
        read_frame,
    },
    refusal::{CommitRefusal, Conflict, ExternalFault, LeafFault, ProposalFault},
    roster::{Entry, RosterChange},
    rules::{Court, Draft, Good, may_send},
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

/// A proposal of a commit, found and judged.
struct Item<'a> {
    committed: CommittedProposal,
    raw: &'a RawProposal,
    entry: Option<Entry>,
}

/// Where a commit comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Member(LeafIndex),
    Outside,
}

impl Origin {
    fn sender(self) -> Sender {
        match self {
            Self::Member(leaf) => Sender::Member(leaf),
            Self::Outside => Sender::NewMember,
        }
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
        let items = self.find(crypto, court, from, raw)?;
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
                Committer::Joiner { leaf: outcome.signer, node: leaf.leaf.clone() }
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

    /// Finds the proposals of a commit, and judges each one on its own: those by reference were when they were
    /// queued.
    fn find<'a>(
        &'a self,
        crypto: &impl OpenMlsCrypto,
        court: Court<'_>,
        from: Origin,
        commit: &'a RawCommit,
    ) -> Result<Vec<Item<'a>>, CommitRefusal> {
        let mut items = Vec::with_capacity(commit.proposals.len());
        let mut unknown = Vec::new();
        let waiting: BTreeMap<_, _> =
            self.waiting.iter().map(|it| (it.pending.reference.0.as_slice(), it)).collect();
        for (index, proposal) in commit.proposals.iter().enumerate() {
            let item = match proposal {
                RawOrRef::Reference(name) => {
                    let Some(waiting) = waiting.get(name.as_slice()) else {
                        unknown.push(ProposalRef(name.clone()));
                        continue;
                    };
                    let item = Item {
                        committed: CommittedProposal {
                            sender: waiting.pending.sender,
                            reference: Some(waiting.pending.reference.clone()),
                            content: waiting.pending.content.clone(),
                        },
                        raw: &waiting.raw,
                        entry: waiting.entry.clone(),
                    };
                    if from == Origin::Outside && *item.raw != RawProposal::SelfRemove {
                        return Err(CommitRefusal::External(ExternalFault::Reference));
                    }
                    item
                }
                RawOrRef::Value(raw) => {
                    let Good { view, entry } =
                        by_value(crypto, court, from, raw).map_err(|fault| match fault {
                            ValueFault::External(fault) => CommitRefusal::External(fault),
                            ValueFault::Proposal(fault) => {
                                CommitRefusal::Proposal { index, reference: None, fault }
                            }
                        })?;
                    let committed =
                        CommittedProposal { sender: from.sender(), reference: None, content: view };
                    Item { committed, raw, entry }
                }
            };
            if let Origin::Member(leaf) = from
                && is_about(leaf, &item)
            {
                let fault = ProposalFault::OwnLeaf;
                let reference = item.committed.reference.clone();
                return Err(CommitRefusal::Proposal { index, reference, fault });
            }
            items.push(item);
        }
        if !unknown.is_empty() {
            return Err(CommitRefusal::UnknownReference(unknown));
        }
        self.check_obligatory(from, &items)?;
        if let Origin::Outside = from {
            check_external(&items)?;
        }
        Ok(items)
    }

    /// A commit contains all that is pending, but for the committer's own Update; an external commit the SelfRemoves
    /// (Q-79, P-019).
    fn check_obligatory(&self, from: Origin, items: &[Item<'_>]) -> Result<(), CommitRefusal> {
        let there: BTreeSet<_> =
            items.iter().filter_map(|item| item.committed.reference.as_ref()).collect();
        let missing: Vec<_> = self
            .waiting
            .iter()
            .filter(|it| match (from, &it.raw) {
                (Origin::Outside, raw) => *raw == RawProposal::SelfRemove,
                (Origin::Member(leaf), RawProposal::Update(_)) => {
                    it.pending.sender != Sender::Member(leaf)
                }
                (Origin::Member(_), _) => true,
            })
            .map(|it| &it.pending.reference)
            .filter(|reference| !there.contains(reference))
            .cloned()
            .collect();
        if missing.is_empty() { Ok(()) } else { Err(CommitRefusal::Missing(missing)) }
    }

    /// Whether the proposals can stand in one commit (P-119). Of those nothing may lapse.
    fn check_list(&self, court: Court<'_>, items: &[Item<'_>]) -> Result<(), CommitRefusal> {
        let mut draft = Draft::new(court, &self.config.mergeable, true);
        let is_remove = |item: &Item<'_>| matches!(item.raw, RawProposal::Remove(_));
        // Removes first, for the keys of those that go may come back in the same commit.
        let (removes, others): (Vec<_>, Vec<_>) =
            items.iter().enumerate().partition(|(_, item)| is_remove(item));
        let mut names = BTreeSet::new();
        for (index, item) in removes.into_iter().chain(others) {
            let CommittedProposal { sender, reference, .. } = &item.committed;
            let twice = match reference {
                Some(name) => !names.insert(name),
                // The engine takes two of the same octets for one, and clients may not.
                None => items
                    .iter()
                    .take(index)
                    .any(|other| other.committed.reference.is_none() && other.raw == item.raw),
            };
            let entered = if twice {
                Err(ProposalFault::Conflict(Conflict::Repeated))
            } else {
                draft.enter(index, *sender, item.raw, item.entry.as_ref()).and_then(|lapsed| {
                    let clash = ProposalFault::Conflict(Conflict::Leaving);
                    if lapsed.is_empty() { Ok(()) } else { Err(clash) }
                })
            };
            entered.map_err(|fault| CommitRefusal::Proposal {
                index,
                reference: reference.clone(),
                fault,
            })?;
        }
        Ok(())
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
                if taken.is_some_and(|leaf| !items.iter().any(|item| takes_out(leaf, item))) {
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
            let leaf = match (item.raw, item.committed.sender) {
                (RawProposal::Remove(leaf), _) => *leaf,
                (RawProposal::SelfRemove, Sender::Member(leaf)) => leaf,
                (RawProposal::Update(_), Sender::Member(leaf)) => {
                    change.put.extend(item.entry.clone().map(|entry| (leaf, entry)));
                    continue;
                }
                _ => continue,
            };
            change.removed.insert(leaf);
            removed.extend(self.roster.get(leaf).map(|old| (leaf, old.credential.clone())));
        }
        let mut added = Vec::new();
        let gone = change.removed.clone();
        let mut free = self.roster.free(&gone);
        for item in items {
            if let (RawProposal::Add { .. }, Some(entry), ProposalView::Add { key_package, leaf }) =
                (item.raw, &item.entry, &item.committed.content)
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

enum ValueFault {
    External(ExternalFault),
    Proposal(ProposalFault),
}

/// Judges a proposal that stands in a commit by value.
fn by_value(
    crypto: &impl OpenMlsCrypto,
    court: Court<'_>,
    from: Origin,
    raw: &RawProposal,
) -> Result<Good, ValueFault> {
    match (from, raw) {
        (_, RawProposal::Refused(kind)) => {
            return Err(ValueFault::Proposal(ProposalFault::Type(*kind)));
        }
        // E-070, and RFC 9420, section 12.4: what the committer may not do to its own leaf.
        (_, RawProposal::SelfRemove | RawProposal::Update(_)) => {
            return Err(ValueFault::Proposal(ProposalFault::ByValue));
        }
        // P-118.
        (Origin::Outside, RawProposal::Add { .. } | RawProposal::Extensions(_)) => {
            return Err(ValueFault::External(ExternalFault::Type));
        }
        (
            Origin::Outside,
            RawProposal::ExternalInit | RawProposal::Remove(_) | RawProposal::AppDataUpdate { .. },
        ) => {}
        (Origin::Member(_), _) => may_send(from.sender(), raw).map_err(ValueFault::Proposal)?,
    }
    court.judge(crypto, from.sender(), raw).map_err(ValueFault::Proposal)
}

/// Whether there is an update path where there must be one (RFC 9420, section 12.4).
fn check_path_presence(commit: &RawCommit, items: &[Item<'_>]) -> Result<(), CommitRefusal> {
    let required = items.is_empty()
        || items.iter().any(|item| match item.raw {
            RawProposal::Update(_)
            | RawProposal::Remove(_)
            | RawProposal::SelfRemove
            | RawProposal::ExternalInit
            | RawProposal::Extensions(_) => true,
            RawProposal::Add { .. }
            | RawProposal::AppDataUpdate { .. }
            | RawProposal::Refused(_) => false,
        });
    if required && commit.path.is_none() { Err(CommitRefusal::NoPath) } else { Ok(()) }
}

/// Whether a proposal takes a leaf out of the tree.
fn takes_out(leaf: LeafIndex, item: &Item<'_>) -> bool {
    match item.raw {
        RawProposal::Remove(removed) => *removed == leaf,
        RawProposal::SelfRemove => item.committed.sender == Sender::Member(leaf),
        RawProposal::Add { .. }
        | RawProposal::Update(_)
        | RawProposal::ExternalInit
        | RawProposal::Extensions(_)
        | RawProposal::AppDataUpdate { .. }
        | RawProposal::Refused(_) => false,
    }
}

/// Whether a proposal takes out or replaces a leaf.
fn is_about(leaf: LeafIndex, item: &Item<'_>) -> bool {
    let updates =
        matches!(item.raw, RawProposal::Update(_)) && item.committed.sender == Sender::Member(leaf);
    updates || takes_out(leaf, item)
}

/// What an external commit may hold, and how often (P-118; RFC 9420, section 12.4.3.2).
fn check_external(items: &[Item<'_>]) -> Result<(), CommitRefusal> {
    let count = |wanted: fn(&RawProposal) -> bool| items.iter().filter(|it| wanted(it.raw)).count();
    if count(|raw| *raw == RawProposal::ExternalInit) != 1 {
        return Err(CommitRefusal::External(ExternalFault::Init));
    }
    if count(|raw| matches!(raw, RawProposal::Remove(_))) > 1 {
        return Err(CommitRefusal::External(ExternalFault::Removes));
    }
    Ok(())
}

/// A joiner removes no leaf but its own old one (Q-38, D-5E): of the same credential. The application may know more
/// of who it is, and has to ask.
fn check_resync(items: &[Item<'_>], outcome: &Outcome, joiner: &Leaf) -> Result<(), CommitRefusal> {
    let others = items.iter().any(|item| match item.raw {
        RawProposal::Remove(leaf) => outcome
            .removed
            .iter()
            .any(|(removed, credential)| removed == leaf && *credential != joiner.credential),
        RawProposal::Add { .. }
        | RawProposal::Update(_)
        | RawProposal::ExternalInit
        | RawProposal::Extensions(_)
        | RawProposal::AppDataUpdate { .. }
        | RawProposal::SelfRemove
        | RawProposal::Refused(_) => false,
    });
    if others { Err(CommitRefusal::External(ExternalFault::RemovesOther)) } else { Ok(()) }
}

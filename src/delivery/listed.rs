//! The proposals of a commit: found, and judged one by one and together.

use std::collections::{BTreeMap, BTreeSet};

use openmls_traits::crypto::OpenMlsCrypto;

use super::{
    Group,
    frame::{RawCommit, RawOrRef, RawProposal},
    refusal::{CommitRefusal, Conflict, ExternalFault, LeafFault, ProposalFault},
    roster::Entry,
    rules::{Court, Draft, Good, may_send},
    view::{CommittedProposal, LeafIndex, ProposalRef, Sender},
};
use crate::env::Timestamp;

/// A proposal of a commit, found and judged.
pub(super) struct Item<'a> {
    pub(super) committed: CommittedProposal,
    pub(super) raw: &'a RawProposal,
    pub(super) entry: Option<Entry>,
}

/// Where a commit comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
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
    /// Finds the proposals of a commit, and judges each one on its own: those by reference were when they were
    /// queued.
    pub(super) fn find<'a>(
        &'a self,
        crypto: &impl OpenMlsCrypto,
        court: Court<'_>,
        from: Origin,
        commit: &'a RawCommit,
        lapsed: &BTreeSet<ProposalRef>,
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
                    if waiting.is_expired(court.now) {
                        let fault = ProposalFault::Leaf(LeafFault::Lifetime);
                        let reference = Some(waiting.pending.reference.clone());
                        return Err(CommitRefusal::Proposal { index, reference, fault });
                    }
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
        self.check_obligatory(court.now, from, &items, lapsed)?;
        if let Origin::Outside = from {
            check_external(&items)?;
        }
        Ok(items)
    }

    /// A commit contains all that is pending, but for the committer's own Update, the Updates of those whom it
    /// removes by value, and Adds whose KeyPackage has expired since: nobody could commit these. An external commit
    /// contains the SelfRemoves (Q-79, P-019).
    fn check_obligatory(
        &self,
        now: Timestamp,
        from: Origin,
        items: &[Item<'_>],
        lapsed: &BTreeSet<ProposalRef>,
    ) -> Result<(), CommitRefusal> {
        let there: BTreeSet<_> =
            items.iter().filter_map(|item| item.committed.reference.as_ref()).collect();
        let by_value = items.iter().filter(|item| item.committed.reference.is_none());
        let removed: BTreeSet<_> = by_value.filter_map(taken_out).map(Sender::Member).collect();
        let missing: Vec<_> = self
            .waiting
            .iter()
            .filter(|it| match (from, &it.raw) {
                (Origin::Outside, raw) => *raw == RawProposal::SelfRemove,
                (Origin::Member(_), RawProposal::Update(_)) => {
                    it.pending.sender != from.sender() && !removed.contains(&it.pending.sender)
                }
                (Origin::Member(_), _) => !it.is_expired(now),
            })
            .map(|it| &it.pending.reference)
            .filter(|reference| !there.contains(reference) && !lapsed.contains(reference))
            .cloned()
            .collect();
        #[cfg(test)]
        if crate::testing::mistake::is_made(crate::testing::mistake::Mistake::Omissions) {
            return Ok(());
        }
        if missing.is_empty() { Ok(()) } else { Err(CommitRefusal::Missing(missing)) }
    }

    /// Whether the proposals can stand in one commit (P-119). Of those nothing may lapse.
    pub(super) fn check_list(
        &self,
        court: Court<'_>,
        items: &[Item<'_>],
    ) -> Result<(), CommitRefusal> {
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
pub(super) fn check_path_presence(
    commit: &RawCommit,
    items: &[Item<'_>],
) -> Result<(), CommitRefusal> {
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

/// The leaf that a proposal takes out of the tree.
pub(super) fn taken_out(item: &Item<'_>) -> Option<LeafIndex> {
    match (item.raw, item.committed.sender) {
        (RawProposal::Remove(leaf), _) => Some(*leaf),
        (RawProposal::SelfRemove, Sender::Member(leaf)) => Some(leaf),
        (
            RawProposal::SelfRemove
            | RawProposal::Add { .. }
            | RawProposal::Update(_)
            | RawProposal::ExternalInit
            | RawProposal::Extensions(_)
            | RawProposal::AppDataUpdate { .. }
            | RawProposal::Refused(_),
            _,
        ) => None,
    }
}

/// Whether a proposal takes out or replaces a leaf.
fn is_about(leaf: LeafIndex, item: &Item<'_>) -> bool {
    let updates =
        matches!(item.raw, RawProposal::Update(_)) && item.committed.sender == Sender::Member(leaf);
    updates || taken_out(item) == Some(leaf)
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

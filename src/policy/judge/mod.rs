//! The verdicts: may these proposals wait for a commit, may this commit be?
//!
//! Hub and clients call the same functions with the same arguments in the same order, so they decide the same.
//! Nothing here knows of MLS messages: a caller translates each verified proposal into a [`Proposed`], that is who
//! made it and what it does.
//!
//! # What the caller does
//!
//! It keeps two [`RoomState`]s: `committed`, the room of the current epoch, and `effective`, the same with all
//! accepted proposals that wait. In a [`View`] they are handed over together.
//!
//! * **Standalone proposals** (one bundle, all or nothing, P-116): call [`judge_proposals`] with all proposals that
//!   wait, in the order of their acceptance. [`Accepted::lapsed`] names those that lapse by it: drop them from
//!   the queue. [`Accepted::apply`] brings `effective` up to date. Then append the bundle to the queue.
//! * **A commit**: call [`judge_commit`] with all its proposals in the order of the commit, those by reference with
//!   the sender that they had. Whether all obligatory proposals are in it is the delivery service's to check.
//!   [`Verdict::components`] are the values for the group's dictionary; when the commit is merged, [`Verdict::apply`]
//!   makes the new `committed`, and `effective` starts again as its clone.
//! * **Proposals that lapse for reasons of MLS** (a SelfRemove over a Remove of the same leaf, and so on): leave them
//!   out of the queue and pass `rebuild: true` in the [`Queue`].
//!
//! Membership follows by itself: [`Action::AddClient`] and its kin change the counts in
//! [`RoomState::membership`].

use std::collections::BTreeSet;

use crate::{
    policy::{Claims, RoleIndex},
    room::{Change, ComponentId, ComponentOperation, ParticipantList, RoomState},
    uri::{ProviderUri, UserUri},
};

mod authority;
mod bundle;
mod commit;
mod denied;
mod lapse;
mod senders;
mod whole;

pub use denied::{Denied, Reason};

/// The room as it is, and as it will be when all that waits is committed.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The room of the current epoch. Indices in participant lists and join links refer to it.
    pub committed: &'a RoomState,
    /// The same with all accepted proposals that wait. Authority and limits are judged by it.
    pub effective: &'a RoomState,
    /// The participants of the parent room, where this room depends on one. A hub has them; a client that has
    /// not gives none, goes with its hub and reports the change as unverified.
    pub parent: Option<&'a ParticipantList>,
}

impl<'a> View<'a> {
    /// A room that depends on no other.
    #[must_use]
    pub const fn new(committed: &'a RoomState, effective: &'a RoomState) -> Self {
        Self { committed, effective, parent: None }
    }
}

/// Who made a proposal, as its verified signature and credential say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proposer<'a> {
    /// The user of a member's leaf; for a proposal by value the committer.
    User(&'a UserUri),
    /// A server, by the credential of its entry in `external_senders`: the hub, or a follower.
    Server(&'a ProviderUri),
    /// Somebody who is no member yet: the sender of an external commit, or of an external Add of itself.
    Joiner(&'a UserUri),
}

/// A proposal, and who made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proposed<'a> {
    /// Who made it.
    pub by: Proposer<'a>,
    /// What is known of its credential, for preauthorisation; [`Claims::BASIC`] for a basic credential.
    pub claims: Claims<'a>,
    /// What it does.
    pub what: Action<'a>,
}

/// What a proposal does, without the MLS around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action<'a> {
    /// An Add, or the leaf of an external commit. The caller has checked the KeyPackage.
    AddClient {
        /// The user of its leaf.
        user: &'a UserUri,
        /// Whether its credential is a pseudonym.
        pseudonym: bool,
    },
    /// A Remove: one client of a user goes.
    RemoveClient {
        /// The user of the leaf.
        user: &'a UserUri,
    },
    /// A SelfRemove: the proposer's own client goes.
    SelfRemove,
    /// An Update: the proposer's own leaf stays and is renewed.
    UpdateLeaf {
        /// The user of the new leaf, which must be that of the old one.
        user: &'a UserUri,
        /// Whether the new credential is a pseudonym.
        pseudonym: bool,
    },
    /// An AppDataUpdate.
    Component {
        /// The component.
        id: ComponentId,
        /// What happens to it.
        operation: ComponentOperation<'a>,
    },
    /// An AppEphemeral.
    Ephemeral {
        /// The component that it is for.
        id: ComponentId,
    },
    /// A GroupContextExtensions proposal that adds and removes servers in `external_senders` and changes no other
    /// octet; entry 0, the hub, stays. The caller has checked that.
    ExternalSenders {
        /// The servers that come.
        added: &'a [ProviderUri],
        /// The servers that go.
        removed: &'a [ProviderUri],
    },
    /// Any other GroupContextExtensions proposal: never valid.
    Extensions,
    /// A ReInit: refused.
    ReInit,
    /// A PreSharedKey, an ExternalInit that is no part of an external commit, or an unknown type: never valid.
    Unsupported,
}

/// The proposals that were accepted and wait for a commit.
#[derive(Clone, Copy, Debug)]
pub struct Queue<'a> {
    /// In the order of their acceptance, which a client takes from the fan-out.
    pub waiting: &'a [Proposed<'a>],
    /// Whether a proposal has gone since `effective` was made, so that it must be made anew.
    pub rebuild: bool,
}

/// Some proposals may wait for a commit.
#[derive(Clone, Debug)]
#[must_use = "a proposal counts only once it is applied to the effective room"]
pub struct Accepted {
    /// The proposals that no longer count, by their places in [`Queue::waiting`], in order: nobody has to
    /// commit them, and who commits them all the same is refused.
    pub lapsed: Vec<usize>,
    /// Somebody used a claim, or came from a parent room, that could not be checked here.
    pub unverified: bool,
    effective: Effective,
}

#[derive(Clone, Debug)]
enum Effective {
    Grown(Change),
    Rebuilt(Box<RoomState>),
}

impl Accepted {
    /// Brings the effective room up to date: the one that the verdict was made on, not changed since.
    pub fn apply(self, effective: &mut RoomState) {
        match self.effective {
            Effective::Grown(change) => effective.apply(change),
            Effective::Rebuilt(state) => *effective = *state,
        }
    }
}

/// One proposal of a commit.
#[derive(Clone, Copy, Debug)]
pub struct Committed<'a> {
    /// The proposal; by value, its proposer is the committer or joiner.
    pub proposed: Proposed<'a>,
    /// Whether the commit names a proposal that was accepted before. Its sender's authority was judged then.
    pub by_reference: bool,
}

/// Who makes a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committer<'a> {
    /// A member.
    Member {
        /// The user of its leaf.
        user: &'a UserUri,
        /// Whether the credential of its leaf, as the commit's path leaves it, is a pseudonym.
        pseudonym: bool,
    },
    /// Somebody who joins by an external commit. The new leaf is not among the proposals: it is counted here.
    Joiner {
        /// The user of the new leaf.
        user: &'a UserUri,
        /// What is known of its credential.
        claims: Claims<'a>,
        /// Whether its credential is a pseudonym.
        pseudonym: bool,
        /// Whether it takes the place of an old leaf of the same client. The Remove is then not among the
        /// proposals.
        resync: bool,
        /// What is known of a joining code.
        code: JoinCode,
    },
}

/// What is known of the joining code of an external commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinCode {
    /// There is none. Only a hub can know.
    None,
    /// A valid one, which gives this role.
    Gives(RoleIndex),
    /// Only the hub sees codes; a client trusts that it checked, within what role 0 allows.
    Unseen,
}

/// A commit may be.
#[derive(Clone, Debug)]
#[must_use = "the room changes when the commit is merged"]
pub struct Verdict {
    /// Somebody used a claim, or came from a parent room, that could not be checked here.
    pub unverified: bool,
    change: Change,
}

impl Verdict {
    /// The components that the commit changes, with their new octets: none means that the component goes.
    #[must_use]
    pub fn components(&self, committed: &RoomState) -> Vec<(ComponentId, Option<Vec<u8>>)> {
        self.change.components(committed)
    }

    /// Makes the room of the next epoch of the room that the verdict was made on.
    pub fn apply(self, committed: &mut RoomState) {
        committed.apply(self.change);
    }
}

/// May these proposals, one bundle, wait for a commit? They are judged once, here.
///
/// # Errors
/// If a rule forbids one of them, or the bundle as a whole; nothing has happened then.
pub fn judge_proposals(
    view: View<'_>,
    queue: Queue<'_>,
    bundle: &[Proposed<'_>],
) -> Result<Accepted, Denied> {
    let mut gone = lapse::by(view.committed, queue.waiting, bundle)?;
    let deferred = queue.waiting.iter().any(lapse::is_deferred);
    if gone.is_empty() && !queue.rebuild && !deferred {
        let (change, unverified) = bundle::judge(view, queue.waiting, &gone, bundle)?;
        return Ok(Accepted {
            lapsed: Vec::new(),
            unverified,
            effective: Effective::Grown(change),
        });
    }
    let mut effective = bundle::replay(view, queue.waiting, &mut gone);
    let rebuilt = View { effective: &effective, ..view };
    let (change, unverified) = bundle::judge(rebuilt, queue.waiting, &gone, bundle)?;
    effective.apply(change);
    gone.extend(bundle::outgrown(&effective, view.committed, queue.waiting));
    Ok(Accepted {
        lapsed: gone.into_iter().collect(),
        unverified,
        effective: Effective::Rebuilt(Box::new(effective)),
    })
}

/// The effective room made anew from the proposals that wait, after some have gone for reasons outside of policy.
///
/// Gives the room, and the places of those that lapse too because they no longer fit.
#[must_use]
pub fn replay(view: View<'_>, waiting: &[Proposed<'_>]) -> (RoomState, Vec<usize>) {
    let mut gone = BTreeSet::new();
    let effective = bundle::replay(view, waiting, &mut gone);
    (effective, gone.into_iter().collect())
}

/// The effective room after a restart: the room of the epoch, with all proposals that wait. They were judged when they
/// were accepted, and are not judged again.
#[must_use]
pub fn assume(committed: &RoomState, waiting: &[Proposed<'_>]) -> RoomState {
    bundle::assume(committed, waiting)
}

/// May this commit be, given all its proposals in their order?
///
/// By value, authority is judged here; by reference it was when the proposal was accepted. The set as a whole must be
/// valid in both views.
///
/// # Errors
/// If a rule forbids one of the proposals, or the commit as a whole.
pub fn judge_commit(
    view: View<'_>,
    committer: Committer<'_>,
    proposals: &[Committed<'_>],
) -> Result<Verdict, Denied> {
    commit::judge(view, committer, proposals)
}

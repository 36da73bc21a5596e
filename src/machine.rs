//! The one shape every state machine has: check, save, apply.
//!
//! A method that may change a machine *checks* its input and returns a [`Step`]. The step shows what has to be
//! *saved* ([`Step::changes`]); its reply and its actions stay private until it is *applied* ([`Step::apply`]).
//! Dropping a step instead rolls it back: it never happened.
//!
//! ```text
//! bytes ─decode─▶ request ─Room::update(&mut self, &env, peer, request)─▶ Result<Step<'_, Room, Reply>, Refusal>
//!                                                                         │ step.changes()  save these, one transaction
//!                                                                         │ step.apply()    infallible; reply and actions
//!                                                                         ╰ drop(step)      rollback
//! ```
//!
//! # What the caller owes
//!
//! 1. **Save before you apply.** Write [`Changes::writes`] in one transaction, and only if storage still holds
//!    [`Changes::base`] for this machine (compare-and-swap); then record [`Changes::next`] as its revision.
//! 2. **Forget on doubt.** If a save may or may not have landed (an error at commit, a cancelled future), drop the
//!    machine and restore it from storage. Never go on with the one in memory: for a client the compare-and-swap is
//!    a security rule, since without it one message key could encrypt twice.
//! 3. **Compare before you answer from nothing.** A refusal and a step without writes carry the revision they were
//!    judged at. Where several owners may hold one machine, compare it with the store's before answering, and
//!    restore if they differ.
//! 4. **Wake the machine.** Index [`Changes::wake_at`]; when that time has come, call the machine's `timeout`.

pub(crate) mod record;

use std::collections::BTreeMap;

use crate::env::Timestamp;

/// Which saved state a machine is at: 0 before the first save, then one more with every save.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

impl Revision {
    /// Nothing is stored yet.
    pub const NONE: Self = Self(0);

    /// The revision after one more save.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// The name of one record, relative to its machine: a kind octet, then big-endian fields.
///
/// Keys of one machine sort bytewise into one range; the caller prefixes the machine's own ID.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Vec<u8>);

impl Key {
    /// Kinds from here on name *bodies*: records that a machine writes and deletes but never reads back.
    /// They need not be loaded for a restore.
    pub const BODIES: u8 = 0xE0;

    /// The key of a record that stands alone in its kind.
    #[must_use]
    pub fn new(kind: u8) -> Self {
        Self(vec![kind])
    }

    /// The same key with one more field, ordered as the number is.
    #[must_use]
    pub fn u64(mut self, field: u64) -> Self {
        self.0.extend_from_slice(&field.to_be_bytes());
        self
    }

    /// The same key with one more field, the last one.
    #[must_use]
    pub fn bytes(mut self, field: &[u8]) -> Self {
        self.0.extend_from_slice(field);
        self
    }

    /// The key that a store gave back.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    /// The octets to store it under, after the machine's own ID.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The kind octet; 0 for the empty key, which no machine uses.
    #[must_use]
    pub fn kind(&self) -> u8 {
        self.0.first().copied().unwrap_or(0)
    }

    /// Whether this record is a body, which `restore` does not read.
    #[must_use]
    pub fn is_body(&self) -> bool {
        self.kind() >= Self::BODIES
    }

    /// The fields after the kind octet.
    pub(crate) fn fields(&self) -> &[u8] {
        self.0.get(1..).unwrap_or_default()
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:02x}", self.kind())?;
        if self.0.len() > 1 {
            f.write_str("/")?;
        }
        self.fields().iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

/// What a step writes, to be saved in one transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Write only if storage still holds this revision of the machine.
    pub base: Revision,
    /// The revision that storage holds afterwards; equal to `base` if there is nothing to write.
    pub next: Revision,
    /// `Some` puts a record, `None` deletes it. The keys of one machine are one range.
    pub writes: BTreeMap<Key, Option<Vec<u8>>>,
    /// When the machine wants its `timeout`, whether or not it is in memory then.
    pub wake_at: Option<Timestamp>,
}

impl Changes {
    /// Whether there is nothing to save. The answer still rests on [`Changes::base`].
    ///
    /// A save without writes is one all the same if the revision moves on: it brings another [`Changes::wake_at`].
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.next == self.base
    }

    /// Octets of keys and values put, the figure to watch for write amplification.
    #[must_use]
    pub fn octets(&self) -> usize {
        self.writes
            .iter()
            .map(|(key, value)| key.0.len() + value.as_ref().map_or(0, Vec::len))
            .sum()
    }
}

/// All records of one machine but its bodies, as a store gives them back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// The revision they were saved at.
    pub revision: Revision,
    /// The records themselves.
    pub values: BTreeMap<Key, Vec<u8>>,
}

impl Records {
    /// Does to these records what a store does when it saves `changes`, bodies left out.
    ///
    /// Returns whether it did: not if `changes` were made on another revision.
    pub fn save(&mut self, changes: &Changes) -> bool {
        if changes.base != self.revision {
            return false;
        }
        self.revision = changes.next;
        for (key, value) in changes.writes.iter().filter(|(key, _)| !key.is_body()) {
            match value {
                Some(value) => self.values.insert(key.clone(), value.clone()),
                None => self.values.remove(key),
            };
        }
        true
    }

    /// The records of one kind, in order.
    pub(crate) fn kind(&self, kind: u8) -> impl Iterator<Item = (&Key, &[u8])> {
        let end = kind
            .checked_add(1)
            .map_or(std::ops::Bound::Unbounded, |next| std::ops::Bound::Excluded(Key::new(next)));
        self.values
            .range((std::ops::Bound::Included(Key::new(kind)), end))
            .map(|(key, value)| (key, value.as_slice()))
    }

    /// The record that stands alone in its kind.
    pub(crate) fn single(&self, kind: u8) -> Option<&[u8]> {
        self.values.get(&Key::new(kind)).map(Vec::as_slice)
    }
}

/// What an applied step lets out: the reply to send, and what must be done now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "the actions are owed to others"]
pub struct Outcome<R, A> {
    /// The answer to whoever asked.
    pub reply: R,
    /// What the caller does next. Each one can be derived again from the records after a crash.
    pub actions: Vec<A>,
}

pub(crate) mod sealed {
    /// What a [`Step`](super::Step) does to its machine when it ends.
    pub trait Machine {
        /// What was decided, ready to be settled without a check.
        type Staged: Send;

        /// Takes the decision over. Cannot fail.
        fn settle(&mut self, staged: Self::Staged);

        /// Forgets the decision. Nothing to do where a check leaves the machine alone; a reload for a client.
        fn undo(&mut self);
    }
}

/// A state machine of this crate: `hub::Room`, `follower::Room`, `client::Room` and their kin. Sealed.
pub trait Machine: sealed::Machine {
    /// What it asks its caller to do.
    type Action;
}

/// A checked change of a machine that has not happened yet.
///
/// Save [`changes`](Step::changes), then [`apply`](Step::apply). To drop it is to roll back. A step borrows its
/// machine, so a stale one cannot exist. It is `Send` where its machine is: hold it across an `await` of the save;
/// if that future is cancelled, the machine has to be forgotten and restored, for the save may have landed.
#[must_use = "a step changes nothing until it is saved and applied"]
pub struct Step<'m, M: Machine, R>(Option<Open<'m, M, R>>);

struct Open<'m, M: Machine, R> {
    machine: &'m mut M,
    staged: M::Staged,
    changes: Changes,
    outcome: Outcome<R, M::Action>,
}

impl<'m, M: Machine, R> Step<'m, M, R> {
    pub(crate) fn new(
        machine: &'m mut M,
        staged: M::Staged,
        changes: Changes,
        outcome: Outcome<R, M::Action>,
    ) -> Self {
        Self(Some(Open { machine, staged, changes, outcome }))
    }

    fn open(&self) -> &Open<'m, M, R> {
        self.0.as_ref().expect("open until applied or dropped, and both consume the step")
    }

    /// What to save before this step may be applied.
    #[must_use]
    pub fn changes(&self) -> &Changes {
        &self.open().changes
    }

    /// Makes the step happen, now that its changes are durable, and releases its reply and actions.
    pub fn apply(mut self) -> Outcome<R, M::Action> {
        let open = self.0.take().expect("open until applied or dropped, and both consume the step");
        open.machine.settle(open.staged);
        open.outcome
    }
}

impl<M: Machine, R> Drop for Step<'_, M, R> {
    fn drop(&mut self) {
        if let Some(open) = self.0.take() {
            open.machine.undo();
        }
    }
}

impl<M: Machine, R> std::fmt::Debug for Step<'_, M, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Step").field("changes", self.changes()).finish_non_exhaustive()
    }
}

/// A [`Step`] that brings a machine into being: the same guard, without one to borrow.
///
/// Its [`Changes::base`] is [`Revision::NONE`]: two foundings of one machine cannot both be saved.
#[must_use = "a machine is not founded until this is saved and applied"]
pub struct Founding<M: Machine, R> {
    machine: M,
    changes: Changes,
    outcome: Outcome<R, M::Action>,
}

impl<M: Machine, R> Founding<M, R> {
    pub(crate) fn new(machine: M, changes: Changes, outcome: Outcome<R, M::Action>) -> Self {
        Self { machine, changes, outcome }
    }

    /// What to save before the machine may be used.
    #[must_use]
    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    /// The machine, now that it is durable, with its reply and actions.
    pub fn apply(self) -> (M, Outcome<R, M::Action>) {
        (self.machine, self.outcome)
    }
}

impl<M: Machine, R> std::fmt::Debug for Founding<M, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Founding").field("changes", &self.changes).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

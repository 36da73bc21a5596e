//! The state that a step leads to, while the step is in the making.

use std::{collections::BTreeMap, sync::Arc};

use openmls::group::QueuedProposal;
use serde::Serialize;

use super::{
    epoch::Reading,
    event::{Event, EventId, Evidence, Failure},
    outbox::{Entry, OutgoingId, Stage, Wish},
    proposed::Owned,
    receive::Received,
    report::Reportable,
    state::{COMMIT, EVENT, EVIDENCE, HEAD, HEARD, Head, OUTBOX, PAST, Standing, State, WAITING},
    waiting::Waiting,
};
use crate::{
    env::Timestamp,
    machine::{Key, record},
    room::RoomState,
    wire::{Frank, PublicMessage},
};

/// How many epochs' commits are remembered, to know a second one (D-01).
const COMMITS: u64 = 64;

/// The state that a step leads to, and the records that make it so.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) state: State,
    pub(super) writes: BTreeMap<Key, Option<Vec<u8>>>,
    pub(super) actions: Vec<super::Action>,
    head: Head,
}

impl Draft {
    pub(super) fn of(state: &State) -> Self {
        Self {
            state: state.clone(),
            writes: BTreeMap::new(),
            actions: Vec::new(),
            head: state.head.clone(),
        }
    }

    /// A draft of a room that is not stored yet.
    pub(super) fn founding(state: State) -> Self {
        let mut draft = Self::of(&state);
        draft.put(Key::new(HEAD), &state.head);
        draft
    }

    fn put<T: Serialize>(&mut self, key: Key, value: &T) {
        self.writes.insert(key, Some(record::encode(value)));
    }

    fn next(&mut self) -> u64 {
        let number = self.state.head.next;
        self.state.head.next += 1;
        number
    }

    /// The records of this draft; the head is among them if it has changed.
    pub(super) fn into_parts(
        mut self,
    ) -> (State, BTreeMap<Key, Option<Vec<u8>>>, Vec<super::Action>) {
        if self.state.head != self.head {
            let head = self.state.head.clone();
            self.put(Key::new(HEAD), &head);
        }
        (self.state, self.writes, self.actions)
    }

    pub(super) fn event(&mut self, event: Event) {
        let id = EventId(self.next());
        self.put(Key::new(EVENT).u64(id.0), &event);
        self.state.events.insert(id, Arc::new(event.clone()));
        self.actions.push(super::Action::Deliver(id, event));
    }

    /// Forgets events that the app has.
    pub(super) fn acknowledge(&mut self, events: &[EventId]) {
        for id in events {
            if self.state.events.remove(*id).is_some() {
                self.writes.insert(Key::new(EVENT).u64(id.0), None);
            }
        }
    }

    /// Puts something into the outbox.
    pub(super) fn send(&mut self, entry: Entry) -> OutgoingId {
        let id = OutgoingId(self.next());
        self.set(id, entry);
        id
    }

    /// Changes an entry of the outbox.
    pub(super) fn set(&mut self, id: OutgoingId, entry: Entry) {
        self.put(Key::new(OUTBOX).u64(id.0), &entry);
        if let Some(outgoing) = entry.outgoing(id) {
            self.actions.push(super::Action::Send(outgoing));
        }
        self.state.outbox.insert(id, Arc::new(entry));
    }

    /// Takes an entry out of the outbox.
    pub(super) fn settle(&mut self, id: OutgoingId) -> Option<Arc<Entry>> {
        let entry = self.state.outbox.remove(id)?;
        self.writes.insert(Key::new(OUTBOX).u64(id.0), None);
        Some(entry)
    }

    /// The hub has accepted an entry of the outbox.
    pub(super) fn accepted(&mut self, id: OutgoingId, timestamp: Timestamp, frank: Option<Frank>) {
        let Some(entry) = self.settle(id) else { return };
        if entry.wish == Wish::Join && self.state.head.standing == Standing::Joining {
            self.state.head.standing = Standing::Member;
        }
        self.event(Event::Accepted { token: entry.token, timestamp, frank });
    }

    /// Nothing more becomes of an entry of the outbox: it fails, unless the hub has accepted it.
    pub(super) fn end(&mut self, id: OutgoingId, reason: Failure) {
        let Some(entry) = self.settle(id) else { return };
        let token = entry.token;
        self.event(match entry.stage {
            Stage::Accepted(timestamp) => Event::Accepted { token, timestamp, frank: None },
            Stage::Sent | Stage::Stale | Stage::Parked { .. } => Event::Failed { token, reason },
        });
    }

    /// The external commit that the client came with will not be: it is outside again, and may ask once more.
    pub(super) fn keep_out(&mut self, reason: Failure) {
        let joins: Vec<_> = self
            .state
            .outbox
            .iter()
            .filter(|(_, entry)| entry.wish == Wish::Join)
            .map(|(id, _)| id)
            .collect();
        self.state.head.standing = Standing::Gone;
        for id in joins {
            self.end(id, reason);
        }
    }

    /// The group is split: nothing is sent any more.
    pub(super) fn fork(&mut self, epoch: u64, evidence: Evidence) -> Received {
        self.leave(Event::Forked { epoch, evidence });
        self.state.head.standing = Standing::Forked;
        Received::Taken
    }

    /// The client takes no part any more.
    pub(super) fn leave(&mut self, event: Event) {
        self.state.head.standing = Standing::Gone;
        self.lapse(|_, _| true);
        self.state.epoch.effective = Arc::clone(&self.state.epoch.committed);
        let ids: Vec<_> = self.state.outbox.keys().collect();
        for id in ids {
            if self.state.outbox.get(id).is_some_and(|entry| entry.wish == Wish::Leave) {
                self.settle(id);
            } else {
                self.end(id, Failure::Left);
            }
        }
        self.event(event);
    }

    /// Whether our leave waits for a commit.
    pub(super) fn leaves(&self, own_leaf: u32) -> bool {
        self.state.going().contains(&own_leaf)
    }

    /// Adds a proposal to those that wait.
    pub(super) fn wait(&mut self, message: PublicMessage, queued: QueuedProposal, owned: Owned) {
        let number = self.next();
        let waiting = Waiting { number, message, queued, owned };
        self.writes.insert(Key::new(WAITING).u64(number), Some(waiting.record()));
        self.state.waiting.push(Arc::new(waiting));
    }

    /// Lets waiting proposals go.
    pub(super) fn lapse(&mut self, goes: impl Fn(usize, &Waiting) -> bool) {
        let (mut at, mut gone) = (0, Vec::new());
        self.state.waiting.retain(|waiting| {
            let goes = goes(at, waiting);
            at += 1;
            if goes {
                gone.push(waiting.number);
            }
            !goes
        });
        for number in gone {
            self.writes.insert(Key::new(WAITING).u64(number), None);
        }
    }

    /// Remembers which of those that waited before no longer do.
    pub(super) fn know_lapsed(&mut self, before: &State, limit: usize) {
        let waits = |number| self.state.waiting.iter().any(|it| it.number == number);
        let gone = before.waiting.iter().filter(|it| !waits(it.number));
        let gone: Vec<_> = gone.map(|it| super::commit::hash(it.message.as_bytes())).collect();
        let lapsed = &mut self.state.head.lapsed;
        lapsed.extend(gone);
        lapsed.drain(..lapsed.len().saturating_sub(limit));
    }

    /// Makes the effective room anew; what no longer fits lapses too.
    pub(super) fn replay(&mut self) {
        let gone = self.state.replay();
        self.lapse(|at, _| gone.contains(&at));
    }

    /// Takes back what was done to the waiting proposals.
    pub(super) fn wait_as(&mut self, before: &State) {
        self.state.waiting.clone_from(&before.waiting);
        self.writes.retain(|key, _| key.kind() != WAITING);
    }

    /// Remembers what the epoch that ends needs to be read, for as many epochs as are kept, and which commit ended it.
    /// `next` is the room of the epoch that begins.
    pub(super) fn pass(&mut self, epoch: u64, commit: [u8; 32], kept: u64, next: &RoomState) {
        let reading = Reading::before(&self.state.epoch, next);
        self.put(Key::new(PAST).u64(epoch), &reading);
        self.state.past.insert(epoch, Arc::new(reading));
        self.put(Key::new(COMMIT).u64(epoch), &commit);
        self.state.commits.insert(epoch, Arc::new(commit));
        self.forget_past(epoch, kept);
        self.state.head.lapsed.clear();
        let old: Vec<u64> = self
            .state
            .commits
            .keys()
            .take_while(|it| it.saturating_add(COMMITS) <= epoch)
            .collect();
        for old in old {
            self.state.commits.remove(old);
            self.writes.insert(Key::new(COMMIT).u64(old), None);
        }
    }

    /// Forgets what only epochs longer ago than are kept need; `epoch` is the last one that is over.
    fn forget_past(&mut self, epoch: u64, kept: u64) {
        let old: Vec<u64> =
            self.state.past.keys().take_while(|it| it.saturating_add(kept) <= epoch).collect();
        for old in old {
            self.state.past.remove(old);
            self.writes.insert(Key::new(PAST).u64(old), None);
        }
        if let Some(until) = epoch.checked_sub(kept) {
            self.unhear(until);
        }
    }

    /// Takes note of a message's generation, and gives how many of the same leaf before it have not come.
    pub(super) fn hear(&mut self, epoch: u64, leaf: u32, generation: u32) -> u32 {
        let expected = self.state.heard.get((epoch, leaf)).map_or(0, |next| **next);
        let skipped = generation.saturating_sub(expected);
        let next = expected.max(generation.saturating_add(1));
        if next > expected {
            self.put(Key::new(HEARD).u64(epoch).u64(leaf.into()), &next);
            self.state.heard.insert((epoch, leaf), Arc::new(next));
        }
        skipped
    }

    /// Forgets who was heard in epochs up to this one.
    fn unhear(&mut self, until: u64) {
        let old: Vec<_> =
            self.state.heard.keys().take_while(|(epoch, _)| *epoch <= until).collect();
        for (epoch, leaf) in old {
            self.state.heard.remove((epoch, leaf));
            self.writes.insert(Key::new(HEARD).u64(epoch).u64(leaf.into()), None);
        }
    }

    /// Keeps what a message can be reported with; the oldest goes where there is too much.
    pub(super) fn keep_evidence(&mut self, kept: Reportable, limit: usize) {
        let number = self.next();
        self.put(Key::new(EVIDENCE).u64(number), &kept);
        self.state.evidence.insert(number, Arc::new(kept));
        let surplus = self.state.evidence.keys().count().saturating_sub(limit);
        let old: Vec<u64> = self.state.evidence.keys().take(surplus).collect();
        for old in old {
            self.state.evidence.remove(old);
            self.writes.insert(Key::new(EVIDENCE).u64(old), None);
        }
    }

    /// Starts the room anew in the epoch that the client has entered from outside: what belongs to the group that it
    /// had goes, what belongs to the app stays. What was to be sent is made again; proposals are not.
    pub(super) fn begin_again(&mut self, epoch: super::epoch::Epoch) {
        self.lapse(|_, _| true);
        self.state.head.lapsed.clear();
        for past in self.state.past.keys().collect::<Vec<_>>() {
            self.state.past.remove(past);
            self.writes.insert(Key::new(PAST).u64(past), None);
        }
        self.unhear(u64::MAX);
        for commit in self.state.commits.keys().collect::<Vec<_>>() {
            self.state.commits.remove(commit);
            self.writes.insert(Key::new(COMMIT).u64(commit), None);
        }
        let outbox: Vec<_> =
            self.state.outbox.iter().map(|(id, entry)| (id, Arc::clone(entry))).collect();
        for (id, entry) in outbox {
            let again = match entry.wish {
                Wish::Message { .. } | Wish::Commit(_) => !entry.is_accepted(),
                Wish::Proposals(_) | Wish::Leave | Wish::Join => false,
            };
            if again {
                self.set(id, Entry { stage: Stage::Stale, ..Entry::clone(&entry) });
            } else {
                self.end(id, Failure::Obsolete);
            }
        }
        self.state.epoch = epoch;
        self.state.head.ahead = None;
        self.state.head.standing = Standing::Joining;
    }
}

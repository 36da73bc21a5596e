//! What a client knows of a room beside the MLS state: in memory as a value that a step replaces, and in records.

use std::{collections::BTreeSet, sync::Arc};

use openmls::group::MlsGroup;
use serde::{Deserialize, Serialize};

use super::{
    epoch::{Epoch, Reading},
    event::{Event, EventId},
    outbox::{Entry, Outgoing, OutgoingId, Token},
    proposed,
    refusal::Refusal,
    report::Reportable,
    table::Table,
    waiting::Waiting,
};
use crate::{
    env::Timestamp,
    error::RestoreError,
    franking::Witness,
    machine::{Key, Records, record},
    policy::{Proposed, View, assume, replay},
    uri::{GroupUri, RoomUri, UserUri},
    wire::KeyPackageRef,
};

/// Kinds of records. MLS state has [`Store::KIND`](super::store::Store::KIND).
pub(super) const HEAD: u8 = 0x01;
pub(super) const WAITING: u8 = 0x02;
pub(super) const OUTBOX: u8 = 0x03;
pub(super) const EVENT: u8 = 0x04;
pub(super) const PAST: u8 = 0x05;
pub(super) const COMMIT: u8 = 0x06;
pub(super) const EVIDENCE: u8 = 0x07;
pub(super) const HEARD: u8 = 0x08;

/// Whether the client takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Standing {
    /// It does.
    Member,
    /// It came by an external commit that the hub has not answered yet.
    Joining,
    /// It has asked to leave.
    Leaving(Token),
    /// It was removed, or its join was refused.
    Gone,
    /// It found the group split.
    Forked,
}

/// What there is once in a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) room: RoomUri,
    pub(super) group: GroupUri,
    pub(super) user: UserUri,
    pub(super) standing: Standing,
    /// The hub's time of the newest event (D-03).
    pub(super) last_timestamp: Timestamp,
    /// The epoch that we have left by the hub's answer to our commit, while the room's order has not brought that commit.
    pub(super) ahead: Option<u64>,
    /// The KeyPackage that we were added with, while the device still holds its private part.
    pub(super) key_package: Option<KeyPackageRef>,
    /// The number of the next outgoing, event or waiting proposal.
    pub(super) next: u64,
    /// The hashes of the epoch's proposals that others have made lapse, oldest first: they may come again.
    pub(super) lapsed: Vec<[u8; 32]>,
}

/// The state of a room beside MLS.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) head: Head,
    pub(super) epoch: Epoch,
    pub(super) waiting: Vec<Arc<Waiting>>,
    pub(super) outbox: Table<OutgoingId, Entry>,
    pub(super) events: Table<EventId, Event>,
    /// What past epochs need to be read, by epoch.
    pub(super) past: Table<u64, Reading>,
    /// The franks that were seen lately.
    pub(super) witness: Arc<Witness>,
    /// The hash of the commit that ended each epoch.
    pub(super) commits: Table<u64, [u8; 32]>,
    /// What messages can be reported with, oldest first (P-150).
    pub(super) evidence: Table<u64, Reportable>,
    /// The generation that is expected next of each leaf, by epoch and leaf (D-02).
    pub(super) heard: Table<(u64, u32), u32>,
}

impl State {
    pub(super) fn new(head: Head, epoch: Epoch) -> Self {
        Self {
            head,
            epoch,
            waiting: Vec::new(),
            outbox: Table::default(),
            events: Table::default(),
            past: Table::default(),
            witness: Arc::default(),
            commits: Table::default(),
            evidence: Table::default(),
            heard: Table::default(),
        }
    }

    /// The head that records hold; the rest needs the group.
    pub(super) fn head(records: &Records) -> Result<Head, RestoreError> {
        let head = records.single(HEAD).ok_or(RestoreError::Missing("the room"))?;
        record::decode("the room", head)
    }

    /// The state that records hold, around the group that they hold too.
    pub(super) fn restore(
        records: &Records,
        head: Head,
        group: &MlsGroup,
    ) -> Result<Self, RestoreError> {
        let epoch = Epoch::of(group, &head.room).map_err(|_| RestoreError::Corrupt("MLS state"))?;
        let mut state = Self::new(head, epoch);
        for (key, value) in records.kind(WAITING) {
            let number = number(key).ok_or(RestoreError::Corrupt("a proposal"))?;
            let waiting = Waiting::restore(number, value, &state.epoch.people(group))?;
            state.waiting.push(Arc::new(waiting));
        }
        if !state.waiting.is_empty() {
            let waiting: Vec<Proposed<'_>> =
                state.waiting.iter().map(|it| it.owned.borrow()).collect();
            state.epoch.effective = Arc::new(assume(&state.epoch.committed, &waiting));
        }
        state.outbox = numbered(records, OUTBOX, "the outbox", OutgoingId)?;
        state.events = numbered(records, EVENT, "an event", EventId)?;
        state.past = numbered(records, PAST, "a past epoch", |epoch| epoch)?;
        state.commits = numbered(records, COMMIT, "a commit", |epoch| epoch)?;
        state.evidence = numbered(records, EVIDENCE, "evidence", |number| number)?;
        state.heard = records
            .kind(HEARD)
            .map(|(key, value)| {
                let corrupt = RestoreError::Corrupt("what was heard");
                let (epoch, leaf) = key.fields().split_first_chunk().ok_or(corrupt.clone())?;
                let leaf = u64::from_be_bytes(leaf.try_into().map_err(|_| corrupt.clone())?);
                let leaf = u32::try_from(leaf).map_err(|_| corrupt)?;
                let next = record::decode("what was heard", value)?;
                Ok(((u64::from_be_bytes(*epoch), leaf), next))
            })
            .collect::<Result<_, _>>()?;
        Ok(state)
    }

    /// The state of a step that has happened.
    pub(super) fn keep(&mut self) {
        self.outbox.keep();
        self.events.keep();
        self.past.keep();
        self.commits.keep();
        self.evidence.keep();
        self.heard.keep();
    }

    /// Makes the effective room anew from what waits; gives the places of those that no longer fit.
    pub(super) fn replay(&mut self) -> Vec<usize> {
        if self.waiting.is_empty() {
            self.epoch.effective = Arc::clone(&self.epoch.committed);
            return Vec::new();
        }
        let waiting: Vec<Proposed<'_>> = self.waiting.iter().map(|it| it.owned.borrow()).collect();
        let view = View::new(&self.epoch.committed, &self.epoch.committed);
        let (effective, lapsed) = replay(view, &waiting);
        self.epoch.effective = Arc::new(effective);
        lapsed
    }

    /// What has to be sent.
    pub(super) fn outgoing(&self) -> impl Iterator<Item = Outgoing> {
        self.outbox.iter().filter_map(|(id, entry)| entry.outgoing(id))
    }

    /// When the room wants its timeout.
    pub(super) fn wake_at(&self) -> Option<Timestamp> {
        self.outbox.values().filter_map(|entry| entry.waits_until()).min()
    }

    /// Our commit that waits for the hub, whatever its stage.
    pub(super) fn own_commit(&self) -> Option<(OutgoingId, &Arc<Entry>)> {
        self.outbox.iter().find(|(_, entry)| entry.is_commit())
    }

    /// Whether the app has given this token to something that it has not heard the end of.
    pub(super) fn knows(&self, token: Token) -> bool {
        self.outbox.values().any(|entry| entry.token == token)
            || self.events.values().any(|event| match event.as_ref() {
                Event::Accepted { token: other, .. } | Event::Failed { token: other, .. } => {
                    *other == token
                }
                Event::Message(_)
                | Event::Discarded { .. }
                | Event::Changed { .. }
                | Event::Proposed { .. }
                | Event::Forbidden { .. }
                | Event::Omitted { .. }
                | Event::Removed { .. }
                | Event::Forked { .. }
                | Event::Status { .. }
                | Event::Text { .. } => false,
            })
    }

    /// The leaves that waiting proposals remove.
    pub(super) fn going(&self) -> BTreeSet<u32> {
        self.waiting
            .iter()
            .filter_map(|waiting| match waiting.queued.proposal() {
                leave if proposed::is_self_remove(leave) => waiting.sender_leaf(),
                other => proposed::removed(other),
            })
            .collect()
    }

    /// Refuses if the client takes no part.
    pub(super) fn open(&self) -> Result<(), Refusal> {
        match self.head.standing {
            Standing::Member | Standing::Joining => Ok(()),
            Standing::Leaving(_) | Standing::Gone | Standing::Forked => Err(Refusal::Closed),
        }
    }
}

fn number(key: &Key) -> Option<u64> {
    key.fields().try_into().ok().map(u64::from_be_bytes)
}

fn numbered<K: Copy + Ord, T: serde::de::DeserializeOwned>(
    records: &Records,
    kind: u8,
    what: &'static str,
    name: impl Fn(u64) -> K,
) -> Result<Table<K, T>, RestoreError> {
    records
        .kind(kind)
        .map(|(key, value)| {
            let number = number(key).ok_or(RestoreError::Corrupt(what))?;
            Ok((name(number), record::decode(what, value)?))
        })
        .collect()
}

//! What a client knows of a room beside the MLS state: in memory as a value that a step replaces, and in records.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use openmls::{
    ciphersuite::hash_ref::ProposalRef,
    group::{MlsGroup, QueuedProposal},
    messages::proposals::Proposal,
};
use serde::{Deserialize, Serialize};

use super::{
    event::{Event, EventId, Evidence, Failure},
    leaf,
    outbox::{Entry, Outgoing, OutgoingId, Token, Wish},
    proposed::{self, Owned, People},
    receive::Received,
    refusal::{Impostor, Refusal},
};
use crate::{
    codec::Wire,
    env::Timestamp,
    error::RestoreError,
    franking::Witness,
    machine::{Key, Records, record},
    policy::{Proposed, View, assume, replay},
    room::{ComponentId, Components, RoomState},
    uri::{GroupUri, RoomUri, UserUri},
    wire::{ExternalSender, Frank, KeyPackageRef, PublicMessage, Sender},
};

/// Kinds of records. MLS state has [`Store::KIND`](super::store::Store::KIND).
const HEAD: u8 = 0x01;
const WAITING: u8 = 0x02;
const OUTBOX: u8 = 0x03;
const EVENT: u8 = 0x04;
const PAST: u8 = 0x05;
const COMMIT: u8 = 0x06;

/// How many epochs' commits are remembered, to know a second one (D-01).
const COMMITS: u64 = 64;

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
    /// The KeyPackage that we were added with, while the device still holds its private part.
    pub(super) key_package: Option<KeyPackageRef>,
    /// The number of the next outgoing, event or waiting proposal.
    pub(super) next: u64,
}

/// What has to be known of an epoch to read its messages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reading {
    /// The franking agent, as the component holds it.
    pub(super) agent: Option<Vec<u8>>,
    /// Whether application messages name their media type.
    pub(super) framed: bool,
}

impl Reading {
    pub(super) fn of(room: &RoomState) -> Self {
        Self {
            agent: room.component(ComponentId::FRANKING_AGENT).map(|agent| agent.into_owned()),
            framed: room.component(ComponentId(leaf::CONTENT_MEDIA_TYPES)).is_some(),
        }
    }
}

/// The record of a proposal that waits for a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct WaitingRecord {
    message: Vec<u8>,
    queued: Vec<u8>,
}

/// A proposal that waits for a commit.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) number: u64,
    pub(super) message: PublicMessage,
    pub(super) queued: QueuedProposal,
    pub(super) owned: Owned,
}

impl Waiting {
    pub(super) fn reference(&self) -> &ProposalRef {
        self.queued.proposal_reference_ref()
    }

    /// The leaf that sent it.
    pub(super) fn sender_leaf(&self) -> Option<u32> {
        leaf_of(&self.message)
    }

    /// Whether a later proposal makes this one lapse by MLS's own rules.
    pub(super) fn yields_to(&self, later: &Proposal, later_leaf: Option<u32>) -> bool {
        let by_itself = proposed::is_self_remove(later);
        let gone = if by_itself { later_leaf } else { proposed::removed(later) };
        let own = self.queued.proposal();
        gone.is_some()
            && (proposed::is_update(own) && self.sender_leaf() == gone
                || by_itself && proposed::removed(own) == gone)
    }
}

/// The leaf that sent a message.
pub(super) const fn leaf_of(message: &PublicMessage) -> Option<u32> {
    match message.sender() {
        Sender::Member(leaf) => Some(leaf),
        Sender::External(_) | Sender::NewMemberProposal | Sender::NewMemberCommit => None,
    }
}

/// Whether a record is one of a waiting proposal.
pub(super) fn is_waiting(key: &Key) -> bool {
    key.kind() == WAITING
}

/// The room of an epoch: what its members agree on.
#[derive(Clone, Debug)]
pub(super) struct Epoch {
    pub(super) committed: Arc<RoomState>,
    /// The same with all that waits.
    pub(super) effective: Arc<RoomState>,
    pub(super) leaves: Arc<BTreeMap<u32, UserUri>>,
    pub(super) servers: Arc<[ExternalSender]>,
}

impl Epoch {
    /// The room that a group is, as it must be for us to take part (D-06, D-08).
    pub(super) fn of(group: &MlsGroup, room: &RoomUri) -> Result<Self, Impostor> {
        let leaves = leaves(group)?;
        let components = components(group)?;
        let committed = RoomState::from_components(components, leaves.values())
            .map_err(|_| Impostor::Components)?;
        let servers = proposed::servers(group.extensions()).map_err(|_| Impostor::Extensions)?;
        let epoch = Self::new(committed, leaves, servers);
        epoch.check(room)?;
        Ok(epoch)
    }

    /// A room in which nothing waits yet.
    pub(super) fn new(
        committed: RoomState,
        leaves: BTreeMap<u32, UserUri>,
        servers: Vec<ExternalSender>,
    ) -> Self {
        let committed = Arc::new(committed);
        Self {
            effective: Arc::clone(&committed),
            committed,
            leaves: Arc::new(leaves),
            servers: servers.into(),
        }
    }

    pub(super) fn check(&self, room: &RoomUri) -> Result<(), Impostor> {
        if self.committed.metadata().room_uri != *room {
            return Err(Impostor::Metadata);
        }
        if self.committed.membership().strangers().next().is_some() {
            return Err(Impostor::Strangers);
        }
        let hub = self.servers.first().and_then(|hub| proposed::provider(&hub.credential));
        match hub {
            Some(hub) if hub.domain() == room.domain() => Ok(()),
            Some(_) | None => Err(Impostor::Sender),
        }
    }

    pub(super) fn people<'a>(&'a self, group: &'a MlsGroup) -> People<'a> {
        People { leaves: &self.leaves, servers: &self.servers, extensions: group.extensions() }
    }
}

/// The user of each leaf.
pub(super) fn leaves(group: &MlsGroup) -> Result<BTreeMap<u32, UserUri>, Impostor> {
    group
        .members()
        .map(|member| Some((member.index.u32(), proposed::user(&member.credential)?)))
        .collect::<Option<_>>()
        .ok_or(Impostor::Leaf)
}

/// The components of the GroupContext, whose dictionary has to be the last extension.
pub(super) fn components(group: &MlsGroup) -> Result<Components, Impostor> {
    let dictionary = group.extensions().app_data_dictionary().ok_or(Impostor::Extensions)?;
    let last = group.extensions().iter().last();
    if last.is_none_or(|last| last.as_app_data_dictionary_extension().is_err()) {
        return Err(Impostor::Extensions);
    }
    Ok(dictionary
        .dictionary()
        .entries()
        .map(|entry| (ComponentId(entry.id()), entry.data().to_vec()))
        .collect())
}

/// The state of a room beside MLS.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) head: Head,
    pub(super) epoch: Epoch,
    pub(super) waiting: Vec<Arc<Waiting>>,
    pub(super) outbox: BTreeMap<OutgoingId, Arc<Entry>>,
    pub(super) events: BTreeMap<EventId, Arc<Event>>,
    /// What past epochs need to be read, by epoch.
    pub(super) past: BTreeMap<u64, Reading>,
    /// The franks that were seen lately.
    pub(super) witness: Arc<Witness>,
    /// The hash of the commit that ended each epoch.
    pub(super) commits: BTreeMap<u64, [u8; 32]>,
}

impl State {
    pub(super) fn new(head: Head, epoch: Epoch) -> Self {
        Self {
            head,
            epoch,
            waiting: Vec::new(),
            outbox: BTreeMap::new(),
            events: BTreeMap::new(),
            past: BTreeMap::new(),
            witness: Arc::default(),
            commits: BTreeMap::new(),
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
            let corrupt = || RestoreError::Corrupt("a proposal");
            let WaitingRecord { message, queued } = record::decode("a proposal", value)?;
            let message = PublicMessage::decode(&message).map_err(|_| corrupt())?;
            let queued: QueuedProposal = postcard::from_bytes(&queued).map_err(|_| corrupt())?;
            let owned = state
                .epoch
                .people(group)
                .standalone(message.sender(), queued.proposal())
                .ok_or_else(corrupt)?;
            let number = number(key).ok_or_else(corrupt)?;
            state.waiting.push(Arc::new(Waiting { number, message, queued, owned }));
        }
        if !state.waiting.is_empty() {
            let waiting: Vec<Proposed<'_>> =
                state.waiting.iter().map(|it| it.owned.borrow()).collect();
            state.epoch.effective = Arc::new(assume(&state.epoch.committed, &waiting));
        }
        state.outbox = numbered(records, OUTBOX, "the outbox")?
            .into_iter()
            .map(|(id, entry)| (OutgoingId(id), Arc::new(entry)))
            .collect();
        state.events = numbered(records, EVENT, "an event")?
            .into_iter()
            .map(|(id, event)| (EventId(id), Arc::new(event)))
            .collect();
        state.past = numbered(records, PAST, "a past epoch")?;
        state.commits = numbered(records, COMMIT, "a commit")?;
        Ok(state)
    }

    /// Makes the effective room anew from what waits; gives the places of those that no longer fit.
    fn replay(&mut self) -> Vec<usize> {
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
        self.outbox.iter().filter_map(|(id, entry)| entry.outgoing(*id))
    }

    /// When the room wants its timeout.
    pub(super) fn wake_at(&self) -> Option<Timestamp> {
        self.outbox.values().filter_map(|entry| entry.waits_until()).min()
    }

    /// Our commit that waits for the hub, whatever its stage.
    pub(super) fn own_commit(&self) -> Option<(OutgoingId, &Arc<Entry>)> {
        self.outbox.iter().find(|(_, entry)| entry.is_commit()).map(|(id, entry)| (*id, entry))
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
                | Event::Forked { .. } => false,
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

fn numbered<T: serde::de::DeserializeOwned>(
    records: &Records,
    kind: u8,
    what: &'static str,
) -> Result<BTreeMap<u64, T>, RestoreError> {
    records
        .kind(kind)
        .map(|(key, value)| {
            let number = number(key).ok_or(RestoreError::Corrupt(what))?;
            Ok((number, record::decode(what, value)?))
        })
        .collect()
}

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
            if self.state.events.remove(id).is_some() {
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
        let entry = self.state.outbox.remove(&id)?;
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
        let ids: Vec<_> = self.state.outbox.keys().copied().collect();
        for id in ids {
            if let Some(entry) = self.settle(id) {
                let reason = Failure::Left;
                match entry.wish {
                    Wish::Leave => {}
                    Wish::Message { .. } | Wish::Commit(_) | Wish::Proposals(_) | Wish::Join => {
                        self.event(Event::Failed { token: entry.token, reason });
                    }
                }
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
        let record = WaitingRecord {
            message: message.as_bytes().to_vec(),
            queued: postcard::to_stdvec(&queued).unwrap_or_default(),
        };
        self.put(Key::new(WAITING).u64(number), &record);
        self.state.waiting.push(Arc::new(Waiting { number, message, queued, owned }));
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

    /// Makes the effective room anew; what no longer fits lapses too.
    pub(super) fn replay(&mut self) {
        let gone = self.state.replay();
        self.lapse(|at, _| gone.contains(&at));
    }

    /// Remembers what the epoch that ends needs to be read, for as many epochs as are kept.
    pub(super) fn pass(&mut self, epoch: u64, commit: [u8; 32], kept: u64) {
        let reading = Reading::of(&self.state.epoch.committed);
        self.put(Key::new(PAST).u64(epoch), &reading);
        self.state.past.insert(epoch, reading);
        self.put(Key::new(COMMIT).u64(epoch), &commit);
        self.state.commits.insert(epoch, commit);
        let old = |of: u64| epoch.checked_sub(of);
        for (kind, limit) in [(PAST, old(kept)), (COMMIT, old(COMMITS))] {
            let Some(limit) = limit else { continue };
            let gone: Vec<u64> = match kind {
                PAST => self.state.past.range(..=limit).map(|(&epoch, _)| epoch).collect(),
                _ => self.state.commits.range(..=limit).map(|(&epoch, _)| epoch).collect(),
            };
            for epoch in gone {
                self.state.past.retain(|&kept, _| kind != PAST || kept != epoch);
                self.state.commits.retain(|&kept, _| kind != COMMIT || kept != epoch);
                self.writes.insert(Key::new(kind).u64(epoch), None);
            }
        }
    }
}

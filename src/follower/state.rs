//! What a follower holds of one room, in memory and in records: one [`Edit`] is one record, and memory is what all
//! edits leave, live and restored alike.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use serde::{Deserialize, Serialize};

use crate::{
    env::Timestamp,
    error::RestoreError,
    machine::{
        Key, Records,
        record::{decode, encode},
    },
    uri::{ClientUri, RoomUri, UserUri},
    wire::KeyPackageRef,
};

const HEAD: u8 = 0x01;
const MEMBER: u8 = 0x02;
const AUDIENCE: u8 = 0x03;
const SEEN: u8 = 0x04;
const HELD: u8 = 0x05;
const JOINING: u8 = 0x06;
const BLOCKED: u8 = 0x07;
const COMMITTED: u8 = 0x08;
const EMPTY: u8 = 0x09;
const EVENT: u8 = Key::BODIES;

/// More than any room will ever number: half of what a number can say, so that none of them overflows.
const NUMBERS: u64 = 1 << 63;

/// Octets of a SHA-256.
pub(super) type Hash = [u8; 32];

/// What stands once for a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) room: RoomUri,
    /// The number of the next event.
    pub(super) next_event: u64,
    /// The oldest event whose body is stored.
    pub(super) oldest_event: u64,
    pub(super) next_member: u64,
    /// The number of the next mark of something seen.
    pub(super) next_seen: u64,
    /// The number of the next event that is held back.
    pub(super) next_held: u64,
    /// Where the handshakes that were passed on have led, if it is known.
    pub(super) place: Option<Place>,
}

/// An epoch of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) group: Vec<u8>,
    pub(super) epoch: u64,
}

impl Place {
    /// Where a commit of this epoch leads.
    pub(super) fn next(&self) -> Self {
        Self { group: self.group.clone(), epoch: self.epoch.saturating_add(1) }
    }

    /// Whether the other one is a later epoch of the same group.
    pub(super) fn is_before(&self, other: &Self) -> bool {
        self.group == other.group && self.epoch < other.epoch
    }
}

/// A client that gets the events of the room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Member {
    pub(super) client: ClientUri,
    pub(super) user: UserUri,
    /// Events before this one were acknowledged, or never owed.
    pub(super) next: u64,
    /// The event with which it last came into the room.
    pub(super) since: u64,
}

/// What was said of a user, and as of which event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Word {
    pub(super) as_of: u64,
    /// Whether it is out.
    pub(super) out: bool,
}

/// Whom an event is for, where that is not every member there was when it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Audience {
    /// These only: a Welcome, and the KeyPackages by which it was routed.
    Only(BTreeSet<u64>, Vec<KeyPackageRef>),
    /// All but these: an application message, and clients of users who are blocked.
    Without(BTreeSet<u64>),
}

impl Audience {
    pub(super) fn has(&self, member: u64) -> bool {
        match self {
            Self::Only(members, _) => members.contains(&member),
            Self::Without(members) => !members.contains(&member),
        }
    }
}

/// An event of a later epoch, held back until the commits before it have come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Held {
    pub(super) place: Place,
    /// When it is passed on all the same.
    pub(super) until: Timestamp,
    pub(super) bytes: Vec<u8>,
}

/// An external commit of a client of ours that has not come back from the hub.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Joining {
    pub(super) user: UserUri,
    /// The SHA-256 of the commit.
    pub(super) commit: Hash,
    /// The epoch it is made for.
    pub(super) place: Place,
    pub(super) until: Timestamp,
    /// Whether the hub has accepted it. The client is a member then; since when will be known when the commit comes.
    pub(super) accepted: bool,
}

/// One record written, or deleted where there is no value.
#[derive(Clone, Debug)]
pub(super) enum Edit {
    Head(Head),
    Member(u64, Option<Member>),
    Audience(u64, Option<Audience>),
    Seen(u64, Option<Hash>),
    Held(u64, Option<Held>),
    Joining(ClientUri, Option<Joining>),
    Blocked(UserUri, Option<Word>),
    /// When the hub has accepted the newest commit that was passed on.
    Committed(Timestamp),
    /// Until when the room is remembered that nobody is in.
    Empty(Option<Timestamp>),
    /// The body of an event; nothing in memory.
    Event(u64, Option<Vec<u8>>),
}

/// The key of the record that holds an event: the `FanoutMessage`, octet for octet as it came.
#[must_use]
pub fn event_key(event: u64) -> Key {
    Key::new(EVENT).u64(event)
}

impl Edit {
    /// The record as storage has it.
    pub(super) fn write(&self) -> (Key, Option<Vec<u8>>) {
        match self {
            Self::Head(head) => (Key::new(HEAD), Some(encode(head))),
            Self::Member(number, member) => {
                (Key::new(MEMBER).u64(*number), member.as_ref().map(encode))
            }
            Self::Audience(event, audience) => {
                (Key::new(AUDIENCE).u64(*event), audience.as_ref().map(encode))
            }
            Self::Seen(number, hash) => (Key::new(SEEN).u64(*number), hash.as_ref().map(encode)),
            Self::Held(number, held) => (Key::new(HELD).u64(*number), held.as_ref().map(encode)),
            Self::Joining(client, joining) => {
                (Key::new(JOINING).bytes(client.as_bytes()), joining.as_ref().map(encode))
            }
            Self::Blocked(user, blocked) => {
                (Key::new(BLOCKED).bytes(user.as_bytes()), blocked.as_ref().map(encode))
            }
            Self::Committed(at) => (Key::new(COMMITTED), Some(encode(at))),
            Self::Empty(until) => (Key::new(EMPTY), until.as_ref().map(encode)),
            Self::Event(number, bytes) => (event_key(*number), bytes.clone()),
        }
    }
}

/// What a follower holds of one room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) head: Head,
    pub(super) members: BTreeMap<u64, Member>,
    pub(super) audiences: BTreeMap<u64, Audience>,
    /// What was seen, oldest first.
    pub(super) seen: BTreeMap<u64, Hash>,
    pub(super) held: BTreeMap<u64, Held>,
    pub(super) joining: BTreeMap<ClientUri, Joining>,
    /// The newest word on users who have a client here; on whom there is none, is in.
    pub(super) blocked: BTreeMap<UserUri, Word>,
    pub(super) committed: Option<Timestamp>,
    /// Until when the room is remembered that nobody is in.
    pub(super) empty: Option<Timestamp>,
    seen_hashes: BTreeSet<Hash>,
}

impl State {
    pub(super) fn new(room: RoomUri) -> Self {
        Self::with_head(Head {
            room,
            next_event: 0,
            oldest_event: 0,
            next_member: 0,
            next_seen: 0,
            next_held: 0,
            place: None,
        })
    }

    fn with_head(head: Head) -> Self {
        Self {
            head,
            members: BTreeMap::new(),
            audiences: BTreeMap::new(),
            seen: BTreeMap::new(),
            held: BTreeMap::new(),
            joining: BTreeMap::new(),
            blocked: BTreeMap::new(),
            committed: None,
            empty: None,
            seen_hashes: BTreeSet::new(),
        }
    }

    pub(super) fn has_seen(&self, hash: &Hash) -> bool {
        self.seen_hashes.contains(hash)
    }

    /// The number of the member that this client is.
    pub(super) fn member(&self, client: &ClientUri) -> Option<u64> {
        self.members.iter().find(|(_, it)| it.client == *client).map(|(number, _)| *number)
    }

    /// The first event from `from` on that a member is to get.
    pub(super) fn first_owed(&self, member: u64, from: u64) -> Option<u64> {
        let mut event = from;
        for (kept, audience) in self.audiences.range(from..) {
            if *kept != event || audience.has(member) {
                break;
            }
            event = event.checked_add(1)?;
        }
        (event < self.head.next_event).then_some(event)
    }

    /// The events that a member has not acknowledged, in ranges without the ones it is not to get.
    pub(super) fn owed(&self, number: u64, member: &Member) -> Vec<Range<u64>> {
        let without = self.audiences.range(member.next..).filter(|(_, it)| !it.has(number));
        gaps(member.next..self.head.next_event, without.map(|(event, _)| *event))
    }

    /// Takes one record over.
    pub(super) fn settle(&mut self, edit: Edit) {
        match edit {
            Edit::Head(head) => self.head = head,
            Edit::Member(number, member) => put(&mut self.members, number, member),
            Edit::Audience(event, audience) => put(&mut self.audiences, event, audience),
            Edit::Seen(number, hash) => {
                if let Some(old) = self.seen.remove(&number) {
                    self.seen_hashes.remove(&old);
                }
                if let Some(hash) = hash {
                    self.seen_hashes.insert(hash);
                    self.seen.insert(number, hash);
                }
            }
            Edit::Held(number, held) => put(&mut self.held, number, held),
            Edit::Joining(client, joining) => put(&mut self.joining, client, joining),
            Edit::Blocked(user, word) => put(&mut self.blocked, user, word),
            Edit::Committed(at) => self.committed = Some(at),
            Edit::Empty(until) => self.empty = until,
            Edit::Event(..) => {}
        }
    }

    /// Reads all records back.
    pub(super) fn restore(records: &Records) -> Result<Self, RestoreError> {
        let head = records.single(HEAD).ok_or(RestoreError::Missing("room"))?;
        let mut state = Self::with_head(decode("room", head)?);
        for (key, value) in records.kind(MEMBER) {
            let number = number(key, "member")?;
            state.settle(Edit::Member(number, Some(decode("member", value)?)));
        }
        for (key, value) in records.kind(AUDIENCE) {
            let event = number(key, "audience")?;
            state.settle(Edit::Audience(event, Some(decode("audience", value)?)));
        }
        for (key, value) in records.kind(SEEN) {
            let number = number(key, "notification")?;
            state.settle(Edit::Seen(number, Some(decode("notification", value)?)));
        }
        for (key, value) in records.kind(HELD) {
            let number = number(key, "held event")?;
            state.settle(Edit::Held(number, Some(decode("held event", value)?)));
        }
        for (key, value) in records.kind(JOINING) {
            let client = ClientUri::parse(key.fields())
                .map_err(|_| RestoreError::Corrupt("joining client"))?;
            state.settle(Edit::Joining(client, Some(decode("joining client", value)?)));
        }
        for (key, value) in records.kind(BLOCKED) {
            let user = UserUri::parse(key.fields());
            let user = user.map_err(|_| RestoreError::Corrupt("blocked user"))?;
            state.settle(Edit::Blocked(user, Some(decode("blocked user", value)?)));
        }
        if let Some(value) = records.single(COMMITTED) {
            state.settle(Edit::Committed(decode("commit", value)?));
        }
        if let Some(value) = records.single(EMPTY) {
            state.settle(Edit::Empty(Some(decode("empty room", value)?)));
        }
        state.check()?;
        Ok(state)
    }

    /// Numbers are given out in order, and never all of them: what a record names is below the next one.
    fn check(&self) -> Result<(), RestoreError> {
        let head = &self.head;
        let below = |last: Option<&u64>, next: u64| last.is_none_or(|it| *it < next);
        let numbers = [head.next_event, head.next_member, head.next_seen, head.next_held];
        let sound = numbers.iter().all(|it| *it < NUMBERS)
            && head.oldest_event <= head.next_event
            && below(self.members.keys().last(), head.next_member)
            && below(self.seen.keys().last(), head.next_seen)
            && below(self.held.keys().last(), head.next_held)
            && below(self.audiences.keys().last(), head.next_event)
            && self.audiences.keys().next().is_none_or(|it| *it >= head.oldest_event)
            && self.members.values().all(|it| {
                (head.oldest_event..=head.next_event).contains(&it.next)
                    && it.since <= head.next_event
            });
        if sound { Ok(()) } else { Err(RestoreError::Corrupt("room")) }
    }
}

/// The parts of a range between the numbers that are left out.
pub(super) fn gaps(range: Range<u64>, without: impl Iterator<Item = u64>) -> Vec<Range<u64>> {
    let mut gaps = Vec::new();
    let mut start = range.start;
    for number in without {
        if start < number {
            gaps.push(start..number);
        }
        start = number.saturating_add(1);
    }
    if start < range.end {
        gaps.push(start..range.end);
    }
    gaps
}

fn put<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) {
    match value {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    };
}

/// The one 64-bit field of a key.
fn number(key: &Key, what: &'static str) -> Result<u64, RestoreError> {
    let octets = key.fields().try_into().map_err(|_| RestoreError::Corrupt(what))?;
    Ok(u64::from_be_bytes(octets))
}

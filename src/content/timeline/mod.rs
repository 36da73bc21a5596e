//! What a person sees: messages folded with their edits, deletions, reactions and receipts.
//!
//! Messages arrive in any order, edits before what they edit, replies before what they reply to. A [`Timeline`] keeps
//! all of them and derives everything it shows from the *set* of them, so the order of arrival leaves no trace. Give it
//! every message that decoded and passed [`check`](super::check); ask it for a [`view`](Timeline::view).
//!
//! * **Order**: by the hub's timestamp, then by the lowest message ID (C-062). A message stands after all that it
//!   says its sender had seen ([`lastSeen`](super::known::LastSeen)), whatever the timestamps say. Where messages claim
//!   to have seen each other in a circle, the earliest comes first.
//! * **Edits** change the body and nothing else (C-104); all versions stay in the history. They are found by the ID
//!   of the first version; an edit that wrongly refers to a later one is taken as well.
//! * **Who may** edit and delete is asked of the room's policy, as it was when the message was sent (Q-92): the
//!   caller gives a function from [`Act`] to an answer with each message.
//! * **One room**: a timeline is of one room, and references are looked up in it alone (C-018). Keep one for each.
//! * **Never complete**: a hub can hold messages back, and nothing here can tell (D-02). What a sender had seen
//!   ([`lastSeen`](super::known::LastSeen)) and what it says to have received ([`AppAck`](crate::wire::AppAck)) show
//!   gaps to whoever compares; do not show a conversation as complete.
//! * **Expiry** is executed by whoever shows the view, with the clock passed in (C-059).
//!
//! ```
//! use openmimi::content::{Compose, Salt, timeline::{Act, Received, Timeline}};
//! use openmimi::env::Timestamp;
//!
//! let (alice, room) = ("mimi://example.com/u/alice", "mimi://example.com/r/team");
//! let message = Compose::new(alice, room).text("Lunch?").build(Salt([7; 16]))?;
//! let id = message.as_message().id(alice, room).expect("short URIs");
//!
//! let mut timeline = Timeline::default();
//! let accepted_at = Timestamp(1_700_000_000_000);
//! timeline.insert(Received { id, sender: alice.into(), accepted_at, message }, Act::is_own);
//! assert_eq!(timeline.view(accepted_at).len(), 1);
//! # Ok::<(), openmimi::content::Rule>(())
//! ```

mod fold;
mod item;
mod order;
mod receipts;

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

pub use item::{Item, Reaction, Reply, State, Version};

use self::receipts::Receipts;
use super::{
    Body, Disposition, Expiration, Message, MessageBuf, MessageId, known::LastSeen, status,
    status::Status,
};
use crate::env::Timestamp;

/// What a message wants to do to an earlier one. The names are those of the room policy's capabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Act {
    /// `canEditOwnMessage`.
    EditOwnMessage,
    /// `canDeleteOwnMessage`.
    DeleteOwnMessage,
    /// `canEditReaction`: one's own.
    EditReaction,
    /// `canDeleteOwnReaction`.
    DeleteOwnReaction,
    /// `canEditOwnTopic`: give one's own message another topic.
    EditOwnTopic,
    /// `canDeleteOtherMessage`.
    DeleteOtherMessage,
    /// `canDeleteOtherReaction`.
    DeleteOtherReaction,
    /// `canEditOtherTopic`: give another's message another topic, and change nothing else.
    EditOtherTopic,
}

impl Act {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::EditOwnMessage,
        Self::DeleteOwnMessage,
        Self::EditReaction,
        Self::DeleteOwnReaction,
        Self::EditOwnTopic,
        Self::DeleteOtherMessage,
        Self::DeleteOtherReaction,
        Self::EditOtherTopic,
    ];

    /// What a room without a policy allows: to edit and delete what is one's own, topics excepted (C-103, C-104).
    #[must_use]
    pub const fn is_own(self) -> bool {
        match self {
            Self::EditOwnMessage
            | Self::DeleteOwnMessage
            | Self::EditReaction
            | Self::DeleteOwnReaction => true,
            Self::EditOwnTopic
            | Self::DeleteOtherMessage
            | Self::DeleteOtherReaction
            | Self::EditOtherTopic => false,
        }
    }
}

/// A message that decoded and was found good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Its ID.
    pub id: MessageId,
    /// The user who sent it, as MLS authenticated.
    pub sender: String,
    /// When the hub accepted it.
    pub accepted_at: Timestamp,
    /// The message itself.
    pub message: MessageBuf,
}

/// What became of a message that was put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// It is there now, and counts as soon as what it refers to is there too.
    New,
    /// A message with this ID was there; of the two timestamps the earlier stays.
    Duplicate,
}

/// What a message is, by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Something to show.
    Post,
    /// A reaction to another message.
    Reaction,
    /// An edit or a deletion of another message.
    Change,
    /// A status report, or nothing at all.
    Silent,
}

/// One message with what is known of it.
#[derive(Clone, Debug)]
struct Entry {
    sender: String,
    accepted_at: Timestamp,
    kind: Kind,
    /// What its sender might do when it was sent.
    may: Vec<Act>,
    replaces: Option<MessageId>,
    in_reply_to: Option<MessageId>,
    expires: Option<Expiration>,
    /// The messages that it says its sender had seen last, by message ID and by external ID.
    seen: Vec<MessageId>,
    seen_external: Vec<Vec<u8>>,
    topic: Vec<u8>,
    /// Whether it has nothing in it, and so takes something back.
    null: bool,
    /// SHA-256 of its root part, to compare it with another after it was purged.
    body: [u8; 32],
    /// `None` once it has expired and was purged.
    message: Option<MessageBuf>,
}

impl Entry {
    fn message(&self) -> Option<Message<'_>> {
        self.message.as_ref().map(MessageBuf::as_message)
    }
}

/// All messages of one room, and what they come to.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    entries: BTreeMap<MessageId, Entry>,
    /// By the message they replace.
    changes: BTreeMap<MessageId, BTreeSet<MessageId>>,
    /// By the message they react to.
    reactions: BTreeMap<MessageId, BTreeSet<MessageId>>,
    /// By the external ID that they have.
    external: BTreeMap<Vec<u8>, BTreeSet<MessageId>>,
    /// When the local user read a message.
    read_at: BTreeMap<MessageId, Timestamp>,
    receipts: Receipts,
}

impl Timeline {
    /// Puts a message in. `may` answers what its sender may do, by the policy of the epoch it was sent in.
    pub fn insert(&mut self, received: Received, may: impl Fn(Act) -> bool) -> Inserted {
        let Received { id, sender, accepted_at, message } = received;
        if let Some(entry) = self.entries.get_mut(&id) {
            let earlier = entry.accepted_at.min(accepted_at);
            entry.accepted_at = earlier;
            self.receipts.retime(&id, earlier);
            return Inserted::Duplicate;
        }
        let view = message.as_message();
        let kind = kind(&view);
        let extensions = view.extensions();
        // A badly shaped extension says nothing; the message is one all the same.
        let (mut seen, mut seen_external) = (Vec::new(), Vec::new());
        match extensions.last_seen() {
            Ok(Some(LastSeen::Messages(ids))) => seen = ids,
            Ok(Some(LastSeen::External(ids))) => {
                let items = ids.iter().filter_map(|id| id.to_item().ok());
                seen_external = items.map(|item| item.as_item().as_bytes().to_vec()).collect();
            }
            Ok(None) | Err(_) => {}
        }
        let external_id = extensions.external_id().ok().flatten();
        let external_id = external_id.and_then(|external| external.to_item().ok());
        let external_id = external_id.map(|item| item.as_item().as_bytes().to_vec());
        if let Some(external) = external_id {
            self.external.entry(external).or_default().insert(id);
        }
        if let Some(replaced) = view.replaces() {
            self.changes.entry(replaced).or_default().insert(id);
        }
        if let (Kind::Reaction, Some(target)) = (kind, view.in_reply_to()) {
            self.reactions.entry(target).or_default().insert(id);
        }
        if let Ok(Some(report)) = status::Report::in_message(&view) {
            self.receipts
                .report(&sender, accepted_at, id, &report, |id| self.entries.contains_key(id));
        }
        self.receipts.known(&id);
        let may = match kind {
            Kind::Change => Act::ALL.into_iter().filter(|act| may(*act)).collect(),
            Kind::Post | Kind::Reaction | Kind::Silent => Vec::new(),
        };
        let entry = Entry {
            sender,
            accepted_at,
            kind,
            may,
            replaces: view.replaces(),
            in_reply_to: view.in_reply_to(),
            expires: view.expires(),
            seen,
            seen_external,
            topic: view.topic().to_vec(),
            null: matches!(view.body().body(), Body::Null),
            body: Sha256::digest(view.body_bytes()).into(),
            message: Some(message),
        };
        self.entries.insert(id, entry);
        Inserted::New
    }

    /// Notes that the local user has read a message: a relative expiry counts from the first time (C-016).
    pub fn read(&mut self, id: MessageId, at: Timestamp) {
        let first = self.read_at.entry(id).or_insert(at);
        *first = at.min(*first);
    }

    /// Whether there is a message with this ID: what [`check`](super::check::Checks::check) asks.
    #[must_use]
    pub fn contains(&self, id: &MessageId) -> bool {
        self.entries.contains_key(id)
    }

    /// Everything to show, in order.
    #[must_use]
    pub fn view(&self, now: Timestamp) -> Vec<Item<'_>> {
        let looped = self.reply_loops();
        self.order().iter().filter_map(|id| self.item_with(id, now, &looped)).collect()
    }

    /// What belongs to one topic, in order (C-061).
    #[must_use]
    pub fn thread(&self, topic: &[u8], now: Timestamp) -> Vec<Item<'_>> {
        let mut items = self.view(now);
        items.retain(|item| item.topic == topic);
        items
    }

    /// One message with all that became of it, by the ID of any of its versions.
    #[must_use]
    pub fn item(&self, id: &MessageId, now: Timestamp) -> Option<Item<'_>> {
        self.item_with(&self.first(id)?, now, &self.reply_loops())
    }

    /// The version that is shown now: what a reply has to refer to (C-021).
    #[must_use]
    pub fn newest(&self, id: &MessageId) -> Option<MessageId> {
        self.fold(&self.first(id)?).map(|folded| folded.newest())
    }

    /// The edits, deletions and reactions whose message has not arrived, in the order of their IDs (C-100).
    #[must_use]
    pub fn pending(&self) -> Vec<MessageId> {
        let waits = |entry: &Entry| match entry.kind {
            Kind::Change => entry.replaces.is_some_and(|id| self.first(&id).is_none()),
            Kind::Reaction => entry.in_reply_to.is_some_and(|id| self.first(&id).is_none()),
            Kind::Post | Kind::Silent => false,
        };
        self.entries.iter().filter(|(_, entry)| waits(entry)).map(|(id, _)| *id).collect()
    }

    /// What each member last said of a message.
    #[must_use]
    pub fn statuses(&self, id: &MessageId) -> BTreeMap<&str, Status> {
        self.receipts.statuses(id)
    }

    /// When the next message expires; `None` if none will.
    #[must_use]
    pub fn next_expiry(&self, now: Timestamp) -> Option<Timestamp> {
        let times = self.entries.iter().filter_map(|(id, entry)| self.expires_at(id, entry));
        times.filter(|time| *time > now).min()
    }

    /// Forgets the content of all that has expired, with its edits. What is shown does not change.
    pub fn purge(&mut self, now: Timestamp) {
        let expired: Vec<_> = self
            .entries
            .iter()
            .filter(|(id, entry)| self.expires_at(id, entry).is_some_and(|time| time <= now))
            .map(|(id, _)| *id)
            .collect();
        for id in expired {
            for id in self.versions(&id) {
                if let Some(entry) = self.entries.get_mut(&id) {
                    entry.message = None;
                }
            }
        }
    }

    fn expires_at(&self, id: &MessageId, entry: &Entry) -> Option<Timestamp> {
        let milliseconds = |seconds: u32| u64::from(seconds) * 1000;
        match entry.expires? {
            Expiration::Absolute(second) => Some(Timestamp(milliseconds(second))),
            Expiration::Relative(seconds) => {
                self.read_at.get(id).map(|read| read.plus(milliseconds(seconds)))
            }
        }
    }
}

fn kind(message: &Message<'_>) -> Kind {
    let body = message.body();
    let null = matches!(body.body(), Body::Null);
    let reacts = body.disposition() == Disposition::REACTION && message.in_reply_to().is_some();
    if status::is_report(message) {
        Kind::Silent
    } else if message.replaces().is_some() {
        Kind::Change
    } else if null {
        // Nothing that takes nothing back (C-027).
        Kind::Silent
    } else if reacts {
        Kind::Reaction
    } else {
        Kind::Post
    }
}

#[cfg(test)]
mod tests;

//! What is shown of one message.

use std::collections::{BTreeMap, BTreeSet};

use super::{Entry, Kind, Timeline, fold::Folded};
use crate::{
    content::{Body, Message, MessageId, Part, status::Status},
    env::Timestamp,
};

/// One message as a person sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item<'t> {
    /// The ID of its first version.
    pub id: MessageId,
    /// Who sent it.
    pub sender: &'t str,
    /// When the hub accepted its first version.
    pub accepted_at: Timestamp,
    /// What is to be shown.
    pub state: State<'t>,
    /// All versions, the first one first. Show clearly that there is more than one (C-102).
    pub versions: Vec<Version<'t>>,
    /// The topic it belongs to; empty for none.
    pub topic: &'t [u8],
    /// What it replies to.
    pub reply: Option<Reply>,
    /// The reactions to any of its versions, in order.
    pub reactions: Vec<Reaction<'t>>,
    /// What each member last said of its first version. Claims, nothing more (M-011).
    pub statuses: BTreeMap<&'t str, Status>,
    /// When it goes away; for a relative expiry not known before it is read.
    pub expires_at: Option<Timestamp>,
}

/// What is to be shown of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State<'t> {
    /// Its newest version.
    Shown(Message<'t>),
    /// That it was deleted, and by whom: its sender, or someone with the power to.
    Deleted {
        /// Who deleted it.
        by: &'t str,
        /// When the hub accepted the deletion.
        at: Timestamp,
    },
    /// Nothing: it has expired.
    Expired,
}

/// One version of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version<'t> {
    /// Its ID.
    pub id: MessageId,
    /// When the hub accepted it.
    pub accepted_at: Timestamp,
    /// The message; its body counts, and for the first version everything.
    pub message: Message<'t>,
}

/// What a message replies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The version it refers to.
    pub to: MessageId,
    /// The first version of that message, if it has arrived.
    pub first: Option<MessageId>,
    /// Whether there is a newer version than the one it refers to.
    pub outdated: bool,
    /// Whether that message was deleted or has expired: do not quote it.
    pub gone: bool,
    /// Whether the chain of replies comes back to itself: do not follow it (C-020).
    pub looped: bool,
}

/// One reaction of one user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reaction<'t> {
    /// The message that it came in, to be replaced by whoever takes it back.
    pub id: MessageId,
    /// Who reacted.
    pub sender: &'t str,
    /// When the hub accepted it.
    pub accepted_at: Timestamp,
    /// The version it refers to.
    pub to: MessageId,
    /// Whether the message was edited since.
    pub outdated: bool,
    /// The reaction: a single or external part.
    pub part: Part<'t>,
}

impl<'t> Item<'t> {
    /// Whether it was edited.
    #[must_use]
    pub fn edited(&self) -> bool {
        self.versions.len() > 1
    }

    /// The reactions of each user.
    #[must_use]
    pub fn reactions_by_user(&self) -> BTreeMap<&'t str, Vec<Reaction<'t>>> {
        let mut users: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for reaction in &self.reactions {
            users.entry(reaction.sender).or_default().push(*reaction);
        }
        users
    }
}

impl Timeline {
    /// The message with the first version `first`, if it is one to show.
    pub(super) fn item_with(
        &self,
        first: &MessageId,
        now: Timestamp,
        looped: &BTreeSet<MessageId>,
    ) -> Option<Item<'_>> {
        let folded = self.fold(first)?;
        let entry = folded.entry;
        if entry.kind != Kind::Post {
            return None;
        }
        let state = self.state(&folded, now);
        let shown = matches!(state, State::Shown(_));
        let all = std::iter::once((*first, entry)).chain(folded.edits.iter().copied());
        let versions = all.filter_map(|(id, entry)| {
            let message = entry.message().filter(|_| shown)?;
            Some(Version { id, accepted_at: entry.accepted_at, message })
        });
        Some(Item {
            id: *first,
            sender: &entry.sender,
            accepted_at: entry.accepted_at,
            state,
            versions: versions.collect(),
            topic: &folded.topic.topic,
            reply: entry.in_reply_to.map(|to| self.reply(to, now, looped.contains(first))),
            reactions: if shown { self.reactions_to(&folded, now) } else { Vec::new() },
            statuses: self.receipts.statuses(first),
            expires_at: self.expires_at(first, entry),
        })
    }

    fn state<'t>(&self, folded: &Folded<'t>, now: Timestamp) -> State<'t> {
        if self.expires_at(&folded.first, folded.entry).is_some_and(|time| time <= now) {
            return State::Expired;
        }
        if let Some(deletion) = folded.deleted {
            return State::Deleted { by: &deletion.sender, at: deletion.accepted_at };
        }
        let newest = folded.edits.last().map_or(folded.entry, |(_, edit)| *edit);
        newest.message().map_or(State::Expired, State::Shown)
    }

    fn reply(&self, to: MessageId, now: Timestamp, looped: bool) -> Reply {
        let first = self.first(&to);
        let folded = first.and_then(|first| self.fold(&first));
        Reply {
            to,
            first,
            outdated: folded.as_ref().is_some_and(|folded| folded.newest() != to),
            gone: folded.is_some_and(|folded| !matches!(self.state(&folded, now), State::Shown(_))),
            looped,
        }
    }

    fn reactions_to<'t>(&'t self, folded: &Folded<'t>, now: Timestamp) -> Vec<Reaction<'t>> {
        let versions = std::iter::once(folded.first).chain(folded.edits.iter().map(|(id, _)| *id));
        let ids = versions.filter_map(|id| self.reactions.get(&id)).flatten();
        let mut found: Vec<_> = ids.filter_map(|id| self.fold(id)).collect();
        found.sort_by_key(|reaction| (reaction.entry.accepted_at, reaction.first));
        let mut seen = BTreeSet::new();
        let mut reactions = Vec::new();
        for reaction in found {
            let State::Shown(message) = self.state(&reaction, now) else { continue };
            let Some(to) = reaction.entry.in_reply_to.filter(|to| folded.has_version(to)) else {
                continue;
            };
            for part in message.parts().filter(Part::can_be_referenced) {
                // The same reaction of the same user counts once.
                if seen.insert((&*reaction.entry.sender, content(&part))) {
                    reactions.push(Reaction {
                        id: reaction.first,
                        sender: &reaction.entry.sender,
                        accepted_at: reaction.entry.accepted_at,
                        to,
                        outdated: folded.newest() != to,
                        part,
                    });
                }
            }
        }
        reactions
    }

    /// All messages from which a chain of replies leads into a loop.
    pub(super) fn reply_loops(&self) -> BTreeSet<MessageId> {
        let next =
            |id: &MessageId| self.entries.get(id).and_then(|entry: &Entry| entry.in_reply_to);
        let mut good = BTreeSet::new();
        let mut looped = BTreeSet::new();
        for start in self.entries.keys() {
            let mut path = Vec::new();
            let mut on_path = BTreeSet::new();
            let mut at = Some(*start);
            // Each message is walked over once, for it replies to one only.
            let bad = loop {
                let Some(id) = at else { break false };
                if good.contains(&id) {
                    break false;
                }
                if looped.contains(&id) || !on_path.insert(id) {
                    break true;
                }
                path.push(id);
                at = next(&id);
            };
            if bad { &mut looped } else { &mut good }.extend(path);
        }
        looped
    }
}

/// What makes two reactions the same.
fn content<'t>(part: &Part<'t>) -> (&'t str, &'t [u8]) {
    match part.body() {
        Body::Single(single) => (single.content_type(), single.content()),
        Body::External(external) => (external.content_type(), external.url().as_bytes()),
        Body::Null | Body::Multi(_) => ("", &[]),
    }
}

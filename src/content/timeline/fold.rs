//! One message and what was done to it.

use super::{Act, Entry, Kind, Timeline};
use crate::content::MessageId;

/// Edits that refer to edits are followed so far; the draft has them refer to the first version at once.
const HOPS: usize = 16;

/// What a message has come to.
pub(super) struct Folded<'t> {
    pub(super) first: MessageId,
    pub(super) entry: &'t Entry,
    /// The edits that count, in order.
    pub(super) edits: Vec<(MessageId, &'t Entry)>,
    /// The deletion that counts.
    pub(super) deleted: Option<&'t Entry>,
    /// The message whose topic counts.
    pub(super) topic: &'t Entry,
}

impl Folded<'_> {
    pub(super) fn newest(&self) -> MessageId {
        self.edits.last().map_or(self.first, |(id, _)| *id)
    }

    pub(super) fn has_version(&self, id: &MessageId) -> bool {
        self.first == *id || self.edits.iter().any(|(edit, _)| edit == id)
    }
}

impl Timeline {
    /// The first version of the message that `id` is a version of, if it is there.
    pub(super) fn first(&self, id: &MessageId) -> Option<MessageId> {
        let mut id = *id;
        for _ in 0..=HOPS {
            match self.entries.get(&id)?.replaces {
                None => return Some(id),
                Some(replaced) => id = replaced,
            }
        }
        None
    }

    /// A message and all that replaces it, whether it may or not.
    pub(super) fn versions(&self, first: &MessageId) -> Vec<MessageId> {
        let mut versions = vec![*first];
        let mut level = versions.clone();
        // Each message replaces one only, so nothing is met twice.
        for _ in 0..HOPS {
            level = level.iter().filter_map(|id| self.changes.get(id)).flatten().copied().collect();
            versions.extend(&level);
        }
        versions
    }

    /// What the message with the first version `first` has come to.
    pub(super) fn fold(&self, first: &MessageId) -> Option<Folded<'_>> {
        let entry = self.entries.get(first)?;
        let mut changes: Vec<_> = self
            .versions(first)
            .into_iter()
            .skip(1)
            .filter_map(|id| Some((id, self.entries.get(&id)?)))
            .filter(|(_, change)| change.kind == Kind::Change)
            .collect();
        changes.sort_by_key(|(id, change)| (change.accepted_at, *id));
        let mut folded =
            Folded { first: *first, entry, edits: Vec::new(), deleted: None, topic: entry };
        for (id, change) in changes {
            folded.apply(id, change);
            if folded.deleted.is_some() {
                break;
            }
        }
        Some(folded)
    }
}

impl<'t> Folded<'t> {
    /// Does what one edit or deletion says, as far as its sender may.
    fn apply(&mut self, id: MessageId, change: &'t Entry) {
        let own = change.sender == self.entry.sender;
        let reaction = self.entry.kind == Kind::Reaction;
        let (edit, delete, topic) = match (own, reaction) {
            (true, false) => {
                (Some(Act::EditOwnMessage), Act::DeleteOwnMessage, Some(Act::EditOwnTopic))
            }
            (true, true) => (Some(Act::EditReaction), Act::DeleteOwnReaction, None),
            (false, false) => (None, Act::DeleteOtherMessage, Some(Act::EditOtherTopic)),
            (false, true) => (None, Act::DeleteOtherReaction, None),
        };
        let may = |act: Option<Act>| act.is_some_and(|act| change.may.contains(&act));
        if change.null {
            if may(Some(delete)) {
                self.deleted = Some(change);
            }
            return;
        }
        // Others may change the topic only, so the body has to be the one that is there, octet for octet.
        let current = self.edits.last().map_or(self.entry, |(_, edit)| *edit);
        if change.topic != self.topic.topic && may(topic) && (own || current.body == change.body) {
            self.topic = change;
        }
        if may(edit) {
            self.edits.push((id, change));
        }
    }
}

//! The messages that were submitted, to know them again (Q-115, S-40).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::answered::Hash;
use crate::{content::MessageId, env::Limits, uri::UserUri};

/// What is remembered of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sent {
    /// Its epoch.
    pub(super) epoch: u64,
    /// The hash of its ciphertext.
    pub(super) ciphertext: Hash,
    /// Who has sent it.
    pub(super) sender: UserUri,
    /// Its ID, if it stands in the clear (S-40).
    pub(super) id: Option<MessageId>,
}

/// Why a message is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Somebody else has submitted the same ciphertext.
    Ciphertext,
    /// Another message has the same ID.
    Id,
}

/// Messages of the epochs that may still be written in, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Messages {
    sent: BTreeMap<u64, Sent>,
    by_ciphertext: BTreeMap<Hash, u64>,
    by_id: BTreeMap<MessageId, u64>,
}

/// Messages of epochs that are over which go with each new one: more than come, so that they all go.
const SWEPT: usize = 4;

impl Messages {
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn len(&self) -> usize {
        self.sent.len()
    }

    pub(super) fn insert(&mut self, number: u64, sent: Sent) {
        self.by_ciphertext.insert(sent.ciphertext, number);
        self.by_id.extend(sent.id.map(|id| (id, number)));
        self.sent.insert(number, sent);
    }

    pub(super) fn remove(&mut self, number: u64) {
        let Some(sent) = self.sent.remove(&number) else { return };
        // The same message may have come again since.
        if self.by_ciphertext.get(&sent.ciphertext) == Some(&number) {
            self.by_ciphertext.remove(&sent.ciphertext);
        }
        if let Some(id) = sent.id.filter(|id| self.by_id.get(id) == Some(&number)) {
            self.by_id.remove(&id);
        }
    }

    /// What speaks against a message, if anything does. The same one of the same sender may come again: its first
    /// answer may have been forgotten.
    pub(super) fn find(
        &self,
        ciphertext: &Hash,
        id: Option<&MessageId>,
        sender: &UserUri,
    ) -> Option<Known> {
        let sent = |number| self.sent.get(number);
        if let Some(same) = self.by_ciphertext.get(ciphertext).and_then(sent) {
            return (same.sender != *sender).then_some(Known::Ciphertext);
        }
        id.filter(|id| self.by_id.contains_key(id)).map(|_| Known::Id)
    }

    /// The numbers of those that go when one more comes: of epochs before `oldest`, in which nobody may write any
    /// more, and the oldest of too many.
    pub(super) fn surplus(&self, oldest: u64, limits: &Limits) -> impl Iterator<Item = u64> {
        let excess = (self.sent.len() + 1).saturating_sub(limits.messages);
        let goes = move |(place, (_, sent)): &(usize, (&u64, &Sent))| {
            *place < excess || *place < SWEPT && sent.epoch < oldest
        };
        self.sent.iter().enumerate().take_while(goes).map(|(_, (number, _))| *number)
    }

    pub(super) fn numbers(&self) -> impl Iterator<Item = u64> {
        self.sent.keys().copied()
    }

    pub(super) fn next_number(&self) -> u64 {
        self.sent.last_key_value().map_or(0, |(number, _)| number + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(epoch: u64, name: u8, id: Option<u8>) -> Sent {
        let sender = UserUri::parse("mimi://b.example/u/bob").expect("a user");
        Sent { epoch, ciphertext: [name; 32], sender, id: id.map(|id| MessageId([id; 32])) }
    }

    #[test]
    fn q_115_messages_are_known_by_ciphertext_and_id_and_leave_by_count_and_epoch() {
        let limits = Limits { messages: 3, ..Limits::default() };
        let mut messages = Messages::default();
        let bob = sent(0, 0, None).sender;
        let eve = UserUri::parse("mimi://b.example/u/eve").expect("a user");
        for (epoch, name) in [(0, 1), (1, 2), (1, 3)] {
            assert_eq!(messages.surplus(0, &limits).count(), 0);
            messages.insert(messages.next_number(), sent(epoch, name, Some(name)));
        }
        assert_eq!(messages.find(&[2; 32], None, &bob), None, "the same one again");
        assert_eq!(messages.find(&[2; 32], None, &eve), Some(Known::Ciphertext));
        let id = MessageId([2; 32]);
        assert_eq!(messages.find(&[2; 32], Some(&id), &bob), None);
        assert_eq!(messages.find(&[9; 32], Some(&id), &bob), Some(Known::Id));
        assert_eq!(messages.find(&[9; 32], None, &eve), None);
        assert_eq!(messages.surplus(0, &limits).collect::<Vec<_>>(), [0], "a fourth is too many");
        assert_eq!(messages.surplus(2, &limits).collect::<Vec<_>>(), [0, 1, 2], "of old epochs");
        // The same message a second time, and its first entry goes.
        messages.insert(3, sent(1, 1, Some(1)));
        messages.remove(0);
        assert_eq!(messages.find(&[1; 32], None, &eve), Some(Known::Ciphertext));
        messages.remove(3);
        assert_eq!(messages.find(&[1; 32], Some(&MessageId([1; 32])), &eve), None);
    }
}

//! Answers kept for requests that come again because their reply was lost.
//!
//! Only `success` is kept, and only of update and submitMessage. The key is whoever asked, the endpoint and the body;
//! the room is this one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::env::{Limits, Timestamp};

/// A SHA-256 over something.
pub(super) type Hash = [u8; 32];

/// Which request was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Update = 1,
    SubmitMessage = 2,
}

/// The name of a request: who asked what.
pub(super) fn request(endpoint: Endpoint, peer: &str, body: &[u8]) -> Hash {
    let mut hash = Sha256::new();
    hash.update([endpoint as u8]);
    hash.update((peer.len() as u64).to_be_bytes());
    hash.update(peer.as_bytes());
    hash.update(body);
    hash.finalize().into()
}

/// A kept answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Answer {
    /// When it was given.
    pub(super) at: Timestamp,
    /// What was asked, by whom.
    pub(super) request: Hash,
    /// The octets of the reply.
    pub(super) reply: Vec<u8>,
}

/// All kept answers, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answered {
    answers: BTreeMap<u64, Answer>,
    by_request: BTreeMap<Hash, u64>,
}

impl Answered {
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn len(&self) -> usize {
        self.answers.len()
    }

    pub(super) fn insert(&mut self, number: u64, answer: Answer) {
        self.by_request.insert(answer.request, number);
        self.answers.insert(number, answer);
    }

    pub(super) fn remove(&mut self, number: u64) {
        if let Some(answer) = self.answers.remove(&number) {
            self.by_request.remove(&answer.request);
        }
    }

    /// The first answer to a request, if it is still kept.
    pub(super) fn find(&self, request: &Hash) -> Option<&Answer> {
        self.answers.get(self.by_request.get(request)?)
    }

    /// The numbers of the answers that are too old.
    pub(super) fn expired(&self, now: Timestamp, limits: &Limits) -> impl Iterator<Item = u64> {
        let old = move |(_, answer): &(&u64, &Answer)| answer.at.plus(limits.answered_for) <= now;
        self.answers.iter().take_while(old).map(|(number, _)| *number)
    }

    /// The numbers of the oldest answers, where a further one would be too many.
    pub(super) fn surplus(&self, limits: &Limits) -> impl Iterator<Item = u64> {
        self.answers.keys().copied().take((self.answers.len() + 1).saturating_sub(limits.answered))
    }

    /// The first time after `after` that an answer is too old.
    pub(super) fn next_expiry(&self, after: Timestamp, limits: &Limits) -> Option<Timestamp> {
        self.answers
            .values()
            .map(|answer| answer.at.plus(limits.answered_for))
            .find(|until| *until > after)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }

    pub(super) fn numbers(&self) -> impl Iterator<Item = u64> {
        self.answers.keys().copied()
    }

    pub(super) fn next_number(&self) -> u64 {
        self.answers.last_key_value().map_or(0, |(number, _)| number + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(at: u64, name: u8) -> Answer {
        Answer { at: Timestamp(at), request: [name; 32], reply: vec![name] }
    }

    #[test]
    fn q_115_answers_are_found_by_request_and_leave_by_count_and_age() {
        let limits = Limits { answered: 3, answered_for: 1000, ..Limits::default() };
        let mut answered = Answered::default();
        for (at, name) in [(0, 1), (10, 2), (20, 3)] {
            assert_eq!(answered.surplus(&limits).count(), 0);
            answered.insert(answered.next_number(), answer(at, name));
        }
        assert_eq!(answered.find(&[2; 32]).map(|answer| answer.reply.as_slice()), Some(&[2][..]));
        assert_eq!(
            answered.surplus(&limits).collect::<Vec<_>>(),
            [0],
            "a fourth one would be too many"
        );
        assert_eq!(
            answered.expired(Timestamp(1010), &limits).collect::<Vec<_>>(),
            [0, 1],
            "and these are too old"
        );
        answered.remove(1);
        assert_eq!(answered.find(&[2; 32]), None);
        assert_eq!(answered.next_expiry(Timestamp(0), &limits), Some(Timestamp(1000)));
        assert_eq!(answered.next_expiry(Timestamp(1000), &limits), Some(Timestamp(1020)));
    }

    #[test]
    fn q_115_a_request_is_named_by_peer_endpoint_and_body() {
        let name = request(Endpoint::Update, "a.example", b"body");
        assert_ne!(name, request(Endpoint::SubmitMessage, "a.example", b"body"));
        assert_ne!(name, request(Endpoint::Update, "b.example", b"body"));
        assert_ne!(name, request(Endpoint::Update, "a.example", b"bodx"));
        assert_ne!(request(Endpoint::Update, "a", b"bc"), request(Endpoint::Update, "ab", b"c"));
    }
}

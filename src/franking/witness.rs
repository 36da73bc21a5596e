//! What a client remembers of the franks of a room, to find those that were swapped (Q-53, D-21).

use std::collections::VecDeque;

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::{Received, Verdict};
use crate::env::{Limits, Timestamp};

/// Octets kept of a server frank and of the hash of a ciphertext: enough that none is met twice by chance or work.
const KEPT: usize = 16;

/// What a frank that is right by itself contradicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error, serde::Serialize, serde::Deserialize)]
pub enum Suspicion {
    /// The sender wrote two messages of an epoch in the other order than the hub accepted them in: their franks were
    /// swapped, or the sender's provider held one back.
    #[error("the order of the sender's messages is not that of their times")]
    Order,
    /// The hub accepted a later message before: its clock went back (D-8C), or a frank was swapped.
    #[error("the time is before that of an earlier message")]
    Regression,
}

/// A frank that was seen.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Seen {
    server_frank: [u8; KEPT],
    ciphertext: [u8; KEPT],
    accepted: Timestamp,
    epoch: u64,
    leaf: u32,
    generation: Option<u32>,
}

impl Seen {
    /// What is remembered of a message, if it has a frank.
    fn new(received: &Received<'_>) -> Option<Self> {
        Some(Self {
            server_frank: kept(&received.frank?.server_frank),
            ciphertext: kept(&Sha256::digest(received.message.as_bytes())),
            accepted: received.accepted,
            epoch: received.message.epoch(),
            leaf: received.leaf,
            generation: received.generation,
        })
    }

    /// Whether one sender's two messages were accepted in the other order than they were written in.
    fn crosses(&self, other: &Self) -> bool {
        let order = (self.epoch, self.leaf) == (other.epoch, other.leaf);
        match (self.generation, other.generation) {
            (Some(one), Some(two)) if order && one < two => self.accepted > other.accepted,
            (Some(one), Some(two)) if order && one > two => self.accepted < other.accepted,
            _ => false,
        }
    }
}

/// The first octets of a hash.
fn kept(hash: &[u8]) -> [u8; KEPT] {
    let mut kept = [0; KEPT];
    kept.iter_mut().zip(hash).for_each(|(kept, octet)| *kept = *octet);
    kept
}

/// The franks of one room that were seen lately, at most [`Limits::franks`]. Keep it with the room's records.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Witness {
    seen: VecDeque<Seen>,
    latest: Timestamp,
}

impl Witness {
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn len(&self) -> usize {
        self.seen.len()
    }

    /// Whether the frank came with another message before.
    pub(super) fn reused(&self, received: &Received<'_>) -> bool {
        Seen::new(received).is_some_and(|new| {
            let reuses = |old: &Seen| {
                old.server_frank == new.server_frank && old.ciphertext != new.ciphertext
            };
            self.seen.iter().any(reuses)
        })
    }

    /// What the frank contradicts.
    pub(super) fn suspicion(&self, received: &Received<'_>) -> Option<Suspicion> {
        let new = Seen::new(received)?;
        if self.seen.iter().any(|old| old.crosses(&new)) {
            return Some(Suspicion::Order);
        }
        (new.accepted < self.latest).then_some(Suspicion::Regression)
    }

    /// Remembers a message with the verdict on it. Of those without a frank, or with an invalid one, nothing is kept:
    /// nobody but the hub can fill the memory.
    pub fn note(&mut self, received: &Received<'_>, verdict: Verdict, limits: &Limits) {
        match verdict {
            Verdict::Valid | Verdict::Suspect(_) => {}
            Verdict::Missing | Verdict::Invalid(_) => return,
        }
        let Some(new) = Seen::new(received) else { return };
        self.latest = self.latest.max(new.accepted);
        if !self.seen.contains(&new) {
            self.seen.push_back(new);
        }
        while self.seen.len() > limits.franks {
            self.seen.pop_front();
        }
    }
}

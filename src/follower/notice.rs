//! A notification, read whole before any of it is processed.

use sha2::{Digest, Sha256};

use super::state::{Hash, Place};
use crate::{
    codec::{Reader, Wire, decode_exact},
    env::{Limits, Timestamp},
    error::{DecodeError, Fault},
    wire::{FanoutMessage, KeyPackageRef, PublicMessage, notify::FanoutEvent},
};

/// The body of a notification, read: one event or more.
///
/// Before it is given to the room, find out whose the KeyPackages of its Welcomes are: [`Notice::references`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    hash: Hash,
    events: Vec<Event>,
}

/// One event, and what is needed to route it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Event {
    /// The SHA-256 of the bytes.
    pub(super) hash: Hash,
    /// The `FanoutMessage`, octet for octet as it came.
    pub(super) bytes: Vec<u8>,
    /// When the hub has accepted it.
    pub(super) timestamp: Timestamp,
    pub(super) kind: Kind,
}

/// What an event is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Welcome(Vec<KeyPackageRef>),
    Application(Place),
    Proposal(Place),
    /// With the SHA-256 of the MLSMessage.
    Commit(Place, Hash),
}

impl Notice {
    /// Reads a body.
    ///
    /// # Errors
    /// If any event in it cannot be read, there is none, or it is longer than [`Limits::body`]: nothing of it is to
    /// be processed. Answer 400.
    pub fn decode(body: &[u8], limits: &Limits) -> Result<Self, DecodeError> {
        if body.len() > limits.body {
            let (found, limit) = (body.len() as u64, limits.body as u64);
            let fault = Fault::TooLarge { found, limit };
            return Err(DecodeError { offset: 0, what: "notification", fault });
        }
        let mut reader = Reader::new(body);
        let mut events = Vec::new();
        while events.is_empty() || !reader.is_empty() {
            let (message, bytes) = reader.verbatim(FanoutMessage::read)?;
            events.push(Event::new(&message, bytes));
        }
        Ok(Self { hash: Sha256::digest(body).into(), events })
    }

    /// The KeyPackages that Welcomes in it are for.
    pub fn references(&self) -> impl Iterator<Item = &KeyPackageRef> {
        self.events.iter().flat_map(|event| match &event.kind {
            Kind::Welcome(references) => references.as_slice(),
            Kind::Application(_) | Kind::Proposal(_) | Kind::Commit(..) => &[],
        })
    }

    pub(super) const fn hash(&self) -> Hash {
        self.hash
    }

    pub(super) fn events(&self) -> &[Event] {
        &self.events
    }
}

impl Event {
    /// Reads an event that was read before.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let message = decode_exact(bytes, FanoutMessage::read).ok()?;
        Some(Self::new(&message, bytes))
    }

    fn new(message: &FanoutMessage, bytes: &[u8]) -> Self {
        let kind = match &message.event {
            FanoutEvent::Welcome { welcome, .. } => Kind::Welcome(welcome.new_members().to_vec()),
            FanoutEvent::Application { message, .. } => Kind::Application(Place {
                group: message.group_id().to_vec(),
                epoch: message.epoch(),
            }),
            FanoutEvent::Proposals { first, .. } => Kind::Proposal(place(first)),
            FanoutEvent::Commit { commit, .. } => Kind::Commit(place(commit), digest(commit)),
        };
        let (hash, timestamp) = (Sha256::digest(bytes).into(), message.timestamp);
        Self { hash, bytes: bytes.to_vec(), timestamp, kind }
    }
}

/// The epoch that a handshake was made in.
pub(super) fn place(message: &PublicMessage) -> Place {
    Place { group: message.group_id().to_vec(), epoch: message.epoch() }
}

/// What a commit is known again by.
pub(super) fn digest(message: &PublicMessage) -> Hash {
    Sha256::digest(message.as_bytes()).into()
}

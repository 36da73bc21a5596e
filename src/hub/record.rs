//! The hub's own records, beside those of the delivery service: one type, so that what is loaded is what is settled.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    answered::Answer,
    claims::{Claim, Claims},
    joiners::{Joiner, Joiners},
    log::Cursor,
};
use crate::{
    env::Timestamp,
    error::RestoreError,
    machine::{Key, Records, record},
    uri::{Domain, ParticipantUri, RoomUri},
};

/// What there is once in a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    /// The room.
    pub(super) room: RoomUri,
    /// The timestamp of the newest accepted event; the next one's is larger.
    pub(super) last_timestamp: Timestamp,
    /// How often the clock was found to have run ahead, and was followed back.
    pub(super) clock_restarts: u32,
    /// The number of the next event.
    pub(super) next_event: u64,
    /// The number of the oldest event whose body is stored.
    pub(super) oldest_event: u64,
    /// Who was removed or banned by a proposal that an external commit made void and that could not be issued again
    /// blocked, whatever the list says.
    pub(super) blocked: BTreeSet<ParticipantUri>,
}

/// A record of the hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record {
    Head(Head),
    Answer(u64, Answer),
    Claim(Vec<u8>, Claim),
    Joiner(Vec<u8>, Joiner),
    Cursor(Domain, Cursor),
}

const HEAD: u8 = 0x01;
const ANSWER: u8 = 0x02;
const CURSOR: u8 = 0x03;

/// The key of the head's record.
pub(super) fn head_key() -> Key {
    Key::new(HEAD)
}

/// The key of an answer's record.
pub(super) fn answer_key(number: u64) -> Key {
    Key::new(ANSWER).u64(number)
}

impl Record {
    pub(super) fn key(&self) -> Key {
        match self {
            Self::Head(_) => head_key(),
            Self::Answer(number, _) => answer_key(*number),
            Self::Claim(reference, _) => Claims::key(reference),
            Self::Joiner(signature_key, _) => Joiners::key(signature_key),
            Self::Cursor(provider, _) => Key::new(CURSOR).bytes(provider.as_str().as_bytes()),
        }
    }

    pub(super) fn value(&self) -> Vec<u8> {
        match self {
            Self::Head(head) => record::encode(head),
            Self::Answer(_, answer) => record::encode(answer),
            Self::Claim(_, claim) => record::encode(claim),
            Self::Joiner(_, joiner) => record::encode(joiner),
            Self::Cursor(_, cursor) => record::encode(cursor),
        }
    }

    /// All records of the hub's own kinds.
    pub(super) fn load(records: &Records) -> Result<Vec<Self>, RestoreError> {
        let head = records.single(HEAD).ok_or(RestoreError::Missing("the room"))?;
        let mut loaded = vec![Self::Head(record::decode("the room", head)?)];
        for (key, value) in records.kind(ANSWER) {
            let number = key.fields().try_into().map_err(|_| RestoreError::Corrupt("an answer"))?;
            loaded.push(Self::Answer(u64::from_be_bytes(number), record::decode("an answer", value)?));
        }
        for (key, value) in records.kind(CURSOR) {
            let provider = Domain::parse(key.fields()).map_err(|_| RestoreError::Corrupt("a cursor"))?;
            loaded.push(Self::Cursor(provider, record::decode("a cursor", value)?));
        }
        for (key, value) in records.kind(Claims::KIND) {
            loaded.push(Self::Claim(key.fields().to_vec(), record::decode("a claim", value)?));
        }
        for (key, value) in records.kind(Joiners::KIND) {
            loaded.push(Self::Joiner(key.fields().to_vec(), record::decode("a joiner", value)?));
        }
        Ok(loaded)
    }
}

//! The hub's own records, beside those of the delivery service: one type, so that what is loaded is what is settled.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    abuse::Desk,
    answered::Answer,
    codes::JoiningCode,
    destroy::Tombstone,
    epochs::Epoch,
    expiring::{Asked, Claim, Joiner},
    log::Cursor,
    messages::Sent,
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
    /// By KeyPackageRef; with the end of the KeyPackage's lifetime.
    Claim(Vec<u8>, Claim, Timestamp),
    /// By the signature key in the request; with the time until which the external commit is expected.
    Joiner(Vec<u8>, Joiner, Timestamp),
    Cursor(Domain, Cursor),
    /// A message that was submitted.
    Sent(u64, Sent),
    /// The epochs whose messages are still taken.
    Past(Vec<Epoch>),
    /// The reports of abuse that wait.
    Desk(Desk),
    /// A message that was reported, by whom; with the time until which that is remembered.
    Reported(Vec<u8>, Timestamp),
    /// A GroupInfo request, by its hash; with the time until which it is recognised.
    Asked(Vec<u8>, Asked, Timestamp),
    /// By the SHA-256 of the code; with the time at which it is forgotten.
    Code(Vec<u8>, JoiningCode, Timestamp),
    /// A ratchet tree that is served, by its tree hash; with the time until which it is.
    Tree(Vec<u8>, Timestamp),
    Tombstone(Tombstone),
    /// The number of the event that carries the proposals accepted at this time, while they can wait.
    Carrier(Timestamp, u64),
}

const HEAD: u8 = 0x01;
const ANSWER: u8 = 0x02;
const CURSOR: u8 = 0x03;
const CLAIM: u8 = 0x04;
const JOINER: u8 = 0x05;
const SENT: u8 = 0x06;
const PAST: u8 = 0x07;
const DESK: u8 = 0x08;
const REPORTED: u8 = 0x09;
const CODE: u8 = 0x0A;
const TOMBSTONE: u8 = 0x0B;
const ASKED: u8 = 0x0C;
const CARRIER: u8 = 0x0D;
const TREE: u8 = 0x0E;

/// The key of a submitted message's record.
pub(super) fn sent_key(number: u64) -> Key {
    Key::new(SENT).u64(number)
}

/// The key of a reported message's record.
pub(super) fn reported_key(name: &[u8]) -> Key {
    Key::new(REPORTED).bytes(name)
}

/// The key of a GroupInfo request's record.
pub(super) fn asked_key(name: &[u8]) -> Key {
    Key::new(ASKED).bytes(name)
}

/// The key of the record of an event that carries proposals.
pub(super) fn carrier_key(accepted: Timestamp) -> Key {
    Key::new(CARRIER).u64(accepted.0)
}

/// The key of a served tree's record, which says until when it is served.
pub(super) fn tree_key(hash: &[u8]) -> Key {
    Key::new(TREE).bytes(hash)
}

/// The key of an answer's record.
pub(super) fn answer_key(number: u64) -> Key {
    Key::new(ANSWER).u64(number)
}

/// The key of a claim's record.
pub(super) fn claim_key(reference: &[u8]) -> Key {
    Key::new(CLAIM).bytes(reference)
}

/// The key of a joiner's record.
pub(super) fn joiner_key(signature_key: &[u8]) -> Key {
    Key::new(JOINER).bytes(signature_key)
}

/// The key of a joining code's record.
pub(super) fn code_key(name: &[u8]) -> Key {
    Key::new(CODE).bytes(name)
}

/// The key of a provider's cursor.
pub(super) fn cursor_key(provider: &Domain) -> Key {
    Key::new(CURSOR).bytes(provider.as_str().as_bytes())
}

/// The key of the tombstone.
pub(super) fn tombstone_key() -> Key {
    Key::new(TOMBSTONE)
}

/// The keys of the other records that stand alone in their kind.
pub(super) fn single_keys() -> [Key; 3] {
    [HEAD, PAST, DESK].map(Key::new)
}

/// The tombstone among some records.
pub(super) fn tombstone(records: &Records) -> Result<Option<Tombstone>, RestoreError> {
    let tombstone = records.single(TOMBSTONE);
    tombstone.map(|tombstone| record::decode("the tombstone", tombstone)).transpose()
}

/// The record of the head, to be saved.
pub(super) fn write_head(head: &Head) -> (Key, Option<Vec<u8>>) {
    (Key::new(HEAD), Some(record::encode(head)))
}

/// The record of a cursor, to be saved.
pub(super) fn write_cursor(provider: &Domain, cursor: &Cursor) -> (Key, Option<Vec<u8>>) {
    (cursor_key(provider), Some(record::encode(cursor)))
}

impl Record {
    /// The record, to be saved.
    pub(super) fn write(&self) -> (Key, Option<Vec<u8>>) {
        match self {
            Self::Head(head) => write_head(head),
            Self::Answer(number, answer) => (answer_key(*number), Some(record::encode(answer))),
            Self::Claim(reference, claim, until) => {
                (claim_key(reference), Some(record::encode(&(claim, until))))
            }
            Self::Joiner(signature_key, joiner, until) => {
                (joiner_key(signature_key), Some(record::encode(&(joiner, until))))
            }
            Self::Cursor(provider, cursor) => write_cursor(provider, cursor),
            Self::Sent(number, sent) => (sent_key(*number), Some(record::encode(sent))),
            // Most rooms never have any: no record stands for none.
            Self::Past(past) => (Key::new(PAST), (!past.is_empty()).then(|| record::encode(past))),
            Self::Desk(desk) => (Key::new(DESK), Some(record::encode(desk))),
            Self::Reported(name, until) => (reported_key(name), Some(record::encode(until))),
            Self::Asked(name, asked, until) => {
                (asked_key(name), Some(record::encode(&(asked, until))))
            }
            Self::Code(name, code, until) => (code_key(name), Some(record::encode(&(code, until)))),
            Self::Carrier(accepted, event) => (carrier_key(*accepted), Some(record::encode(event))),
            Self::Tree(hash, until) => (tree_key(hash), Some(record::encode(until))),
            Self::Tombstone(tombstone) => (tombstone_key(), Some(record::encode(tombstone))),
        }
    }

    /// All records of the hub's own kinds.
    pub(super) fn load(records: &Records) -> Result<Vec<Self>, RestoreError> {
        let tombstone = tombstone(records)?;
        let missing = match tombstone {
            Some(_) => RestoreError::Over,
            None => RestoreError::Missing("the room"),
        };
        let head = records.single(HEAD).ok_or(missing)?;
        let mut loaded = vec![Self::Head(record::decode("the room", head)?)];
        for (key, value) in records.kind(ANSWER) {
            let number = key.fields().try_into().map_err(|_| RestoreError::Corrupt("an answer"))?;
            loaded.push(Self::Answer(
                u64::from_be_bytes(number),
                record::decode("an answer", value)?,
            ));
        }
        for (key, value) in records.kind(CURSOR) {
            let provider =
                Domain::parse(key.fields()).map_err(|_| RestoreError::Corrupt("a cursor"))?;
            loaded.push(Self::Cursor(provider, record::decode("a cursor", value)?));
        }
        for (key, value) in records.kind(CLAIM) {
            let (claim, until) = record::decode("a claim", value)?;
            loaded.push(Self::Claim(key.fields().to_vec(), claim, until));
        }
        for (key, value) in records.kind(JOINER) {
            let (joiner, until) = record::decode("a joiner", value)?;
            loaded.push(Self::Joiner(key.fields().to_vec(), joiner, until));
        }
        for (key, value) in records.kind(SENT) {
            let number = key.fields().try_into().map_err(|_| RestoreError::Corrupt("a message"))?;
            loaded
                .push(Self::Sent(u64::from_be_bytes(number), record::decode("a message", value)?));
        }
        if let Some(past) = records.single(PAST) {
            loaded.push(Self::Past(record::decode("past epochs", past)?));
        }
        if let Some(desk) = records.single(DESK) {
            loaded.push(Self::Desk(record::decode("the reports", desk)?));
        }
        for (key, value) in records.kind(REPORTED) {
            let until = record::decode("a reported message", value)?;
            loaded.push(Self::Reported(key.fields().to_vec(), until));
        }
        for (key, value) in records.kind(ASKED) {
            let (asked, until) = record::decode("a request", value)?;
            loaded.push(Self::Asked(key.fields().to_vec(), asked, until));
        }
        for (key, value) in records.kind(CODE) {
            let (code, until) = record::decode("a joining code", value)?;
            loaded.push(Self::Code(key.fields().to_vec(), code, until));
        }
        for (key, value) in records.kind(CARRIER) {
            let corrupt = || RestoreError::Corrupt("the event of a proposal");
            let accepted = key.fields().try_into().map_err(|_| corrupt())?;
            let event = record::decode("the event of a proposal", value)?;
            loaded.push(Self::Carrier(Timestamp(u64::from_be_bytes(accepted)), event));
        }
        for (key, value) in records.kind(TREE) {
            let until = record::decode("a tree", value)?;
            loaded.push(Self::Tree(key.fields().to_vec(), until));
        }
        loaded.extend(tombstone.map(Self::Tombstone));
        Ok(loaded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        content::MessageId,
        hub::{codes::CodeSource, destroy::Ending},
        machine::Revision,
        policy::RoleIndex,
        uri::UserUri,
    };

    fn hex(octets: &[u8]) -> String {
        octets.iter().map(|octet| format!("{octet:02x}")).collect()
    }

    /// Key and value of each record, so that a change of the format does not go unnoticed; and each loads as it was.
    #[test]
    fn records_are_written_as_they_were() {
        let bob = UserUri::parse("mimi://b.example/u/bob").expect("a user");
        let room = RoomUri::parse("mimi://a.example/r/x").expect("a room");
        let head = Record::Head(Head {
            room,
            last_timestamp: Timestamp(7),
            clock_restarts: 1,
            next_event: 3,
            oldest_event: 2,
            blocked: BTreeSet::from([bob.clone().into()]),
        });
        let id = Some(MessageId([2; 32]));
        let sent = Sent { epoch: 5, ciphertext: [1; 32], sender: bob.clone(), id };
        let past = Epoch { number: 4, agent: Some(vec![9]), safe_aad: true };
        let code = JoiningCode {
            code: b"ab".to_vec(),
            source: CodeSource::OnRequest,
            role: Some(RoleIndex(2)),
            uses: Some(3),
            used: 1,
            made: Timestamp(5),
            until: Some(Timestamp(300)),
            revoked: true,
        };
        let tombstone = Tombstone { at: Timestamp(9), ending: Ending::Destroyed(bob) };
        let records = [
            (head, "01", "01146d696d693a2f2f612e6578616d706c652f722f7807010302"),
            (Record::Sent(6, sent), "060000000000000006", "0105"),
            (Record::Past(vec![past]), "07", "010104010109"),
            (Record::Desk(Desk::default()), "08", "010000"),
            (Record::Reported(vec![0xAB], Timestamp(300)), "09ab", "01ac02"),
            (Record::Asked(vec![0xCD], Asked { at: Timestamp(1) }, Timestamp(2)), "0ccd", "010102"),
            (
                Record::Code(vec![0xEF], code, Timestamp(400)),
                "0aef",
                "010261620101020103010501ac02019003",
            ),
            (Record::Tombstone(tombstone), "0b", "01090016"),
            (Record::Carrier(Timestamp(8), 300), "0d0000000000000008", "01ac02"),
            (Record::Tree(vec![0xEF], Timestamp(300)), "0eef", "01ac02"),
        ];
        let mut stored = Records { revision: Revision(1), ..Records::default() };
        for (record, key, beginning) in &records {
            let (written, value) = record.write();
            let value = value.expect("something to store");
            assert_eq!(hex(written.as_bytes()), *key);
            assert!(hex(&value).starts_with(beginning), "{record:?} is {}", hex(&value));
            stored.values.insert(written, value);
        }
        let loaded = Record::load(&stored).expect("they load");
        assert_eq!(loaded.len(), records.len());
        assert!(records.iter().all(|(record, ..)| loaded.contains(record)));
        let nothing = Record::Past(Vec::new()).write();
        assert_eq!(nothing.1, None, "no past epochs, no record");

        // Cut anywhere, or of another format: refused, with what it was.
        for (record, ..) in &records {
            let (key, value) = record.write();
            let value = value.expect("something to store");
            for end in 0..value.len() {
                let mut torn = stored.clone();
                torn.values.insert(key.clone(), value.get(..end).expect("shorter").to_vec());
                assert!(Record::load(&torn).is_err(), "{record:?} cut at {end}");
            }
        }
    }
}

//! The draft's messages, read from the directory that the environment variable `OPENMIMI_VECTORS` names.

use std::{fs, path::PathBuf};

use openmimi::{
    content::{DerivedValues, Message, MessageBuf, Rule, status},
    franking,
};

/// One message of the draft with what is known of it.
pub(super) struct Vector {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
    pub(super) sender: String,
    pub(super) room: String,
    pub(super) id: String,
    pub(super) tag: String,
}

/// The directory of the vectors, if there is one.
pub(super) fn directory() -> Option<PathBuf> {
    let directory = std::env::var_os("OPENMIMI_VECTORS").map(PathBuf::from);
    if directory.is_none() {
        eprintln!("skipped: OPENMIMI_VECTORS is not set");
    }
    directory
}

/// All messages of the draft; none if the vectors are not at hand.
pub(super) fn messages() -> Vec<Vector> {
    let Some(directory) = directory() else { return Vec::new() };
    let table = fs::read_to_string(directory.join("content.tsv")).unwrap();
    let vectors: Vec<_> = table
        .lines()
        .skip(1)
        .map(|line| {
            let fields: Vec<_> = line.split('\t').map(str::to_owned).collect();
            let [name, _, _, sender, room, id, tag] = fields.try_into().unwrap();
            let bytes = fs::read(directory.join(format!("content/{name}.cbor"))).unwrap();
            Vector { name, bytes, sender, room, id, tag }
        })
        .collect();
    assert_eq!(vectors.len(), 14);
    vectors
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[test]
fn every_message_decodes_to_its_id_and_tag() {
    for vector in messages() {
        let message = Message::decode(&vector.bytes).unwrap();
        assert_eq!(message.sender(), Some(&*vector.sender), "{}", vector.name);
        assert_eq!(message.room(), Some(&*vector.room));
        let id = message.id(&vector.sender, &vector.room).unwrap();
        assert_eq!(id.to_string(), vector.id, "{}", vector.name);
        assert_eq!(message.claimed_id(), Some(id));
        let tag = franking::tag(&message.salt().0, message.as_bytes());
        assert_eq!(hex(&tag.0), vector.tag, "{}", vector.name);
        let owned = MessageBuf::decode(vector.bytes.clone()).unwrap();
        assert_eq!(owned.as_message(), message);
        assert_eq!(owned.into_bytes(), vector.bytes);
    }
}

#[test]
fn no_message_may_end_early_or_late() {
    for vector in messages() {
        for end in 0..vector.bytes.len() {
            let error = Message::decode(&vector.bytes[..end]).unwrap_err();
            assert_eq!((error.rule(), error.offset()), (Rule::Truncated, end), "{}", vector.name);
        }
        let longer = [&vector.bytes[..], &[0]].concat();
        let error = Message::decode(&longer).unwrap_err();
        assert_eq!((error.rule(), error.offset()), (Rule::Trailing, vector.bytes.len()));
    }
}

#[test]
fn our_builders_write_the_drafts_very_bytes() {
    let examples = super::examples::all();
    for vector in messages() {
        let example = examples.iter().find(|example| example.name == vector.name).unwrap();
        assert_eq!(example.message.as_bytes(), vector.bytes, "{}", vector.name);
    }
}

#[test]
fn the_status_example_round_trips() {
    let Some(directory) = directory() else { return };
    let bytes = fs::read(directory.join("message-status.cbor")).unwrap();
    let report = status::Report::decode(&bytes).unwrap();
    assert_eq!(report.encode(), bytes);
    // What it reports on are the original, the reply, the mention and the expiring message.
    let messages = messages();
    let id = |name: &str| {
        let vector = messages.iter().find(|vector| vector.name == name).unwrap();
        vector.id.clone()
    };
    let found: Vec<_> =
        report.entries.iter().map(|entry| (entry.id.to_string(), entry.status.0)).collect();
    let expected = [("original", 2), ("reply", 2), ("mention", 0), ("expiring", 3)];
    assert_eq!(found, expected.map(|(name, status)| (id(name), status)));
}

#[test]
fn the_derived_values_round_trip() {
    let Some(directory) = directory() else { return };
    let bytes = fs::read(directory.join("content/implied-original.cbor")).unwrap();
    let values = DerivedValues::decode(&bytes).unwrap();
    assert_eq!(values.encode(), bytes);
    assert_eq!((values.sender, values.room), (super::examples::ALICE, super::examples::ROOM));
    assert_eq!(values.sender_leaf, 4);
    // The file holds the ID of an earlier draft's formula, which is not ours.
    assert_ne!(
        values.id.to_string(),
        "017ce54837404c3696e0c747b985cb172716d0ed0a3d249ca63ace7d82a096f4"
    );
}

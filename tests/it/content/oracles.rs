//! Two other CBOR libraries as witnesses: `cbor-core`, which is strict too, and `ciborium`, which is not.

use cbor_core::Value as Oracle;
use openmimi::content::{
    Body, Message, Part, Salt,
    cbor::{Item, Value},
};
use proptest::prelude::*;

use super::support;

/// A tree that all three can be turned into.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Tree {
    Integer(i128),
    Bytes(Vec<u8>),
    Text(String),
    Array(Vec<Tree>),
    Map(Vec<(Tree, Tree)>),
    Tag(u64, Box<Tree>),
    Simple(u8),
    /// By its bits; all NaN are one.
    Float(u64),
}

fn float(float: f64) -> Tree {
    Tree::Float(if float.is_nan() { u64::MAX } else { float.to_bits() })
}

pub(super) fn ours(item: Item<'_>) -> Tree {
    match item.value() {
        Value::Unsigned(number) => Tree::Integer(number.into()),
        Value::Negative(number) => Tree::Integer(-1 - i128::from(number)),
        Value::Bytes(bytes) => Tree::Bytes(bytes.to_vec()),
        Value::Text(text) => Tree::Text(text.to_owned()),
        Value::Array(items) => Tree::Array(items.map(ours).collect()),
        Value::Map(entries) => {
            Tree::Map(entries.map(|(key, value)| (ours(key), ours(value))).collect())
        }
        Value::Tag(tag, item) => Tree::Tag(tag, Box::new(ours(item))),
        Value::Bool(is) => Tree::Simple(20 + u8::from(is)),
        Value::Null => Tree::Simple(22),
        Value::Undefined => Tree::Simple(23),
        Value::Simple(simple) => Tree::Simple(simple),
        Value::Float(number) => float(number),
    }
}

pub(super) fn theirs(value: &Oracle<'_>) -> Tree {
    match value {
        Oracle::SimpleValue(simple) => Tree::Simple(simple.to_u8()),
        Oracle::Unsigned(number) => Tree::Integer((*number).into()),
        Oracle::Negative(number) => Tree::Integer(-1 - i128::from(*number)),
        Oracle::Float(number) => float(number.to_f64()),
        Oracle::ByteString(bytes) => Tree::Bytes(bytes.to_vec()),
        Oracle::TextString(text) => Tree::Text(text.to_string()),
        Oracle::Array(items) => Tree::Array(items.iter().map(theirs).collect()),
        Oracle::Map(entries) => {
            Tree::Map(entries.iter().map(|(key, value)| (theirs(key), theirs(value))).collect())
        }
        Oracle::Tag(tag, item) => Tree::Tag(*tag, Box::new(theirs(item))),
    }
}

fn lenient(value: &ciborium::Value) -> Tree {
    use ciborium::Value as Lenient;
    match value {
        Lenient::Integer(number) => Tree::Integer((*number).into()),
        Lenient::Bytes(bytes) => Tree::Bytes(bytes.clone()),
        Lenient::Float(number) => float(*number),
        Lenient::Text(text) => Tree::Text(text.clone()),
        Lenient::Bool(is) => Tree::Simple(20 + u8::from(*is)),
        Lenient::Null => Tree::Simple(22),
        Lenient::Tag(tag, item) => Tree::Tag(*tag, Box::new(lenient(item))),
        Lenient::Array(items) => Tree::Array(items.iter().map(lenient).collect()),
        Lenient::Map(entries) => {
            Tree::Map(entries.iter().map(|(key, value)| (lenient(key), lenient(value))).collect())
        }
        _ => panic!("a kind of value that CBOR does not have"),
    }
}

/// A message as the tree it stands for.
pub(super) fn message_tree(message: &Message<'_>) -> Tree {
    let id = |id: Option<openmimi::content::MessageId>| {
        id.map_or(Tree::Simple(22), |id| Tree::Bytes(id.0.to_vec()))
    };
    let expires = message.expires().map_or(Tree::Simple(22), |expires| {
        let (relative, time) = match expires {
            openmimi::content::Expiration::Relative(time) => (21, time),
            openmimi::content::Expiration::Absolute(time) => (20, time),
        };
        Tree::Array(vec![Tree::Simple(relative), Tree::Integer(time.into())])
    });
    let extensions = message.extensions().iter().map(|(key, value)| {
        let key = match key {
            openmimi::content::ExtensionKey::Number(number) => Tree::Integer(number.into()),
            openmimi::content::ExtensionKey::Text(text) => Tree::Text(text.to_owned()),
        };
        (key, ours(value))
    });
    Tree::Array(vec![
        Tree::Bytes(message.salt().0.to_vec()),
        id(message.replaces()),
        Tree::Bytes(message.topic().to_vec()),
        expires,
        id(message.in_reply_to()),
        Tree::Map(extensions.collect()),
        part_tree(&message.body()),
    ])
}

fn part_tree(part: &Part<'_>) -> Tree {
    let text = |text: &str| Tree::Text(text.to_owned());
    let bytes = |bytes: &[u8]| Tree::Bytes(bytes.to_vec());
    let number = |number: u64| Tree::Integer(number.into());
    let mut fields = vec![number(part.disposition().0.into()), text(part.language())];
    match part.body() {
        Body::Null => fields.push(number(0)),
        Body::Single(single) => {
            fields.extend([number(1), text(single.content_type()), bytes(single.content())]);
        }
        Body::External(it) => fields.extend([
            number(2),
            text(it.content_type()),
            text(it.url()),
            number(it.expires().into()),
            number(it.size()),
            number(it.enc_alg().into()),
            bytes(it.key()),
            bytes(it.nonce()),
            bytes(it.aad()),
            number(it.hash_alg().into()),
            bytes(it.content_hash()),
            text(it.description()),
            text(it.filename()),
        ]),
        Body::Multi(multi) => fields.extend([
            number(3),
            number(multi.semantics().code().into()),
            Tree::Array(multi.parts().map(|part| part_tree(&part)).collect()),
        ]),
    }
    Tree::Array(fields)
}

/// What we accept, the strict witness accepts, as the same tree, and so what it refuses we refuse.
fn check_item(bytes: &[u8]) -> Result<(), TestCaseError> {
    let Ok(item) = Item::decode(bytes) else { return Ok(()) };
    let oracle = Oracle::decode(bytes);
    prop_assert!(oracle.is_ok(), "{:?}: {:02x?}", oracle, bytes);
    let oracle = oracle.unwrap();
    prop_assert_eq!(theirs(&oracle), ours(item));
    prop_assert_eq!(oracle.encode(), bytes);
    Ok(())
}

fn check_message(bytes: &[u8]) -> Result<(), TestCaseError> {
    let Ok(message) = Message::decode(bytes) else { return Ok(()) };
    let oracle = Oracle::decode(bytes);
    prop_assert!(oracle.is_ok(), "{:?}: {:02x?}", oracle, bytes);
    let oracle = oracle.unwrap();
    prop_assert_eq!(theirs(&oracle), message_tree(&message));
    prop_assert_eq!(oracle.encode(), bytes);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn built_messages_are_the_same_to_both_witnesses(draft in support::draft()) {
        let bytes = draft.encode(Salt([7; 16])).unwrap();
        check_message(&bytes)?;
        // It does not know simple values other than three, which a draft has not.
        let value: ciborium::Value = ciborium::from_reader(&bytes[..]).unwrap();
        let message = Message::decode(&bytes).unwrap();
        prop_assert_eq!(lenient(&value), message_tree(&message));
    }

    #[test]
    fn changed_messages_are_never_accepted_by_us_alone(
        draft in support::draft(),
        changes in support::changes(1..3),
    ) {
        let bytes = support::changed(draft.encode(Salt([7; 16])).unwrap(), changes);
        check_message(&bytes)?;
    }

    #[test]
    fn changed_values_are_never_accepted_by_us_alone(
        value in support::value(),
        changes in support::changes(0..3),
    ) {
        let bytes = support::changed(value.as_item().as_bytes().to_vec(), changes);
        check_item(&bytes)?;
    }

    #[test]
    fn other_encodings_of_a_message_are_refused(draft in support::draft()) {
        // Whatever the lenient witness writes in its own way is either the one encoding or refused.
        let bytes = draft.encode(Salt([7; 16])).unwrap();
        let value: ciborium::Value = ciborium::from_reader(&bytes[..]).unwrap();
        let mut again = Vec::new();
        ciborium::into_writer(&value, &mut again).unwrap();
        prop_assert_eq!(Message::decode(&again).is_ok(), again == bytes);
    }
}

#[test]
fn every_item_of_two_octets_has_the_same_verdict_and_many_of_three() {
    let mut accepted = 0;
    let mut check = |bytes: &[u8]| {
        accepted += usize::from(Item::decode(bytes).is_ok());
        check_item(bytes).unwrap();
    };
    for first in 0..=u8::MAX {
        check(&[first]);
        for second in 0..=u8::MAX {
            check(&[first, second]);
            for third in [0x00, 0x01, 0x17, 0x18, 0x20, 0x40, 0x61, 0x7f, 0x80, 0xf6, 0xff] {
                check(&[first, second, third]);
            }
        }
    }
    assert!(accepted > 1000);
}

//! Two readings of the same rules: ours, and `cbor-core` with the draft's rules written over its tree.
//!
//! Both readings have to come to the same verdict about each of the [`author`](super::author)'s items and messages: what is refused too much shows as well as what is accepted too much.

use cbor_core::Value as Oracle;
use openmimi::content::{Message, cbor::Item};

use super::{
    author::Author,
    oracles::{message_tree, ours, theirs},
};

const SAFE: u64 = (1 << 53) - 1;

/// Section 6, over the witness's tree: keys, levels, one NaN.
fn permitted(value: &Oracle<'_>, levels: usize) -> bool {
    match value {
        Oracle::SimpleValue(_) | Oracle::Unsigned(_) | Oracle::Negative(_) => true,
        Oracle::ByteString(_) | Oracle::TextString(_) => true,
        Oracle::Float(float) => !float.to_f64().is_nan() || value.encode() == [0xf9, 0x7e, 0],
        Oracle::Array(items) => levels > 0 && items.iter().all(|item| permitted(item, levels - 1)),
        Oracle::Map(entries) => {
            levels > 0
                && entries.iter().all(|(key, value)| {
                    let key = number(key, SAFE)
                        || matches!(key, Oracle::Negative(number) if *number < SAFE)
                        || matches!(key, Oracle::TextString(_) | Oracle::ByteString(_));
                    key && permitted(value, levels - 1)
                })
        }
        // The witness takes any item under the tags of big integers, where only octets are valid.
        Oracle::Tag(2 | 3, item) => levels > 0 && matches!(**item, Oracle::ByteString(_)),
        Oracle::Tag(_, item) => levels > 0 && permitted(item, levels - 1),
    }
}

/// The schema of section 4 and the limits of sections 6.3 and 9.1, over the witness's tree.
fn is_message(value: &Oracle<'_>) -> bool {
    let Oracle::Array(fields) = value else { return false };
    let [salt, replaces, topic, expires, in_reply_to, extensions, body] = fields.as_slice() else {
        return false;
    };
    let expires = if let Oracle::Array(fields) = expires {
        matches!(
            fields.as_slice(),
            [Oracle::SimpleValue(relative), time]
                if matches!(relative.to_u8(), 20 | 21) && number(time, u32::MAX.into())
        )
    } else {
        is_null(expires)
    };
    let mut parts = 0;
    octets(salt, 16..=16)
        && id_or_null(replaces)
        && octets(topic, 0..=4096)
        && expires
        && id_or_null(in_reply_to)
        && are_extensions(extensions)
        && is_part(body, 1, &mut parts)
        && parts <= 1024
}

fn is_null(value: &Oracle<'_>) -> bool {
    matches!(value, Oracle::SimpleValue(simple) if simple.to_u8() == 22)
}

fn number(value: &Oracle<'_>, most: u64) -> bool {
    matches!(value, Oracle::Unsigned(number) if *number <= most)
}

fn octets(value: &Oracle<'_>, length: std::ops::RangeInclusive<usize>) -> bool {
    matches!(value, Oracle::ByteString(octets) if length.contains(&octets.len()))
}

fn text(value: &Oracle<'_>) -> bool {
    matches!(value, Oracle::TextString(_))
}

fn id_or_null(value: &Oracle<'_>) -> bool {
    is_null(value)
        || matches!(value, Oracle::ByteString(id) if id.len() == 32 && id.first() == Some(&1))
}

fn are_extensions(value: &Oracle<'_>) -> bool {
    let Oracle::Map(entries) = value else { return false };
    let each = entries.iter().all(|(key, value)| {
        let uri = number(key, 2) && !number(key, 0);
        let key = if let Oracle::TextString(key) = key {
            (1..=255).contains(&key.len())
        } else {
            !matches!(key, Oracle::ByteString(_))
        };
        key && (!uri || text(value))
    });
    each && permitted(value, 4)
}

fn is_part(value: &Oracle<'_>, level: usize, parts: &mut usize) -> bool {
    *parts += 1;
    let Oracle::Array(fields) = value else { return false };
    let [disposition, language, Oracle::Unsigned(cardinality), rest @ ..] = fields.as_slice()
    else {
        return false;
    };
    let body = match (cardinality, rest) {
        (0, []) => true,
        (1, [content_type, content]) => text(content_type) && octets(content, 0..=usize::MAX),
        (
            2,
            [
                content_type,
                url,
                expires,
                size,
                algorithm,
                key,
                nonce,
                aad,
                hash_alg,
                hash,
                about,
                name,
            ],
        ) => {
            let secret = if number(algorithm, 0) { 0 } else { usize::MAX };
            [content_type, url, about, name].into_iter().all(text)
                && number(expires, u32::MAX.into())
                && number(size, u64::MAX)
                && number(algorithm, u16::MAX.into())
                && [key, nonce, aad].into_iter().all(|value| octets(value, 0..=secret))
                && number(hash_alg, u8::MAX.into())
                && octets(hash, 0..=usize::MAX)
        }
        (3, [semantics, Oracle::Array(inside)]) => {
            level < 4
                && number(semantics, 2)
                && inside.len() >= 2
                && inside.iter().all(|part| is_part(part, level + 1, parts))
        }
        _ => false,
    };
    number(disposition, u8::MAX.into()) && text(language) && body
}

/// C-063 … C-071, C-073: both readings agree about each of 200,000 items, and more than a third are good.
#[test]
fn items_have_one_verdict() {
    let mut accepted = 0;
    for seed in 0..200_000 {
        let mut author = Author::new(seed);
        let levels = author.luck.below(5);
        author.item(levels);
        let bytes = author.finish();
        let oracle = Oracle::decode(&bytes).ok().filter(|value| permitted(value, 3));
        match (Item::decode(&bytes), oracle) {
            (Ok(item), Some(oracle)) => {
                assert_eq!(ours(item), theirs(&oracle), "{seed}: {bytes:02x?}");
                assert_eq!(oracle.encode(), bytes, "{seed}");
                accepted += 1;
            }
            (Err(_), None) => {}
            (item, oracle) => panic!("{seed}: {bytes:02x?}: {item:?}, but {oracle:?}"),
        }
    }
    assert!((70_000..180_000).contains(&accepted), "{accepted}");
}

/// C-003, C-011 … C-044, C-072, C-095 … C-099: both readings agree about each of 30,000 messages.
#[test]
fn messages_have_one_verdict() {
    let mut accepted = 0;
    for seed in 0..30_000 {
        let mut author = Author::new(seed);
        author.message();
        let bytes = author.finish();
        let oracle = Oracle::decode(&bytes).ok().filter(is_message);
        match (Message::decode(&bytes), oracle) {
            (Ok(message), Some(oracle)) => {
                assert_eq!(message_tree(&message), theirs(&oracle), "{seed}: {bytes:02x?}");
                accepted += 1;
            }
            (Err(_), None) => {}
            (message, oracle) => panic!("{seed}: {bytes:02x?}: {message:?}, but {oracle:?}"),
        }
    }
    assert!((9_000..27_000).contains(&accepted), "{accepted}");
}

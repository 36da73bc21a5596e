//! What holds for any octets that are taken for MIMI content, or for something in it.

use openmimi::content::{
    Body, DerivedValues, Draft, Message, MessageBuf,
    asset::{AssetRules, Incoming, Location},
    cbor::{Item, Value},
    link::{self, LinkWarning},
    markdown,
    status::Report,
};
use openmimi::env::Timestamp;

use super::Check;

pub const TABLE: &[(&str, Check)] = &[
    ("message", message),
    ("status", status),
    ("derived", derived),
    ("item", item),
    ("link", links),
    ("markdown", formatted),
];

pub fn check(input: &[u8]) {
    super::pick(TABLE, input);
}

pub fn input_for(name: &str, bytes: &[u8]) -> Vec<u8> {
    super::input_for(TABLE, name, bytes)
}

/// Borrowed and owned agree, every field can be read, and what is accepted is what its draft encodes to.
fn message(bytes: &[u8]) {
    let owned = MessageBuf::decode(bytes.to_vec());
    let message = match Message::decode(bytes) {
        Ok(message) => message,
        Err(error) => {
            assert!(error.offset() <= bytes.len(), "an error is within the input or at its end");
            assert_eq!(owned.expect_err("borrowed and owned agree"), error);
            return;
        }
    };
    let owned = owned.expect("borrowed and owned agree");
    assert_eq!(owned.as_message(), message);
    let _ = format!("{message:?}");
    let claimed = message.claimed_id();
    assert_eq!(claimed, MessageBuf::decode(bytes.to_vec()).unwrap().as_message().claimed_id());
    extensions(&message);
    parts(&message);
    let draft = Draft::from(message);
    assert_eq!(draft.encode(message.salt()).expect("it was valid"), bytes);
    let owned = draft.clone().into_owned();
    assert_eq!(owned, draft);
    assert_eq!(owned.build(message.salt()).expect("it was valid").as_bytes(), bytes);
    // A message has one end.
    for end in (0..bytes.len()).rev().take(40).chain(0..bytes.len().min(40)) {
        assert!(Message::decode(&bytes[..end]).is_err(), "cut after {end} octets");
    }
    assert!(Message::decode(&[bytes, &[0xf6]].concat()).is_err(), "one octet more");
}

fn extensions(message: &Message<'_>) {
    let extensions = message.extensions();
    let _ = (extensions.sender_timestamp(), extensions.external_id());
    let _ = (extensions.subject(), extensions.last_seen());
    assert_eq!(extensions.iter().count(), extensions.len(), "every key can be said");
    for (key, value) in extensions.iter() {
        assert_eq!(extensions.get(key), Some(value), "no key stands twice");
        open(value, 1);
    }
    assert!(extensions.iter().is_sorted_by(|one, two| one.0 < two.0), "in the order of keys");
}

fn parts(message: &Message<'_>) {
    let count = message.parts().count();
    assert!(message.parts().enumerate().all(|(index, part)| part.index() == index));
    for part in message.parts() {
        assert_eq!(message.part(part.index()), Some(part));
        let inside = match part.body() {
            Body::Null => 0,
            Body::Single(single) => single.content().len() + single.content_type().len(),
            Body::External(external) => {
                let rules = AssetRules::default();
                let _ = Location::of(&external, &rules);
                if let Ok(mut incoming) = Incoming::new(&external, &rules, Timestamp(0)) {
                    let left = incoming.left();
                    let pushed = incoming.push(external.key());
                    assert_eq!(pushed.is_ok(), external.key().len() as u64 <= left);
                }
                external.url().len()
            }
            Body::Multi(multi) => {
                assert!(multi.parts().count() >= 2);
                assert!(multi.parts().all(|inner| inner.index() > part.index()));
                0
            }
        };
        assert!(part.offset() + inside < message.as_bytes().len());
        assert!(part.references().all(|index| index < 10_000_000));
    }
    let choice = message.choose(|part| (part.index() % 3 != 0).then_some(7));
    assert!(choice.shown.len() + choice.embedded.len() <= count);
}

fn status(bytes: &[u8]) {
    match Report::decode(bytes) {
        Ok(report) => assert_eq!(report.encode(), bytes, "a report has one encoding"),
        Err(error) => assert!(error.offset() <= bytes.len()),
    }
}

fn derived(bytes: &[u8]) {
    match DerivedValues::decode(bytes) {
        Ok(values) => {
            assert_eq!(values.encode(), bytes, "derived values have one encoding");
            let _ = values.accepted_at.milliseconds();
        }
        Err(error) => assert!(error.offset() <= bytes.len()),
    }
}

fn item(bytes: &[u8]) {
    match Item::decode(bytes) {
        Ok(item) => open(item, 0),
        Err(error) => assert!(error.offset() <= bytes.len()),
    }
}

/// Opens an item with all that is in it.
fn open(item: Item<'_>, level: usize) {
    assert!(level <= 4, "no deeper than the draft allows");
    assert_eq!(Item::decode(item.as_bytes()), Ok(item), "what is within stands alone too");
    match item.value() {
        Value::Array(items) => items.for_each(|item| open(item, level + 1)),
        Value::Map(entries) => entries.for_each(|(key, value)| {
            open(key, level + 1);
            open(value, level + 1);
        }),
        Value::Tag(_, item) => open(item, level + 1),
        Value::Unsigned(_)
        | Value::Negative(_)
        | Value::Bytes(_)
        | Value::Text(_)
        | Value::Bool(_)
        | Value::Null
        | Value::Undefined
        | Value::Simple(_)
        | Value::Float(_) => {}
    }
}

/// Text and target of a link, with a NUL between.
fn links(bytes: &[u8]) {
    let Ok(both) = std::str::from_utf8(bytes) else { return };
    let (text, target) = both.split_once('\0').unwrap_or((both, both));
    let found = link::warnings(text, target);
    assert!(found.len() <= 8, "each warning once");
    // What is wrong with the target itself is wrong with every link to it.
    for warning in link::warnings(target, target) {
        assert_ne!(warning, LinkWarning::Downgrade);
        let of_two = [LinkWarning::OtherAddress, LinkWarning::OtherText];
        assert!(found.contains(&warning) || of_two.contains(&warning), "{warning:?}");
    }
    if let Ok(location) = Location::parse(target) {
        assert!(target.is_ascii() && target.contains(location.host()));
        assert!(!location.host().is_empty() && !location.host().contains(['@', '/', '\\', '?']));
        assert!(target.contains(location.host()));
    }
}

/// No HTML is left in what is sent, whatever was written; and nothing else is done to what has none.
fn formatted(bytes: &[u8]) {
    let Ok(source) = std::str::from_utf8(bytes) else { return };
    let safe = markdown::without_html(source);
    assert!(!markdown::has_html(&safe), "no HTML is sent (C-084)");
    assert_eq!(markdown::without_html(&safe), safe, "escaped once is escaped");
    if !markdown::has_html(source) {
        assert_eq!(safe, source);
    }
    let _ = markdown::plain(source);
}

//! What holds for any bytes that are taken for MIMI content, a status report, derived values, or one CBOR item.

use openmimi::content::{
    DerivedValues, Draft, Message, MessageBuf,
    cbor::{Item, Value},
    status::Report,
};

/// Panics if something does not hold.
pub(crate) fn check(bytes: &[u8]) {
    message(bytes);
    if let Ok(report) = Report::decode(bytes) {
        assert_eq!(report.encode(), bytes, "a report has one encoding");
    }
    if let Ok(values) = DerivedValues::decode(bytes) {
        assert_eq!(values.encode(), bytes, "derived values have one encoding");
        let _ = values.accepted_at.milliseconds();
    }
    if let Ok(item) = Item::decode(bytes) {
        open(item, 0);
    }
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
    let _ = message.claimed_id();
    let extensions = message.extensions();
    let _ = (extensions.sender_timestamp(), extensions.external_id());
    let _ = (extensions.subject(), extensions.last_seen());
    for (_, value) in extensions.iter() {
        open(value, 1);
    }
    let choice = message.choose(|part| (part.index() % 3 != 0).then_some(7));
    let parts = message.parts().count();
    assert!(choice.shown.len() + choice.embedded.len() <= parts);
    assert!(message.parts().enumerate().all(|(index, part)| part.index() == index));
    let draft = Draft::from(message);
    assert_eq!(draft.encode(message.salt()).expect("it was valid"), bytes);
}

/// Opens an item with all that is in it.
fn open(item: Item<'_>, level: usize) {
    assert!(level <= 4, "no deeper than the draft allows");
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

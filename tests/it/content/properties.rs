//! What holds for every message.

use openmimi::content::{Draft, Message, MessageBuf, Salt, cbor::Item, status::Report};
use proptest::prelude::*;

use super::{examples, support};

/// What accessors give, as one string, so that nothing goes unread.
fn all_fields(message: &Message<'_>) -> String {
    let parts: Vec<_> = message.parts().collect();
    let choice = message.choose(|part| Some(u32::try_from(part.index()).unwrap()));
    let extensions = message.extensions();
    format!(
        "{message:?} {parts:?} {choice:?} {:?} {:?} {:?} {:?} {:?}",
        extensions.sender_timestamp(),
        extensions.external_id(),
        extensions.subject(),
        extensions.last_seen(),
        message.claimed_id()
    )
}

/// Borrowed and owned agree, and what is accepted is what its draft encodes to.
fn check(bytes: &[u8]) -> Result<(), TestCaseError> {
    let owned = MessageBuf::decode(bytes.to_vec());
    match Message::decode(bytes) {
        Err(error) => {
            prop_assert!(error.offset() <= bytes.len());
            prop_assert_eq!(owned.unwrap_err(), error);
        }
        Ok(message) => {
            let owned = owned.unwrap();
            prop_assert_eq!(owned.as_message(), message);
            prop_assert_eq!(all_fields(&owned.as_message()), all_fields(&message));
            prop_assert_eq!(Draft::from(message).encode(message.salt()).unwrap(), bytes);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_message_that_is_built_round_trips(draft in support::draft(), salt in any::<[u8; 16]>()) {
        let built = draft.build(Salt(salt)).unwrap();
        let message = built.as_message();
        prop_assert_eq!(message.salt(), Salt(salt));
        prop_assert_eq!(&Draft::from(message), &draft);
        let indices: Vec<_> = message.parts().map(|part| part.index()).collect();
        prop_assert!(indices.iter().copied().eq(0..indices.len()));
        for index in indices {
            prop_assert_eq!(message.part(index).map(|part| part.index()), Some(index));
        }
        check(built.as_bytes())?;
    }

    #[test]
    fn any_changed_byte_is_an_error_or_another_message(
        draft in support::draft(),
        changes in support::changes(1..3),
    ) {
        let bytes = support::changed(draft.encode(Salt([7; 16])).unwrap(), changes);
        check(&bytes)?;
    }

    #[test]
    fn any_cut_is_an_error(draft in support::draft()) {
        let bytes = draft.encode(Salt([7; 16])).unwrap();
        for end in 0..bytes.len() {
            prop_assert_eq!(Message::decode(&bytes[..end]).unwrap_err().offset(), end);
        }
    }

    #[test]
    fn any_bytes_are_taken_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check(&bytes)?;
        if let Ok(report) = Report::decode(&bytes) {
            prop_assert_eq!(report.encode(), bytes.clone());
        }
        if let Ok(item) = Item::decode(&bytes) {
            prop_assert_eq!(item.as_bytes(), &bytes[..]);
        }
    }
}

#[test]
fn every_bit_of_every_example_matters() {
    for example in examples::all() {
        let mut bytes = example.message.as_bytes().to_vec();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                bytes[at] ^= 1 << bit;
                check(&bytes).unwrap();
                bytes[at] ^= 1 << bit;
            }
        }
    }
}

#[test]
fn examples_may_not_be_cut_anywhere() {
    for example in examples::all() {
        let bytes = example.message.as_bytes();
        for end in 0..bytes.len() {
            assert_eq!(Message::decode(&bytes[..end]).unwrap_err().offset(), end);
        }
    }
}

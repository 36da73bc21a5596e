//! Borrowed decoding asks for no memory, whatever is decoded.

use allocation_counter::measure;
use openmimi::content::{Compose, DraftPart, Message, Salt, Semantics};

use super::examples;

fn none(bytes: &[u8]) {
    let used = measure(|| {
        let message = Message::decode(bytes).unwrap();
        // Reading every part in place needs none either.
        let octets: usize = message.parts().map(|part| part.language().len()).sum();
        assert!(octets <= bytes.len());
    });
    assert_eq!((used.count_total, used.bytes_total), (0, 0));
}

#[test]
fn no_memory_for_any_example_multi_parts_included() {
    for example in examples::all() {
        none(example.message.as_bytes());
    }
    let parts = (0..1000).map(|_| DraftPart::text("x".repeat(64)));
    let many = Compose::new("s", "r").message(DraftPart::multi(Semantics::ProcessAll, parts));
    none(many.build(Salt([0; 16])).unwrap().as_bytes());
}

#[test]
fn no_memory_for_a_refusal() {
    for example in examples::all() {
        let bytes = example.message.as_bytes();
        let used = measure(|| {
            for end in 0..bytes.len() {
                assert!(Message::decode(&bytes[..end]).is_err());
            }
        });
        assert_eq!(used.count_total, 0);
    }
}

#[test]
fn encoding_asks_for_memory_once() {
    for example in examples::all() {
        let message = example.message.as_message();
        let draft = openmimi::content::Draft::from(message);
        let used = measure(|| drop(draft.encode(message.salt())));
        assert_eq!((used.count_total, used.bytes_total), (1, message.as_bytes().len() as u64));
    }
}

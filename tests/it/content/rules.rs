//! Each rule of encoding and structure, broken by one thing at one place. C-003 … C-031, C-063 … C-073, C-095 … C-099.

use openmimi::content::{Message, Rule};

/// A message of these seven fields, each already encoded.
#[derive(Clone)]
struct Fields([Vec<u8>; 7]);

const SALT: usize = 0;
const REPLACES: usize = 1;
const TOPIC: usize = 2;
const EXPIRES: usize = 3;
const IN_REPLY_TO: usize = 4;
const EXTENSIONS: usize = 5;
const BODY: usize = 6;

fn good() -> Fields {
    let salt = [&[0x50][..], &[7; 16]].concat();
    let body = part(&[0x01], b"text/plain");
    Fields([salt, vec![0xf6], vec![0x40], vec![0xf6], vec![0xf6], vec![0xa0], body])
}

/// A single part with this disposition.
fn part(disposition: &[u8], content_type: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content_type.len()).unwrap();
    [&[0x85], disposition, &[0x60, 0x01, 0x60 | length], content_type, &[0x41, 0]].concat()
}

const NULL_PART: [u8; 4] = [0x83, 1, 0x60, 0];

/// A multi part around parts that are encoded already.
fn multi(parts: &[Vec<u8>]) -> Vec<u8> {
    let count = u16::try_from(parts.len()).unwrap();
    let head = match count {
        0..24 => vec![0x80 | count.to_be_bytes()[1]],
        24..256 => vec![0x98, count.to_be_bytes()[1]],
        _ => [&[0x99][..], &count.to_be_bytes()].concat(),
    };
    [&[0x85, 1, 0x60, 3, 2][..], &head, &parts.concat()].concat()
}

impl Fields {
    fn with(&self, field: usize, bytes: &[u8]) -> Self {
        let mut fields = self.clone();
        fields.0[field] = bytes.to_vec();
        fields
    }

    fn bytes(&self) -> Vec<u8> {
        [&[0x87][..], &self.0.concat()].concat()
    }

    /// Where a field starts.
    fn offset(&self, field: usize) -> usize {
        1 + self.0[..field].iter().map(Vec::len).sum::<usize>()
    }
}

/// With `bytes` as this field, the rule is broken so many octets into the field.
fn refused(field: usize, bytes: &[u8], rule: Rule, into: usize) {
    let fields = good().with(field, bytes);
    let error = Message::decode(&fields.bytes()).expect_err(rule.name());
    assert_eq!((error.rule(), error.offset()), (rule, fields.offset(field) + into), "{bytes:02x?}");
}

fn accepted(field: usize, bytes: &[u8]) {
    let bytes = good().with(field, bytes).bytes();
    let message = Message::decode(&bytes).unwrap_or_else(|error| panic!("{error}: {bytes:02x?}"));
    assert_eq!(message.as_bytes(), bytes);
}

fn id(first: u8, length: u8) -> Vec<u8> {
    let mut id = vec![0x58, length];
    id.resize(2 + usize::from(length), 9);
    id[2] = first;
    id
}

fn bytes_of(length: u16) -> Vec<u8> {
    let mut bytes = vec![0x59];
    bytes.extend(length.to_be_bytes());
    bytes.resize(3 + usize::from(length), 0);
    bytes
}

#[test]
fn a_message_is_an_array_of_seven() {
    let bytes = good().bytes();
    assert!(Message::decode(&bytes).is_ok());
    for (first, rule) in [
        (0x86, Rule::Message),
        (0x88, Rule::Message),
        (0xa7, Rule::Message),
        (0x9f, Rule::Indefinite),
        (0xc7, Rule::Message),
    ] {
        let mut bytes = bytes.clone();
        bytes[0] = first;
        let error = Message::decode(&bytes).unwrap_err();
        assert_eq!((error.rule(), error.offset()), (rule, 0));
    }
    let long = [&[0x98, 7][..], &bytes[1..]].concat();
    assert_eq!(Message::decode(&long).unwrap_err().rule(), Rule::NotShortest);
    assert_eq!(Message::decode(&[]).unwrap_err().rule(), Rule::Truncated);
}

#[test]
fn salt_and_ids_have_their_lengths() {
    refused(SALT, &[&[0x4f][..], &[7; 15]].concat(), Rule::Salt, 0);
    refused(SALT, &[&[0x51][..], &[7; 17]].concat(), Rule::Salt, 0);
    refused(SALT, &[&[0x70][..], &[7; 16]].concat(), Rule::Salt, 0);
    refused(SALT, &[&[0x58, 16][..], &[7; 16]].concat(), Rule::NotShortest, 0);
    for (field, rule) in [(REPLACES, Rule::Replaces), (IN_REPLY_TO, Rule::InReplyTo)] {
        accepted(field, &id(1, 32));
        refused(field, &id(1, 31), rule, 0);
        refused(field, &id(1, 33), rule, 0);
        refused(field, &id(2, 32), Rule::HashAlgorithm, 2);
        refused(field, &[0xf7], rule, 0);
        refused(field, &[0x00], rule, 0);
    }
}

#[test]
fn a_topic_has_4096_octets_at_most() {
    accepted(TOPIC, &bytes_of(4096));
    refused(TOPIC, &bytes_of(4097), Rule::TopicLength, 0);
    refused(TOPIC, &[0x60], Rule::Topic, 0);
    refused(TOPIC, &[0x5f, 0xff], Rule::Indefinite, 0);
    refused(TOPIC, &[0xf6], Rule::Topic, 0);
}

#[test]
fn an_expiry_is_a_boolean_and_32_bits() {
    accepted(EXPIRES, &[0x82, 0xf5, 0x00]);
    accepted(EXPIRES, &[0x82, 0xf4, 0x1a, 255, 255, 255, 255]);
    refused(EXPIRES, &[0x82, 0xf4, 0x1b, 0, 0, 0, 1, 0, 0, 0, 0], Rule::Expires, 2);
    refused(EXPIRES, &[0x82, 0x00, 0x00], Rule::Expires, 1);
    refused(EXPIRES, &[0x83, 0xf4, 0, 0], Rule::Expires, 0);
    refused(EXPIRES, &[0x82, 0xf4, 0x20], Rule::Expires, 2);
    refused(EXPIRES, &[0x82, 0xf4, 0x18, 5], Rule::NotShortest, 2);
}

#[test]
fn extensions_are_a_sorted_map_with_unique_keys() {
    let text = |length: u8| {
        let mut text = vec![0x78, length];
        text.resize(2 + usize::from(length), b'k');
        text
    };
    accepted(EXTENSIONS, &[0xa3, 1, 0x61, b's', 2, 0x61, b'r', 0x20, 0xf6]);
    // 0 is reserved: ignored, not refused. Q-86.
    accepted(EXTENSIONS, &[0xa2, 0, 0xf6, 1, 0x60]);
    accepted(EXTENSIONS, &[&[0xa1][..], &text(255), &[0]].concat());
    refused(
        EXTENSIONS,
        &[&[0xa1, 0x79, 1, 0][..], &[b'k'; 256], &[0]].concat(),
        Rule::KeyLength,
        1,
    );
    refused(EXTENSIONS, &[0xa1, 0x60, 0], Rule::KeyLength, 1);
    refused(EXTENSIONS, &[0xa1, 0x41, 0, 0], Rule::KeyType, 1);
    refused(EXTENSIONS, &[0xa1, 0xf5, 0], Rule::KeyType, 1);
    refused(EXTENSIONS, &[0xa1, 1, 0x41, 0], Rule::SenderUri, 2);
    refused(EXTENSIONS, &[0xa1, 2, 0xd8, 32, 0x60], Rule::RoomUri, 2);
    refused(EXTENSIONS, &[0xa2, 1, 0x60, 1, 0x60], Rule::KeyTwice, 3);
    refused(EXTENSIONS, &[0xa2, 2, 0x60, 1, 0x60], Rule::KeyOrder, 3);
    refused(EXTENSIONS, &[0xa2, 0x61, b'a', 0, 5, 0], Rule::KeyOrder, 4);
    refused(EXTENSIONS, &[0xa2, 0x62, b'a', b'a', 0, 0x61, b'z', 0], Rule::KeyOrder, 5);
    refused(EXTENSIONS, &[0xbf, 0xff], Rule::Indefinite, 0);
    refused(EXTENSIONS, &[0x80], Rule::Extensions, 0);
    refused(EXTENSIONS, &[0xa1, 0x1b, 0, 32, 0, 0, 0, 0, 0, 0, 0], Rule::KeyRange, 1);
    accepted(EXTENSIONS, &[0xa1, 0x1b, 0, 31, 255, 255, 255, 255, 255, 255, 0]);
    refused(EXTENSIONS, &[0xa1, 0x3b, 0, 31, 255, 255, 255, 255, 255, 255, 0], Rule::KeyRange, 1);
    accepted(EXTENSIONS, &[0xa1, 0x3b, 0, 31, 255, 255, 255, 255, 255, 254, 0]);
}

#[test]
fn values_of_extensions_are_strict_and_four_levels_deep() {
    let value = |bytes: &[u8]| [&[0xa1, 0x20], bytes].concat();
    // The draft's own example of four levels: the map, two arrays, and a tag. C-073.
    accepted(EXTENSIONS, &value(&[0x81, 0x82, 0x41, 1, 0xd8, 32, 0x60]));
    refused(EXTENSIONS, &value(&[0x81, 0x81, 0x81, 0x80]), Rule::ExtensionDepth, 5);
    refused(EXTENSIONS, &value(&[0x61, 0xff]), Rule::Utf8, 3);
    refused(EXTENSIONS, &value(&[0xf9, 0x7e, 0x01]), Rule::Nan, 2);
    refused(EXTENSIONS, &value(&[0xfa, 0, 0, 0, 0]), Rule::FloatNotShortest, 2);
    refused(EXTENSIONS, &value(&[0xc2, 0x41, 1]), Rule::Bignum, 3);
    refused(EXTENSIONS, &value(&[0x18, 1]), Rule::NotShortest, 2);
    refused(EXTENSIONS, &value(&[0x1c]), Rule::Reserved, 2);
    refused(EXTENSIONS, &value(&[0xa1, 0x80, 0]), Rule::KeyType, 3);
    accepted(EXTENSIONS, &value(&[0xa1, 0x41, 0, 0]));
}

#[test]
fn a_part_has_the_fields_of_its_cardinality() {
    accepted(BODY, &NULL_PART);
    for disposition in [&[0][..], &[8], &[9], &[0x18, 200], &[0x18, 255]] {
        accepted(BODY, &part(disposition, b"a/b"));
    }
    refused(BODY, &part(&[0x19, 1, 0], b"a/b"), Rule::Disposition, 1);
    refused(BODY, &part(&[0x20], b"a/b"), Rule::Disposition, 1);
    refused(BODY, &part(&[0x18, 1], b"a/b"), Rule::NotShortest, 1);
    refused(BODY, &[0x84, 1, 0x60, 0, 0], Rule::Part, 0);
    refused(BODY, &[0xf6], Rule::Part, 0);
    refused(BODY, &[0x85, 1, 0x60, 0, 0x60, 0x40], Rule::Part, 0);
    refused(BODY, &[0x83, 1, 0x60, 1], Rule::Part, 0);
    refused(BODY, &[0x83, 1, 0x60, 4], Rule::Cardinality, 3);
    refused(BODY, &[0x83, 1, 0x40, 0], Rule::Language, 2);
    refused(BODY, &[0x83, 1, 0x61, 0xff, 0], Rule::Utf8, 3);
    refused(BODY, &[0x85, 1, 0x60, 1, 0x40, 0x40], Rule::ContentType, 4);
    refused(BODY, &[0x85, 1, 0x60, 1, 0x60, 0x60], Rule::Content, 5);
}

/// The twelve fields of an external part, each encoded.
fn external(field: usize, bytes: &[u8]) -> Vec<u8> {
    let mut fields: [&[u8]; 12] = [
        &[0x60],
        &[0x60],
        &[0],
        &[0],
        &[1],
        &[0x41, 7],
        &[0x40],
        &[0x40],
        &[1],
        &[0x40],
        &[0x60],
        &[0x60],
    ];
    fields[field] = bytes;
    [&[0x8f, 1, 0x60, 2][..], &fields.concat()].concat()
}

#[test]
fn an_external_part_has_fields_of_fixed_widths() {
    accepted(BODY, &external(2, &[0x1a, 255, 255, 255, 255]));
    accepted(BODY, &external(3, &[0x1b, 255, 255, 255, 255, 255, 255, 255, 255]));
    accepted(BODY, &external(4, &[0x19, 255, 255]));
    accepted(BODY, &external(8, &[0x18, 255]));
    for (field, bytes, rule) in [
        (0, &[0x40][..], Rule::ContentType),
        (1, &[0xd8, 32, 0x60], Rule::Url),
        (2, &[0x1b, 0, 0, 0, 1, 0, 0, 0, 0], Rule::UrlExpires),
        (3, &[0x20], Rule::Size),
        (4, &[0x1a, 0, 1, 0, 0], Rule::EncAlg),
        (4, &[0], Rule::KeyWithoutAlg),
        (5, &[0x60], Rule::Key),
        (6, &[0x60], Rule::Nonce),
        (7, &[0xf6], Rule::Aad),
        (8, &[0x19, 1, 0], Rule::HashAlg),
        (9, &[0x60], Rule::ContentHash),
        (10, &[0x40], Rule::Description),
        (11, &[0x40], Rule::Filename),
    ] {
        // The key takes two octets, every other field before it one.
        let into = 4 + field + usize::from(field > 5);
        refused(BODY, &external(field, bytes), rule, into);
    }
}

#[test]
fn a_multi_part_has_two_parts_or_more() {
    let null = NULL_PART.to_vec();
    accepted(BODY, &multi(&[null.clone(), null.clone()]));
    refused(BODY, &multi(std::slice::from_ref(&null)), Rule::PartsFew, 5);
    refused(BODY, &multi(&[]), Rule::PartsFew, 5);
    let mut other = multi(&[null.clone(), null]);
    other[4] = 3;
    refused(BODY, &other, Rule::Semantics, 4);
    refused(BODY, &[0x85, 1, 0x60, 3, 2, 0x60], Rule::Parts, 5);
    refused(BODY, &[0x85, 1, 0x60, 3, 2, 0x9f, 0xff], Rule::Indefinite, 5);
}

#[test]
fn parts_are_four_levels_deep_at_most() {
    let null = NULL_PART.to_vec();
    let deeper = |inside: Vec<u8>| multi(&[inside, NULL_PART.to_vec()]);
    let four = deeper(deeper(deeper(null.clone())));
    accepted(BODY, &four);
    // A fifth level starts after four heads of six octets.
    refused(BODY, &deeper(four), Rule::PartDepth, 24);
    // Deep nesting ends there, not at the end of the stack.
    let mut deep = Vec::new();
    (0..100_000).for_each(|_| deep.extend([0x85, 1, 0x60, 3, 2, 0x82]));
    refused(BODY, &deep, Rule::PartDepth, 24);
}

#[test]
fn a_message_has_1024_parts_at_most() {
    let parts = |count: usize| multi(&vec![NULL_PART.to_vec(); count]);
    // The root is a part too.
    accepted(BODY, &parts(1023));
    refused(BODY, &parts(1024), Rule::PartCount, 0);
    let half = parts(511);
    accepted(BODY, &multi(&[half.clone(), parts(510)]));
    refused(BODY, &multi(&[half.clone(), half]), Rule::PartCount, 6 + 7 + 511 * 4 + 1);
    // A count that is a lie is refused before anything is read.
    refused(BODY, &[0x85, 1, 0x60, 3, 2, 0x9a, 255, 255, 255, 255, 0], Rule::Truncated, 11);
}

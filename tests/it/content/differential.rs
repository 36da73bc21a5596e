//! Two readings of the same rules: ours, and `cbor-core` with the draft's rules written over its tree.
//!
//! Items and messages are generated with a mistake here and there. Both readings have to come to the same verdict about
//! each one: what is refused too much shows as well as what is accepted too much.

use cbor_core::Value as Oracle;
use openmimi::content::{Message, cbor::Item};

use super::oracles::{message_tree, ours, theirs};

/// A generator of numbers that needs nothing but its seed (SplitMix64).
struct Luck(u64);

impl Luck {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::try_from(self.next()).unwrap() % choices.len()]
    }
}

/// Writes CBOR, now and then not as it should be.
struct Author {
    luck: Luck,
    out: Vec<u8>,
    /// One mistake in so many chances; 0 for none.
    careless: u64,
}

impl Author {
    fn new(seed: u64) -> Self {
        let mut luck = Luck(seed);
        let careless = luck.of(&[0, 20, 60]);
        Self { luck, out: Vec::new(), careless }
    }

    fn slips(&mut self) -> bool {
        self.careless > 0 && self.luck.one_in(self.careless)
    }

    fn head(&mut self, major: u8, argument: u64) {
        let width: u8 = match argument {
            0..24 => 0,
            24..=0xff => 1,
            0x100..=0xffff => 2,
            0x1_0000..=0xffff_ffff => 4,
            _ => 8,
        };
        let width = if self.slips() { self.luck.of(&[1, 2, 4, 8]).max(width) } else { width };
        let info = match width {
            0 => u8::try_from(argument).unwrap(),
            1 => 24,
            2 => 25,
            4 => 26,
            _ => 27,
        };
        let info = if self.slips() { self.luck.of(&[28, 29, 30, 31]) } else { info };
        self.out.push(major << 5 | info);
        self.out.extend(&argument.to_be_bytes()[8 - usize::from(width)..]);
    }

    fn number(&mut self) -> u64 {
        let edges = [
            0,
            1,
            23,
            24,
            255,
            256,
            65_535,
            65_536,
            u64::from(u32::MAX),
            1 << 32,
            (1 << 53) - 2,
            (1 << 53) - 1,
            1 << 53,
            u64::MAX,
        ];
        if self.luck.one_in(3) { self.luck.of(&edges) } else { self.luck.below(400) }
    }

    fn octets(&mut self, length: u64) -> Vec<u8> {
        (0..length).map(|_| u8::try_from(self.luck.below(256)).unwrap()).collect()
    }

    fn bytes(&mut self, length: u64) {
        let octets = self.octets(length);
        self.head(2, length);
        self.out.extend(octets);
    }

    fn text_of(&mut self, text: &[u8]) {
        self.head(3, text.len() as u64);
        self.out.extend(text);
    }

    fn text(&mut self) {
        let length = self.luck.of(&[0, 1, 2, 5, 24, 255, 256]);
        let mut text: Vec<u8> = (b'a'..=b'z').cycle().take(length).collect();
        if self.luck.one_in(4) {
            text.extend("\u{e9}\u{20ac}\u{1f44d}".as_bytes());
        }
        if self.slips() {
            // Cut characters, surrogates, overlong forms, beyond Unicode.
            let bad: [&[u8]; 5] =
                [&[0xc3], &[0xed, 0xa0, 0x80], &[0xc0, 0xaf], &[0xf4, 0x90, 0x80, 0x80], &[0xff]];
            text.extend(self.luck.of(&bad));
        }
        self.text_of(&text);
    }

    fn float(&mut self) {
        let float = match self.luck.below(6) {
            0 => f64::from_bits(self.luck.next()),
            1 => f64::from(f32::from_bits(u32::try_from(self.luck.next() >> 32).unwrap())),
            // Halves and their neighbours, normal and subnormal.
            2 => {
                let exponent = i32::try_from(self.luck.below(44)).unwrap() - 27;
                let mantissa =
                    1.0 + f64::from(u32::try_from(self.luck.below(2048)).unwrap()) / 1024.0;
                mantissa * 2_f64.powi(exponent)
            }
            3 => self.luck.of(&[0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 65_504.0]),
            4 => self.luck.of(&[f64::MIN_POSITIVE, f64::MAX, f64::from(f32::MAX), 5.0e-324]),
            _ => f64::from(u32::try_from(self.luck.below(100_000)).unwrap()) / 4.0,
        };
        // The witness writes the shortest form; a slip takes a longer one.
        match self.luck.below(if self.careless > 0 { 12 } else { 1 }) {
            1 => {
                self.out.push(0xfb);
                self.out.extend(float.to_be_bytes());
            }
            #[expect(clippy::cast_possible_truncation, reason = "another number will do")]
            2 => {
                self.out.push(0xfa);
                self.out.extend((float as f32).to_be_bytes());
            }
            3 => {
                self.out.push(0xf9);
                self.out.extend(self.luck.next().to_be_bytes().iter().take(2));
            }
            _ if float.is_nan() => self.out.extend([0xf9, 0x7e, 0]),
            _ => self.out.extend(Oracle::from(float).encode()),
        }
    }

    fn simple(&mut self) {
        match self.luck.below(8) {
            0 => self.out.push(0xe0 | u8::try_from(self.luck.below(20)).unwrap()),
            1 => {
                let number =
                    if self.slips() { self.luck.below(256) } else { 32 + self.luck.below(224) };
                self.out.extend([0xf8, u8::try_from(number).unwrap()]);
            }
            _ => self.out.push(self.luck.of(&[0xf4, 0xf5, 0xf6, 0xf7])),
        }
    }

    fn integer_key(&mut self) {
        let number = if self.slips() { self.number() } else { self.luck.below(1 << 53) };
        let number = if self.luck.one_in(3) { self.luck.of(&[0, 3, 23, 24, 300]) } else { number };
        let major = self.luck.of(&[0, 1]);
        // −1 − number, so that the last one is out of range.
        self.head(major, if major == 1 { number.saturating_sub(1) } else { number });
    }

    fn key(&mut self) {
        match self.luck.below(5) {
            0 | 1 => self.integer_key(),
            2 => self.text(),
            3 => {
                let length = self.luck.of(&[0, 1, 4]);
                self.bytes(length);
            }
            _ if self.slips() => self.item(1),
            _ => self.integer_key(),
        }
    }

    /// Something written apart, for it to be put in its place.
    fn apart(&mut self, write: impl FnOnce(&mut Self)) -> Vec<u8> {
        let before = std::mem::take(&mut self.out);
        write(self);
        std::mem::replace(&mut self.out, before)
    }

    /// A map of these entries, sorted and each key once, or not.
    fn map(&mut self, mut entries: Vec<(Vec<u8>, Vec<u8>)>) {
        if self.slips() && !entries.is_empty() {
            entries.push(entries[0].clone());
        } else {
            entries.sort();
            entries.dedup_by(|one, other| one.0 == other.0);
        }
        if !self.slips() {
            entries.sort();
        } else if self.luck.one_in(2) {
            // The order of RFC 7049 (C-064).
            entries.sort_by_key(|(key, _)| (key.len(), key.clone()));
        } else {
            entries.reverse();
        }
        self.head(5, entries.len() as u64);
        for (key, value) in entries {
            self.out.extend(key);
            self.out.extend(value);
        }
    }

    /// Any item, with about so many levels within.
    fn item(&mut self, levels: u64) {
        let containers = if levels > 0 { 4 } else { 0 };
        match self.luck.below(10 + containers) {
            0 | 1 => {
                let number = self.number();
                self.head(0, number);
            }
            2 => {
                let number = self.number();
                self.head(1, number);
            }
            3 => {
                let length = self.luck.of(&[0, 1, 8, 9, 23, 24, 255, 256]);
                self.bytes(length);
            }
            4 | 5 => self.text(),
            6 | 7 => self.float(),
            8 => self.simple(),
            9 => {
                // A big integer, at the edge of being one. Shorter than nine octets is a mistake.
                let tag = self.luck.of(&[2, 3]);
                self.head(6, tag);
                let length = if self.slips() { self.luck.below(9) } else { 9 + self.luck.below(4) };
                let mut octets = self.octets(length);
                if let Some(first) = octets.first_mut().filter(|first| **first == 0) {
                    *first = 1;
                }
                if self.slips() {
                    octets.insert(0, 0);
                }
                if self.slips() {
                    self.text_of(b"big")
                } else {
                    self.head(2, octets.len() as u64);
                    self.out.extend(octets);
                }
            }
            10 | 11 => {
                let count = self.luck.below(4);
                self.head(4, count);
                (0..count).for_each(|_| self.item(levels - 1));
            }
            12 => {
                let entries = (0..self.luck.below(4))
                    .map(|_| (self.apart(Self::key), self.apart(|author| author.item(levels - 1))))
                    .collect();
                self.map(entries);
            }
            _ => {
                let tag = self.luck.of(&[0, 1, 4, 32, 80, 1001, 65_536, u64::MAX]);
                self.head(6, tag);
                self.item(levels - 1);
            }
        }
    }

    /// What is written, with an octet changed, put in or taken out, now and then.
    fn finish(mut self) -> Vec<u8> {
        if self.careless > 0 && self.luck.one_in(6) && !self.out.is_empty() {
            let at = usize::try_from(self.luck.below(self.out.len() as u64)).unwrap();
            let octet = u8::try_from(self.luck.below(256)).unwrap();
            match self.luck.below(4) {
                0 => self.out[at] = octet,
                1 => self.out.insert(at, octet),
                2 => self.out.truncate(at),
                _ => drop(self.out.remove(at)),
            }
        }
        self.out
    }
}

/// A message's own fields.
impl Author {
    fn fault<T: Copy>(&mut self, good: T, bad: &[T]) -> T {
        if self.slips() { self.luck.of(bad) } else { good }
    }

    fn id_or_null(&mut self) {
        if self.luck.one_in(2) {
            return self.out.push(0xf6);
        }
        let length = self.fault(32, &[31, 33, 0]);
        let mut id = self.octets(length);
        if let Some(first) = id.first_mut() {
            *first = self.fault(1, &[0, 2]);
        }
        self.head(2, length);
        self.out.extend(id);
    }

    fn message(&mut self) {
        let count = self.fault(7, &[6, 8]);
        self.head(4, count);
        let salt = self.fault(16, &[0, 15, 17]);
        self.bytes(salt);
        self.id_or_null();
        let topic = self.luck.of(&[0, 0, 5, 32]);
        let topic = self.fault(topic, &[4096, 4097]);
        self.bytes(topic);
        match self.luck.below(3) {
            0 => {
                let count = self.fault(2, &[1, 3]);
                self.head(4, count);
                let relative = self.luck.of(&[0xf4, 0xf5]);
                let relative = self.fault(relative, &[0, 1, 0xf6]);
                self.out.push(relative);
                let time = self.luck.of(&[0, 60, 1 << 31, u64::from(u32::MAX)]);
                let time = self.fault(time, &[1 << 32, u64::MAX]);
                self.head(0, time);
            }
            _ => self.out.push(0xf6),
        }
        self.id_or_null();
        self.extensions();
        self.part(4);
        if self.slips() {
            self.out.push(0);
        }
    }

    fn extensions(&mut self) {
        let mut entries = Vec::new();
        for key in [1_u8, 2] {
            if !self.luck.one_in(4) {
                let value = if self.slips() {
                    self.apart(|author| author.item(1))
                } else {
                    self.apart(Self::text)
                };
                entries.push((vec![key], value));
            }
        }
        for _ in 0..self.luck.below(3) {
            let key =
                if self.slips() { self.apart(Self::key) } else { self.apart(Self::integer_key) };
            if key != [1] && key != [2] {
                let levels = self.fault(3, &[4, 5]);
                entries.push((key, self.apart(|author| author.item(levels))));
            }
        }
        self.map(entries);
    }

    /// A part of at most so many levels, now and then of more.
    fn part(&mut self, levels: u64) {
        let kinds = if levels > 1 || self.slips() { 6 } else { 3 };
        let kind = self.luck.below(kinds).min(3);
        let arity = [3, 5, 15, 5][usize::try_from(kind).unwrap()];
        let arity = self.fault(arity, &[3, 4, 5, 6, 15]);
        self.head(4, arity);
        let disposition = self.luck.of(&[0, 1, 2, 8, 9, 255]);
        let disposition = self.fault(disposition, &[256, u64::MAX]);
        self.head(0, disposition);
        self.text_of(b"en");
        let cardinality = self.fault(kind, &[0, 1, 2, 3, 4]);
        self.head(0, cardinality);
        match kind {
            0 => {}
            1 => {
                self.text();
                self.bytes(9);
            }
            2 => {
                self.text();
                self.text_of(b"https://a.example");
                let numbers = [u64::from(u32::MAX), u64::MAX];
                for most in numbers {
                    let number = self.number().min(most);
                    let number = self.fault(number, &[u64::from(u32::MAX) + 1]);
                    self.head(0, number);
                }
                let algorithm = self.luck.of(&[0, 1, 65_535]);
                let algorithm = self.fault(algorithm, &[65_536]);
                self.head(0, algorithm);
                for _ in 0..3 {
                    let length = if algorithm == 0 { self.fault(0, &[1]) } else { 12 };
                    self.bytes(length);
                }
                let hash = self.fault(1, &[255, 256]);
                self.head(0, hash);
                self.bytes(32);
                self.text();
                self.text();
            }
            _ => {
                let semantics = self.luck.below(3);
                let semantics = self.fault(semantics, &[3]);
                self.head(0, semantics);
                let count = self.luck.of(&[2, 3]);
                let count = self.fault(count, &[0, 1]);
                self.head(4, count);
                (0..count).for_each(|_| self.part(levels.saturating_sub(1)));
            }
        }
    }
}

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
                    let key = match key {
                        Oracle::Unsigned(number) => *number <= SAFE,
                        Oracle::Negative(number) => *number < SAFE,
                        Oracle::TextString(_) | Oracle::ByteString(_) => true,
                        _ => false,
                    };
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
    let expires = match expires {
        Oracle::Array(fields) => match fields.as_slice() {
            [Oracle::SimpleValue(relative), time] => {
                matches!(relative.to_u8(), 20 | 21) && number(time, u32::MAX.into())
            }
            _ => false,
        },
        other => is_null(other),
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
    entries.iter().all(|(key, value)| match key {
        Oracle::Unsigned(1 | 2) => text(value),
        Oracle::TextString(key) if !(1..=255).contains(&key.len()) => false,
        Oracle::ByteString(_) => false,
        _ => true,
    }) && permitted(value, 4)
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

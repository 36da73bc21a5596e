//! A writer of the deterministic encoding (RFC 8949, section 4.2.1). What it writes once is the only way to write it.

use super::read::{NULL, major};

/// The octets that a head with this argument takes.
#[inline]
pub(in crate::content) const fn head_size(argument: u64) -> usize {
    match argument {
        0..=23 => 1,
        24..=0xff => 2,
        0x100..=0xffff => 3,
        0x1_0000..=0xffff_ffff => 5,
        _ => 9,
    }
}

/// The octets that a string of this length takes.
#[inline]
pub(in crate::content) const fn string_size(length: usize) -> usize {
    head_size(length as u64) + length
}

/// Appends heads and strings to a vector, which grows at most once if it was made with the right capacity.
#[derive(Debug)]
pub(in crate::content) struct Writer<'o>(pub(in crate::content) &'o mut Vec<u8>);

impl Writer<'_> {
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "each arm knows the width")]
    fn head(&mut self, major: u8, argument: u64) {
        let first = major << 5;
        if argument < 24 {
            self.0.push(first | argument as u8);
        } else if argument <= 0xff {
            self.0.extend_from_slice(&[first | 24, argument as u8]);
        } else {
            self.long_head(first, argument);
        }
    }

    /// Heads of one octet each, with arguments below 24, at once.
    #[inline]
    pub(in crate::content) fn short_heads<const N: usize>(&mut self, heads: [(u8, u8); N]) {
        self.0.extend_from_slice(&heads.map(|(major, argument)| major << 5 | argument));
    }

    #[inline(never)]
    fn long_head(&mut self, first: u8, argument: u64) {
        let octets = argument.to_be_bytes();
        let (info, skipped) = match argument {
            0..=0xffff => (25, 6),
            0x1_0000..=0xffff_ffff => (26, 4),
            _ => (27, 0),
        };
        self.0.push(first | info);
        self.0.extend_from_slice(octets.get(skipped..).unwrap_or_default());
    }

    /// A number.
    #[inline]
    pub(in crate::content) fn unsigned(&mut self, number: u64) {
        self.head(major::UNSIGNED, number);
    }

    /// An integer.
    pub(in crate::content) fn integer(&mut self, number: i64) {
        match u64::try_from(number) {
            Ok(number) => self.head(major::UNSIGNED, number),
            // −1 − number is the complement.
            Err(_) => self.head(major::NEGATIVE, !number.cast_unsigned()),
        }
    }

    /// Octets that are encoded already.
    #[inline]
    pub(in crate::content) fn raw(&mut self, octets: &[u8]) {
        self.0.extend_from_slice(octets);
    }

    /// A byte string.
    #[inline]
    pub(in crate::content) fn bytes(&mut self, bytes: &[u8]) {
        self.head(major::BYTES, bytes.len() as u64);
        self.raw(bytes);
    }

    /// A text string.
    #[inline]
    pub(in crate::content) fn text(&mut self, text: &str) {
        self.head(major::TEXT, text.len() as u64);
        self.raw(text.as_bytes());
    }

    /// The head of an array.
    #[inline]
    pub(in crate::content) fn array(&mut self, count: usize) {
        self.head(major::ARRAY, count as u64);
    }

    /// The head of a map.
    #[inline]
    pub(in crate::content) fn map(&mut self, count: usize) {
        self.head(major::MAP, count as u64);
    }

    /// A tag, to be followed by what it is about.
    pub(in crate::content) fn tag(&mut self, tag: u64) {
        self.head(major::TAG, tag);
    }

    /// Null.
    #[inline]
    pub(in crate::content) fn null(&mut self) {
        self.0.push(NULL);
    }

    /// A boolean.
    #[inline]
    pub(in crate::content) fn bool(&mut self, is: bool) {
        self.0.push(0xf4 | u8::from(is));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::{Rule, cbor::read::Reader};

    #[test]
    fn what_is_written_is_read_and_has_the_size_foretold() {
        for number in [0, 23, 24, 255, 256, 65535, 65536, u64::from(u32::MAX), 1 << 32, u64::MAX] {
            let mut bytes = Vec::new();
            Writer(&mut bytes).unsigned(number);
            assert_eq!(bytes.len(), head_size(number));
            let mut reader = Reader::new(&bytes).unwrap();
            assert_eq!(reader.unsigned(u64::MAX, Rule::Size), Ok(number));
            assert_eq!(reader.finish(), Ok(()));
        }
    }

    #[test]
    fn negative_integers_count_down_from_minus_one() {
        for (number, expected) in [
            (-1, &[0x20][..]),
            (-24, &[0x37]),
            (-25, &[0x38, 24]),
            (i64::MIN, &[0x3b, 0x7f, 255, 255, 255, 255, 255, 255, 255]),
        ] {
            let mut bytes = Vec::new();
            Writer(&mut bytes).integer(number);
            assert_eq!(bytes, expected);
        }
    }
}

//! A strict reader: what it takes is in the deterministic encoding (RFC 8949, section 4.2.1), or refused.

use crate::content::{Invalid, Rule};

type Result<T> = std::result::Result<T, Invalid>;

/// The major type of an item, the top three bits of its first octet.
pub(in crate::content) mod major {
    pub(in crate::content) const UNSIGNED: u8 = 0;
    pub(in crate::content) const NEGATIVE: u8 = 1;
    pub(in crate::content) const BYTES: u8 = 2;
    pub(in crate::content) const TEXT: u8 = 3;
    pub(in crate::content) const ARRAY: u8 = 4;
    pub(in crate::content) const MAP: u8 = 5;
    pub(in crate::content) const TAG: u8 = 6;
    pub(in crate::content) const SIMPLE: u8 = 7;
}

/// The octet of null.
pub(in crate::content) const NULL: u8 = 0xf6;

/// A place in borrowed bytes.
///
/// Every method that expects something names the [`Rule`] that is broken by anything else. On an error the place is
/// of no more use.
#[derive(Clone, Copy, Debug)]
pub(in crate::content) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// At the start of `bytes`.
    pub(in crate::content) fn new(bytes: &'a [u8]) -> Result<Self> {
        Self::from(bytes, 0)
    }

    /// In the midst of `bytes`.
    #[inline]
    pub(in crate::content) fn from(bytes: &'a [u8], at: usize) -> Result<Self> {
        if u32::try_from(bytes.len()).is_err() {
            return Err(Invalid::at(0, Rule::TooLong));
        }
        Ok(Self { bytes, at })
    }

    /// Octets before this place.
    #[inline]
    pub(in crate::content) const fn at(&self) -> usize {
        self.at
    }

    /// The bytes between two places.
    #[inline]
    pub(in crate::content) fn between(&self, start: usize, end: usize) -> &'a [u8] {
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// What comes after this place.
    #[inline]
    pub(in crate::content) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Octets after this place.
    #[inline]
    pub(in crate::content) fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    /// Ends the reading: nothing may be left.
    #[inline]
    pub(in crate::content) fn finish(&self) -> Result<()> {
        if self.left() == 0 { Ok(()) } else { Err(Invalid::at(self.at, Rule::Trailing)) }
    }

    /// The next octet, not taken.
    #[inline]
    pub(in crate::content) fn peek(&self) -> Result<u8> {
        match self.bytes.get(self.at) {
            Some(&octet) => Ok(octet),
            None => Err(Invalid::at(self.bytes.len(), Rule::Truncated)),
        }
    }

    /// Takes the next octet if it is `octet`.
    #[inline]
    pub(in crate::content) fn take_if(&mut self, octet: u8) -> bool {
        let is = self.bytes.get(self.at) == Some(&octet);
        self.at += usize::from(is);
        is
    }

    /// The next `length` octets.
    #[inline]
    pub(in crate::content) fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        match self.rest().get(..length) {
            Some(taken) => {
                self.at += length;
                Ok(taken)
            }
            None => Err(Invalid::at(self.bytes.len(), Rule::Truncated)),
        }
    }

    #[inline]
    fn big_endian<const N: usize>(&mut self) -> Result<[u8; N]> {
        match self.rest().first_chunk() {
            Some(&chunk) => {
                self.at += N;
                Ok(chunk)
            }
            None => Err(Invalid::at(self.bytes.len(), Rule::Truncated)),
        }
    }

    /// The argument behind the first octet, in its shortest form. `info` is the low five bits.
    #[inline]
    fn argument(&mut self, start: usize, info: u8) -> Result<u64> {
        let argument = match info {
            0..=23 => return Ok(u64::from(info)),
            24 => {
                let [octet] = self.big_endian()?;
                if octet >= 24 {
                    return Ok(u64::from(octet));
                }
                return Err(Invalid::at(start, Rule::NotShortest));
            }
            _ => self.long_argument(start, info)?,
        };
        Ok(argument)
    }

    #[inline(never)]
    fn long_argument(&mut self, start: usize, info: u8) -> Result<u64> {
        let (argument, smallest) = match info {
            25 => (u64::from(u16::from_be_bytes(self.big_endian()?)), 1 << 8),
            26 => (u64::from(u32::from_be_bytes(self.big_endian()?)), 1 << 16),
            27 => (u64::from_be_bytes(self.big_endian()?), 1 << 32),
            31 => return Err(Invalid::at(start, Rule::Indefinite)),
            _ => return Err(Invalid::at(start, Rule::Reserved)),
        };
        if argument < smallest {
            return Err(Invalid::at(start, Rule::NotShortest));
        }
        Ok(argument)
    }

    /// The head of any item but one of major type 7: major type and argument.
    #[inline]
    pub(in crate::content) fn head(&mut self) -> Result<(u8, u64)> {
        let start = self.at;
        let first = self.peek()?;
        self.at += 1;
        Ok((first >> 5, self.argument(start, first & 0x1f)?))
    }

    /// The argument of an item of major type `major`.
    #[inline]
    fn expect(&mut self, major: u8, rule: Rule) -> Result<u64> {
        let start = self.at;
        // Below 32 only for the expected major type.
        let info = self.peek()? ^ (major << 5);
        if info > 0x1f {
            return Err(Invalid::at(start, rule));
        }
        self.at += 1;
        self.argument(start, info)
    }

    /// A length, of items or octets, that the input can still hold.
    #[inline]
    fn length(&mut self, major: u8, rule: Rule) -> Result<usize> {
        let length = self.expect(major, rule)?;
        match usize::try_from(length) {
            Ok(length) if length <= self.left() => Ok(length),
            _ => Err(Invalid::at(self.bytes.len(), Rule::Truncated)),
        }
    }

    /// A number from 0 to `most`.
    #[inline]
    pub(in crate::content) fn unsigned(&mut self, most: u64, rule: Rule) -> Result<u64> {
        let start = self.at;
        let number = self.expect(major::UNSIGNED, rule)?;
        if number > most {
            return Err(Invalid::at(start, rule));
        }
        Ok(number)
    }

    /// A number of one octet.
    #[inline]
    pub(in crate::content) fn u8(&mut self, rule: Rule) -> Result<u8> {
        let number = self.unsigned(u64::from(u8::MAX), rule)?;
        Ok(number.try_into().unwrap_or(u8::MAX))
    }

    /// A number of four octets.
    #[inline]
    pub(in crate::content) fn u32(&mut self, rule: Rule) -> Result<u32> {
        let number = self.unsigned(u64::from(u32::MAX), rule)?;
        Ok(number.try_into().unwrap_or(u32::MAX))
    }

    /// A boolean.
    #[inline]
    pub(in crate::content) fn bool(&mut self, rule: Rule) -> Result<bool> {
        let start = self.at;
        let octet = self.peek()?;
        self.at += 1;
        match octet {
            0xf4 => Ok(false),
            0xf5 => Ok(true),
            _ => Err(Invalid::at(start, rule)),
        }
    }

    /// A byte string.
    #[inline]
    pub(in crate::content) fn bytes(&mut self, rule: Rule) -> Result<&'a [u8]> {
        let length = self.length(major::BYTES, rule)?;
        self.take(length)
    }

    /// A text string, known to be UTF-8.
    #[inline]
    pub(in crate::content) fn text(&mut self, rule: Rule) -> Result<&'a str> {
        let length = self.length(major::TEXT, rule)?;
        let start = self.at;
        std::str::from_utf8(self.take(length)?)
            .map_err(|error| Invalid::at(start + error.valid_up_to(), Rule::Utf8))
    }

    /// A text string of which only the place is of interest; still known to be UTF-8.
    #[inline]
    pub(in crate::content) fn skip_text(&mut self, rule: Rule) -> Result<&'a [u8]> {
        let length = self.length(major::TEXT, rule)?;
        self.utf8(length)
    }

    /// The next `length` octets, known to be UTF-8.
    #[inline]
    pub(super) fn utf8(&mut self, length: usize) -> Result<&'a [u8]> {
        let start = self.at;
        let text = self.take(length)?;
        if !text.is_ascii() {
            check_utf8(text, start)?;
        }
        Ok(text)
    }

    /// The number of items in an array.
    #[inline]
    pub(in crate::content) fn array(&mut self, rule: Rule) -> Result<usize> {
        self.length(major::ARRAY, rule)
    }

    /// The head of an array of exactly `count` items, fewer than 24.
    #[inline]
    pub(in crate::content) fn array_of(&mut self, count: u8, rule: Rule) -> Result<()> {
        let start = self.at;
        if self.take_if(major::ARRAY << 5 | count) {
            return Ok(());
        }
        // Anything else is an error; find out which.
        self.array(rule)?;
        Err(Invalid::at(start, rule))
    }

    /// The number of entries in a map.
    #[inline]
    pub(in crate::content) fn map(&mut self, rule: Rule) -> Result<usize> {
        self.length(major::MAP, rule)
    }
}

#[inline(never)]
fn check_utf8(text: &[u8], start: usize) -> Result<()> {
    match std::str::from_utf8(text) {
        Ok(_) => Ok(()),
        Err(error) => Err(Invalid::at(start + error.valid_up_to(), Rule::Utf8)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(bytes: &[u8]) -> Result<u64> {
        let mut reader = Reader::new(bytes)?;
        let number = reader.unsigned(u64::MAX, Rule::Size)?;
        reader.finish()?;
        Ok(number)
    }

    #[test]
    fn numbers_are_in_their_shortest_form() {
        for (bytes, expected) in [
            (&[0x17][..], 23),
            (&[0x18, 24], 24),
            (&[0x18, 0xff], 255),
            (&[0x19, 1, 0], 256),
            (&[0x1a, 0, 1, 0, 0], 65536),
            (&[0x1b, 0, 0, 0, 1, 0, 0, 0, 0], 1 << 32),
            (&[0x1b, 255, 255, 255, 255, 255, 255, 255, 255], u64::MAX),
        ] {
            assert_eq!(number(bytes), Ok(expected));
        }
        for bytes in [
            &[0x18, 23][..],
            &[0x19, 0, 255],
            &[0x1a, 0, 0, 255, 255],
            &[0x1b, 0, 0, 0, 0, 255, 255, 255, 255],
        ] {
            assert_eq!(number(bytes), Err(Invalid::at(0, Rule::NotShortest)));
        }
        for info in 0x1c..=0x1e {
            assert_eq!(number(&[info]), Err(Invalid::at(0, Rule::Reserved)));
        }
        assert_eq!(number(&[0x1f]), Err(Invalid::at(0, Rule::Indefinite)));
        assert_eq!(number(&[0x20]), Err(Invalid::at(0, Rule::Size)));
        assert_eq!(number(&[0x00, 0x00]), Err(Invalid::at(1, Rule::Trailing)));
        assert_eq!(number(&[0x19, 1]), Err(Invalid::at(2, Rule::Truncated)));
    }

    #[test]
    fn a_length_beyond_the_input_is_refused_before_anything_is_taken() {
        let huge = [0x5b, 0x7f, 255, 255, 255, 255, 255, 255, 255, 0];
        assert_eq!(
            Reader::new(&huge).and_then(|mut reader| reader.bytes(Rule::Key)),
            Err(Invalid::at(10, Rule::Truncated))
        );
    }

    #[test]
    fn text_says_where_it_stops_being_utf_8() {
        let bad = [0x63, b'a', 0xc3, b'(', 0];
        for result in [
            Reader::new(&bad).and_then(|mut reader| reader.text(Rule::Url).map(str::as_bytes)),
            Reader::new(&bad).and_then(|mut reader| reader.skip_text(Rule::Url)),
        ] {
            assert_eq!(result, Err(Invalid::at(2, Rule::Utf8)));
        }
    }
}

//! One checked data item, opened level by level.

use std::fmt;

use super::{
    read::{Reader, major},
    walk,
};
use crate::content::Invalid;

/// One data item in the deterministic encoding, of at most 3 levels: what an extension may hold.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Item<'a>(&'a [u8]);

impl<'a> Item<'a> {
    /// Checks that `bytes` are one item, in the deterministic encoding, with all rules for the values of
    /// extensions (content, section 6).
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Invalid> {
        let mut reader = Reader::new(bytes)?;
        walk::skip(&mut reader, walk::LEVELS - 1)?;
        reader.finish()?;
        Ok(Self(bytes))
    }

    /// Takes bytes that the walk has been over.
    pub(in crate::content) const fn checked(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The item as it is encoded.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The outermost level of the item.
    #[must_use]
    pub fn value(self) -> Value<'a> {
        // The bytes were checked when the item was made, so reading them again succeeds.
        self.read().unwrap_or(Value::Undefined)
    }

    fn read(self) -> Result<Value<'a>, Invalid> {
        let mut reader = Reader::new(self.0)?;
        if reader.peek()? >> 5 == major::SIMPLE {
            return simple(&mut reader);
        }
        let (major, argument) = reader.head()?;
        let rest = self.0.get(reader.at()..).unwrap_or_default();
        Ok(match major {
            major::UNSIGNED => Value::Unsigned(argument),
            major::NEGATIVE => Value::Negative(argument),
            major::BYTES => Value::Bytes(rest),
            major::TEXT => Value::Text(std::str::from_utf8(rest).unwrap_or_default()),
            major::ARRAY => Value::Array(Items { bytes: rest, left: count(argument) }),
            major::MAP => Value::Map(Entries { bytes: rest, left: count(argument) }),
            _ => Value::Tag(argument, Self(rest)),
        })
    }
}

fn count(argument: u64) -> usize {
    usize::try_from(argument).unwrap_or(usize::MAX)
}

fn simple<'a>(reader: &mut Reader<'a>) -> Result<Value<'a>, Invalid> {
    let first = reader.peek()?;
    reader.take(1)?;
    let rest = reader.take(reader.left())?;
    let bits = rest.iter().fold(0, |bits: u64, &octet| bits << 8 | u64::from(octet));
    Ok(match first & 0x1f {
        20 => Value::Bool(false),
        21 => Value::Bool(true),
        22 => Value::Null,
        23 => Value::Undefined,
        simple @ 0..=19 => Value::Simple(simple),
        24 => Value::Simple(rest.first().copied().unwrap_or_default()),
        25 => Value::Float(half(bits)),
        #[expect(clippy::cast_possible_truncation, reason = "four octets were read")]
        26 => Value::Float(f64::from(f32::from_bits(bits as u32))),
        _ => Value::Float(f64::from_bits(bits)),
    })
}

/// The number that a half stands for (RFC 8949, appendix D).
#[expect(clippy::cast_precision_loss, reason = "ten bits fit")]
fn half(bits: u64) -> f64 {
    let (exponent, mantissa) = (bits >> 10 & 0x1f, bits & 0x3ff);
    let size = match exponent {
        0 => mantissa as f64 * (1.0 / 16_777_216.0),
        31 if mantissa == 0 => f64::INFINITY,
        31 => f64::NAN,
        // 2^(exponent − 25), by its bits.
        _ => (mantissa + 1024) as f64 * f64::from_bits((exponent + 998) << 52),
    };
    if bits >> 15 == 1 { -size } else { size }
}

impl fmt::Debug for Item<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value().fmt(f)
    }
}

/// What an item is, and what is in it. `Debug` prints the diagnostic notation (RFC 8949, section 8).
#[derive(Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// This number.
    Unsigned(u64),
    /// −1 minus this number.
    Negative(u64),
    /// A byte string.
    Bytes(&'a [u8]),
    /// A text string.
    Text(&'a str),
    /// Items in a row.
    Array(Items<'a>),
    /// Keys with values.
    Map(Entries<'a>),
    /// A tag number, and what it is about.
    Tag(u64, Item<'a>),
    /// A boolean.
    Bool(bool),
    /// Null.
    Null,
    /// Undefined.
    Undefined,
    /// A simple value without a name.
    Simple(u8),
    /// A float of any width.
    Float(f64),
}

impl<'a> Value<'a> {
    /// The text, if it is one.
    #[must_use]
    pub fn text(&self) -> Option<&'a str> {
        if let Value::Text(text) = *self { Some(text) } else { None }
    }

    /// The octets, if it is a byte string.
    #[must_use]
    pub fn bytes(&self) -> Option<&'a [u8]> {
        if let Value::Bytes(bytes) = *self { Some(bytes) } else { None }
    }

    /// The integer, if it is one that fits.
    #[must_use]
    pub fn integer(&self) -> Option<i64> {
        match *self {
            Value::Unsigned(number) => i64::try_from(number).ok(),
            Value::Negative(number) => i64::try_from(number).ok().map(|number| !number),
            Value::Bytes(_)
            | Value::Text(_)
            | Value::Array(_)
            | Value::Map(_)
            | Value::Tag(..)
            | Value::Bool(_)
            | Value::Null
            | Value::Undefined
            | Value::Simple(_)
            | Value::Float(_) => None,
        }
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Value::Unsigned(number) => write!(f, "{number}"),
            Value::Negative(number) => write!(f, "{}", -1 - i128::from(number)),
            Value::Bytes(bytes) => {
                f.write_str("h'")?;
                bytes.iter().try_for_each(|octet| write!(f, "{octet:02x}"))?;
                f.write_str("'")
            }
            Value::Text(text) => write!(f, "{text:?}"),
            Value::Array(items) => f.debug_list().entries(items).finish(),
            Value::Map(entries) => f.debug_map().entries(entries).finish(),
            Value::Tag(tag, item) => write!(f, "{tag}({item:?})"),
            Value::Bool(is) => write!(f, "{is}"),
            Value::Null => f.write_str("null"),
            Value::Undefined => f.write_str("undefined"),
            Value::Simple(simple) => write!(f, "simple({simple})"),
            Value::Float(float) => write!(f, "{float:?}"),
        }
    }
}

/// The items of an array.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Items<'a> {
    bytes: &'a [u8],
    left: usize,
}

impl<'a> Items<'a> {
    fn pop(&mut self) -> Option<Item<'a>> {
        let mut reader = Reader::new(self.bytes).ok()?;
        walk::skip(&mut reader, walk::LEVELS).ok()?;
        let (item, rest) = self.bytes.split_at_checked(reader.at())?;
        self.bytes = rest;
        Some(Item(item))
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        self.pop()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Items<'_> {}

/// The entries of a map, in the order of their encoded keys.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Entries<'a> {
    bytes: &'a [u8],
    left: usize,
}

impl<'a> Entries<'a> {
    /// Keys and values written one after the other, which the walk has been over.
    pub(in crate::content) const fn checked(bytes: &'a [u8], left: usize) -> Self {
        Self { bytes, left }
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = (Item<'a>, Item<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let mut items = Items { bytes: self.bytes, left: 2 };
        let entry = (items.pop()?, items.pop()?);
        self.bytes = items.bytes;
        Some(entry)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Entries<'_> {}

impl<'a> TryFrom<&'a [u8]> for Item<'a> {
    type Error = Invalid;

    fn try_from(bytes: &'a [u8]) -> Result<Self, Invalid> {
        Self::decode(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(bytes: &[u8]) -> String {
        format!("{:?}", Item::decode(bytes).unwrap())
    }

    #[test]
    fn items_open_level_by_level() {
        let bytes = [0x82, 0x42, 1, 2, 0xa2, 0x05, 0x20, 0x61, b'x', 0xc1, 0x18, 30];
        assert_eq!(shown(&bytes), r#"[h'0102', {5: -1, "x": 1(30)}]"#);
        let Value::Array(mut items) = Item::decode(&bytes).unwrap().value() else { panic!() };
        assert_eq!(items.len(), 2);
        assert_eq!(items.next().map(Item::as_bytes), Some(&[0x42, 1, 2][..]));
        assert!(matches!(items.next().map(Item::value), Some(Value::Map(map)) if map.len() == 2));
        assert_eq!(items.next(), None);
    }

    #[test]
    fn simple_values_and_floats_have_their_values() {
        for (bytes, expected) in [
            (&[0xf4][..], "false"),
            (&[0xf6], "null"),
            (&[0xf7], "undefined"),
            (&[0xf8, 255], "simple(255)"),
            (&[0xe3], "simple(3)"),
            (&[0xf9, 0x3e, 0x00], "1.5"),
            (&[0xf9, 0xc4, 0x00], "-4.0"),
            (&[0xf9, 0x00, 0x01], "5.960464477539063e-8"),
            (&[0xf9, 0x7e, 0x00], "NaN"),
            (&[0xfa, 0x47, 0xc3, 0x50, 0x00], "100000.0"),
            (&[0xfb, 0x3f, 0xf1, 0x99, 0x99, 0x99, 0x99, 0x99, 0x9a], "1.1"),
            (&[0x3b, 255, 255, 255, 255, 255, 255, 255, 255], "-18446744073709551616"),
        ] {
            assert_eq!(shown(bytes), expected);
        }
    }
}

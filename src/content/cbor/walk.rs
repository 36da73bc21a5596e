//! Walks over one item of any shape, with every rule on, without recursion and without memory of its own.

use super::read::{Reader, major};
use crate::content::{Invalid, Rule};

type Result<T> = std::result::Result<T, Invalid>;

/// Levels of tags, arrays and maps in an extension, the map of extensions being the first (content, section 6.3).
pub(in crate::content) const LEVELS: usize = 4;

/// The largest integer key, above and below zero: what a double holds without loss (content, section 6.2).
pub(in crate::content) const KEY_RANGE: u64 = (1 << 53) - 1;

/// The tags of big integers, above and below zero (RFC 8949, section 3.4.3).
const BIGNUM: [u64; 2] = [2, 3];

/// A container that has been entered.
#[derive(Clone, Copy, Debug)]
struct Level {
    /// Items that are still to come: of a map, keys and values.
    left: usize,
    /// In a map: where the key before this one is. Empty before the first.
    key: Option<(usize, usize)>,
    map: bool,
    bignum: bool,
}

/// Reads the key of a map at any depth, which has to come after the one at `before`. Returns its place.
pub(in crate::content) fn key(
    reader: &mut Reader<'_>,
    before: Option<(usize, usize)>,
) -> Result<(usize, usize)> {
    let start = reader.at();
    match reader.head()? {
        (major::UNSIGNED, number) if number > KEY_RANGE => {
            return Err(Invalid::at(start, Rule::KeyRange));
        }
        // −1 − number.
        (major::NEGATIVE, number) if number >= KEY_RANGE => {
            return Err(Invalid::at(start, Rule::KeyRange));
        }
        (major::UNSIGNED | major::NEGATIVE, _) => {}
        (major::BYTES, length) => {
            reader.take(octets(length))?;
        }
        (major::TEXT, length) => {
            reader.utf8(octets(length))?;
        }
        _ => return Err(Invalid::at(start, Rule::KeyType)),
    }
    let place = (start, reader.at());
    in_order(reader, before, place)?;
    Ok(place)
}

/// Whether the key at `place` comes after the one at `before`, as octets.
#[inline]
pub(in crate::content) fn in_order(
    reader: &Reader<'_>,
    before: Option<(usize, usize)>,
    place: (usize, usize),
) -> Result<()> {
    let Some(before) = before else { return Ok(()) };
    match reader.between(before.0, before.1).cmp(reader.between(place.0, place.1)) {
        std::cmp::Ordering::Less => Ok(()),
        std::cmp::Ordering::Equal => Err(Invalid::at(place.0, Rule::KeyTwice)),
        std::cmp::Ordering::Greater => Err(Invalid::at(place.0, Rule::KeyOrder)),
    }
}

/// A length that no input has becomes one that no input has.
fn octets(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

/// Walks over one item that may hold `levels` levels of tags, arrays and maps; at most [`LEVELS`].
pub(in crate::content) fn skip(reader: &mut Reader<'_>, levels: usize) -> Result<()> {
    let mut stack = [Level { left: 0, key: None, map: false, bignum: false }; LEVELS];
    let mut depth: usize = 0;
    loop {
        // The container that the next item is in; for the outermost item, none.
        let mut bignum = false;
        let mut is_key = false;
        if let Some(level) = depth.checked_sub(1).and_then(|top| stack.get_mut(top)) {
            bignum = level.bignum;
            is_key = level.map && level.left % 2 == 0;
            if is_key {
                level.key = Some(key(reader, level.key)?);
            }
        }
        let start = reader.at();
        match if is_key { None } else { item(reader, bignum)? } {
            Some(entered) => {
                let Some(level) = stack.get_mut(depth).filter(|_| depth < levels) else {
                    return Err(Invalid::at(start, Rule::ExtensionDepth));
                };
                *level = entered;
                depth += 1;
            }
            None if depth == 0 => return Ok(()),
            None => leave(&mut stack, depth),
        }
        // Whatever is full has ended, and so has one item of what it is in.
        while let Some(level) = depth.checked_sub(1).and_then(|top| stack.get(top)) {
            if level.left > 0 {
                break;
            }
            depth -= 1;
            if depth == 0 {
                return Ok(());
            }
            leave(&mut stack, depth);
        }
    }
}

/// One item less to come in the innermost container.
fn leave(stack: &mut [Level; LEVELS], depth: usize) {
    if let Some(level) = depth.checked_sub(1).and_then(|top| stack.get_mut(top)) {
        level.left = level.left.saturating_sub(1);
    }
}

/// Reads one item, or the head of a container, which it returns. With `bignum`, only what a big integer is made of.
#[inline]
fn item(reader: &mut Reader<'_>, bignum: bool) -> Result<Option<Level>> {
    let start = reader.at();
    if reader.peek()? >> 5 == major::SIMPLE {
        return if bignum { Err(Invalid::at(start, Rule::Bignum)) } else { simple(reader) };
    }
    let (major, argument) = reader.head()?;
    if bignum {
        let body = if major == major::BYTES { reader.take(octets(argument))? } else { &[] };
        // Eight octets fit a plain integer; more may not start with a zero (RFC 8949, section 3.4.3).
        if body.len() <= 8 || body.first() == Some(&0) {
            return Err(Invalid::at(start, Rule::Bignum));
        }
        return Ok(None);
    }
    let plain = Level { left: 0, key: None, map: false, bignum: false };
    Ok(match major {
        major::UNSIGNED | major::NEGATIVE => None,
        major::BYTES => {
            reader.take(octets(argument))?;
            None
        }
        major::TEXT => {
            reader.utf8(octets(argument))?;
            None
        }
        // Every item takes an octet: a count beyond what is left can be refused at once, and cannot overflow.
        _ if major != major::TAG && octets(argument) > reader.left() => {
            return Err(Invalid::at(reader.at() + reader.left(), Rule::Truncated));
        }
        major::ARRAY => Some(Level { left: octets(argument), ..plain }),
        major::MAP => Some(Level { left: octets(argument).saturating_mul(2), map: true, ..plain }),
        _ => Some(Level { left: 1, bignum: BIGNUM.contains(&argument), ..plain }),
    })
}

/// Reads an item of major type 7: simple values and floats.
fn simple(reader: &mut Reader<'_>) -> Result<Option<Level>> {
    let start = reader.at();
    let first = reader.peek()?;
    reader.take(1)?;
    let rule = match first & 0x1f {
        0..=23 => None,
        24 => match reader.take(1)? {
            [number] if *number >= 32 => None,
            _ => Some(Rule::Reserved),
        },
        25 => {
            let bits = u16::from_be_bytes(chunk(reader)?);
            let nan = bits & 0x7c00 == 0x7c00 && bits & 0x03ff != 0;
            (nan && bits != 0x7e00).then_some(Rule::Nan)
        }
        26 => {
            let float = f32::from_be_bytes(chunk(reader)?);
            if float.is_nan() {
                Some(Rule::Nan)
            } else {
                fits_half(float).then_some(Rule::FloatNotShortest)
            }
        }
        27 => {
            let float = f64::from_be_bytes(chunk(reader)?);
            if float.is_nan() {
                Some(Rule::Nan)
            } else {
                fits_single(float).then_some(Rule::FloatNotShortest)
            }
        }
        31 => Some(Rule::Indefinite),
        _ => Some(Rule::Reserved),
    };
    rule.map_or(Ok(None), |rule| Err(Invalid::at(start, rule)))
}

fn chunk<const N: usize>(reader: &mut Reader<'_>) -> Result<[u8; N]> {
    let mut chunk = [0; N];
    chunk.copy_from_slice(reader.take(N)?);
    Ok(chunk)
}

/// Whether a double is a single without loss. Not for NaN.
#[expect(clippy::cast_possible_truncation, clippy::float_cmp, reason = "that is the question")]
pub(super) fn fits_single(float: f64) -> bool {
    f64::from(float as f32) == float
}

/// Whether a single is a half without loss. Not for NaN.
pub(super) fn fits_half(float: f32) -> bool {
    let bits = float.to_bits();
    let mantissa = bits & 0x007f_ffff;
    match bits >> 23 & 0xff {
        // Zero fits; a subnormal single is far too small.
        0 => mantissa == 0,
        0xff => true,
        // Normal in a half: exponents −14 to 15, ten bits of mantissa.
        113..=142 => mantissa.trailing_zeros() >= 13,
        // Subnormal in a half: a multiple of 2^−24.
        exponent @ 103..=112 => (mantissa | 0x0080_0000).trailing_zeros() >= 126 - exponent,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(bytes: &[u8]) -> Result<()> {
        let mut reader = Reader::new(bytes)?;
        skip(&mut reader, LEVELS)?;
        reader.finish()
    }

    fn refused(bytes: &[u8], offset: usize, rule: Rule) {
        assert_eq!(walk(bytes), Err(Invalid::at(offset, rule)), "{bytes:02x?}");
    }

    #[test]
    fn floats_are_in_their_shortest_form() {
        for bytes in [
            &[0xf9, 0x7e, 0x00][..],
            &[0xf9, 0x7c, 0x00],
            &[0xf9, 0x80, 0x00],
            &[0xf9, 0x00, 0x01],
            &[0xfa, 0x47, 0xc3, 0x50, 0x00],
            &[0xfa, 0x33, 0x00, 0x00, 0x00],
            &[0xfb, 0x3f, 0xf1, 0x99, 0x99, 0x99, 0x99, 0x99, 0x9a],
        ] {
            assert_eq!(walk(bytes), Ok(()), "{bytes:02x?}");
        }
        // 1.0, infinity and 2^-24 fit a half; 100000.0 fits a single.
        refused(&[0xfa, 0x3f, 0x80, 0, 0], 0, Rule::FloatNotShortest);
        refused(&[0xfa, 0x7f, 0x80, 0, 0], 0, Rule::FloatNotShortest);
        refused(&[0xfa, 0x33, 0x80, 0, 0], 0, Rule::FloatNotShortest);
        refused(&[0xfb, 0x40, 0xf8, 0x6a, 0, 0, 0, 0, 0], 0, Rule::FloatNotShortest);
        refused(&[0xf9, 0x7e, 0x01], 0, Rule::Nan);
        refused(&[0xf9, 0xfe, 0x00], 0, Rule::Nan);
        refused(&[0xfa, 0x7f, 0xc0, 0, 0], 0, Rule::Nan);
        refused(&[0xfb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0], 0, Rule::Nan);
    }

    #[test]
    fn every_half_is_known_to_fit() {
        // The value of a half, by the formula of RFC 8949, appendix D.
        for bits in 0..=u16::MAX {
            let (exponent, mantissa) = (i32::from(bits >> 10 & 0x1f), f32::from(bits & 0x3ff));
            let size = match exponent {
                0 => mantissa * 2f32.powi(-24),
                31 => continue,
                _ => (mantissa + 1024.0) * 2f32.powi(exponent - 25),
            };
            assert!(fits_half(size) && fits_half(-size), "{bits:04x}");
            // Its neighbours as singles are none.
            assert!(!fits_half(f32::from_bits(size.to_bits() + 1)), "{bits:04x}");
        }
    }

    #[test]
    fn maps_are_sorted_by_octets_not_by_length() {
        // RFC 8949, section 4.2.1: 10, 100, -1, "z", "aa". C-064.
        let sorted = [0xa5, 10, 0, 0x18, 100, 0, 0x20, 0, 0x61, b'z', 0, 0x62, b'a', b'a', 0];
        assert_eq!(walk(&sorted), Ok(()));
        // The order of RFC 7049 puts -1 before 100.
        refused(&[0xa3, 10, 0, 0x20, 0, 0x18, 100, 0], 5, Rule::KeyOrder);
        refused(&[0xa2, 10, 0, 10, 0], 3, Rule::KeyTwice);
    }

    #[test]
    fn keys_are_integers_text_or_bytes() {
        assert_eq!(walk(&[0xa1, 0x41, 0, 0]), Ok(()));
        refused(&[0xa1, 0x80, 0], 1, Rule::KeyType);
        refused(&[0xa1, 0xf6, 0], 1, Rule::KeyType);
        refused(&[0xa1, 0x61, 0xff, 0], 2, Rule::Utf8);
        // ±(2^53−1) and one further. C-068.
        let key = |major: u8, number: u64| {
            let mut bytes = vec![0xa1, major << 5 | 27];
            bytes.extend(number.to_be_bytes());
            bytes.push(0);
            walk(&bytes)
        };
        assert_eq!(key(0, KEY_RANGE), Ok(()));
        assert_eq!(key(0, KEY_RANGE + 1), Err(Invalid::at(1, Rule::KeyRange)));
        assert_eq!(key(1, KEY_RANGE - 1), Ok(()));
        assert_eq!(key(1, KEY_RANGE), Err(Invalid::at(1, Rule::KeyRange)));
    }

    #[test]
    fn levels_are_counted_for_tags_arrays_and_maps() {
        assert_eq!(walk(&[0x81, 0x81, 0x81, 0x80]), Ok(()));
        assert_eq!(walk(&[0x81, 0xa1, 0, 0xc9, 0x81, 0]), Ok(()));
        refused(&[0x81, 0x81, 0x81, 0x81, 0x80], 4, Rule::ExtensionDepth);
        refused(&[0x81, 0xa1, 0, 0xc9, 0x81, 0xa0], 5, Rule::ExtensionDepth);
        refused(&[0x81, 0xa1, 0, 0xc9, 0xc9, 0xc9, 0], 5, Rule::ExtensionDepth);
        // Deep nesting ends at the limit, not at the end of the stack.
        refused(&vec![0x81; 1 << 20], 4, Rule::ExtensionDepth);
    }

    #[test]
    fn big_integers_are_big() {
        let big = [0xc2, 0x49, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(walk(&big), Ok(()));
        refused(&[0xc2, 0x41, 1], 1, Rule::Bignum);
        refused(&[0xc3, 0x48, 1, 0, 0, 0, 0, 0, 0, 0], 1, Rule::Bignum);
        refused(&[0xc2, 0x49, 0, 1, 0, 0, 0, 0, 0, 0, 0], 1, Rule::Bignum);
        refused(&[0xc2, 0x01], 1, Rule::Bignum);
        refused(&[0xc3, 0xf6], 1, Rule::Bignum);
    }

    #[test]
    fn heads_are_definite_and_known() {
        for first in [0x1f, 0x3f, 0x5f, 0x7f, 0x9f, 0xbf, 0xdf, 0xff] {
            refused(&[first, 0xff], 0, Rule::Indefinite);
        }
        for first in [0x1c, 0x3d, 0x5e, 0x7c, 0x9d, 0xbe, 0xdc, 0xfd] {
            refused(&[first, 0, 0, 0, 0], 0, Rule::Reserved);
        }
        refused(&[0xf8, 31], 0, Rule::Reserved);
        assert_eq!(walk(&[0xf8, 32]), Ok(()));
        assert_eq!(walk(&[0xe0]), Ok(()));
        refused(&[0x9b, 255, 255, 255, 255, 255, 255, 255, 255], 9, Rule::Truncated);
        refused(&[0xbb, 255, 255, 255, 255, 255, 255, 255, 255], 9, Rule::Truncated);
        refused(&[0x82, 0], 2, Rule::Truncated);
    }
}

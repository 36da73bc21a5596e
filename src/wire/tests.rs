//! Vectors of our own, made by hand from the structures of the draft, and what every decoder has to withstand.

mod components;
mod endpoints;
mod extensions;
mod live;
mod mls;
mod peers;
mod signed;

use std::fmt::Debug;

use crate::codec::{Wire, write_bytes};

/// The octets of hexadecimal text; anything but digits is for the eye.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
    assert_eq!(digits.len() % 2, 0, "half an octet in {text}");
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// An `opaque x<V>`.
pub(crate) fn opaque(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    write_bytes(&mut out, bytes.as_ref());
    out
}

/// Checks that these octets and no others are the encoding of what they decode to:
///
/// * they decode, and encode to themselves;
/// * cut off anywhere, or with an octet more, they do not decode;
/// * with any octet changed to any other, or a length put anywhere that claims up to a gibibyte, either they do not
///   decode or what they decode to encodes to them. That covers presence octets, codes, and lengths that are written
///   in more octets than they need.
#[track_caller]
pub(crate) fn assert_strict<T: Wire + PartialEq + Debug>(bytes: &[u8]) -> T {
    let value = T::decode(bytes).unwrap();
    assert_eq!(value.encode(), bytes, "{value:?}");
    for length in 0..bytes.len() {
        assert!(T::decode(&bytes[..length]).is_err(), "cut after {length} octets");
    }
    assert!(T::decode(&[bytes, &[0]].concat()).is_err(), "one octet more");
    let exact = |mutated: &[u8]| {
        if let Ok(other) = T::decode(mutated) {
            assert_eq!(other.encode(), mutated, "{other:?}");
            assert_eq!(other == value, mutated == bytes, "two encodings of {value:?}");
        }
    };
    let mut mutated = bytes.to_vec();
    for at in 0..bytes.len() {
        // In a short structure every octet; in a long one those that presence, codes and lengths turn on.
        let octets = (0..=u8::MAX)
            .filter(|octet| bytes.len() < 100 || octet % 0x40 < 9 || octet % 0x40 == 0x3F);
        for octet in octets.filter(|&octet| octet != bytes[at]) {
            mutated[at] = octet;
            exact(&mutated);
        }
        mutated[at] = bytes[at];
        for longer in ["40", "800000", "c0000000000000"] {
            exact(&[&bytes[..at], &hex(longer), &bytes[at..]].concat());
        }
        for bomb in
            ["3f", "4000", "7fff", "80000000", "80004000", "bfffffff", "c0", "ffffffffffffffff"]
        {
            exact(&[&bytes[..at], &hex(bomb), &bytes[at..]].concat());
            exact(&[&bytes[..at], &hex(bomb), &bytes[at + 1..]].concat());
        }
    }
    value
}

/// Checks that octets do not decode, and which field they fail at.
#[track_caller]
pub(crate) fn assert_refused<T: Wire + Debug>(bytes: &[u8], what: &str) {
    let error = T::decode(bytes).unwrap_err();
    assert_eq!(error.what, what, "{error}");
}

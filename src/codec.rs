//! The TLS presentation language (RFC 9420, section 2.1), read exactly and written once.
//!
//! A [`Reader`] walks borrowed bytes and knows where it is, so that every error names a field and an offset. It
//! never allocates by a length it has not checked against what is left of the input.

use crate::{
    error::{DecodeError, Fault},
    uri::UriError,
};

/// A structure with one encoding.
pub trait Wire: Sized {
    /// Its name in the draft.
    const NAME: &'static str;

    /// Reads one from the reader's place on.
    ///
    /// # Errors
    /// If the bytes are not one; the error says which field, where, and why.
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError>;

    /// Appends its encoding.
    fn write(&self, out: &mut Vec<u8>);

    /// Reads one that takes up all of `bytes`.
    ///
    /// # Errors
    /// If the bytes are not one, or go on after it.
    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode_exact(bytes, Self::read)
    }

    /// Its encoding.
    #[must_use]
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }
}

/// Reads with `read`, which has to take up all of `bytes`.
///
/// # Errors
/// Those of `read`, or that bytes are left.
pub fn decode_exact<'a, T>(
    bytes: &'a [u8],
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    let mut reader = Reader::new(bytes);
    let value = read(&mut reader)?;
    reader.finish()?;
    Ok(value)
}

/// The largest length that the presentation language can say: 2^30 − 1 octets.
pub const MAX_LENGTH: usize = (1 << 30) - 1;

/// A place in borrowed bytes.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Offset of `bytes[0]` in the outermost input.
    base: usize,
}

impl<'a> Reader<'a> {
    /// At the start of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, base: 0 }
    }

    /// Octets before this place in the whole input.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.base + self.at
    }

    /// What has not been read yet.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Whether all has been read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest().is_empty()
    }

    /// An error about `what` at this place.
    #[must_use]
    pub fn error(&self, what: &'static str, fault: Fault) -> DecodeError {
        DecodeError { offset: self.offset(), what, fault }
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// If something is left.
    pub fn finish(&self) -> Result<(), DecodeError> {
        match self.rest().len() {
            0 => Ok(()),
            left => Err(self.error("end of input", Fault::Trailing(left))),
        }
    }

    /// The next `length` octets.
    ///
    /// # Errors
    /// If fewer are left.
    pub fn take(&mut self, what: &'static str, length: usize) -> Result<&'a [u8], DecodeError> {
        let rest = self.rest();
        let taken = rest
            .get(..length)
            .ok_or_else(|| self.error(what, Fault::Truncated(length - rest.len())))?;
        self.at += length;
        Ok(taken)
    }

    /// The next `N` octets.
    ///
    /// # Errors
    /// If fewer are left.
    pub fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], DecodeError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(what, N)?);
        Ok(array)
    }

    /// A `uint8`.
    ///
    /// # Errors
    /// If nothing is left.
    pub fn u8(&mut self, what: &'static str) -> Result<u8, DecodeError> {
        self.array(what).map(u8::from_be_bytes)
    }

    /// A `uint16`.
    ///
    /// # Errors
    /// If fewer than 2 octets are left.
    pub fn u16(&mut self, what: &'static str) -> Result<u16, DecodeError> {
        self.array(what).map(u16::from_be_bytes)
    }

    /// A `uint32`.
    ///
    /// # Errors
    /// If fewer than 4 octets are left.
    pub fn u32(&mut self, what: &'static str) -> Result<u32, DecodeError> {
        self.array(what).map(u32::from_be_bytes)
    }

    /// A `uint64`.
    ///
    /// # Errors
    /// If fewer than 8 octets are left.
    pub fn u64(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        self.array(what).map(u64::from_be_bytes)
    }

    /// A boolean or presence octet: 0 or 1, nothing else.
    ///
    /// # Errors
    /// If nothing is left, or it is another octet.
    pub fn bool(&mut self, what: &'static str) -> Result<bool, DecodeError> {
        let start = self.clone();
        match self.u8(what)? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(start.error(what, Fault::Boolean(other))),
        }
    }

    /// The length in front of `opaque x<V>`, in its shortest form, and not more than what is left.
    fn length(&mut self, what: &'static str) -> Result<usize, DecodeError> {
        let start = self.clone();
        let first = self.u8(what)?;
        let (width, smallest) = match first >> 6 {
            0 => (0, 0),
            1 => (1, 1 << 6),
            2 => (3, 1 << 14),
            _ => return Err(start.error(what, Fault::LengthPrefix)),
        };
        let length = self
            .take(what, width)?
            .iter()
            .fold(usize::from(first & 0x3f), |n, &octet| n << 8 | usize::from(octet));
        if length < smallest {
            return Err(start.error(what, Fault::LongLength));
        }
        match self.rest().len() {
            left if length > left => Err(start.error(what, Fault::Truncated(length - left))),
            _ => Ok(length),
        }
    }

    /// An `opaque x<V>`.
    ///
    /// # Errors
    /// If its length is not well formed or more than what is left.
    pub fn bytes(&mut self, what: &'static str) -> Result<&'a [u8], DecodeError> {
        let length = self.length(what)?;
        self.take(what, length)
    }

    /// An `opaque x<V>` of at most `limit` octets.
    ///
    /// # Errors
    /// As [`Reader::bytes`], or that it is longer.
    pub fn bounded(&mut self, what: &'static str, limit: usize) -> Result<&'a [u8], DecodeError> {
        let start = self.clone();
        let bytes = self.bytes(what)?;
        if bytes.len() > limit {
            return Err(start
                .error(what, Fault::TooLarge { found: bytes.len() as u64, limit: limit as u64 }));
        }
        Ok(bytes)
    }

    /// An `opaque x<V>` that holds UTF-8 text without NUL.
    ///
    /// # Errors
    /// As [`Reader::bytes`], or that it is no such text.
    pub fn text(&mut self, what: &'static str) -> Result<&'a str, DecodeError> {
        let start = self.clone();
        let text =
            std::str::from_utf8(self.bytes(what)?).map_err(|_| start.error(what, Fault::Text))?;
        if text.contains('\0') {
            return Err(start.error(what, Fault::Text));
        }
        Ok(text)
    }

    /// A reader of the inside of an `opaque x<V>` or vector, with offsets of the whole input.
    ///
    /// # Errors
    /// If its length is not well formed or more than what is left.
    pub fn inside(&mut self, what: &'static str) -> Result<Reader<'a>, DecodeError> {
        let bytes = self.bytes(what)?;
        Ok(Reader { bytes, at: 0, base: self.offset() - bytes.len() })
    }

    /// A vector `T x<V>`, read item by item up to its end. Items have at least one octet.
    ///
    /// # Errors
    /// If its length is not well formed, or an item is not.
    pub fn vec<T>(
        &mut self,
        what: &'static str,
        mut item: impl FnMut(&mut Reader<'a>) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let mut inside = self.inside(what)?;
        let mut items = Vec::new();
        while !inside.is_empty() {
            items.push(item(&mut inside)?);
        }
        Ok(items)
    }

    /// An `optional<T>`.
    ///
    /// # Errors
    /// If the presence octet is neither 0 nor 1, or the item is not well formed.
    pub fn optional<T>(
        &mut self,
        what: &'static str,
        item: impl FnOnce(&mut Reader<'a>) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        if self.bool(what)? { item(self).map(Some) } else { Ok(None) }
    }

    /// A strict URI in an `opaque x<V>` (`IdentifierUri`, `Uri` and every other name the drafts have for it).
    ///
    /// # Errors
    /// As [`Reader::bytes`], or that it is not in the strict form of its kind.
    pub fn uri<U: TryFrom<&'a [u8], Error = UriError>>(
        &mut self,
        what: &'static str,
    ) -> Result<U, DecodeError> {
        let start = self.clone();
        U::try_from(self.bytes(what)?).map_err(|error| start.error(what, Fault::Uri(error)))
    }

    /// A strict URI in an `opaque x<V>`, or nothing if that is empty.
    ///
    /// # Errors
    /// As [`Reader::uri`].
    pub fn uri_if_any<U: TryFrom<&'a [u8], Error = UriError>>(
        &mut self,
        what: &'static str,
    ) -> Result<Option<U>, DecodeError> {
        if self.rest().first() == Some(&0) {
            return self.bytes(what).map(|_| None);
        }
        self.uri(what).map(Some)
    }

    /// A vector of `uint16` codes.
    ///
    /// # Errors
    /// If its length is not well formed, or odd.
    pub fn codes(&mut self, what: &'static str) -> Result<Vec<u16>, DecodeError> {
        self.vec(what, |reader| reader.u16(what))
    }

    /// What `read` makes of the input, and the very octets it read.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn verbatim<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<(T, &'a [u8]), DecodeError> {
        let start = self.clone();
        let value = read(self)?;
        let octets = start.rest().get(..self.at.saturating_sub(start.at)).unwrap_or_default();
        Ok((value, octets))
    }

    /// A structure that the MLS engine reads, and the very octets it was read from.
    ///
    /// # Errors
    /// If the engine refuses it, or would write it in other octets: what is hashed or signed has one encoding, but the
    /// engine reads lengths in any form.
    pub fn mls<T: tls_codec::Deserialize + tls_codec::Serialize>(
        &mut self,
        what: &'static str,
    ) -> Result<(T, &'a [u8]), DecodeError> {
        let start = self.clone();
        let fault = || start.error(what, Fault::Mls);
        // Not by `DeserializeBytes`, which panics in debug builds when the input ends early.
        let mut left = start.rest();
        let value = T::tls_deserialize(&mut left).map_err(|_| fault())?;
        let length = start.rest().len().checked_sub(left.len()).ok_or_else(fault)?;
        let octets = self.take(what, length)?;
        let mut again = Vec::with_capacity(length);
        value.tls_serialize(&mut again).map_err(|_| fault())?;
        if again != octets {
            return Err(fault());
        }
        Ok((value, octets))
    }
}

/// Appends the length in front of `opaque x<V>`.
///
/// # Panics
/// If it is more than [`MAX_LENGTH`], a gibibyte.
#[expect(clippy::cast_possible_truncation, reason = "each arm knows the width")]
fn write_length(out: &mut Vec<u8>, length: usize) {
    match length {
        0..=0x3f => out.push(length as u8),
        0x40..=0x3fff => out.extend_from_slice(&(length as u16 | 0x4000).to_be_bytes()),
        0x4000..=MAX_LENGTH => out.extend_from_slice(&(length as u32 | 0x8000_0000).to_be_bytes()),
        _ => panic!("a vector of {length} octets cannot be written"),
    }
}

/// Appends an `opaque x<V>`.
///
/// # Panics
/// If it is longer than [`MAX_LENGTH`].
pub fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write_length(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// Appends a vector `T x<V>` or anything else that stands behind a length.
///
/// # Panics
/// If it is longer than [`MAX_LENGTH`].
pub fn write_within(out: &mut Vec<u8>, inside: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = Vec::new();
    inside(&mut bytes);
    write_bytes(out, &bytes);
}

/// Appends a vector `T x<V>`.
///
/// # Panics
/// If it is longer than [`MAX_LENGTH`].
pub fn write_vec<T>(out: &mut Vec<u8>, items: &[T], mut item: impl FnMut(&T, &mut Vec<u8>)) {
    write_within(out, |inside| items.iter().for_each(|it| item(it, inside)));
}

/// Appends an `optional<T>`.
pub fn write_optional<T>(
    out: &mut Vec<u8>,
    value: Option<&T>,
    item: impl FnOnce(&T, &mut Vec<u8>),
) {
    out.push(u8::from(value.is_some()));
    if let Some(value) = value {
        item(value, out);
    }
}

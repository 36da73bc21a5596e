//! How octets, texts and lines of a tree are shown.

use std::fmt::Write as _;

/// A tree that grows line by line. In front of a line stands the byte at which what it tells of begins, if it stands in
/// the bytes at all. What is read has one encoding only, so that each value's length follows from the value.
pub(crate) struct Tree<'a> {
    bytes: &'a [u8],
    text: String,
    /// Where the last value has ended.
    end: usize,
}

impl<'a> Tree<'a> {
    /// A tree of something that was read from `bytes`.
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, text: String::new(), end: 0 }
    }

    /// A line about the field `field`, whose value starts at `offset`, if it is in the bytes.
    pub(crate) fn line(&mut self, level: usize, offset: Option<usize>, field: &str, value: &str) {
        let offset = offset.map_or_else(String::new, |offset| offset.to_string());
        let indent = "  ".repeat(level);
        writeln!(self.text, "  {offset:>6}  {indent}{field}: {value}").unwrap_or_default();
    }

    /// A line about the value after the last one, of so many octets.
    pub(crate) fn next(&mut self, level: usize, octets: usize, field: &str, value: &str) {
        self.line(level, Some(self.end), field, value);
        self.end += octets;
    }

    /// A line about the number after the last value.
    pub(crate) fn number(&mut self, level: usize, field: &str, number: u64) {
        self.next(level, head(number), field, &number.to_string());
    }

    /// A line about text that was read in place.
    pub(crate) fn text(&mut self, level: usize, field: &str, text: &str) {
        self.string(level, field, text.as_bytes(), &quoted(text));
    }

    /// A line about octets that were read in place.
    pub(crate) fn octets(&mut self, level: usize, field: &str, octets: &[u8]) {
        self.string(level, field, octets, &shown(octets));
    }

    fn string(&mut self, level: usize, field: &str, octets: &[u8], value: &str) {
        let head = head(octets.len() as u64);
        self.go_to(self.offset(octets) - head);
        self.next(level, head + octets.len(), field, value);
    }

    /// The next value begins here.
    pub(crate) const fn go_to(&mut self, offset: usize) {
        self.end = offset;
    }

    /// Where some octets are that were read in place.
    pub(crate) fn offset(&self, octets: &[u8]) -> usize {
        octets.as_ptr() as usize - self.bytes.as_ptr() as usize
    }

    /// What has grown.
    pub(crate) fn finish(self) -> String {
        self.text
    }
}

/// The octets of a number, or of the head of as many octets or items (RFC 8949, section 3).
pub(crate) const fn head(number: u64) -> usize {
    match number {
        0..=23 => 1,
        24..=0xff => 2,
        0x100..=0xffff => 3,
        0x1_0000..=0xffff_ffff => 5,
        _ => 9,
    }
}

/// Text in quotes, cut if it is long.
pub(crate) fn quoted(text: &str) -> String {
    let mut characters = text.chars();
    let start: String = characters.by_ref().take(120).collect();
    match characters.count() {
        0 => format!("{start:?}"),
        more => format!("{start:?} and {more} characters more"),
    }
}

/// Octets as text if they are, else in hex; cut if they are many.
pub(crate) fn shown(octets: &[u8]) -> String {
    match std::str::from_utf8(octets) {
        Ok(text) if !octets.is_empty() && !text.contains(|c: char| c.is_control() && c != '\n') => {
            quoted(text)
        }
        _ => hex_cut(octets),
    }
}

fn hex_cut(octets: &[u8]) -> String {
    match octets.split_at_checked(64) {
        Some((start, rest)) if !rest.is_empty() => {
            format!("h'{}' and {} octets more", hex(start), rest.len())
        }
        _ => format!("h'{}'", hex(octets)),
    }
}

/// Octets in hex.
pub(crate) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

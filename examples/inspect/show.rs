//! How octets, texts and lines of a tree are shown.

use std::fmt::Write as _;

/// A tree that grows line by line.
pub(crate) struct Tree<'a> {
    bytes: &'a [u8],
    text: String,
}

impl<'a> Tree<'a> {
    /// A tree of something that was read from `bytes`.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, text: String::new() }
    }

    /// A line about the field `field`, whose value starts at `offset`, if that is known.
    pub(crate) fn line(&mut self, level: usize, offset: Option<usize>, field: &str, value: &str) {
        let offset = offset.map_or_else(String::new, |offset| offset.to_string());
        let indent = "  ".repeat(level);
        writeln!(self.text, "  {offset:>6}  {indent}{field}: {value}").unwrap_or_default();
    }

    /// A line about text that was read in place.
    pub(crate) fn text(&mut self, level: usize, field: &str, text: &str) {
        self.line(level, self.offset(text.as_bytes()), field, &quoted(text));
    }

    /// A line about octets that were read in place.
    pub(crate) fn octets(&mut self, level: usize, field: &str, octets: &[u8]) {
        self.line(level, self.offset(octets), field, &shown(octets));
    }

    /// Where some octets are, if they are in the bytes that were read.
    fn offset(&self, octets: &[u8]) -> Option<usize> {
        let offset = (octets.as_ptr() as usize).checked_sub(self.bytes.as_ptr() as usize)?;
        (!octets.is_empty() && offset < self.bytes.len()).then_some(offset)
    }

    /// What has grown.
    pub(crate) fn finish(self) -> String {
        self.text
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

//! The entries of a participant list as octets, changed in place.

use crate::{codec, policy::RoleIndex};

/// Octets of the role at the end of an entry.
const ROLE: usize = 4;

/// `UserRolePair`s one after the other, without the length in front, and where each one starts.
#[derive(Clone, Default)]
pub(super) struct Entries {
    octets: Vec<u8>,
    starts: Vec<u32>,
}

impl Entries {
    /// Entries that were read from `octets` and start at `starts`.
    pub(super) const fn read(octets: Vec<u8>, starts: Vec<u32>) -> Self {
        Self { octets, starts }
    }

    pub(super) fn octets(&self) -> &[u8] {
        &self.octets
    }

    pub(super) const fn len(&self) -> usize {
        self.starts.len()
    }

    /// Where the entry at a place starts; the end of all for any place behind them.
    fn start(&self, place: usize) -> usize {
        self.starts.get(place).map_or(self.octets.len(), |&start| start as usize)
    }

    fn entry(&self, place: u32) -> Option<&[u8]> {
        let place = place as usize;
        if place >= self.starts.len() {
            return None;
        }
        self.octets.get(self.start(place)..self.start(place + 1))
    }

    /// The URI at a place.
    pub(super) fn uri(&self, place: u32) -> Option<&[u8]> {
        let (named, _) = self.entry(place)?.split_last_chunk::<ROLE>()?;
        // The entry is well formed, so its length takes one octet, or two with the prefix 01: URIs are short.
        named.get(if named.first()? < &0x40 { 1.. } else { 2.. })
    }

    /// The role at a place.
    pub(super) fn role(&self, place: u32) -> Option<RoleIndex> {
        let (_, role) = self.entry(place)?.split_last_chunk::<ROLE>()?;
        Some(RoleIndex(u32::from_be_bytes(*role)))
    }

    /// Sets the role at a place, and gives the one before.
    pub(super) fn set_role(&mut self, place: u32, role: RoleIndex) -> Option<RoleIndex> {
        let old = self.role(place)?;
        let end = self.start(place as usize + 1);
        let (_, octets) = self.octets.get_mut(..end)?.split_last_chunk_mut::<ROLE>()?;
        *octets = role.0.to_be_bytes();
        Some(old)
    }

    /// Appends an entry and gives its place.
    pub(super) fn push(&mut self, uri: &[u8], role: RoleIndex) -> u32 {
        let place = number(self.starts.len());
        self.starts.push(number(self.octets.len()));
        codec::write_bytes(&mut self.octets, uri);
        self.octets.extend_from_slice(&role.0.to_be_bytes());
        place
    }

    /// Takes out the entries at some places, given in ascending order, and moves each run between them down at once.
    pub(super) fn remove(&mut self, removed: &[u32]) {
        let (mut kept, mut length, mut from) = (0, 0, 0);
        let all = self.starts.len();
        for gone in removed.iter().map(|&place| place as usize).chain([all]) {
            let run = self.start(from)..self.start(gone);
            let shift = number(run.start - length);
            self.starts.copy_within(from..gone, kept);
            for start in self.starts.iter_mut().skip(kept).take(gone - from) {
                *start -= shift;
            }
            kept += gone - from;
            from = gone + 1;
            let next = length + run.len();
            self.octets.copy_within(run, length);
            length = next;
        }
        self.starts.truncate(kept);
        self.octets.truncate(length);
    }
}

/// A place or an offset: vectors of the presentation language have less than 2^30 octets.
pub(super) fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

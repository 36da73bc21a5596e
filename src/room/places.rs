//! From a URI to its place in a list whose octets are kept elsewhere.

use std::hash::{DefaultHasher, Hasher};

/// An open-addressing table of places.
///
/// No `HashMap`: the table owns no keys, it renumbers places in one pass when an entry goes, and its order shows
/// nowhere. Who may add participants could choose URIs that collide, so a chain that grows too long makes the table
/// anew with another seed; URIs that collide under several seeds cannot be found in practice.
///
/// A slot is one small number, so that much of the table stays in the processor's caches, and to renumber is to run
/// over plain numbers.
#[derive(Clone, Debug)]
pub(super) struct Places {
    seed: u64,
    /// A power of two of them, at most half in use: the first bits of the hash, then a place and one more.
    slots: Vec<u32>,
    used: usize,
}

/// Nothing is here.
const FREE: u32 = 0;

/// The part of a slot that holds the place: a list has less than 2^30 octets, and an entry at least 13.
const PLACE: u32 = (1 << 27) - 1;

/// The part of a slot that is of the hash: it tells most others apart, so that their URIs are not looked at.
const TAG: u32 = !PLACE;

/// Never seen by chance in a table that is half empty.
const LONGEST_CHAIN: usize = 256;

/// Tables tried before a long chain is put up with.
const SEEDS: u64 = 8;

impl Places {
    pub(super) const fn new() -> Self {
        Self { seed: 0, slots: Vec::new(), used: 0 }
    }

    pub(super) fn with_capacity(entries: usize) -> Self {
        let mut places = Self::new();
        places.grow(entries, |_| None);
        places
    }

    /// The tag and the place at a slot; none if it is free.
    fn slot(&self, at: usize) -> Option<(u32, u32)> {
        let slot = *self.slots.get(at)?;
        Some((slot & TAG, (slot & PLACE).checked_sub(1)?))
    }

    fn set(&mut self, at: usize, tag: u32, place: u32) {
        if let Some(slot) = self.slots.get_mut(at) {
            *slot = tag | place.saturating_add(1).min(PLACE);
        }
    }

    /// The place whose URI is `uri`, `same` comparing it with the one at a place.
    pub(super) fn find(&self, uri: &[u8], same: impl Fn(u32) -> bool) -> Option<u32> {
        let hash = self.hash(uri);
        self.chain(hash)
            .map_while(|at| self.slot(at))
            .find(|&(tag, place)| tag == hash & TAG && same(place))
            .map(|(_, place)| place)
    }

    /// Adds a place, unless its URI is in the table already; tells whether it did. `uri_at` gives the URI of every
    /// place, this one too.
    pub(super) fn insert<'u>(
        &mut self,
        uri: &[u8],
        place: u32,
        uri_at: impl Fn(u32) -> Option<&'u [u8]>,
    ) -> bool {
        self.grow(self.used + 1, &uri_at);
        let hash = self.hash(uri);
        for (length, at) in self.chain(hash).enumerate() {
            match self.slot(at) {
                None => {
                    self.set(at, hash & TAG, place);
                    self.used += 1;
                    if length > LONGEST_CHAIN {
                        self.reseed(uri_at);
                    }
                    return true;
                }
                Some((tag, other)) if tag == hash & TAG && uri_at(other) == Some(uri) => {
                    return false;
                }
                Some(_) => {}
            }
        }
        false
    }

    /// Forgets some places, given in ascending order, and renumbers the others; `uri_at` still knows them all.
    pub(super) fn remove<'u>(&mut self, removed: &[u32], uri_at: impl Fn(u32) -> Option<&'u [u8]>) {
        for &place in removed {
            self.take(place, &uri_at);
        }
        match removed {
            &[only] => {
                for slot in &mut self.slots {
                    *slot -= u32::from(*slot & PLACE > only);
                }
            }
            _ => {
                for slot in self.slots.iter_mut().filter(|slot| **slot != FREE) {
                    let place = (*slot & PLACE) - 1;
                    *slot -= super::entries::number(removed.partition_point(|&gone| gone < place));
                }
            }
        }
    }

    fn hash(&self, uri: &[u8]) -> u32 {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.seed);
        hasher.write(uri);
        let hash = hasher.finish();
        (hash ^ hash >> 32) as u32
    }

    fn mask(&self) -> usize {
        self.slots.len().wrapping_sub(1)
    }

    /// The slots to look at for a hash, in order; none in an empty table.
    fn chain(&self, hash: u32) -> impl Iterator<Item = usize> + use<> {
        let mask = self.mask();
        (0..self.slots.len()).map(move |step| (hash as usize).wrapping_add(step) & mask)
    }

    /// Takes a place out and closes its chain.
    fn take<'u>(&mut self, place: u32, uri_at: impl Fn(u32) -> Option<&'u [u8]>) {
        let Some(uri) = uri_at(place) else { return };
        let found = self
            .chain(self.hash(uri))
            .find(|&at| self.slot(at).is_none_or(|(_, other)| other == place));
        let Some(mut hole) = found.filter(|&at| self.slot(at).is_some()) else { return };
        let mask = self.mask();
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let Some((tag, place)) = self.slot(at) else { break };
            // It may fill the hole if its chain starts at or before it.
            let home = uri_at(place).map_or(0, |uri| self.hash(uri)) as usize & mask;
            if at.wrapping_sub(home) & mask >= at.wrapping_sub(hole) & mask {
                self.set(hole, tag, place);
                hole = at;
            }
        }
        if let Some(last) = self.slots.get_mut(hole) {
            *last = FREE;
            self.used -= 1;
        }
    }

    fn grow<'u>(&mut self, entries: usize, uri_at: impl Fn(u32) -> Option<&'u [u8]>) {
        if entries * 2 > self.slots.len() {
            self.refill((entries * 2).next_power_of_two().max(16), uri_at);
        }
    }

    /// Makes the table anew with other seeds until no chain is too long.
    fn reseed<'u>(&mut self, uri_at: impl Fn(u32) -> Option<&'u [u8]>) {
        while self.seed < SEEDS {
            self.seed += 1;
            if self.refill(self.slots.len(), &uri_at) <= LONGEST_CHAIN {
                break;
            }
        }
    }

    /// Puts all places into so many new slots, and tells how long the longest chain is.
    fn refill<'u>(&mut self, slots: usize, uri_at: impl Fn(u32) -> Option<&'u [u8]>) -> usize {
        let old = std::mem::replace(&mut self.slots, vec![FREE; slots]);
        let mut longest = 0;
        for place in old.iter().filter_map(|slot| (slot & PLACE).checked_sub(1)) {
            let hash = uri_at(place).map_or(0, |uri| self.hash(uri));
            let free = self.chain(hash).enumerate().find(|&(_, at)| self.slot(at).is_none());
            if let Some((length, at)) = free {
                self.set(at, hash & TAG, place);
                longest = longest.max(length);
            }
        }
        longest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever keys there are, all are found where they are, also when some have gone.
    fn hold(uris: &[Vec<u8>]) -> Places {
        let at = |place: u32| uris.get(place as usize).map(Vec::as_slice);
        let mut places = Places::new();
        for (place, uri) in uris.iter().enumerate() {
            assert!(places.insert(uri, place as u32, at));
            assert!(!places.insert(uri, 9, at), "twice");
        }
        let full = places.clone();
        let removed = [0, 5, uris.len() as u32 - 1];
        places.remove(&removed, at);
        let kept: Vec<u32> = (0..uris.len() as u32).filter(|it| !removed.contains(it)).collect();
        for (place, &old) in kept.iter().enumerate() {
            let same = |it: u32| kept.get(it as usize) == Some(&old);
            assert_eq!(places.find(&uris[old as usize], same), Some(place as u32));
        }
        for gone in removed {
            let same = |it: u32| kept.get(it as usize) == Some(&gone);
            assert_eq!(places.find(&uris[gone as usize], same), None);
        }
        full
    }

    #[test]
    fn places_are_found_renumbered_and_forgotten() {
        let uris: Vec<_> = (0..3000_u32).map(|number| number.to_be_bytes().to_vec()).collect();
        assert_eq!(hold(&uris).seed, 0);
    }

    /// D-55: names chosen to collide cost one new table, not a long search for everybody.
    #[test]
    fn names_that_collide_make_the_table_anew() {
        let slots = 1023;
        let colliding: Vec<_> = (0_u64..)
            .map(|number| number.to_be_bytes().to_vec())
            .filter(|uri| Places::new().hash(uri) & slots == 7)
            .take(400)
            .collect();
        assert_ne!(hold(&colliding).seed, 0);
    }
}

//! The difference between two octet strings: a list of 100 KB in which one entry changed is saved in a few octets.

use std::{cmp::Reverse, collections::BTreeMap};

use serde::{Deserialize, Serialize};

/// Octets that are looked up in the old string at once.
const BLOCK: usize = 16;
/// Octets below which a place in the old string is taken for a coincidence: what entries of a list have in common.
const WORTH: usize = 48;
/// Places of one block in the old string that are compared: bounds the time that repetitions take.
const PLACES: usize = 16;

/// How to make a new octet string out of an old one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Patch(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Piece {
    /// These octets of the old string.
    Old { at: usize, length: usize },
    /// These ones.
    New(Vec<u8>),
}

impl Patch {
    /// The way from `old` to `new`. Takes time in proportion to both, but for a logarithm.
    pub(super) fn new(old: &[u8], new: &[u8]) -> Self {
        let prefix = common(old.iter(), new.iter());
        let (old_rest, new_rest) = (tail(old, prefix), tail(new, prefix));
        let suffix = common(old_rest.iter().rev(), new_rest.iter().rev());
        let old_middle = head(old_rest, old_rest.len() - suffix);
        let new_middle = head(new_rest, new_rest.len() - suffix);
        let mut patch = Self::default();
        patch.old(0, prefix);
        patch.middle(prefix, old_middle, new_middle);
        patch.old(old.len() - suffix, suffix);
        patch
    }

    fn middle(&mut self, base: usize, old: &[u8], mut new: &[u8]) {
        let mut blocks: BTreeMap<&[u8], Vec<usize>> = BTreeMap::new();
        for (i, block) in old.chunks_exact(BLOCK).enumerate() {
            blocks.entry(block).or_default().push(i * BLOCK);
        }
        let mut fresh = 0;
        // Where the last octets taken from the old string end: most often the next ones stand soon after.
        let mut last = 0;
        while let Some(block) = tail(new, fresh).get(..BLOCK) {
            let places = blocks.get(block).map_or(&[][..], Vec::as_slice);
            let near = places.partition_point(|at| *at < last).min(places.len().saturating_sub(1));
            let best = places
                .iter()
                .skip(near)
                .take(PLACES)
                .map(|at| (common(tail(old, *at).iter(), tail(new, fresh).iter()), *at))
                .filter(|(length, _)| *length >= WORTH)
                .max_by_key(|(length, at)| (*length, Reverse(*at)));
            match best {
                Some((length, at)) => {
                    self.fresh(head(new, fresh));
                    self.old(base + at, length);
                    new = tail(new, fresh + length);
                    last = at + length;
                    fresh = 0;
                }
                None => fresh += 1,
            }
        }
        self.fresh(new);
    }

    fn old(&mut self, at: usize, length: usize) {
        if length > 0 {
            self.0.push(Piece::Old { at, length });
        }
    }

    fn fresh(&mut self, octets: &[u8]) {
        if !octets.is_empty() {
            self.0.push(Piece::New(octets.to_vec()));
        }
    }

    /// The new string; `None` if the patch is not one of `old`, or makes more than `limit` octets of it.
    pub(super) fn apply(&self, old: &[u8], limit: usize) -> Option<Vec<u8>> {
        let mut new = Vec::new();
        for piece in &self.0 {
            let octets = match piece {
                Piece::Old { at, length } => old.get(*at..at.checked_add(*length)?)?,
                Piece::New(octets) => octets,
            };
            if octets.len() > limit.saturating_sub(new.len()) {
                return None;
            }
            new.extend_from_slice(octets);
        }
        Some(new)
    }
}

fn common<'a>(a: impl Iterator<Item = &'a u8>, b: impl Iterator<Item = &'a u8>) -> usize {
    a.zip(b).take_while(|(a, b)| a == b).count()
}

fn head(octets: &[u8], length: usize) -> &[u8] {
    octets.get(..length).unwrap_or_default()
}

fn tail(octets: &[u8], from: usize) -> &[u8] {
    octets.get(from..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_that_go_and_come_cost_little() {
        let entry = |i: u32| format!("mimi://provider-{}.example/u/user-{i};role", i % 7);
        let old: String = (0..3000).map(entry).collect();
        let new: String = (0..3001).filter(|i| *i != 17 && *i != 2000).map(entry).collect();
        let patch = Patch::new(old.as_bytes(), new.as_bytes());
        assert_eq!(patch.apply(old.as_bytes(), usize::MAX).as_deref(), Some(new.as_bytes()));
        assert!(postcard::to_allocvec(&patch).unwrap().len() < 100);
    }

    proptest::proptest! {
        #[test]
        fn applies_to_what_it_was_made_of(
            old in proptest::collection::vec(0..3_u8, 0..200),
            new in proptest::collection::vec(0..3_u8, 0..200),
        ) {
            let patch = Patch::new(&old, &new);
            proptest::prop_assert_eq!(patch.apply(&old, new.len()), Some(new.clone()));
            if !new.is_empty() {
                proptest::prop_assert_eq!(patch.apply(&old, new.len() - 1), None);
            }
        }
    }
}

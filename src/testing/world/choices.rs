//! Where all choices come from: a seed, or the octets of a fuzzer.

/// A source of choices. The same source gives the same choices.
pub trait Choices {
    /// The next 64 bits.
    fn next(&mut self) -> u64;

    /// A number below `bound`; 0 if that is 0.
    fn below(&mut self, bound: usize) -> usize {
        let bound = bound.max(1) as u64;
        usize::try_from(self.next() % bound).unwrap_or(0)
    }

    /// True in one of `times` cases.
    fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

/// Choices from a seed: SplitMix64.
#[derive(Clone, Debug)]
pub struct Seed(pub u64);

impl Choices for Seed {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

/// Choices from octets, one octet each; zeros when they run out.
#[derive(Clone, Debug)]
pub struct Octets<'a>(pub &'a [u8]);

impl Octets<'_> {
    /// Whether there are any left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Choices for Octets<'_> {
    fn next(&mut self) -> u64 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        u64::from(*first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_source_gives_the_same_choices() {
        let draw = |mut from: Seed| (0..8).map(|_| from.below(100)).collect::<Vec<_>>();
        assert_eq!(draw(Seed(1)), draw(Seed(1)));
        assert_ne!(draw(Seed(1)), draw(Seed(2)));
        let mut octets = Octets(&[7, 250]);
        assert_eq!((octets.below(5), octets.below(100), octets.below(9)), (2, 50, 0));
        assert!(octets.is_empty());
        assert_eq!(octets.below(0), 0);
    }
}

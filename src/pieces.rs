//! Large values in content-defined pieces, so that a small edit of a large value is a small write.
//!
//! A value is cut where a rolling hash of its own octets says so; an edit therefore moves only the cuts near it. Each
//! piece is a record of its own at a position, a `u64` with gaps; the value is its pieces in the order of their
//! positions, and no record lists them. Changed pieces are overwritten and surplus ones deleted, never appended: what
//! was deleted from the value is gone from the records with the same save, which forward secrecy asks for.

use std::collections::BTreeMap;

/// Values up to this many octets are one piece.
const WHOLE: usize = 1024;
/// No cut before this many octets of a piece.
const MIN: usize = 128;
/// A cut at the latest after this many.
const MAX: usize = 1024;
/// A cut at the latest after so many of the same octet in a row, and no sooner: a sparse array changes in single
/// places far from each other, and the hash sees no difference between them.
const RUN: usize = 64;
/// A cut where these bits of the hash are zero: one octet in 512.
const MASK: u64 = 0x01FF << 48;
/// The distance between neighbours where there is room for it.
const STEP: u64 = 1 << 32;
/// Where the first piece of a new value stands: room on both sides.
const FIRST: u64 = 1 << 63;

/// One random number an octet value, fixed for ever: another table would rewrite every value once.
const GEAR: [u64; 256] = {
    let mut table = [0; 256];
    let mut state: u64 = 0x6f70_656e_6d69_6d69;
    let mut at = 0;
    while at < table.len() {
        // SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        table[at] = word ^ (word >> 31);
        at += 1;
    }
    table
};

/// Octets of the first piece of `bytes`.
fn first_cut(bytes: &[u8]) -> usize {
    let mut hash: u64 = 0;
    let (mut run, mut last) = (0, None);
    // 64 octets of warming make the hash independent of where the piece started.
    for (at, &octet) in bytes.iter().enumerate().take(MAX).skip(MIN - 64) {
        hash = (hash << 1).wrapping_add(GEAR[usize::from(octet)]);
        run = if last == Some(octet) { run + 1 } else { 1 };
        last = Some(octet);
        if at >= MIN && (hash & MASK == 0 || run >= RUN) {
            return at;
        }
    }
    bytes.len().min(MAX)
}

/// A value and where its pieces stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pieces {
    bytes: Vec<u8>,
    /// Position and length of each, in order.
    layout: Vec<(u64, usize)>,
}

/// What to write to turn the records of one value into those of another: `None` deletes the piece at a position.
pub(crate) type Writes = BTreeMap<u64, Option<Vec<u8>>>;

impl Pieces {
    /// The whole value.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Appends the next piece of a stored value. Positions have to ascend.
    pub(crate) fn push(&mut self, position: u64, piece: &[u8]) {
        self.layout.push((position, piece.len()));
        self.bytes.extend_from_slice(piece);
    }

    /// The positions of all pieces.
    pub(crate) fn positions(&self) -> impl Iterator<Item = u64> {
        self.layout.iter().map(|&(position, _)| position)
    }

    /// The pieces with their positions.
    fn pieces(&self) -> Vec<(u64, &[u8])> {
        let mut rest = self.bytes.as_slice();
        self.layout
            .iter()
            .map(|&(position, length)| {
                let (piece, left) = rest.split_at(length.min(rest.len()));
                rest = left;
                (position, piece)
            })
            .collect()
    }

    /// The lengths of the pieces of `bytes`. They do not depend on this value; but where it has the same octets as far
    /// from its start or from its end, it tells where the cut is.
    fn cut(&self, bytes: &[u8]) -> Vec<usize> {
        // An empty value is one empty piece: it is there.
        if bytes.len() <= WHOLE {
            return vec![bytes.len()];
        }
        let starts = self.layout.iter().scan(0, |end, &(_, length)| {
            let start = *end;
            *end += length;
            Some((start, length))
        });
        let starts: Vec<(usize, usize)> = starts.filter(|it| (1..=MAX).contains(&it.1)).collect();
        let known = |start: usize, rest: &[u8]| {
            let place = starts.binary_search_by_key(&start, |it| it.0).ok()?;
            let &(_, length) = starts.get(place)?;
            // A cut depends on the piece before it and on the octet behind it.
            rest.starts_with(self.bytes.get(start..start + length + 1)?).then_some(length)
        };
        let mut lengths = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let length = known(bytes.len() - rest.len(), rest)
                .or_else(|| known(self.bytes.len().checked_sub(rest.len())?, rest))
                .unwrap_or_else(|| first_cut(rest));
            lengths.push(length);
            rest = rest.get(length..).unwrap_or_default();
        }
        lengths
    }

    /// The pieces of `bytes`, keeping as many of this value's as can be, and what to write.
    pub(crate) fn replaced(&self, bytes: Vec<u8>) -> (Self, Writes) {
        let old = self.pieces();
        let mut rest = bytes.as_slice();
        let new: Vec<&[u8]> = self
            .cut(&bytes)
            .into_iter()
            .map(|length| {
                let (piece, left) = rest.split_at(length);
                rest = left;
                piece
            })
            .collect();
        let kept = matched(&old, &new);
        let mut writes = Writes::new();
        let positions = positioned(&old, &kept).unwrap_or_else(|| renumbered(new.len()));
        let before: BTreeMap<u64, &[u8]> = old.iter().copied().collect();
        for (&position, &piece) in positions.iter().zip(&new) {
            if before.get(&position) != Some(&piece) {
                writes.insert(position, Some(piece.to_vec()));
            }
        }
        let after: std::collections::BTreeSet<u64> = positions.iter().copied().collect();
        writes.extend(old.iter().filter(|(p, _)| !after.contains(p)).map(|&(p, _)| (p, None)));
        let layout = positions.into_iter().zip(new.iter().map(|piece| piece.len())).collect();
        (Self { bytes, layout }, writes)
    }
}

/// For each new piece, the old one of the same octets that it keeps; ascending.
fn matched(old: &[(u64, &[u8])], new: &[&[u8]]) -> Vec<Option<usize>> {
    let head = old.iter().zip(new).take_while(|((_, a), b)| a == *b).count();
    let room = old.len().min(new.len()) - head;
    let tail =
        old.iter().rev().zip(new.iter().rev()).take(room).take_while(|((_, a), b)| a == *b).count();
    let middle = aligned(
        old.get(head..old.len() - tail).unwrap_or_default(),
        new.get(head..new.len() - tail).unwrap_or_default(),
    );
    (0..head)
        .map(Some)
        .chain(middle.into_iter().map(|place| place.map(|place| place + head)))
        .chain((old.len() - tail..old.len()).map(Some))
        .collect()
}

/// How many old pieces of the same octets one new piece is tried against.
const CANDIDATES: usize = 8;

/// As [`matched`], for lists that agree in neither their first nor their last piece: a longest common subsequence.
///
/// An epoch change moves what was current among what is past, so that a piece often has twins in two places: taking
/// the first one would cost all between them.
fn aligned(old: &[(u64, &[u8])], new: &[&[u8]]) -> Vec<Option<usize>> {
    let mut places: BTreeMap<&[u8], Vec<usize>> = BTreeMap::new();
    for (at, (_, piece)) in old.iter().enumerate() {
        places.entry(piece).or_default().push(at);
    }
    // A chain of matches, last first: the old piece, the new one, and the chain before.
    let mut chains: Vec<(usize, usize, Option<usize>)> = Vec::new();
    // By length less one, the chain of that length that ends earliest.
    let mut ends: Vec<usize> = Vec::new();
    let mut seen: BTreeMap<&[u8], usize> = BTreeMap::new();
    for (at, piece) in new.iter().enumerate() {
        let Some(places) = places.get(piece) else { continue };
        // Of many twins, those about as far along as this piece is.
        let nth = seen.entry(piece).or_default();
        let first = nth.saturating_sub(CANDIDATES / 2).min(places.len().saturating_sub(CANDIDATES));
        *nth += 1;
        // Later places first: two of one piece must not follow each other.
        for &place in places.iter().skip(first).take(CANDIDATES).rev() {
            let longer = ends.partition_point(|&end| chains.get(end).is_some_and(|c| c.0 < place));
            let before = longer.checked_sub(1).and_then(|shorter| ends.get(shorter)).copied();
            chains.push((place, at, before));
            let end = chains.len() - 1;
            match ends.get_mut(longer) {
                Some(slot) => *slot = end,
                None => ends.push(end),
            }
        }
    }
    let mut kept = vec![None; new.len()];
    let mut chain = ends.last().copied();
    while let Some(&(place, at, before)) = chain.and_then(|end| chains.get(end)) {
        if let Some(slot) = kept.get_mut(at) {
            *slot = Some(place);
        }
        chain = before;
    }
    kept
}

/// Positions of the new pieces: that of the old one it keeps; for the others first those of old pieces that nobody
/// keeps, then new ones in the gap. `None` if a gap is too small.
fn positioned(old: &[(u64, &[u8])], kept: &[Option<usize>]) -> Option<Vec<u64>> {
    let mut positions = Vec::with_capacity(kept.len());
    let mut at = 0;
    // The first old piece that is still free to be overwritten.
    let mut free = 0;
    while let Some(keeps) = kept.get(at) {
        if let &Some(place) = keeps {
            positions.push(old.get(place)?.0);
            free = place + 1;
            at += 1;
            continue;
        }
        let run = kept.iter().skip(at).take_while(|keeps| keeps.is_none()).count();
        let end = kept.get(at + run).copied().flatten();
        let spare: Vec<u64> =
            old.get(free..end.unwrap_or(old.len()))?.iter().map(|&(p, _)| p).take(run).collect();
        let low = spare.last().or(positions.last()).copied();
        let high = end.and_then(|place| old.get(place)).map(|&(position, _)| position);
        let more = u64::try_from(run - spare.len()).ok()?;
        positions.extend(spare);
        positions.extend(between(low, high, more)?);
        at += run;
    }
    Some(positions)
}

/// `count` positions between two taken ones, or `None` if they do not fit.
fn between(low: Option<u64>, high: Option<u64>, count: u64) -> Option<Vec<u64>> {
    let (start, step) = match (low, high) {
        (None, None) => (FIRST, STEP),
        (Some(low), None) => (low.checked_add(STEP)?, STEP),
        (None, Some(high)) => (high.checked_sub(STEP.checked_mul(count)?)?, STEP),
        (Some(low), Some(high)) => {
            let step = high.checked_sub(low)? / count.checked_add(1)?;
            (low.checked_add(step)?, step)
        }
    };
    if step == 0 {
        return None;
    }
    (0..count).map(|n| start.checked_add(step.checked_mul(n)?)).collect()
}

/// Positions for a value that is written anew.
fn renumbered(count: usize) -> Vec<u64> {
    (0u64..).map(|n| FIRST + n * STEP).take(count).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The lengths of the pieces of a value that was nothing before.
    fn cut(bytes: &[u8]) -> Vec<usize> {
        Pieces::default().cut(bytes)
    }

    /// A store of the pieces of one value.
    #[derive(Default)]
    struct Stored {
        records: BTreeMap<u64, Vec<u8>>,
        value: Pieces,
    }

    impl Stored {
        /// Replaces the value; gives the octets written.
        fn replace(&mut self, bytes: &[u8]) -> usize {
            let (value, writes) = self.value.replaced(bytes.to_vec());
            let mut octets = 0;
            for (position, piece) in writes {
                match piece {
                    Some(piece) => {
                        octets += piece.len() + 8;
                        self.records.insert(position, piece);
                    }
                    None => {
                        octets += 8;
                        self.records.remove(&position).expect("deletes only what is there");
                    }
                }
            }
            self.value = value;
            octets
        }

        fn restored(&self) -> Pieces {
            let mut value = Pieces::default();
            self.records.iter().for_each(|(&position, piece)| value.push(position, piece));
            value
        }
    }

    fn noise(seed: u64, length: usize) -> Vec<u8> {
        let mut state = seed;
        std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040);
            (state >> 33) as u8
        })
        .take(length)
        .collect()
    }

    #[derive(Clone, Debug)]
    enum Edit {
        Insert(prop::sample::Index, Vec<u8>),
        Delete(prop::sample::Index, usize),
        Overwrite(prop::sample::Index, Vec<u8>),
        Empty,
    }

    fn edit() -> impl Strategy<Value = Edit> {
        let some = prop::collection::vec(any::<u8>(), 1..3000);
        prop_oneof![
            (any::<prop::sample::Index>(), some.clone()).prop_map(|(at, x)| Edit::Insert(at, x)),
            (any::<prop::sample::Index>(), 1usize..5000).prop_map(|(at, n)| Edit::Delete(at, n)),
            (any::<prop::sample::Index>(), some).prop_map(|(at, x)| Edit::Overwrite(at, x)),
            Just(Edit::Empty),
        ]
    }

    fn apply(edit: &Edit, value: &mut Vec<u8>) {
        match edit {
            Edit::Insert(at, octets) => {
                let at = at.index(value.len() + 1);
                value.splice(at..at, octets.iter().copied());
            }
            Edit::Delete(at, count) => {
                let at = at.index(value.len() + 1);
                value.drain(at..value.len().min(at + count));
            }
            Edit::Overwrite(at, octets) => {
                let at = at.index(value.len() + 1);
                let end = value.len().min(at + octets.len());
                value.splice(at..end, octets.iter().copied());
            }
            Edit::Empty => value.clear(),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_edits_restore_exactly(
            seed: u64,
            length in 0usize..20_000,
            edits in prop::collection::vec(edit(), 1..20),
        ) {
            let mut value = noise(seed, length);
            let mut stored = Stored::default();
            stored.replace(&value);
            for edit in edits {
                apply(&edit, &mut value);
                stored.replace(&value);
                let restored = stored.restored();
                prop_assert_eq!(restored.bytes(), value.as_slice());
                // What is restored goes on as what lived: same layout, same next writes.
                prop_assert_eq!(&restored, &stored.value);
                prop_assert!(restored.positions().is_sorted());
            }
        }
    }

    #[test]
    fn a_small_edit_of_a_large_value_is_a_small_write() {
        let mut value = noise(1, 300_000);
        let mut stored = Stored::default();
        assert!(stored.replace(&value) >= value.len());
        assert_eq!(stored.replace(&value), 0, "the same value is no write");
        value[150_000] ^= 1;
        assert!(stored.replace(&value) <= 3 * MAX);
        value.splice(70_000..70_000, [1, 2, 3]);
        assert!(stored.replace(&value) <= 3 * MAX);
        value.drain(10..500);
        assert!(stored.replace(&value) <= 4 * MAX);
    }

    #[test]
    fn what_moves_past_its_twin_is_a_small_write() {
        // An epoch change: past and current share most of their octets; the current becomes the past.
        let (context, leaves) = (noise(1, 40_000), noise(2, 100_000));
        let epoch = |n: u8| [[n; 700].as_slice(), &context].concat();
        let value = |n: u8| [epoch(n), leaves.clone(), epoch(n + 1)].concat();
        let mut stored = Stored::default();
        stored.replace(&value(1));
        assert!(stored.replace(&value(2)) <= 10 * MAX);
    }

    #[test]
    fn an_edit_in_a_run_of_equal_octets_is_a_small_write() {
        let mut value = vec![0; 100_000];
        let mut stored = Stored::default();
        stored.replace(&value);
        value[50_000] = 1;
        assert!(stored.replace(&value) <= 3 * MAX);
    }

    #[test]
    fn a_few_entries_of_a_sparse_array_are_a_small_write() {
        // The secrets on the way to one leaf of a thousand, in an array that is empty but for them.
        let mut value = vec![0; 4096];
        let mut stored = Stored::default();
        stored.replace(&value);
        for (n, at) in
            [1, 3, 7, 15, 31, 63, 127, 255, 511, 1023, 2048, 3072].iter().rev().enumerate()
        {
            let secret = noise(n as u64, 33);
            value.splice(*at..*at + 1, secret);
        }
        let octets = stored.replace(&value);
        assert!(octets < 3000, "{octets}");
    }

    #[test]
    fn what_is_deleted_from_the_value_is_gone_from_the_records() {
        let secret = noise(7, 32);
        let mut value = noise(3, 50_000);
        value.splice(20_000..20_000, secret.iter().copied());
        let mut stored = Stored::default();
        stored.replace(&value);
        value[20_000..20_032].fill(0);
        stored.replace(&value);
        for piece in stored.records.values() {
            assert!(!piece.windows(16).any(|window| secret.windows(16).any(|s| s == window)));
        }
    }

    #[test]
    fn a_full_gap_is_renumbered() {
        let mut stored = Stored::default();
        let mut value = noise(9, 10_000);
        stored.replace(&value);
        for n in 0..200 {
            value.splice(5_000..5_000, noise(n, 700));
            stored.replace(&value);
            assert_eq!(stored.restored().bytes(), value.as_slice());
        }
    }

    #[test]
    fn cuts_do_not_depend_on_what_the_value_was() {
        let value = noise(1, 4000);
        let (old, _) = Pieces::default().replaced(value.clone());
        for at in 0..=value.len() {
            // Something else from here on, which may be right behind a cut or behind the end; and up to here.
            for other in [[&value[..at], &noise(2, 2000)], [&noise(3, 2000), &value[at..]]] {
                let other = other.concat();
                assert_eq!(old.cut(&other), cut(&other), "{at}");
            }
        }
    }

    #[test]
    fn cuts_are_fixed() {
        // Another table or mask would rewrite every client's records once: not by accident.
        assert_eq!(cut(&noise(1, 4000)), [499, 361, 912, 289, 829, 161, 224, 725]);
        assert_eq!(cut(&[]), [0]);
        assert_eq!(cut(&[5; 1024]), [1024]);
    }
}

//! Tables whose entries are remembered for a time: claims of KeyPackages, and joiners.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    env::Timestamp,
    uri::{Domain, UserUri},
};

/// A KeyPackage that passed through this hub for this room, to route the Welcome that follows (P-010, P-050, P-092).
/// It is remembered until a Welcome names it or its lifetime ends (P-093).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claim {
    /// The provider that handed it out.
    pub(super) provider: Domain,
    /// The SHA-256 of the response it came in: the same response may pass through again, if it got lost behind the hub.
    pub(super) response: [u8; 32],
}

/// Somebody who was given the GroupInfo, to know the external commit that follows (P-182).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Joiner {
    /// Whose client it is, by the credential in the request.
    pub(super) user: UserUri,
    /// The name of the joining code that is bound to its key.
    pub(super) code: Option<Vec<u8>>,
}

/// A GroupInfo request that was answered, to know it when it comes again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Asked {
    /// When it came first.
    pub(super) at: Timestamp,
}

/// Entries by name, each until its time is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expiring<T> {
    entries: BTreeMap<Vec<u8>, (T, Timestamp)>,
    by_time: BTreeSet<(Timestamp, Vec<u8>)>,
}

impl<T> Default for Expiring<T> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), by_time: BTreeSet::new() }
    }
}

impl<T> Expiring<T> {
    pub(super) fn insert(&mut self, name: Vec<u8>, value: T, until: Timestamp) {
        self.remove(&name);
        self.by_time.insert((until, name.clone()));
        self.entries.insert(name, (value, until));
    }

    pub(super) fn remove(&mut self, name: &[u8]) {
        if let Some((_, until)) = self.entries.remove(name) {
            self.by_time.remove(&(until, name.to_vec()));
        }
    }

    /// The entry of a name, if there is still time.
    pub(super) fn find(&self, name: &[u8], now: Timestamp) -> Option<&T> {
        self.entries.get(name).filter(|(_, until)| now < *until).map(|(value, _)| value)
    }

    /// All entries, those with the least time left first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Vec<u8>, &T)> {
        let value = |name| self.entries.get(name).map(|(value, _)| (name, value));
        self.by_time.iter().filter_map(move |(_, name)| value(name))
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The names whose time is over.
    pub(super) fn expired(&self, now: Timestamp) -> impl Iterator<Item = &Vec<u8>> {
        self.by_time.iter().take_while(move |(until, _)| *until <= now).map(|(_, name)| name)
    }

    /// How many entries have a name that begins so, and still time.
    pub(super) fn count(&self, beginning: &[u8], now: Timestamp) -> usize {
        let from = self.entries.range(beginning.to_vec()..);
        let named = from.take_while(|(name, _)| name.starts_with(beginning));
        named.filter(|(_, (_, until))| now < *until).count()
    }

    /// The names to forget for so many more to have room: those with the least time left.
    pub(super) fn surplus(&self, limit: usize, more: usize) -> impl Iterator<Item = &Vec<u8>> {
        let excess = self.len().saturating_add(more).saturating_sub(limit);
        self.by_time.iter().take(excess).map(|(_, name)| name)
    }

    /// The first time after `after` that an entry's is over.
    pub(super) fn next_expiry(&self, after: Timestamp) -> Option<Timestamp> {
        self.by_time.range((after.plus(1), Vec::new())..).next().map(|(until, _)| *until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_found_until_their_time_and_the_least_lasting_go_first() {
        let mut table = Expiring::default();
        table.insert(vec![1], "one", Timestamp(30));
        table.insert(vec![2], "two", Timestamp(20));
        assert_eq!(table.find(&[2], Timestamp(19)), Some(&"two"));
        assert_eq!(table.find(&[2], Timestamp(20)), None);
        assert_eq!(table.surplus(3, 1).count(), 0);
        assert_eq!(table.count(&[2], Timestamp(19)), 1);
        assert_eq!(table.count(&[2], Timestamp(20)), 0);
        assert_eq!(table.count(&[], Timestamp(0)), 2);
        assert_eq!(
            table.surplus(2, 1).collect::<Vec<_>>(),
            [&vec![2]],
            "a third one pushes out the one with least time"
        );
        assert_eq!(table.expired(Timestamp(40)).collect::<Vec<_>>(), [&vec![2], &vec![1]]);
        assert_eq!(table.next_expiry(Timestamp(0)), Some(Timestamp(20)));
        assert_eq!(table.next_expiry(Timestamp(20)), Some(Timestamp(30)));
        table.insert(vec![2], "later", Timestamp(50));
        assert_eq!(
            table.expired(Timestamp(40)).collect::<Vec<_>>(),
            [&vec![1]],
            "an entry has one time"
        );
        table.remove(&[1]);
        table.remove(&[2]);
        assert_eq!((table.len(), table.next_expiry(Timestamp(0))), (0, None));
    }
}

//! What every store has to do. Run [`store_conformance`] in a test of your own store.

use std::collections::BTreeMap;

use super::{MemoryStore, SaveError};
use crate::{
    env::Timestamp,
    machine::{Changes, Key, Records, Revision},
};

/// A store as the suite sees it.
pub trait StoreUnderTest {
    /// Saves the changes of one machine in one transaction, if it is still at `changes.base`.
    ///
    /// # Errors
    /// [`SaveError::Stale`] if it is not.
    fn save(&mut self, machine: &[u8], changes: &Changes) -> Result<(), SaveError>;

    /// All records of a machine but its bodies; `None` if it was never saved.
    fn load(&self, machine: &[u8]) -> Option<Records>;

    /// One record, a body for instance.
    fn read(&self, machine: &[u8], key: &Key) -> Option<Vec<u8>>;

    /// The machines whose wake time has come, in any order.
    fn due(&self, now: Timestamp) -> Vec<Vec<u8>>;

    /// Closes and opens the store again, as a restart of the process does.
    fn reopen(&mut self) {}
}

impl StoreUnderTest for MemoryStore {
    fn save(&mut self, machine: &[u8], changes: &Changes) -> Result<(), SaveError> {
        Self::save(self, machine, changes)
    }

    fn load(&self, machine: &[u8]) -> Option<Records> {
        Self::load(self, machine)
    }

    fn read(&self, machine: &[u8], key: &Key) -> Option<Vec<u8>> {
        Self::read(self, machine, key).map(<[u8]>::to_vec)
    }

    fn due(&self, now: Timestamp) -> Vec<Vec<u8>> {
        Self::due(self, now)
    }
}

fn changes(base: u64, writes: &[(Key, Option<&[u8]>)], wake_at: Option<Timestamp>) -> Changes {
    Changes {
        base: Revision(base),
        next: Revision(base + 1),
        writes: writes
            .iter()
            .map(|(key, value)| (key.clone(), value.map(<[u8]>::to_vec)))
            .collect(),
        wake_at,
    }
}

fn records(revision: u64, values: &[(Key, &[u8])]) -> Option<Records> {
    let values: BTreeMap<_, _> =
        values.iter().map(|(key, value)| (key.clone(), value.to_vec())).collect();
    Some(Records { revision: Revision(revision), values })
}

/// Checks a store, which has to be empty.
///
/// # Panics
/// If the store does not do what the machines rely on; the message says what.
pub fn store_conformance<S: StoreUnderTest>(store: &mut S) {
    let key = Key::new;
    let body = key(Key::BODIES).u64(7);

    assert_eq!(store.load(b"one"), None, "a machine never saved is not there");
    let first = changes(
        0,
        &[(key(1), Some(b"a")), (key(2).u64(9), Some(b"")), (body.clone(), Some(b"body"))],
        None,
    );
    assert_eq!(store.save(b"one", &first), Ok(()), "the first save is based on revision 0");
    store.reopen();
    let loaded = records(1, &[(key(1), b"a"), (key(2).u64(9), b"")]);
    assert_eq!(
        store.load(b"one"),
        loaded,
        "all records but bodies are loaded, an empty value among them"
    );
    assert_eq!(
        store.read(b"one", &body).as_deref(),
        Some(&b"body"[..]),
        "a body is read by its key"
    );
    assert_eq!(store.read(b"one", &key(3)), None, "a record never written is not there");

    let stale = SaveError::Stale { found: Revision(1) };
    assert_eq!(store.save(b"one", &first), Err(stale), "a second founding loses");
    let early = changes(2, &[(key(1), Some(b"early"))], None);
    assert_eq!(
        store.save(b"one", &early),
        Err(stale),
        "a save on a revision that is not there yet loses"
    );
    assert_eq!(store.load(b"one"), loaded, "a save that lost wrote nothing");

    let second =
        changes(1, &[(key(1), Some(b"b")), (key(2).u64(9), None), (body.clone(), None)], None);
    assert_eq!(store.save(b"one", &second), Ok(()), "a save on the stored revision lands");
    store.reopen();
    assert_eq!(
        store.load(b"one"),
        records(2, &[(key(1), b"b")]),
        "values are overwritten, `None` deletes"
    );
    assert_eq!(store.read(b"one", &body), None, "a body is deleted like any record");
    assert_eq!(
        store.save(b"one", &second),
        Err(SaveError::Stale { found: Revision(2) }),
        "the same save lands once"
    );

    let neighbour = changes(0, &[(key(1), Some(b"other"))], Some(Timestamp(50)));
    assert_eq!(
        store.save(b"one\0", &neighbour),
        Ok(()),
        "a machine whose ID starts like another's is its own"
    );
    assert_eq!(
        store.load(b"one"),
        records(2, &[(key(1), b"b")]),
        "ranges of machines do not overlap"
    );
    assert_eq!(
        store.load(b"one\0"),
        records(1, &[(key(1), b"other")]),
        "ranges of machines do not overlap"
    );

    assert_eq!(store.due(Timestamp(49)), Vec::<Vec<u8>>::new(), "nobody is woken early");
    assert_eq!(store.due(Timestamp(50)), vec![b"one\0".to_vec()], "a machine is woken at its time");
    assert_eq!(
        store.save(b"one\0", &changes(1, &[], None)),
        Ok(()),
        "a save without writes still moves on"
    );
    store.reopen();
    assert_eq!(
        store.due(Timestamp(u64::MAX)),
        Vec::<Vec<u8>>::new(),
        "a wake time goes with the next save"
    );
    assert_eq!(
        store.load(b"one\0"),
        records(2, &[(key(1), b"other")]),
        "records stay where nothing is written"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_store_conforms() {
        store_conformance(&mut MemoryStore::new());
    }

    /// A store with one fault each, which the suite has to find.
    struct Faulty {
        inner: MemoryStore,
        fault: Fault,
    }

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Fault {
        NoCompareAndSwap,
        KeepsDeleted,
        DropsEmpty,
        LoadsBodies,
        WakesEarly,
        PrefixRange,
    }

    impl StoreUnderTest for Faulty {
        fn save(&mut self, machine: &[u8], changes: &Changes) -> Result<(), SaveError> {
            let mut changes = changes.clone();
            match self.fault {
                Fault::NoCompareAndSwap => changes.base = self.inner.revision(machine),
                Fault::KeepsDeleted => changes.writes.retain(|_, value| value.is_some()),
                Fault::DropsEmpty => changes
                    .writes
                    .retain(|_, value| value.as_ref().is_none_or(|value| !value.is_empty())),
                Fault::WakesEarly => {
                    changes.wake_at = changes.wake_at.map(|at| Timestamp(at.0 - 1))
                }
                Fault::LoadsBodies | Fault::PrefixRange => {}
            }
            self.inner.save(machine, &changes)
        }

        fn load(&self, machine: &[u8]) -> Option<Records> {
            let mut records = self.inner.load(machine)?;
            if self.fault == Fault::LoadsBodies {
                let body = Key::new(Key::BODIES).u64(7);
                records
                    .values
                    .extend(self.inner.read(machine, &body).map(|value| (body, value.to_vec())));
            }
            if self.fault == Fault::PrefixRange && machine == b"one" {
                records.values.extend(
                    self.inner.load(b"one\0").map(|other| other.values).unwrap_or_default(),
                );
            }
            Some(records)
        }

        fn read(&self, machine: &[u8], key: &Key) -> Option<Vec<u8>> {
            self.inner.read(machine, key).map(<[u8]>::to_vec)
        }

        fn due(&self, now: Timestamp) -> Vec<Vec<u8>> {
            self.inner.due(now)
        }
    }

    #[test]
    fn the_suite_finds_each_fault() {
        use Fault::{
            DropsEmpty, KeepsDeleted, LoadsBodies, NoCompareAndSwap, PrefixRange, WakesEarly,
        };
        for fault in
            [NoCompareAndSwap, KeepsDeleted, DropsEmpty, LoadsBodies, WakesEarly, PrefixRange]
        {
            let found = std::panic::catch_unwind(|| {
                store_conformance(&mut Faulty { inner: MemoryStore::new(), fault });
            });
            assert!(found.is_err(), "{fault:?} went unnoticed");
        }
    }
}

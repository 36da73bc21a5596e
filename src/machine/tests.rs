//! The laws of the shape, on the smallest machine that has one: a counter.

use super::*;
use crate::testing::{Fate, MemoryStore, SaveError};

const ID: &[u8] = b"counter";
const VALUE: u8 = 1;

#[derive(Debug, PartialEq, Eq)]
struct Counter {
    revision: Revision,
    value: u64,
    undone: u32,
}

impl Counter {
    fn found(value: u64) -> Founding<Self, ()> {
        let changes = change(Revision::NONE, value);
        let machine = Self { revision: changes.next, value, undone: 0 };
        Founding::new(machine, changes, Outcome { reply: (), actions: vec!["founded"] })
    }

    fn restore(records: &Records) -> Self {
        let value = records
            .single(VALUE)
            .and_then(|bytes| bytes.try_into().ok())
            .map_or(0, u64::from_be_bytes);
        Self { revision: records.revision, value, undone: 0 }
    }

    fn add(&mut self, more: u64) -> Result<Step<'_, Self, u64>, Revision> {
        let sum = self.value.checked_add(more).ok_or(self.revision)?;
        let changes = change(self.revision, sum);
        Ok(Step::new(self, sum, changes, Outcome { reply: sum, actions: vec!["tell"] }))
    }
}

fn change(base: Revision, value: u64) -> Changes {
    let writes = BTreeMap::from([(Key::new(VALUE), Some(value.to_be_bytes().to_vec()))]);
    Changes { base, next: base.next(), writes, wake_at: None }
}

impl sealed::Machine for Counter {
    type Staged = u64;

    fn settle(&mut self, staged: u64) {
        self.value = staged;
        self.revision = self.revision.next();
    }

    fn undo(&mut self) {
        self.undone += 1;
    }
}

impl Machine for Counter {
    type Action = &'static str;
}

fn founded(store: &mut MemoryStore) -> Counter {
    let founding = Counter::found(1);
    store.save(ID, founding.changes()).expect("an empty store takes it");
    founding.apply().0
}

#[test]
fn law_1_drop_is_rollback() {
    let mut store = MemoryStore::new();
    let mut counter = founded(&mut store);
    drop(counter.add(5).expect("in range"));
    assert_eq!((counter.value, counter.revision, counter.undone), (1, Revision(1), 1));
    drop(Counter::found(9));
    assert_eq!(store.revision(b"other"), Revision::NONE);
}

#[test]
fn law_1_an_early_return_between_check_and_save_is_rollback() {
    fn serve(counter: &mut Counter, store: &mut MemoryStore) -> Result<u64, SaveError> {
        let step = counter.add(5).expect("in range");
        store.save(ID, step.changes())?;
        Ok(step.apply().reply)
    }
    let mut store = MemoryStore::new();
    let mut counter = founded(&mut store);
    store.set_fate(Fate::Fails);
    assert_eq!(serve(&mut counter, &mut store), Err(SaveError::Failed));
    assert_eq!((counter.value, counter.undone), (1, 1));
    assert_eq!(serve(&mut counter, &mut store), Ok(6));
    assert_eq!(counter.undone, 1, "an applied step is not undone when it is consumed");
}

#[test]
fn law_2_and_3_apply_releases_what_was_decided() {
    let mut counter = Counter::found(1).apply().0;
    let step = counter.add(5).expect("in range");
    assert!(!format!("{step:?}").contains("tell"), "not even Debug shows an action early");
    assert_eq!(step.apply(), Outcome { reply: 6, actions: vec!["tell"] });
    assert_eq!(counter.value, 6);
}

#[test]
fn law_4_of_two_owners_the_second_save_loses() {
    let mut store = MemoryStore::new();
    let mut first = founded(&mut store);
    let mut second = Counter::restore(&store.load(ID).expect("saved"));
    let step = first.add(5).expect("in range");
    store.save(ID, step.changes()).expect("the faster one lands");
    let _ = step.apply();
    let late = second.add(7).expect("in range");
    assert_eq!(store.save(ID, late.changes()), Err(SaveError::Stale { found: Revision(2) }));
    drop(late);
    assert_eq!(Counter::restore(&store.load(ID).expect("saved")), Counter { undone: 0, ..first });
}

#[test]
fn law_4_a_refusal_names_the_revision_it_was_judged_at() {
    let mut counter = Counter::found(1).apply().0;
    assert_eq!(counter.add(u64::MAX).expect_err("out of range"), Revision(1));
    assert_eq!(counter.undone, 0);
}

#[test]
fn law_5_unknown_outcome_is_settled_by_a_restore() {
    for (fate, value) in [(Fate::LandsUnknown, 6), (Fate::LostUnknown, 1)] {
        let mut store = MemoryStore::new();
        let mut counter = founded(&mut store);
        store.set_fate(fate);
        let step = counter.add(5).expect("in range");
        assert_eq!(store.save(ID, step.changes()), Err(SaveError::Unknown));
        drop(step);
        assert_eq!(Counter::restore(&store.load(ID).expect("saved")).value, value);
    }
}

#[test]
fn law_8_restored_equals_live() {
    let mut store = MemoryStore::new();
    let mut counter = founded(&mut store);
    for more in 0..10 {
        let step = counter.add(more).expect("in range");
        store.save(ID, step.changes()).expect("one owner");
        let _ = step.apply();
        assert_eq!(Counter::restore(&store.load(ID).expect("saved")), counter);
    }
}

#[test]
fn a_step_can_be_held_across_an_await() {
    fn send<T: Send>(_: &T) {}
    let mut counter = Counter::found(1).apply().0;
    send(&counter.add(1).expect("in range"));
}

#[test]
fn keys_sort_by_kind_then_by_number() {
    let keys = [
        Key::new(1),
        Key::new(1).u64(2),
        Key::new(1).u64(256),
        Key::new(2),
        Key::new(2).bytes(b"a"),
    ];
    assert!(keys.is_sorted());
    assert_eq!(format!("{:?}", Key::new(0xE0).u64(1)), "e0/0000000000000001");
    assert!(Key::new(0xE0).is_body() && !Key::new(0xDF).is_body());
}

#[test]
fn records_of_one_kind_are_a_range() {
    let mut records = Records::default();
    let writes = [(1, 0), (2, 1), (2, 2), (255, 3)]
        .map(|(kind, n)| (Key::new(kind).u64(n), Some(vec![kind])));
    let changes = Changes { next: Revision(1), writes: writes.into(), ..Changes::default() };
    assert!(records.save(&changes));
    assert!(!records.save(&changes), "based on another revision by now");
    assert_eq!(records.kind(2).count(), 2);
    assert_eq!(records.kind(255).count(), 0, "bodies are not kept among the records of a restore");
}

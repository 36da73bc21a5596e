//! Where machines live: in memory, and in the store that they are restored from. This is the place of your database.

use std::{collections::BTreeMap, fmt::Display};

use openmimi::{
    env::Limits,
    machine::{Founding, Machine, Outcome, Records, Step},
};

use super::shared::crash::{Disk, Halt};

/// All machines of one kind, by name: the rooms of a hub, the rooms that are followed, the users.
///
/// In memory there are all of them here. Any one may be left out and restored when it is needed: memory is a cache.
pub struct Shelf<M> {
    kind: &'static str,
    restore: fn(&Records, &Limits) -> M,
    machines: BTreeMap<String, M>,
}

impl<M: Machine> Shelf<M> {
    pub const fn new(kind: &'static str, restore: fn(&Records, &Limits) -> M) -> Self {
        Self { kind, restore, machines: BTreeMap::new() }
    }

    /// The name under which the store has a machine.
    pub fn id(&self, name: impl Display) -> String {
        format!("{} {name}", self.kind)
    }

    pub fn get(&self, name: &str) -> Option<&M> {
        self.machines.get(name)
    }

    pub fn iter(&self) -> impl Iterator<Item = &M> {
        self.machines.values()
    }

    /// Restores every machine of this kind: at the start, and after a crash.
    pub fn open(&mut self, disk: &Disk, limits: &Limits) {
        let (kind, restore) = (self.kind, self.restore);
        let named = disk.store.machines().filter_map(|id| {
            let name = std::str::from_utf8(id).ok()?.strip_prefix(kind)?.strip_prefix(' ')?;
            let records = disk.store.load(id)?;
            Some((name.to_owned(), restore(&records, limits)))
        });
        self.machines = named.collect();
    }

    /// Saves a machine that comes into being, then applies.
    pub fn found<R>(
        &mut self,
        disk: &mut Disk,
        limits: &Limits,
        name: &str,
        founding: Founding<M, R>,
    ) -> Result<Outcome<R, M::Action>, Halt<()>> {
        let restore = |records: &Records| (self.restore)(records, limits);
        match disk.found(&format!("{} {name}", self.kind), founding, restore) {
            (Some(machine), Some(outcome)) => {
                self.machines.insert(name.into(), machine);
                Ok(outcome)
            }
            (Some(_) | None, _) => Err(Halt::Crashed),
        }
    }

    /// Checks, saves, applies: only then is there anything to answer or to do.
    pub fn step<R, E>(
        &mut self,
        disk: &mut Disk,
        limits: &Limits,
        name: &str,
        call: impl for<'a> FnOnce(&'a mut M) -> Result<Step<'a, M, R>, E>,
    ) -> Result<Outcome<R, M::Action>, Halt<E>> {
        let machine = self.machines.get_mut(name).expect("whoever steps a machine has seen it");
        let restore = |records: &Records| (self.restore)(records, limits);
        disk.step(&format!("{} {name}", self.kind), machine, restore, call)
    }

    /// Deletes a machine with all its records.
    pub fn forget(&mut self, disk: &mut Disk, name: &str) {
        disk.store.forget(self.id(name).as_bytes());
        self.machines.remove(name);
    }
}

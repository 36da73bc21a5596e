//! Crashes at chosen points: before, during and after each save, and before what a step asks for is done.

use std::{cell::RefCell, rc::Rc};

use openmimi::{
    machine::{Founding, Machine, Outcome, Records, Step},
    testing::{Fate, MemoryStore, SaveError},
};

/// Where around a save the process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// Before anything is written.
    BeforeSave,
    /// In the save: it did not land, which nobody knows.
    SaveLost,
    /// In the save: it landed, which nobody knows.
    SaveLanded,
    /// After the save, before the step is applied.
    NotApplied,
    /// After the step is applied, before its reply and actions are sent.
    NotSent,
}

impl Crash {
    pub const ALL: [Self; 5] =
        [Self::BeforeSave, Self::SaveLost, Self::SaveLanded, Self::NotApplied, Self::NotSent];
}

/// At which saves of a scene to crash.
#[derive(Clone, Copy, Debug, Default)]
pub enum Schedule {
    /// At none.
    #[default]
    Never,
    /// At this one.
    Once(usize, Crash),
    /// At every other one, in one way or another, as the seed has it.
    Often(u64),
}

/// Counts the saves of a scene, and lets crashes come as scheduled.
#[derive(Debug, Default)]
pub struct Plan {
    pub saves: usize,
    pub schedule: Schedule,
    /// Crashes so far, in all scenes.
    pub crashed: usize,
}

impl Plan {
    fn next(&mut self) -> Option<Crash> {
        let here = self.saves;
        self.saves += 1;
        let crash = match self.schedule {
            Schedule::Never => None,
            Schedule::Once(at, crash) => (at == here).then_some(crash),
            Schedule::Often(seed) => {
                let mut choice = Choice(seed ^ (self.crashed as u64) << 32 ^ (here as u64) << 16);
                Crash::ALL.get(choice.below(2 * Crash::ALL.len())).copied()
            }
        }?;
        self.crashed += 1;
        Some(crash)
    }
}

/// SplitMix64: the same choices for the same seed.
pub struct Choice(pub u64);

impl Choice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("below a usize")
    }

    /// One of so many saves, and how to crash there.
    pub fn point(&mut self, saves: usize) -> (usize, Crash) {
        (self.below(saves), Crash::ALL[self.below(Crash::ALL.len())])
    }
}

/// The disk of one process, and the fate of what is written to it.
#[derive(Clone, Debug)]
pub struct Disk {
    pub store: MemoryStore,
    pub plan: Rc<RefCell<Plan>>,
}

/// Why a call came to nothing.
#[derive(Debug)]
pub enum Halt<E> {
    /// The process died and has been started again.
    Crashed,
    /// The machine refuses.
    Refused(E),
}

impl Disk {
    pub fn new(plan: &Rc<RefCell<Plan>>) -> Self {
        Self { store: MemoryStore::new(), plan: Rc::clone(plan) }
    }

    /// Check, save, apply: with a crash if one is due, after which the machine is the restored one.
    pub fn step<M: Machine, R, E>(
        &mut self,
        id: &str,
        machine: &mut M,
        restore: impl FnOnce(&Records) -> M,
        call: impl for<'a> FnOnce(&'a mut M) -> Result<Step<'a, M, R>, E>,
    ) -> Result<Outcome<R, M::Action>, Halt<E>> {
        let step = call(machine).map_err(Halt::Refused)?;
        if step.changes().is_empty() {
            return Ok(step.apply());
        }
        let crash = self.plan.borrow_mut().next();
        if self.save(id, step.changes(), crash).is_err() || crash == Some(Crash::NotApplied) {
            drop(step);
            *machine = restore(&self.records(id));
            return Err(Halt::Crashed);
        }
        let outcome = step.apply();
        if crash == Some(Crash::NotSent) {
            *machine = restore(&self.records(id));
            return Err(Halt::Crashed);
        }
        Ok(outcome)
    }

    /// The same for a machine that comes into being; after a crash it is there if its save landed.
    pub fn found<M: Machine, R>(
        &mut self,
        id: &str,
        founding: Founding<M, R>,
        restore: impl FnOnce(&Records) -> M,
    ) -> (Option<M>, Option<Outcome<R, M::Action>>) {
        let crash = self.plan.borrow_mut().next();
        let saved = self.save(id, founding.changes(), crash);
        if saved.is_err() || matches!(crash, Some(Crash::NotApplied | Crash::NotSent)) {
            return (self.store.load(id.as_bytes()).map(|records| restore(&records)), None);
        }
        let (machine, outcome) = founding.apply();
        (Some(machine), Some(outcome))
    }

    fn save(
        &mut self,
        id: &str,
        changes: &openmimi::machine::Changes,
        crash: Option<Crash>,
    ) -> Result<(), SaveError> {
        self.store.set_fate(match crash {
            Some(Crash::BeforeSave) => Fate::Fails,
            Some(Crash::SaveLost) => Fate::LostUnknown,
            Some(Crash::SaveLanded) => Fate::LandsUnknown,
            Some(Crash::NotApplied | Crash::NotSent) | None => Fate::Lands,
        });
        self.store.save(id.as_bytes(), changes)
    }

    pub fn records(&self, id: &str) -> Records {
        self.store.load(id.as_bytes()).expect("a machine that steps was saved when it was founded")
    }
}

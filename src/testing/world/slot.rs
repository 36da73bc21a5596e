//! One machine as its owners hold it, and the loop around a step: check, save, apply, with whatever goes wrong.

use super::{
    luck::{Luck, Save},
    report::{Invariant, Tally},
};
use crate::{
    client,
    env::Limits,
    error::RestoreError,
    follower, hub,
    machine::{Changes, Founding, Machine, Outcome, Records, Revision, Step},
    provider,
    testing::{Fate, MemoryStore, SaveError},
};

/// A machine that can be dropped and restored.
pub(super) trait Kept: Machine + Sized {
    fn restored(records: &Records, limits: &Limits) -> Result<Self, RestoreError>;
    fn revision(&self) -> Revision;
    /// All that its answers rest on.
    fn picture(&self) -> String;
}

impl Kept for hub::Room {
    fn restored(records: &Records, limits: &Limits) -> Result<Self, RestoreError> {
        Self::restore(records, limits)
    }

    fn revision(&self) -> Revision {
        self.revision()
    }

    fn picture(&self) -> String {
        // The audience is a cache, and the last field.
        let picture = format!("{self:?}");
        picture.rsplit_once(", audience: ").map_or(picture.clone(), |(start, _)| start.to_owned())
    }
}

impl Kept for follower::Room {
    fn restored(records: &Records, limits: &Limits) -> Result<Self, RestoreError> {
        Self::restore(records, limits.clone())
    }

    fn revision(&self) -> Revision {
        self.revision()
    }

    fn picture(&self) -> String {
        format!("{self:?}")
    }
}

impl Kept for provider::User {
    fn restored(records: &Records, limits: &Limits) -> Result<Self, RestoreError> {
        Self::restore(records, limits.clone(), policy())
    }

    fn revision(&self) -> Revision {
        self.revision()
    }

    fn picture(&self) -> String {
        format!("{self:?}")
    }
}

impl Kept for client::Device {
    fn restored(records: &Records, limits: &Limits) -> Result<Self, RestoreError> {
        Self::restore(records, limits)
    }

    fn revision(&self) -> Revision {
        self.revision()
    }

    fn picture(&self) -> String {
        format!("{self:?}")
    }
}

impl Kept for client::Room {
    fn restored(records: &Records, limits: &Limits) -> Result<Self, RestoreError> {
        Self::restore(records, limits)
    }

    fn revision(&self) -> Revision {
        self.revision()
    }

    fn picture(&self) -> String {
        format!(
            "{:?} {} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {}",
            self.revision(),
            self.epoch(),
            self.group_context(),
            self.epoch_authenticator(),
            self.committed(),
            self.effective(),
            self.events().collect::<Vec<_>>(),
            self.outbox().collect::<Vec<_>>(),
            self.forgets(),
            self.is_member(),
        )
    }
}

/// What all providers of a world choose for their users.
pub(super) fn policy() -> provider::Policy {
    provider::Policy { low_water: 1, ..provider::Policy::default() }
}

/// A machine in the memory of up to two processes; what is stored counts.
#[derive(Debug)]
pub(super) struct Slot<M> {
    owners: [Option<M>; 2],
}

impl<M> Default for Slot<M> {
    fn default() -> Self {
        Self { owners: [None, None] }
    }
}

/// Why a call came to nothing.
#[derive(Debug)]
pub(super) enum Halt<E> {
    /// The process died, or what became of the save is not known: there is no answer.
    Crashed,
    /// The machine refuses.
    Refused(E),
}

/// What a call came to.
#[derive(Debug)]
pub(super) struct Done<R, A, E> {
    pub(super) result: Result<Outcome<R, A>, Halt<E>>,
    /// What was saved, whether or not anybody knows.
    pub(super) landed: Option<Changes>,
    /// An invariant that the machine broke.
    pub(super) broken: Option<(Invariant, String)>,
}

impl<R, A, E> Done<R, A, E> {
    /// What whoever has asked is told: nothing after a crash.
    pub(super) fn told(self) -> Option<Result<Outcome<R, A>, E>> {
        match self.result {
            Ok(outcome) => Some(Ok(outcome)),
            Err(Halt::Crashed) => None,
            Err(Halt::Refused(refusal)) => Some(Err(refusal)),
        }
    }
}

/// What stands around the machines of one node.
pub(super) struct Shelf<'a> {
    pub(super) store: &'a mut MemoryStore,
    pub(super) limits: &'a Limits,
    pub(super) luck: &'a mut Luck,
    pub(super) tally: &'a mut Tally,
    /// A driver that is wrong on purpose: it sends before it saves.
    pub(super) sends_first: bool,
}

impl<M: Kept> Slot<M> {
    pub(super) fn new(machine: M) -> Self {
        Self { owners: [Some(machine), None] }
    }

    /// The machine is dropped from memory.
    pub(super) fn evict(&mut self) {
        self.owners = [None, None];
    }

    /// The second process reads what is stored now, and keeps it.
    pub(super) fn wake_twin(&mut self, id: &str, store: &MemoryStore, limits: &Limits) {
        let records = store.load(id.as_bytes());
        self.owners[1] = records.and_then(|records| M::restored(&records, limits).ok());
    }

    /// The machine as it is stored.
    pub(super) fn current(
        &mut self,
        id: &str,
        store: &MemoryStore,
        limits: &Limits,
    ) -> Option<&mut M> {
        let stored = store.revision(id.as_bytes());
        let fresh = self.owners[0].as_ref().is_some_and(|machine| machine.revision() == stored);
        if !fresh {
            let records = store.load(id.as_bytes())?;
            self.owners[0] = M::restored(&records, limits).ok();
        }
        self.owners[0].as_mut()
    }

    /// Check, save, apply. A second owner may be the one who does it: its save loses if it is behind, its refusals and
    /// empty answers are looked at again, as the crate's documentation asks.
    pub(super) fn step<R, E>(
        &mut self,
        shelf: Shelf<'_>,
        id: &str,
        call: impl for<'a> Fn(&'a mut M) -> Result<Step<'a, M, R>, E>,
    ) -> Done<R, M::Action, E> {
        let key = id.as_bytes();
        let owner = usize::from(self.owners[1].is_some() && shelf.luck.one_in(2));
        let mut done = Done { result: Err(Halt::Crashed), landed: None, broken: None };
        'again: for _ in 0..3 {
            let machine = match self.owners[owner].take() {
                Some(machine) => Some(machine),
                None => match shelf.store.load(key).map(|it| M::restored(&it, shelf.limits)) {
                    Some(Ok(machine)) => {
                        shelf.tally.restores += 1;
                        Some(machine)
                    }
                    // Nobody answers for a room that is over but its tombstone.
                    Some(Err(RestoreError::Over)) => return done,
                    Some(Err(error)) => {
                        done.broken = Some((Invariant::RestoredEqualsLive, error.to_string()));
                        return done;
                    }
                    None => None,
                },
            };
            let Some(mut machine) = machine else { return done };
            let refusal = 'refused: {
                let step = match call(&mut machine) {
                    Ok(step) => step,
                    Err(refusal) => break 'refused refusal,
                };
                if step.changes().is_empty() {
                    if step.changes().base != shelf.store.revision(key) {
                        shelf.tally.fault("stale owner");
                        continue 'again;
                    }
                    done.result = Ok(step.apply());
                    self.owners[owner] = Some(machine);
                    return done;
                }
                let fate = shelf.luck.save();
                let changes = step.changes().clone();
                shelf.tally.saves += 1;
                match save(shelf.store, key, &changes, fate) {
                    Err(SaveError::Stale { .. }) => {
                        shelf.tally.fault("compare-and-swap lost");
                        continue 'again;
                    }
                    Err(SaveError::Failed) if shelf.luck.one_in(2) && !shelf.sends_first => {
                        // Dropping the step is enough.
                        shelf.tally.fault("save failed");
                        drop(step);
                        self.owners[owner] = Some(machine);
                        return done;
                    }
                    Err(SaveError::Failed | SaveError::Unknown) => {
                        let landed = fate == Save::Unknown;
                        shelf.tally.fault(if landed {
                            "save landed, unknown"
                        } else {
                            "save lost"
                        });
                        done.landed = landed.then_some(changes);
                        if shelf.sends_first {
                            done.result = Ok(step.apply());
                        }
                        return done;
                    }
                    Ok(()) => {}
                }
                done.landed = Some(changes);
                if fate == Save::NotApplied {
                    shelf.tally.fault("crash before apply");
                    drop(step);
                    return done;
                }
                let outcome = step.apply();
                if shelf.luck.is_good() || shelf.luck.one_in(8) {
                    done.broken = differs(&machine, key, shelf.store, shelf.limits);
                    shelf.tally.checks += 1;
                }
                if fate == Save::NotSent {
                    shelf.tally.fault("crash before sending");
                    return done;
                }
                self.owners[owner] = Some(machine);
                done.result = Ok(outcome);
                return done;
            };
            if machine.revision() != shelf.store.revision(key) {
                shelf.tally.fault("stale owner");
                continue 'again;
            }
            self.owners[owner] = Some(machine);
            done.result = Err(Halt::Refused(refusal));
            return done;
        }
        done
    }
}

/// Law 8: what is restored equals what is live.
fn differs<M: Kept>(
    machine: &M,
    key: &[u8],
    store: &MemoryStore,
    limits: &Limits,
) -> Option<(Invariant, String)> {
    let broken = |what: String| Some((Invariant::RestoredEqualsLive, what));
    let records = store.load(key)?;
    match M::restored(&records, limits) {
        Ok(restored) => {
            let (live, stored) = (machine.picture(), restored.picture());
            if live == stored { None } else { broken(first_difference(&live, &stored)) }
        }
        Err(RestoreError::Over) => None,
        Err(error) => broken(error.to_string()),
    }
}

fn first_difference(live: &str, stored: &str) -> String {
    let same = live.bytes().zip(stored.bytes()).take_while(|(a, b)| a == b).count();
    let near = |text: &str| {
        let around = text.bytes().skip(same.saturating_sub(80)).take(240).collect::<Vec<u8>>();
        String::from_utf8_lossy(&around).into_owned()
    };
    format!("live …{}… restored …{}…", near(live), near(stored))
}

fn save(
    store: &mut MemoryStore,
    key: &[u8],
    changes: &Changes,
    fate: Save,
) -> Result<(), SaveError> {
    store.set_fate(match fate {
        Save::Fails => Fate::Fails,
        Save::Lost => Fate::LostUnknown,
        Save::Unknown => Fate::LandsUnknown,
        Save::Lands | Save::NotApplied | Save::NotSent => Fate::Lands,
    });
    let saved = store.save(key, changes);
    store.set_fate(Fate::Lands);
    saved
}

/// What a founding came to: the machine with its outcome if all went well, and whether it was saved.
pub(super) struct Founded<M, R, A> {
    pub(super) outcome: Option<Outcome<R, A>>,
    pub(super) slot: Option<Slot<M>>,
}

/// Saves a machine that comes into being. It is there if the save landed, whether or not anybody knows.
pub(super) fn found<M: Kept, R>(
    shelf: Shelf<'_>,
    id: &str,
    founding: Founding<M, R>,
) -> Founded<M, R, M::Action> {
    let key = id.as_bytes();
    let fate = shelf.luck.save();
    shelf.tally.saves += 1;
    let saved = save(shelf.store, key, founding.changes(), fate);
    if saved.is_err() || matches!(fate, Save::NotApplied | Save::NotSent) {
        shelf.tally.fault("crash while founding");
        let landed = shelf.store.revision(key) != Revision::NONE;
        return Founded { outcome: None, slot: landed.then(Slot::default) };
    }
    let (machine, outcome) = founding.apply();
    Founded { outcome: Some(outcome), slot: Some(Slot::new(machine)) }
}

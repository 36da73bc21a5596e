//! An in-memory store with compare-and-swap, whose saves can be made to fail.

use std::collections::BTreeMap;

use crate::{
    env::Timestamp,
    machine::{Changes, Key, Records, Revision},
};

/// Why a save did not return well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SaveError {
    /// Storage holds another revision than [`Changes::base`]: another owner was faster. Nothing was written.
    /// Drop the step, restore the machine, decide again.
    #[error("storage holds {found:?}, not the revision the changes are based on")]
    Stale {
        /// What storage holds.
        found: Revision,
    },
    /// Nothing was written. Dropping the step is enough.
    #[error("the save failed before anything was written")]
    Failed,
    /// The save may have landed. Drop the machine and restore it.
    #[error("it is unknown whether the save landed")]
    Unknown,
}

/// What becomes of the next save.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fate {
    /// It lands, and the caller is told.
    #[default]
    Lands,
    /// It fails before anything is written.
    Fails,
    /// It lands, but the caller is told that the outcome is unknown.
    LandsUnknown,
    /// It is lost, and the caller is told that the outcome is unknown.
    LostUnknown,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Stored {
    revision: Revision,
    values: BTreeMap<Key, Vec<u8>>,
    wake_at: Option<Timestamp>,
}

/// Records of many machines, by the ID that the caller gives each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryStore {
    machines: BTreeMap<Vec<u8>, Stored>,
    fate: Fate,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Decides what becomes of the next save; the ones after it land.
    pub fn set_fate(&mut self, fate: Fate) {
        self.fate = fate;
    }

    /// Saves the changes of one machine in one transaction.
    ///
    /// # Errors
    /// [`SaveError::Stale`] if another revision is stored, or what [`MemoryStore::set_fate`] asked for.
    pub fn save(&mut self, machine: &[u8], changes: &Changes) -> Result<(), SaveError> {
        let found = self.revision(machine);
        if found != changes.base {
            return Err(SaveError::Stale { found });
        }
        let fate = std::mem::take(&mut self.fate);
        match fate {
            Fate::Fails => return Err(SaveError::Failed),
            Fate::LostUnknown => return Err(SaveError::Unknown),
            Fate::Lands | Fate::LandsUnknown => {}
        }
        let stored = self.machines.entry(machine.to_vec()).or_default();
        stored.revision = changes.next;
        stored.wake_at = changes.wake_at;
        for (key, value) in &changes.writes {
            match value {
                Some(value) => stored.values.insert(key.clone(), value.clone()),
                None => stored.values.remove(key),
            };
        }
        if fate == Fate::LandsUnknown { Err(SaveError::Unknown) } else { Ok(()) }
    }

    /// What is stored of a machine, its bodies left out; `None` if it was never saved.
    #[must_use]
    pub fn load(&self, machine: &[u8]) -> Option<Records> {
        let stored = self.machines.get(machine)?;
        let values = stored.values.iter().filter(|(key, _)| !key.is_body());
        Some(Records {
            revision: stored.revision,
            values: values.map(|(key, value)| (key.clone(), value.clone())).collect(),
        })
    }

    /// One record, a body for instance.
    #[must_use]
    pub fn read(&self, machine: &[u8], key: &Key) -> Option<&[u8]> {
        self.machines.get(machine)?.values.get(key).map(Vec::as_slice)
    }

    /// The revision of a machine.
    #[must_use]
    pub fn revision(&self, machine: &[u8]) -> Revision {
        self.machines.get(machine).map_or(Revision::NONE, |stored| stored.revision)
    }

    /// The machines whose `timeout` is due.
    #[must_use]
    pub fn due(&self, now: Timestamp) -> Vec<Vec<u8>> {
        let due = |stored: &Stored| stored.wake_at.is_some_and(|at| at <= now);
        self.machines
            .iter()
            .filter(|(_, stored)| due(stored))
            .map(|(machine, _)| machine.clone())
            .collect()
    }

    /// The IDs of all machines, in order.
    pub fn machines(&self) -> impl Iterator<Item = &[u8]> {
        self.machines.keys().map(Vec::as_slice)
    }

    /// Forgets a machine.
    pub fn forget(&mut self, machine: &[u8]) {
        self.machines.remove(machine);
    }

    /// How many records of a machine are stored, bodies among them.
    #[must_use]
    pub fn record_count(&self, machine: &[u8]) -> usize {
        self.machines.get(machine).map_or(0, |stored| stored.values.len())
    }
}

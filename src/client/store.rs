//! The store that openmls writes to: the records last saved, and over them what the open step has written.
//!
//! openmls changes a group in memory and writes what changed at once. Here those writes only gather in an overlay:
//! [`Store::delta`] gives them as records, [`Store::keep`] makes them the new base, [`Store::discard`] forgets them,
//! after which the group is loaded again from the base. Reads see the overlay first, since openmls reads back in
//! mid-operation what it has just written.
//!
//! Values are postcard, except for one constant record: `MlsGroupJoinConfig` holds an untagged enum, which only a
//! self-describing format can read, so that one is JSON. Values are cut into [`Pieces`].

use std::{cell::RefCell, collections::BTreeMap};

use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;

use crate::{
    error::RestoreError,
    machine::{Key, Records},
    pieces::Pieces,
};

/// A record that openmls cannot have: our records are damaged, or its formats have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum StoreError {
    /// It cannot be written in the format of records.
    #[error("a value of MLS state does not encode")]
    Encode,
    /// It cannot be read.
    #[error("a record of MLS state does not decode")]
    Decode,
}

/// Which value of a group a record holds. The codes are part of the record format.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(super) enum Value {
    JoinConfig = 1,
    OwnLeafNode = 2,
    Proposal = 3,
    Tree = 4,
    InterimTranscriptHash = 5,
    Context = 6,
    ConfirmationTag = 7,
    GroupState = 8,
    MessageSecrets = 9,
    ResumptionPsks = 10,
    OwnLeafIndex = 11,
    EpochSecrets = 12,
    ExportTree = 13,
    SignatureKeyPair = 14,
    EncryptionKeyPair = 15,
    EpochKeyPairs = 16,
    KeyPackage = 17,
    Psk = 18,
    /// Not of openmls: the franks that were seen lately, which change in the same places with every message.
    Witness = 19,
}

/// The name of a value: its code, then what tells it from others of its code.
pub(super) type Name = Vec<u8>;

pub(super) fn name(value: Value) -> Name {
    vec![value as u8]
}

pub(super) fn named(value: Value, field: &impl Serialize) -> Result<Name, StoreError> {
    postcard::to_extend(field, name(value)).map_err(|_| StoreError::Encode)
}

fn numbered(value: Value, number: u64) -> Name {
    let mut name = name(value);
    name.extend_from_slice(&number.to_be_bytes());
    name
}

pub(super) fn encode(value: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    postcard::to_stdvec(value).map_err(|_| StoreError::Encode)
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    postcard::from_bytes(bytes).map_err(|_| StoreError::Decode)
}

/// What the open step did to a value.
#[derive(Debug)]
enum Written {
    /// Written, and not yet compared with what is saved.
    Bytes(Vec<u8>),
    /// Written, and cut into pieces for the save.
    Cut(Pieces),
    /// Deleted.
    Gone,
}

/// The MLS state of one group: saved, and as the open step sees it.
#[derive(Debug, Default)]
pub(super) struct Store {
    base: BTreeMap<Name, Pieces>,
    overlay: RefCell<BTreeMap<Name, Written>>,
}

impl Store {
    /// The kind of the records that hold MLS state. Their key goes on with the value's name and, in the last eight
    /// octets, the position of the piece.
    pub(super) const KIND: u8 = 0x40;

    fn key(name: &[u8], position: u64) -> Key {
        Key::new(Self::KIND).bytes(name).u64(position)
    }

    /// The state that records hold.
    pub(super) fn restore(records: &Records) -> Result<Self, RestoreError> {
        let mut base = BTreeMap::<Name, Pieces>::new();
        for (key, piece) in records.kind(Self::KIND) {
            let (name, position) =
                key.fields().split_last_chunk().ok_or(RestoreError::Corrupt("MLS state"))?;
            base.entry(name.to_vec()).or_default().push(u64::from_be_bytes(*position), piece);
        }
        Ok(Self { base, overlay: RefCell::default() })
    }

    /// Whether the open step has written anything.
    pub(super) fn is_touched(&self) -> bool {
        !self.overlay.borrow().is_empty()
    }

    /// What the open step writes, in records. Values that are as they were saved are not among them.
    pub(super) fn delta(&mut self) -> BTreeMap<Key, Option<Vec<u8>>> {
        let mut writes = BTreeMap::new();
        let base = &self.base;
        self.overlay.get_mut().retain(|name, written| {
            let none = Pieces::default();
            let saved = base.get(name);
            match written {
                Written::Bytes(bytes) => {
                    if saved.is_some_and(|saved| saved.bytes() == bytes.as_slice()) {
                        return false;
                    }
                    let (pieces, changed) = saved.unwrap_or(&none).replaced(std::mem::take(bytes));
                    writes.extend(
                        changed.into_iter().map(|(at, piece)| (Self::key(name, at), piece)),
                    );
                    *written = Written::Cut(pieces);
                    true
                }
                Written::Cut(_) => true,
                Written::Gone => {
                    let Some(saved) = saved else { return false };
                    writes.extend(saved.positions().map(|at| (Self::key(name, at), None)));
                    true
                }
            }
        });
        writes
    }

    /// Deletes all that is saved.
    pub(super) fn erasure(&self) -> BTreeMap<Key, Option<Vec<u8>>> {
        self.base
            .iter()
            .flat_map(|(name, pieces)| pieces.positions().map(|at| (Self::key(name, at), None)))
            .collect()
    }

    /// Makes what the step wrote the saved state.
    pub(super) fn keep(&mut self) {
        for (name, written) in std::mem::take(self.overlay.get_mut()) {
            match written {
                Written::Cut(pieces) => self.base.insert(name, pieces),
                Written::Bytes(bytes) => {
                    let pieces =
                        self.base.get(&name).unwrap_or(&Pieces::default()).replaced(bytes).0;
                    self.base.insert(name, pieces)
                }
                Written::Gone => self.base.remove(&name),
            };
        }
    }

    /// Forgets what the step wrote.
    pub(super) fn discard(&mut self) {
        self.overlay.get_mut().clear();
    }

    /// The saved state.
    #[cfg(test)]
    pub(super) fn base(&self) -> &BTreeMap<Name, Pieces> {
        &self.base
    }

    /// Octets of the saved state.
    #[cfg(test)]
    pub(super) fn octets(&self) -> usize {
        self.base.values().map(|pieces| pieces.bytes().len()).sum()
    }

    pub(super) fn write(&self, name: Name, bytes: Vec<u8>) {
        self.overlay.borrow_mut().insert(name, Written::Bytes(bytes));
    }

    pub(super) fn put(&self, name: Name, value: &impl Serialize) -> Result<(), StoreError> {
        self.write(name, encode(value)?);
        Ok(())
    }

    pub(super) fn delete(&self, name: Name) -> Result<(), StoreError> {
        let mut overlay = self.overlay.borrow_mut();
        if self.base.contains_key(&name) {
            overlay.insert(name, Written::Gone);
        } else {
            overlay.remove(&name);
        }
        Ok(())
    }

    pub(super) fn read<T>(
        &self,
        name: &[u8],
        read: impl FnOnce(&[u8]) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        match self.overlay.borrow().get(name) {
            Some(Written::Bytes(bytes)) => read(bytes).map(Some),
            Some(Written::Cut(pieces)) => read(pieces.bytes()).map(Some),
            Some(Written::Gone) => Ok(None),
            None => self.base.get(name).map(|pieces| read(pieces.bytes())).transpose(),
        }
    }

    pub(super) fn get<T: DeserializeOwned>(&self, name: &[u8]) -> Result<Option<T>, StoreError> {
        self.read(name, decode)
    }

    /// The names of all values with one code, in order.
    pub(super) fn names(&self, value: Value) -> Vec<Name> {
        let mine = |name: &&Name| name.first() == Some(&(value as u8));
        let overlay = self.overlay.borrow();
        let mut names: Vec<Name> = self
            .base
            .keys()
            .filter(mine)
            .filter(|name| !overlay.contains_key(*name))
            .chain(
                overlay
                    .iter()
                    .filter(|(_, w)| !matches!(w, Written::Gone))
                    .map(|(n, _)| n)
                    .filter(mine),
            )
            .cloned()
            .collect();
        names.sort_unstable();
        names
    }

    /// The name for one more value in a list.
    pub(super) fn next(&self, value: Value) -> Name {
        let last = self.names(value).pop();
        let number = last
            .as_deref()
            .and_then(|name| name.split_last_chunk())
            .map_or(0, |(_, number)| u64::from_be_bytes(*number).wrapping_add(1));
        numbered(value, number)
    }

    pub(super) fn list<T: DeserializeOwned>(&self, value: Value) -> Result<Vec<T>, StoreError> {
        self.names(value).iter().filter_map(|name| self.get(name).transpose()).collect()
    }

    pub(super) fn clear(&self, value: Value) -> Result<(), StoreError> {
        self.names(value).into_iter().try_for_each(|name| self.delete(name))
    }
}

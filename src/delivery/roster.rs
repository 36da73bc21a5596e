//! The members, indexed: so that no check has to walk the tree.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    context::{component, read_component_ids},
    frame::RawLeaf,
    refusal::LeafFault,
    view::{Credential, LeafIndex, Member},
};

/// What is kept of a leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) credential: Credential,
    pub(super) signature_key: Vec<u8>,
    pub(super) encryption_key: Vec<u8>,
    /// The credential types it supports.
    pub(super) credentials: Vec<u16>,
    /// What it says in `app_components`: the components it knows.
    pub(super) known: BTreeSet<u16>,
    /// What it says in `safe_aad`: the components it knows in `authenticated_data`.
    pub(super) safe_aad: BTreeSet<u16>,
}

impl Entry {
    /// What is kept of `leaf`.
    ///
    /// # Errors
    /// If one of its lists of components does not decode.
    pub(super) fn new(leaf: &RawLeaf) -> Result<Self, LeafFault> {
        let list = |component| {
            leaf.leaf.components.get(&component).map_or_else(
                || Ok(BTreeSet::new()),
                |data| {
                    read_component_ids(data)
                        .map(BTreeSet::from_iter)
                        .map_err(|_| LeafFault::ComponentData(component))
                },
            )
        };
        Ok(Self {
            credential: leaf.leaf.credential.clone(),
            signature_key: leaf.leaf.signature_key.clone(),
            encryption_key: leaf.encryption_key.clone(),
            credentials: leaf.leaf.capabilities.credentials.clone(),
            known: list(component::APP_COMPONENTS)?,
            safe_aad: list(component::SAFE_AAD)?,
        })
    }
}

/// All members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Roster {
    leaves: BTreeMap<LeafIndex, Entry>,
    by_signature_key: BTreeMap<Vec<u8>, LeafIndex>,
    encryption_keys: BTreeSet<Vec<u8>>,
    /// How many leaves have a credential of a type.
    credentials: BTreeMap<u16, usize>,
}

/// What a commit does to the members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RosterChange {
    pub(super) removed: BTreeSet<LeafIndex>,
    /// New members, and members with a new leaf.
    pub(super) put: BTreeMap<LeafIndex, Entry>,
}

impl Roster {
    pub(super) fn iter(&self) -> impl Iterator<Item = (LeafIndex, &Entry)> {
        self.leaves.iter().map(|(leaf, entry)| (*leaf, entry))
    }

    pub(super) fn members(&self) -> impl Iterator<Item = Member<'_>> {
        self.iter().map(|(leaf, entry)| member(leaf, entry))
    }

    pub(super) fn get(&self, leaf: LeafIndex) -> Option<&Entry> {
        self.leaves.get(&leaf)
    }

    pub(super) fn member(&self, leaf: LeafIndex) -> Option<Member<'_>> {
        self.get(leaf).map(|entry| member(leaf, entry))
    }

    pub(super) fn by_signature_key(&self, key: &[u8]) -> Option<LeafIndex> {
        self.by_signature_key.get(key).copied()
    }

    pub(super) fn has_encryption_key(&self, key: &[u8]) -> bool {
        self.encryption_keys.contains(key)
    }

    /// The types of the credentials that members have.
    pub(super) fn credential_types(&self) -> impl Iterator<Item = u16> {
        self.credentials.keys().copied()
    }

    /// The leftmost leaves that are free once `removed` are gone: where Adds go, in their order (RFC 9420,
    /// section 12.1.1).
    pub(super) fn free<'a>(
        &'a self,
        removed: &'a BTreeSet<LeafIndex>,
    ) -> impl Iterator<Item = LeafIndex> + 'a {
        (0..=u32::MAX)
            .map(LeafIndex)
            .filter(|leaf| removed.contains(leaf) || !self.leaves.contains_key(leaf))
    }

    pub(super) fn apply(&mut self, change: RosterChange) {
        for leaf in change.removed {
            self.remove(leaf);
        }
        for leaf in change.put.keys() {
            self.remove(*leaf);
        }
        for (leaf, entry) in change.put {
            self.put(leaf, entry);
        }
    }

    pub(super) fn put(&mut self, leaf: LeafIndex, entry: Entry) {
        self.by_signature_key.insert(entry.signature_key.clone(), leaf);
        self.encryption_keys.insert(entry.encryption_key.clone());
        *self.credentials.entry(entry.credential.kind).or_default() += 1;
        self.leaves.insert(leaf, entry);
    }

    fn remove(&mut self, leaf: LeafIndex) {
        let Some(entry) = self.leaves.remove(&leaf) else { return };
        self.by_signature_key.remove(&entry.signature_key);
        self.encryption_keys.remove(&entry.encryption_key);
        if let Some(count) = self.credentials.get_mut(&entry.credential.kind) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.credentials.remove(&entry.credential.kind);
            }
        }
    }
}

fn member(leaf: LeafIndex, entry: &Entry) -> Member<'_> {
    Member { leaf, credential: &entry.credential, signature_key: &entry.signature_key }
}

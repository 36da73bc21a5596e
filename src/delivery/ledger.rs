//! Which proposals can stand in one commit (Q-79; RFC 9420, sections 12.2 and 12.4; draft-ietf-mls-extensions,
//! sections 4.7 and 6.3).
//!
//! The same book is kept for what is pending, where an older proposal may lapse for a newer one, and for the list of
//! a commit, where nothing may.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    frame::{RawLeaf, RawProposal},
    refusal::Conflict,
    view::{ComponentOperation, LeafIndex, Sender},
};

/// Proposals that can stand in one commit. `I` says which they are.
#[derive(Clone, Debug)]
pub(super) struct Ledger<'a, I> {
    mergeable: &'a BTreeSet<u16>,
    leaving: BTreeMap<LeafIndex, (Leaving, I)>,
    updating: BTreeMap<LeafIndex, (I, &'a RawLeaf)>,
    /// Signature keys, encryption keys and init keys that come in.
    signature_keys: BTreeSet<&'a [u8]>,
    hpke_keys: BTreeSet<&'a [u8]>,
    components: BTreeMap<u16, Change>,
    extensions: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaving {
    Removed,
    ByItself,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Updated,
    Removed,
}

impl<'a, I: Copy> Ledger<'a, I> {
    pub(super) fn new(mergeable: &'a BTreeSet<u16>) -> Self {
        Self {
            mergeable,
            leaving: BTreeMap::new(),
            updating: BTreeMap::new(),
            signature_keys: BTreeSet::new(),
            hpke_keys: BTreeSet::new(),
            components: BTreeMap::new(),
            extensions: false,
        }
    }

    /// Whether `leaf` is taken out by a Remove.
    pub(super) fn removes(&self, leaf: LeafIndex) -> bool {
        matches!(self.leaving.get(&leaf), Some((Leaving::Removed, _)))
    }

    /// Enters a proposal, and returns those that lapse for it.
    ///
    /// # Errors
    /// If it cannot stand beside those that are entered; nothing is entered then.
    pub(super) fn enter(
        &mut self,
        id: I,
        sender: Sender,
        proposal: &'a RawProposal,
    ) -> Result<Vec<I>, Conflict> {
        match proposal {
            RawProposal::Add { keys, leaf, .. } => {
                let fresh = [keys.init_key.as_slice(), leaf.encryption_key.as_slice()];
                let signature_key = leaf.leaf.signature_key.as_slice();
                if self.signature_keys.contains(signature_key)
                    || keys.init_key == leaf.encryption_key
                    || fresh.iter().any(|key| self.hpke_keys.contains(key))
                {
                    return Err(Conflict::Adding);
                }
                self.signature_keys.insert(signature_key);
                self.hpke_keys.extend(fresh);
                Ok(Vec::new())
            }
            RawProposal::Update(leaf) => {
                let Sender::Member(index) = sender else { return Ok(Vec::new()) };
                if self.leaving.contains_key(&index) {
                    return Err(Conflict::Leaving);
                }
                if self.updating.contains_key(&index) {
                    return Err(Conflict::Updating);
                }
                let signature_key = leaf.leaf.signature_key.as_slice();
                if self.signature_keys.contains(signature_key)
                    || self.hpke_keys.contains(leaf.encryption_key.as_slice())
                {
                    return Err(Conflict::Adding);
                }
                self.signature_keys.insert(signature_key);
                self.hpke_keys.insert(&leaf.encryption_key);
                self.updating.insert(index, (id, leaf));
                Ok(Vec::new())
            }
            RawProposal::Remove(leaf) => {
                if self.leaving.contains_key(leaf) {
                    return Err(Conflict::Leaving);
                }
                self.leaving.insert(*leaf, (Leaving::Removed, id));
                Ok(self.lapse_update(*leaf).into_iter().collect())
            }
            RawProposal::SelfRemove => {
                let Sender::Member(leaf) = sender else { return Ok(Vec::new()) };
                let mut lapsed = Vec::new();
                match self.leaving.get(&leaf) {
                    Some((Leaving::ByItself, _)) => return Err(Conflict::Leaving),
                    Some((Leaving::Removed, remove)) => lapsed.push(*remove),
                    None => {}
                }
                self.leaving.insert(leaf, (Leaving::ByItself, id));
                lapsed.extend(self.lapse_update(leaf));
                Ok(lapsed)
            }
            RawProposal::AppDataUpdate { component, operation } => {
                let change = match operation {
                    ComponentOperation::Update(_) => Change::Updated,
                    ComponentOperation::Remove => Change::Removed,
                };
                match (self.components.get(component), change) {
                    (None, _) => {}
                    (Some(Change::Updated), Change::Updated)
                        if self.mergeable.contains(component) => {}
                    (Some(Change::Updated), Change::Updated) => return Err(Conflict::Component),
                    (Some(Change::Removed), _) | (_, Change::Removed) => {
                        return Err(Conflict::ComponentRemoval);
                    }
                }
                self.components.insert(*component, change);
                Ok(Vec::new())
            }
            RawProposal::Extensions(_) => {
                if self.extensions {
                    return Err(Conflict::Extensions);
                }
                self.extensions = true;
                Ok(Vec::new())
            }
            RawProposal::ExternalInit | RawProposal::Refused(_) => Ok(Vec::new()),
        }
    }

    fn lapse_update(&mut self, leaf: LeafIndex) -> Option<I> {
        let (update, node) = self.updating.remove(&leaf)?;
        self.signature_keys.remove(node.leaf.signature_key.as_slice());
        self.hpke_keys.remove(node.encryption_key.as_slice());
        Some(update)
    }
}

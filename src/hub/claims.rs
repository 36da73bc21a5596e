//! Which provider each KeyPackage came from, to route Welcomes (P-010, P-050, P-092).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    env::{Limits, Timestamp},
    machine::Key,
    uri::Domain,
};

/// A KeyPackage that passed through this hub for this room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claim {
    /// The provider that handed it out.
    pub(super) provider: Domain,
    /// When its lifetime ends, and with it the need to remember (P-093).
    pub(super) not_after: Timestamp,
}

/// All claims, by KeyPackageRef.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Claims(BTreeMap<Vec<u8>, Claim>);

impl Claims {
    /// The kind octet of claims' keys.
    pub(super) const KIND: u8 = 0x04;

    pub(super) fn key(reference: &[u8]) -> Key {
        Key::new(Self::KIND).bytes(reference)
    }

    pub(super) fn insert(&mut self, reference: Vec<u8>, claim: Claim) {
        self.0.insert(reference, claim);
    }

    pub(super) fn remove(&mut self, reference: &[u8]) {
        self.0.remove(reference);
    }

    pub(super) fn find(&self, reference: &[u8]) -> Option<&Claim> {
        self.0.get(reference)
    }

    pub(super) fn expired(&self, now: Timestamp) -> Vec<Vec<u8>> {
        self.0.iter().filter(|(_, claim)| claim.not_after <= now).map(|(reference, _)| reference.clone()).collect()
    }

    /// Whether `more` claims still have room.
    pub(super) fn has_room(&self, more: usize, limits: &Limits) -> bool {
        self.0.len().saturating_add(more) <= limits.claims
    }

    pub(super) fn next_expiry(&self) -> Option<Timestamp> {
        self.0.values().map(|claim| claim.not_after).min()
    }
}

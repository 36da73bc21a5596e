//! What a caller lends to every call: time, cryptography with randomness, and keys. Nothing here is ambient.

use openmls_traits::{crypto::OpenMlsCrypto, random::OpenMlsRand};

/// Milliseconds since the Unix epoch, UTC.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// This time and `milliseconds` more; stops at the end of time.
    #[must_use]
    pub const fn plus(self, milliseconds: u64) -> Self {
        Self(self.0.saturating_add(milliseconds))
    }

    /// Whole seconds since the Unix epoch.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.0 / 1000
    }
}

/// Cryptography and randomness, as openmls's providers implement them.
pub trait Crypto: OpenMlsCrypto + OpenMlsRand {}

impl<C: OpenMlsCrypto + OpenMlsRand> Crypto for C {}

/// The surroundings of one call.
#[derive(Debug)]
pub struct Env<'a, C, K> {
    /// The time, as the caller's clock has it.
    pub now: Timestamp,
    /// Cryptography and randomness.
    pub crypto: &'a C,
    /// Secret keys, borrowed for the call and never stored in a machine.
    pub keys: &'a K,
}

impl<C, K> Clone for Env<'_, C, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C, K> Copy for Env<'_, C, K> {}

/// Bounds of everything that a peer can grow, per item and in total.
///
/// A machine is given its limits when it is made or restored; they are not part of its records, so an operator may
/// change them between two restores.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Octets of one request or notification body. A commit that adds 5,000 clients takes 1.8 MB.
    pub body: usize,
    /// Proposals of one room that wait for a commit. Each costs every joiner a verification.
    pub pending_proposals: usize,
    /// Proposals in one bundle.
    pub bundle: usize,
    /// Octets of one application component in the GroupContext: 5,000 participants take 250 KB.
    pub component: usize,
    /// Octets of all application components together. Every MLS signature covers them.
    pub components: usize,
    /// Answers kept for requests that come again because their reply was lost.
    pub answered: usize,
    /// Milliseconds for which such an answer is kept.
    pub answered_for: u64,
    /// KeyPackage claims that a hub remembers for one room, to route Welcomes.
    pub claims: usize,
    /// GroupInfo requests that a hub remembers for one room, to know the joiner again.
    pub joiners: usize,
    /// Milliseconds that a joiner has between asking for the GroupInfo and its external commit.
    pub joiner_for: u64,
    /// Milliseconds by which a hub's clock may have run ahead before it restarts from the present.
    pub clock_ahead: u64,
    /// Events that a client holds back because something before them is missing.
    pub early: usize,
    /// Events that one provider may be behind before the hub reports it as lagging.
    pub lag: u64,
    /// KeyPackages that a provider keeps for one client.
    pub key_packages: usize,
    /// Notifications whose repetition a follower recognises.
    pub notified: usize,
    /// Franks of one room that a client remembers, to find swapped ones.
    pub franks: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 4 << 20,
            pending_proposals: 256,
            bundle: 64,
            component: 1 << 20,
            components: 2 << 20,
            answered: 256,
            answered_for: 24 * 60 * 60 * 1000,
            claims: 4096,
            joiners: 256,
            joiner_for: 10 * 60 * 1000,
            clock_ahead: 60 * 1000,
            early: 256,
            lag: 100_000,
            key_packages: 100,
            notified: 1024,
            franks: 128,
        }
    }
}

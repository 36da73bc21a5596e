//! The hub's secret keys, lent to each call.

use std::collections::BTreeMap;

use openmls_traits::{
    signatures::{Signer, SignerError},
    types::SignatureScheme,
};

use crate::{error::Misuse, uri::Domain};

/// A signing key that may move between threads.
pub type SigningKey = Box<dyn Signer + Send + Sync>;

/// The keys of a hub, for all its rooms.
///
/// They sign and stamp; they decrypt nothing. No server holds a secret of a group.
///
/// Signing keys are found by their public key: a room names in its GroupContext which ones it uses (as external
/// sender and as franking agent), so keep old keys for as long as rooms name them. Franking secrets are symmetric and
/// never leave the hub; keep old ones too, or reports of messages that they stamped cannot be verified (P-143).
#[derive(Default)]
pub struct Keys {
    signers: BTreeMap<Vec<u8>, SigningKey>,
    current: Vec<u8>,
    franking: Vec<[u8; 32]>,
    peers: BTreeMap<Domain, Vec<u8>>,
}

impl Keys {
    /// Keys with one signing key and one franking secret.
    #[must_use]
    pub fn new(public_key: Vec<u8>, signer: SigningKey, franking_secret: [u8; 32]) -> Self {
        Self::default().with_signer(public_key, signer).with_franking_secret(franking_secret)
    }

    /// The same keys and a newer signing key, which rooms offered from now on name.
    #[must_use]
    pub fn with_signer(mut self, public_key: Vec<u8>, signer: SigningKey) -> Self {
        self.current.clone_from(&public_key);
        self.signers.insert(public_key, signer);
        self
    }

    /// The same keys and a newer franking secret, which stamps from now on.
    #[must_use]
    pub fn with_franking_secret(mut self, secret: [u8; 32]) -> Self {
        self.franking.insert(0, secret);
        self
    }

    /// The same keys, and the public key by which a provider that follows rooms of this hub signs proposals of its own.
    /// It becomes an external sender of a room once one of its users takes part, and is none any more when the last one
    /// has left (P-280, P-281). Its scheme is that of the rooms' groups.
    #[must_use]
    pub fn with_peer(mut self, provider: Domain, public_key: Vec<u8>) -> Self {
        self.peers.insert(provider, public_key);
        self
    }

    /// The public key of a provider that may be an external sender.
    #[must_use]
    pub fn peer(&self, provider: &Domain) -> Option<&[u8]> {
        self.peers.get(provider).map(Vec::as_slice)
    }

    /// Whether there is a provider that may be an external sender.
    pub(super) fn knows_peers(&self) -> bool {
        !self.peers.is_empty()
    }

    /// The public key of the newest signing key.
    #[must_use]
    pub fn current(&self) -> &[u8] {
        &self.current
    }

    /// The franking secrets, newest first.
    #[must_use]
    pub fn franking_secrets(&self) -> &[[u8; 32]] {
        &self.franking
    }

    /// The signing key that belongs to a public key.
    pub(super) fn signer(&self, public_key: &[u8]) -> Option<Lent<'_>> {
        self.signers.get(public_key).map(|signer| Lent(signer.as_ref()))
    }

    pub(super) fn require(
        &self,
        public_key: &[u8],
        what: &'static str,
    ) -> Result<Lent<'_>, Misuse> {
        self.signer(public_key).ok_or(Misuse::MissingKey(what))
    }
}

/// A signing key for one call.
#[derive(Clone, Copy)]
pub(super) struct Lent<'a>(&'a (dyn Signer + Send + Sync));

impl Signer for Lent<'_> {
    fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, SignerError> {
        self.0.sign(payload)
    }

    fn signature_scheme(&self) -> SignatureScheme {
        self.0.signature_scheme()
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys")
            .field("signers", &self.signers.len())
            .field("franking", &self.franking.len())
            .field("peers", &self.peers)
            .finish()
    }
}

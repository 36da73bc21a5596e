//! The device's signing keys, lent to each call.

use std::collections::BTreeMap;

use openmls_traits::{
    signatures::{Signer, SignerError},
    types::SignatureScheme,
};

use crate::error::Misuse;

/// A signing key that may move between threads.
pub type SigningKey = Box<dyn Signer + Send + Sync>;

/// The signing keys of a device, found by their public keys.
///
/// A room keeps the key it was joined with; when a device takes a new key, the old one stays here for as long as it
/// is in a room.
#[derive(Default)]
pub struct Keys(BTreeMap<Vec<u8>, SigningKey>);

impl Keys {
    /// One key.
    #[must_use]
    pub fn new(public_key: Vec<u8>, signer: SigningKey) -> Self {
        Self::default().with(public_key, signer)
    }

    /// The same keys and one more.
    #[must_use]
    pub fn with(mut self, public_key: Vec<u8>, signer: SigningKey) -> Self {
        self.0.insert(public_key, signer);
        self
    }

    /// The signer of a public key.
    pub(super) fn require(&self, public_key: &[u8]) -> Result<Lent<'_>, Misuse> {
        self.0
            .get(public_key)
            .map(|signer| Lent(signer.as_ref()))
            .ok_or(Misuse::MissingKey("the device's leaf"))
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("signers", &self.0.len()).finish()
    }
}

/// A signing key for the time of one call; openmls asks for a sized type.
pub(super) struct Lent<'a>(&'a (dyn Signer + Send + Sync));

impl Signer for Lent<'_> {
    fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, SignerError> {
        self.0.sign(payload)
    }

    fn signature_scheme(&self) -> SignatureScheme {
        self.0.signature_scheme()
    }
}

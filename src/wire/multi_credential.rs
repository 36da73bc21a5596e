//! Several credentials for one leaf (draft-ietf-mls-extensions-10, section 6.5).
//!
//! The structures and their signatures. Which bindings every member has to support (E-095) and whether each credential
//! belongs to its key is for the caller to decide.

use openmls::credentials::Credential;
use openmls_traits::{crypto::OpenMlsCrypto, signatures::Signer};

use super::{CipherSuite, labelled};
use crate::{
    codec::{Reader, Wire, write_bytes, write_vec},
    error::{DecodeError, Fault, Misuse},
};

const LABEL: &str = "CredentialBindingTBS";

/// One credential, and its key's signature over the leaf's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialBinding {
    /// The suite of the credential's key; not always that of the group.
    pub cipher_suite: CipherSuite,
    /// The credential.
    pub credential: Credential,
    /// The public key of the credential.
    pub credential_key: Vec<u8>,
    /// The signature over [`CredentialBinding::tbs`].
    pub signature: Vec<u8>,
}

impl CredentialBinding {
    /// What the credential's key signs: `CredentialBindingTBS`.
    #[must_use]
    pub fn tbs(&self, leaf_signature_key: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        self.write_binding(&mut out);
        write_bytes(&mut out, leaf_signature_key);
        out
    }

    fn write_binding(&self, out: &mut Vec<u8>) {
        self.cipher_suite.write(out);
        self.credential.write(out);
        write_bytes(out, &self.credential_key);
    }

    /// Replaces the signature by the credential's own.
    ///
    /// # Errors
    /// If the signer fails.
    pub fn sign(&mut self, signer: &impl Signer, leaf_signature_key: &[u8]) -> Result<(), Misuse> {
        self.signature = labelled::sign(signer, LABEL, &self.tbs(leaf_signature_key))?;
        Ok(())
    }

    /// Whether the credential's key has signed for this leaf. A suite that is not known verifies nothing.
    #[must_use]
    pub fn verify(&self, crypto: &impl OpenMlsCrypto, leaf_signature_key: &[u8]) -> bool {
        self.cipher_suite.known().is_some_and(|suite| {
            let tbs = self.tbs(leaf_signature_key);
            labelled::verify(crypto, suite, LABEL, &tbs, &self.credential_key, &self.signature)
        })
    }
}

impl Wire for CredentialBinding {
    const NAME: &'static str = "CredentialBinding";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            cipher_suite: Wire::read(reader)?,
            credential: Wire::read(reader)?,
            credential_key: reader.bytes("CredentialBinding.credential_key")?.to_vec(),
            signature: reader.bytes("CredentialBinding.signature")?.to_vec(),
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.write_binding(out);
        write_bytes(out, &self.signature);
    }
}

/// Several credentials: the content of a credential of type `multi` (3) or `weak-multi` (4), inside of its one length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MultiCredential(
    /// At least one binding.
    pub Vec<CredentialBinding>,
);

impl Wire for MultiCredential {
    const NAME: &'static str = "MultiCredential";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.clone();
        let bindings = reader.vec("MultiCredential.bindings", CredentialBinding::read)?;
        if bindings.is_empty() {
            return Err(start.error("MultiCredential.bindings", Fault::Empty));
        }
        Ok(Self(bindings))
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_vec(out, &self.0, CredentialBinding::write);
    }
}

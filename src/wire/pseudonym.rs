//! Pseudonymous credentials of minimal-metadata rooms (draft-ietf-mimi-protocol-06, section 6.1).
//!
//! The structures and their signature only: the draft has neither a number for the credential type nor a way to share
//! the key that hides real identities, so no such room can be made yet.

use openmls::credentials::Credential;
use openmls_traits::{crypto::OpenMlsCrypto, signatures::Signer, types::Ciphersuite};

use super::labelled;
use crate::{
    codec::{Reader, Wire, write_bytes},
    error::{DecodeError, Misuse},
    uri::{ClientUri, UserUri},
};

const LABEL: &str = "PseudonymousCredentialTBS";

/// A credential that names nobody: the content of the MLS credential, inside of its one length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PseudonymousCredential {
    /// The client's pseudonym.
    pub client_pseudonym: ClientUri,
    /// The user's pseudonym: the same for all clients of the user, and the participant list's (P-262).
    pub user_pseudonym: UserUri,
    /// The public key that the leaf signs with.
    pub signature_public_key: Vec<u8>,
    /// An encrypted [`IdentityLink`].
    pub identity_link_ciphertext: Vec<u8>,
}

impl PseudonymousCredential {
    /// What the real credential's key signs: `PseudonymousCredentialTBS`.
    #[must_use]
    pub fn tbs(&self) -> Vec<u8> {
        let mut out = Vec::new();
        write_bytes(&mut out, self.client_pseudonym.as_bytes());
        write_bytes(&mut out, self.user_pseudonym.as_bytes());
        write_bytes(&mut out, &self.signature_public_key);
        out
    }

    /// Whether it is one for this leaf: of the leaf's key, and with both pseudonyms at one provider.
    #[must_use]
    pub fn fits(&self, leaf_signature_key: &[u8]) -> bool {
        self.signature_public_key == leaf_signature_key
            && self.client_pseudonym.host() == self.user_pseudonym.host()
    }

    /// The link to the real identity, to be encrypted.
    ///
    /// # Errors
    /// If the signer fails.
    pub fn link(
        &self,
        signer: &impl Signer,
        credential: Credential,
    ) -> Result<IdentityLink, Misuse> {
        let signature = labelled::sign(signer, LABEL, &self.tbs())?;
        Ok(IdentityLink { signature, credential })
    }
}

impl Wire for PseudonymousCredential {
    const NAME: &'static str = "PseudonymousCredential";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let key = "PseudonymousCredential.signature_public_key";
        let link = "PseudonymousCredential.identity_link_ciphertext";
        Ok(Self {
            client_pseudonym: reader.uri("PseudonymousCredential.client_pseudonym")?,
            user_pseudonym: reader.uri("PseudonymousCredential.user_pseudonym")?,
            signature_public_key: reader.bytes(key)?.to_vec(),
            identity_link_ciphertext: reader.bytes(link)?.to_vec(),
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.tbs());
        write_bytes(out, &self.identity_link_ciphertext);
    }
}

/// The real identity behind a pseudonym: `IdentityLinkTBE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityLink {
    /// The signature of the real credential's key over [`PseudonymousCredential::tbs`].
    pub signature: Vec<u8>,
    /// The real credential.
    pub credential: Credential,
}

impl IdentityLink {
    /// Whether the real credential's key has signed for this pseudonym.
    #[must_use]
    pub fn verify(
        &self,
        crypto: &impl OpenMlsCrypto,
        suite: Ciphersuite,
        credential_key: &[u8],
        pseudonym: &PseudonymousCredential,
    ) -> bool {
        labelled::verify(crypto, suite, LABEL, &pseudonym.tbs(), credential_key, &self.signature)
    }
}

impl Wire for IdentityLink {
    const NAME: &'static str = "IdentityLinkTBE";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            signature: reader.bytes("IdentityLinkTBE.pseudonymous_credential_signature")?.to_vec(),
            credential: Wire::read(reader)?,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_bytes(out, &self.signature);
        self.credential.write(out);
    }
}

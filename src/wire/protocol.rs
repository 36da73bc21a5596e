//! What several messages share.

use openmls::credentials::{BasicCredential, Credential};
use openmls_traits::types::{Ciphersuite, SignatureScheme};
use tls_codec::Serialize as _;

use crate::{
    codec::{Reader, Wire, write_bytes},
    error::{DecodeError, Fault},
    uri::ProviderUri,
};

/// `Protocol` for MLS 1.0, the only one so far.
pub const PROTOCOL_MLS10: u8 = 1;

/// Reads a `Protocol` that has to be MLS 1.0.
pub(super) fn read_mls10(reader: &mut Reader<'_>, what: &'static str) -> Result<(), DecodeError> {
    let start = reader.clone();
    match reader.u8(what)? {
        PROTOCOL_MLS10 => Ok(()),
        other => Err(start.error(what, Fault::Code(other.into()))),
    }
}

/// An MLS cipher suite by its number. Suites that the MLS engine does not know are kept as they are.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct CipherSuite(pub u16);

impl CipherSuite {
    /// The suite, if the MLS engine knows it.
    #[must_use]
    pub fn known(self) -> Option<Ciphersuite> {
        Ciphersuite::try_from(self.0).ok()
    }

    /// Octets of a public signature key of this suite, as RFC 9420, section 5.1.1, encodes it.
    #[must_use]
    pub fn signature_key_length(self) -> Option<usize> {
        Some(match self.known()?.signature_algorithm() {
            SignatureScheme::ED25519 => 32,
            SignatureScheme::ED448 => 57,
            SignatureScheme::ECDSA_SECP256R1_SHA256 => 65,
            SignatureScheme::ECDSA_SECP384R1_SHA384 => 97,
            SignatureScheme::ECDSA_SECP521R1_SHA512 => 133,
        })
    }
}

impl From<Ciphersuite> for CipherSuite {
    fn from(suite: Ciphersuite) -> Self {
        Self(suite.into())
    }
}

impl Wire for CipherSuite {
    const NAME: &'static str = "CipherSuite";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.u16(Self::NAME).map(Self)
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_be_bytes());
    }
}

impl Wire for Credential {
    const NAME: &'static str = "Credential";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.mls(Self::NAME).map(|(credential, _)| credential)
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.tls_serialize(out).expect("a credential is shorter than a gibibyte");
    }
}

/// A server's signature key and credential (RFC 9420, section 12.1.8.1).
///
/// The franking agent of a room has the same form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalSender {
    /// The public signature key.
    pub signature_key: Vec<u8>,
    /// Who it belongs to; for servers, basic with the provider URI.
    pub credential: Credential,
}

impl ExternalSender {
    /// A server with a basic credential, which holds the provider URI.
    #[must_use]
    pub fn basic(signature_key: &[u8], provider: &ProviderUri) -> Self {
        let credential = BasicCredential::new(provider.as_bytes().to_vec()).into();
        Self { signature_key: signature_key.to_vec(), credential }
    }
}

impl Wire for ExternalSender {
    const NAME: &'static str = "ExternalSender";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            signature_key: reader.bytes("ExternalSender.signature_key")?.to_vec(),
            credential: Wire::read(reader)?,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_bytes(out, &self.signature_key);
        self.credential.write(out);
    }
}

/// The octets of an MLS structure, cheap to clone, and short to print.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Octets(std::sync::Arc<[u8]>);

impl From<&[u8]> for Octets {
    fn from(octets: &[u8]) -> Self {
        Self(octets.into())
    }
}

impl std::ops::Deref for Octets {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Octets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} octets", self.0.len())
    }
}

//! `KeyPackage` (RFC 9420, section 10), kept verbatim.

use openmls::{ciphersuite::hash_ref::make_key_package_ref, key_packages::KeyPackageIn};
use openmls_traits::{crypto::OpenMlsCrypto, types::Ciphersuite};
use tls_codec::Deserialize as _;

use super::{message::VERSION_MLS10, protocol::Octets};
use crate::{
    codec::{Reader, Wire},
    error::{DecodeError, Fault, Misuse},
};

/// The hash that names a KeyPackage (RFC 9420, section 5.2).
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct KeyPackageRef(pub Vec<u8>);

impl KeyPackageRef {
    /// The hash.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8]> for KeyPackageRef {
    fn from(hash: &[u8]) -> Self {
        Self(hash.to_vec())
    }
}

/// A KeyPackage without an MLSMessage around it.
///
/// It was read by the MLS engine, but neither its signatures nor its lifetime have been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPackage {
    octets: Octets,
    cipher_suite: Ciphersuite,
}

impl KeyPackage {
    /// The KeyPackage, as it was received.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.octets
    }

    /// Its cipher suite.
    #[must_use]
    pub const fn cipher_suite(&self) -> Ciphersuite {
        self.cipher_suite
    }

    /// The hash that names it.
    ///
    /// # Errors
    /// If the cryptography provider does not know the hash of its cipher suite.
    pub fn reference(&self, crypto: &impl OpenMlsCrypto) -> Result<KeyPackageRef, Misuse> {
        make_key_package_ref(&self.octets, self.cipher_suite, crypto)
            .map(|hash| hash.as_slice().into())
            .map_err(|_| Misuse::Crypto("no hash for a KeyPackageRef"))
    }

    /// The KeyPackage for the MLS engine, to be validated.
    #[must_use]
    pub fn to_openmls(&self) -> KeyPackageIn {
        KeyPackageIn::tls_deserialize_exact(self.as_bytes()).expect("these octets were read before")
    }
}

impl Wire for KeyPackage {
    const NAME: &'static str = "KeyPackage";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut head = reader.clone();
        let start = head.clone();
        match head.u16("KeyPackage.version")? {
            VERSION_MLS10 => {}
            other => return Err(start.error("KeyPackage.version", Fault::Code(other.into()))),
        }
        let start = head.clone();
        let suite = head.u16("KeyPackage.cipher_suite")?;
        let cipher_suite = Ciphersuite::try_from(suite)
            .map_err(|_| start.error("KeyPackage.cipher_suite", Fault::Code(suite.into())))?;
        let (_, octets) = reader.mls::<KeyPackageIn>(Self::NAME)?;
        Ok(Self { octets: octets.into(), cipher_suite })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.octets);
    }
}

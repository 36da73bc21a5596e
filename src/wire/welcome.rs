//! `Welcome` (RFC 9420, section 12.4.3.1), kept verbatim.

use openmls::messages::Welcome as EngineWelcome;
use tls_codec::Deserialize as _;

use super::{CipherSuite, KeyPackageRef, protocol::Octets};
use crate::{
    codec::{Reader, Wire},
    error::{DecodeError, Fault},
};

/// A Welcome without the MLSMessage around it.
///
/// Who it is for can be read; its GroupInfo is encrypted, so that it embeds no ratchet tree is for the joiner to
/// check (P-108).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    octets: Octets,
    cipher_suite: CipherSuite,
    new_members: Vec<KeyPackageRef>,
}

impl Welcome {
    /// The Welcome, as it was received.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.octets
    }

    /// The cipher suite of the group.
    #[must_use]
    pub const fn cipher_suite(&self) -> CipherSuite {
        self.cipher_suite
    }

    /// The KeyPackages whose clients it is for, in its order. There is at least one.
    #[must_use]
    pub fn new_members(&self) -> &[KeyPackageRef] {
        &self.new_members
    }

    /// The Welcome for the MLS engine.
    ///
    /// # Errors
    /// If the engine does not know the cipher suite.
    pub fn to_openmls(&self) -> Result<EngineWelcome, DecodeError> {
        EngineWelcome::tls_deserialize_exact(self.as_bytes()).map_err(|_| DecodeError {
            offset: 0,
            what: Self::NAME,
            fault: Fault::Mls,
        })
    }
}

impl Wire for Welcome {
    const NAME: &'static str = "Welcome";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let ((cipher_suite, new_members), octets) = reader.verbatim(|reader| {
            let cipher_suite = CipherSuite::read(reader)?;
            let start = reader.clone();
            let new_members = reader.vec("Welcome.secrets", |reader| {
                let new_member = reader.bytes("EncryptedGroupSecrets.new_member")?;
                reader.bytes("HPKECiphertext.kem_output")?;
                reader.bytes("HPKECiphertext.ciphertext")?;
                Ok(KeyPackageRef::from(new_member))
            })?;
            if new_members.is_empty() {
                return Err(start.error("Welcome.secrets", Fault::Empty));
            }
            reader.bytes("Welcome.encrypted_group_info")?;
            Ok((cipher_suite, new_members))
        })?;
        Ok(Self { octets: octets.into(), cipher_suite, new_members })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.octets);
    }
}

//! What a provider has to know of a KeyPackage: who it is for, how long it lasts, and what its client can do.

use openmls::{key_packages::errors::KeyPackageVerifyError, versions::ProtocolVersion};
use openmls_traits::crypto::OpenMlsCrypto;

use super::Unfit;
use crate::{
    codec::{Reader, Wire, decode_exact},
    env::Timestamp,
    error::{DecodeError, Fault},
    room::ComponentId,
    wire::{
        AppDataDictionary, Capabilities, CipherSuite, KeyPackage, KeyPackageRef,
        RequiredCapabilities,
    },
};

const MLS10: u16 = 1;
const BASIC: u16 = 1;
/// `LeafNodeSource.key_package` (RFC 9420, section 7.2).
const SOURCE_KEY_PACKAGE: u8 = 1;
/// Extension types that every client supports without saying so: RFC 9420's own.
const DEFAULT_EXTENSIONS: std::ops::RangeInclusive<u16> = 1..=5;
/// Proposal types that every client supports without saying so: RFC 9420's own.
const DEFAULT_PROPOSALS: std::ops::RangeInclusive<u16> = 1..=7;
/// The extension that holds application components.
const APP_DATA_DICTIONARY: u16 = 0x0006;
/// The extension that marked a KeyPackage of last resort before there was a component for it; the MLS engine still
/// makes it.
const LAST_RESORT: u16 = 0x000a;

/// One KeyPackage, published and not handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Package {
    pub(super) reference: KeyPackageRef,
    /// As the client published it, octet for octet.
    pub(super) key_package: KeyPackage,
    pub(super) lifetime: Lifetime,
    /// Not handed out by default.
    pub(super) last_resort: bool,
    pub(super) capabilities: Capabilities,
}

/// From when and until when a KeyPackage may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lifetime {
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
}

impl Lifetime {
    /// P-085: nothing is handed out at or after `not_after`.
    pub(super) fn covers(self, now: Timestamp) -> bool {
        self.not_before <= now && now < self.not_after
    }
}

/// The parts of a KeyPackage that the MLS engine shows only after it has asked the system clock.
struct Outline {
    credential_type: u16,
    identity: Vec<u8>,
    capabilities: Capabilities,
    lifetime: Lifetime,
    leaf_extensions: Vec<u16>,
    extensions: Vec<u16>,
    last_resort: bool,
}

impl Outline {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.u16("KeyPackage.version")?;
        reader.u16("KeyPackage.cipher_suite")?;
        reader.bytes("KeyPackage.init_key")?;
        reader.bytes("LeafNode.encryption_key")?;
        reader.bytes("LeafNode.signature_key")?;
        let credential_type = reader.u16("Credential.credential_type")?;
        let identity = reader.bytes("Credential")?.to_vec();
        let capabilities = Capabilities::read(reader)?;
        let start = reader.clone();
        match reader.u8("LeafNode.leaf_node_source")? {
            SOURCE_KEY_PACKAGE => {}
            other => {
                return Err(start.error("LeafNode.leaf_node_source", Fault::Code(other.into())));
            }
        }
        let lifetime = Lifetime {
            not_before: seconds(reader.u64("Lifetime.not_before")?),
            not_after: seconds(reader.u64("Lifetime.not_after")?),
        };
        let leaf_extensions = extension_types(reader)?;
        reader.bytes("LeafNode.signature")?;
        let mut last_resort = false;
        let extensions = reader.vec("KeyPackage.extensions", |item| {
            let extension = item.u16("Extension.extension_type")?;
            let start = item.clone();
            let data = item.bytes("Extension.extension_data")?;
            last_resort |= match extension {
                LAST_RESORT => true,
                APP_DATA_DICTIONARY => is_last_resort(data, &start)?,
                _ => false,
            };
            Ok(extension)
        })?;
        reader.bytes("KeyPackage.signature")?;
        Ok(Self {
            credential_type,
            identity,
            capabilities,
            lifetime,
            leaf_extensions,
            extensions,
            last_resort,
        })
    }
}

/// Whether a KeyPackage's components say that it is one of last resort: an empty component (E-090).
fn is_last_resort(dictionary: &[u8], start: &Reader<'_>) -> Result<bool, DecodeError> {
    match AppDataDictionary::decode(dictionary)?.get(ComponentId::LAST_RESORT_KEY_PACKAGE.0) {
        None => Ok(false),
        Some([]) => Ok(true),
        Some(data) => Err(start.error("last_resort_key_package", Fault::Trailing(data.len()))),
    }
}

fn seconds(seconds: u64) -> Timestamp {
    Timestamp(seconds.saturating_mul(1000))
}

fn extension_types(reader: &mut Reader<'_>) -> Result<Vec<u16>, DecodeError> {
    reader.vec("extensions", |item| {
        let extension = item.u16("Extension.extension_type")?;
        item.bytes("Extension.extension_data").map(|_| extension)
    })
}

fn extends(capabilities: &Capabilities, extension: u16) -> bool {
    DEFAULT_EXTENSIONS.contains(&extension) || capabilities.extensions.contains(&extension)
}

impl Package {
    /// Reads back what [`Package::check`] has passed.
    pub(super) fn restore(reference: KeyPackageRef, bytes: &[u8]) -> Result<Self, DecodeError> {
        let outline = decode_exact(bytes, Outline::read)?;
        Ok(Self::new(reference, KeyPackage::decode(bytes)?, outline))
    }

    fn new(reference: KeyPackageRef, key_package: KeyPackage, outline: Outline) -> Self {
        Self {
            reference,
            key_package,
            lifetime: outline.lifetime,
            last_resort: outline.last_resort,
            capabilities: outline.capabilities,
        }
    }

    /// Checks a KeyPackage of `user` (P-047, D-25): its form, its signatures, its lifetime by `now`, and that its
    /// leaf supports what it uses itself.
    pub(crate) fn check(
        bytes: &[u8],
        user: &[u8],
        now: Timestamp,
        crypto: &impl OpenMlsCrypto,
    ) -> Result<Self, Unfit> {
        let key_package = KeyPackage::decode(bytes)?;
        let outline = decode_exact(bytes, Outline::read)?;
        let suite = key_package.cipher_suite();
        if !crypto.supported_ciphersuites().contains(&suite) {
            return Err(Unfit::Suite);
        }
        // A basic credential's identity is the user URI, octet for octet.
        if outline.credential_type != BASIC || outline.identity != user {
            return Err(Unfit::Identity);
        }
        if !outline.lifetime.covers(now) {
            return Err(Unfit::Lifetime);
        }
        let capabilities = &outline.capabilities;
        let listed = capabilities.versions.contains(&MLS10)
            && capabilities.cipher_suites.contains(&suite.into())
            && capabilities.credentials.contains(&BASIC);
        let mut used = outline.extensions.iter().chain(&outline.leaf_extensions);
        if !listed || !used.all(|it| extends(capabilities, *it)) {
            return Err(Unfit::Capabilities);
        }
        match key_package.to_openmls().validate(crypto, ProtocolVersion::Mls10) {
            // The engine asks the system clock, and last of all: whatever else it checks has passed.
            Ok(_) | Err(KeyPackageVerifyError::LifetimeError(_)) => {}
            Err(_) => return Err(Unfit::Signature),
        }
        let reference = key_package.reference(crypto).map_err(|_| Unfit::Suite)?;
        Ok(Self::new(reference, key_package, outline))
    }

    /// The name of it.
    pub(crate) fn reference(&self) -> &KeyPackageRef {
        &self.reference
    }

    /// When its lifetime ends.
    pub(crate) fn not_after(&self) -> Timestamp {
        self.lifetime.not_after
    }

    /// P-048, P-088: whether it fits what a group requires.
    pub(super) fn fits(&self, suites: &[CipherSuite], required: &RequiredCapabilities) -> bool {
        let capabilities = &self.capabilities;
        let proposes =
            |it: &u16| DEFAULT_PROPOSALS.contains(it) || capabilities.proposals.contains(it);
        suites.contains(&self.key_package.cipher_suite().into())
            && required.extension_types.iter().all(|it| extends(capabilities, *it))
            && required.proposal_types.iter().all(proposes)
            && required.credential_types.iter().all(|it| capabilities.credentials.contains(it))
    }
}

//! What a provider has to know of a KeyPackage: who it is for, how long it lasts, and what its client can do.

use openmls::{
    ciphersuite::hash_ref::{KeyPackageRef, make_key_package_ref},
    key_packages::{KeyPackageIn, errors::KeyPackageVerifyError},
    versions::ProtocolVersion,
};
use openmls_traits::{crypto::OpenMlsCrypto, types::Ciphersuite};

use super::Unfit;
use crate::{
    codec::{Reader, decode_exact},
    env::Timestamp,
    error::{DecodeError, Fault},
    wire::RequiredCapabilities,
};

const MLS10: u16 = 1;
const BASIC: u16 = 1;
/// `LeafNodeSource.key_package` (RFC 9420, section 7.2).
const SOURCE_KEY_PACKAGE: u8 = 1;
/// Extension types that every client supports without saying so: RFC 9420's own.
const DEFAULT_EXTENSIONS: std::ops::RangeInclusive<u16> = 1..=5;
/// Proposal types that every client supports without saying so: RFC 9420's own.
const DEFAULT_PROPOSALS: std::ops::RangeInclusive<u16> = 1..=7;
/// The extension that marks a KeyPackage of last resort.
const LAST_RESORT: u16 = 0x000a;

/// One KeyPackage, published and not handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Package {
    pub(super) reference: KeyPackageRef,
    /// As the client published it, octet for octet.
    pub(super) bytes: Vec<u8>,
    pub(super) suite: u16,
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

/// What a leaf says it supports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Capabilities {
    /// As it stands in the leaf, for `nothingCompatible`.
    pub(super) bytes: Vec<u8>,
    versions: Vec<u16>,
    suites: Vec<u16>,
    extensions: Vec<u16>,
    proposals: Vec<u16>,
    credentials: Vec<u16>,
}

impl Capabilities {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let rest = reader.rest();
        let mut list = |what| reader.vec(what, |item| item.u16(what));
        let versions = list("Capabilities.versions")?;
        let suites = list("Capabilities.ciphersuites")?;
        let extensions = list("Capabilities.extensions")?;
        let proposals = list("Capabilities.proposals")?;
        let credentials = list("Capabilities.credentials")?;
        let length = rest.len() - reader.rest().len();
        let bytes = rest.get(..length).unwrap_or_default().to_vec();
        Ok(Self { bytes, versions, suites, extensions, proposals, credentials })
    }

    /// P-048, P-088: whether a client with these can be in a group that requires those.
    pub(super) fn satisfy(&self, required: &RequiredCapabilities) -> bool {
        required.extension_types.iter().all(|it| self.extends(*it))
            && required
                .proposal_types
                .iter()
                .all(|it| DEFAULT_PROPOSALS.contains(it) || self.proposals.contains(it))
            && required.credential_types.iter().all(|it| self.credentials.contains(it))
    }

    fn extends(&self, extension: u16) -> bool {
        DEFAULT_EXTENSIONS.contains(&extension) || self.extensions.contains(&extension)
    }
}

/// The parts of a KeyPackage, as they stand in its bytes.
struct Outline {
    suite: u16,
    identity: Option<Vec<u8>>,
    credential_type: u16,
    capabilities: Capabilities,
    lifetime: Lifetime,
    extensions: Vec<u16>,
    leaf_extensions: Vec<u16>,
}

impl Outline {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.clone();
        match reader.u16("KeyPackage.version")? {
            MLS10 => {}
            other => return Err(start.error("KeyPackage.version", Fault::Code(other.into()))),
        }
        let suite = reader.u16("KeyPackage.cipher_suite")?;
        reader.bytes("KeyPackage.init_key")?;
        reader.bytes("LeafNode.encryption_key")?;
        reader.bytes("LeafNode.signature_key")?;
        let credential_type = reader.u16("Credential.credential_type")?;
        let content = reader.bytes("Credential")?;
        let capabilities = Capabilities::read(reader)?;
        let start = reader.clone();
        match reader.u8("LeafNode.leaf_node_source")? {
            SOURCE_KEY_PACKAGE => {}
            other => return Err(start.error("LeafNode.leaf_node_source", Fault::Code(other.into()))),
        }
        let lifetime = Lifetime {
            not_before: seconds(reader.u64("Lifetime.not_before")?),
            not_after: seconds(reader.u64("Lifetime.not_after")?),
        };
        let leaf_extensions = extension_types(reader)?;
        reader.bytes("LeafNode.signature")?;
        let extensions = extension_types(reader)?;
        reader.bytes("KeyPackage.signature")?;
        let identity = (credential_type == BASIC).then(|| content.to_vec());
        Ok(Self {
            suite,
            identity,
            credential_type,
            capabilities,
            lifetime,
            extensions,
            leaf_extensions,
        })
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

impl Package {
    /// Reads back what [`Package::check`] has passed.
    pub(super) fn restore(reference: KeyPackageRef, bytes: Vec<u8>) -> Result<Self, DecodeError> {
        let outline = decode_exact(&bytes, Outline::read)?;
        Ok(Self::new(reference, bytes, outline))
    }

    fn new(reference: KeyPackageRef, bytes: Vec<u8>, outline: Outline) -> Self {
        Self {
            reference,
            bytes,
            suite: outline.suite,
            lifetime: outline.lifetime,
            last_resort: outline.extensions.contains(&LAST_RESORT),
            capabilities: outline.capabilities,
        }
    }

    /// Checks a KeyPackage of `user` (P-047, D-25): its form, its signatures, its lifetime by `now`, and that its
    /// leaf supports what it uses itself.
    pub(super) fn check(
        bytes: &[u8],
        user: &[u8],
        now: Timestamp,
        crypto: &impl OpenMlsCrypto,
    ) -> Result<Self, Unfit> {
        let outline = decode_exact(bytes, Outline::read)?;
        let suite = Ciphersuite::try_from(outline.suite).map_err(|_| Unfit::Suite)?;
        if !crypto.supported_ciphersuites().contains(&suite) {
            return Err(Unfit::Suite);
        }
        // A basic credential's identity is the user URI, octet for octet.
        if outline.identity.as_deref() != Some(user) {
            return Err(Unfit::Identity);
        }
        if !outline.lifetime.covers(now) {
            return Err(Unfit::Lifetime);
        }
        let Capabilities { versions, suites, credentials, .. } = &outline.capabilities;
        let own = versions.contains(&MLS10)
            && suites.contains(&outline.suite)
            && credentials.contains(&outline.credential_type);
        let mut extensions = outline.extensions.iter().chain(&outline.leaf_extensions);
        if !own || !extensions.all(|it| outline.capabilities.extends(*it)) {
            return Err(Unfit::Capabilities);
        }
        let package = decode_exact(bytes, |reader| reader.mls::<KeyPackageIn>("KeyPackage"))?.0;
        match package.validate(crypto, ProtocolVersion::Mls10) {
            // The engine asks the system clock, and last of all: whatever else it checks has passed.
            Ok(_) | Err(KeyPackageVerifyError::LifetimeError(_)) => {}
            Err(_) => return Err(Unfit::Signature),
        }
        let reference = make_key_package_ref(bytes, suite, crypto).map_err(|_| Unfit::Suite)?;
        Ok(Self::new(reference, bytes.to_vec(), outline))
    }
}

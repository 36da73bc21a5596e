//! External parts: content that is stored elsewhere (content, section 4.5).
//!
//! The sender [`seal`]s a file, uploads the ciphertext, and sends a reference that holds its key. The receiver checks
//! the [`Location`], downloads it through an [`Incoming`], which refuses as soon as something is wrong, and
//! [`open`]s it. Nothing is fetched here. Fetch nothing by yourself either outside the domains that the room's asset
//! policy names: a URL that only one person gets tells when that person reads (D-47).
//!
//! # Who learns what
//!
//! Whoever stores a file sees its ciphertext, its size, and who fetches it when; downloaded directly, from which
//! address too. A proxy at the hub hides the address and learns that the room has the file; oblivious HTTP hides who
//! asks from the one and what is asked from the other. Which of them to use, the room's asset policy says and the user
//! may narrow (S-35).

mod incoming;
mod location;

use openmls_traits::{crypto::OpenMlsCrypto, types::AeadType};
use sha2::{Digest, Sha256};

pub use incoming::{HashAlgorithm, Incoming};
pub use location::{Location, LocationError, Scheme};

use super::{DraftExternal, External};
use crate::{
    env::{Crypto, Timestamp},
    error::Misuse,
};

/// The AEADs that our cryptography offers. AES-128-GCM is the one that everyone has (C-045).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Aead {
    /// `AEAD_AES_128_GCM`, 1.
    #[default]
    Aes128Gcm,
    /// `AEAD_AES_256_GCM`, 2.
    Aes256Gcm,
    /// `AEAD_CHACHA20_POLY1305`, 29.
    ChaCha20Poly1305,
}

impl Aead {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Aes128Gcm, Self::Aes256Gcm, Self::ChaCha20Poly1305];

    /// Octets that each of them adds to the plaintext.
    pub const TAG: u64 = 16;

    /// Its number in IANA's registry of AEAD algorithms.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Aes128Gcm => 1,
            Self::Aes256Gcm => 2,
            Self::ChaCha20Poly1305 => 29,
        }
    }

    /// The one with this number.
    #[must_use]
    pub fn from_code(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|aead| aead.code() == code)
    }

    const fn engine(self) -> AeadType {
        match self {
            Self::Aes128Gcm => AeadType::Aes128Gcm,
            Self::Aes256Gcm => AeadType::Aes256Gcm,
            Self::ChaCha20Poly1305 => AeadType::ChaCha20Poly1305,
        }
    }
}

/// Encrypts a file under a key of its own (D-49).
///
/// Upload the octets returned; then set the URL of the reference, its media type, and what else there is to say.
///
/// # Errors
/// If the cryptography or its randomness fails.
pub fn seal(
    crypto: &impl Crypto,
    aead: Aead,
    content: &[u8],
) -> Result<(Vec<u8>, DraftExternal<'static>), Misuse> {
    let random = |length| crypto.random_vec(length).map_err(|_| Misuse::Crypto("no randomness"));
    let key = random(aead.engine().key_size())?;
    let nonce = random(aead.engine().nonce_size())?;
    let sealed = crypto
        .aead_encrypt(aead.engine(), &key, content, &nonce, &[])
        .map_err(|_| Misuse::Crypto("the AEAD does not encrypt"))?;
    let external = DraftExternal {
        size: sealed.len() as u64,
        enc_alg: aead.code(),
        key: key.into(),
        nonce: nonce.into(),
        hash_alg: HashAlgorithm::Sha256.code(),
        content_hash: Sha256::digest(&sealed).to_vec().into(),
        ..DraftExternal::default()
    };
    Ok((sealed, external))
}

/// Checks a downloaded file against its reference and decrypts it.
///
/// A caller that has streamed it through an [`Incoming`] has checked it already; it is checked again here, for hashing
/// is cheap beside a mistake.
///
/// # Errors
/// Why the file must not be used.
pub fn open(
    crypto: &impl OpenMlsCrypto,
    external: &External<'_>,
    rules: &AssetRules,
    downloaded: &[u8],
    now: Timestamp,
) -> Result<Vec<u8>, AssetRefusal> {
    let mut incoming = Incoming::new(external, rules, now)?;
    incoming.push(downloaded)?;
    incoming.finish()?;
    let Some(aead) = encryption(external)? else { return Ok(downloaded.to_vec()) };
    crypto
        .aead_decrypt(aead.engine(), external.key(), downloaded, external.nonce(), external.aad())
        .map_err(|_| AssetRefusal::Decryption)
}

/// What a reference says it is encrypted with, if it can be decrypted here.
fn encryption(external: &External<'_>) -> Result<Option<Aead>, AssetRefusal> {
    let code = external.enc_alg();
    if code == 0 {
        return Ok(None);
    }
    let aead = Aead::from_code(code).ok_or(AssetRefusal::Aead(code))?;
    let engine = aead.engine();
    if external.key().len() != engine.key_size() || external.nonce().len() != engine.nonce_size() {
        return Err(AssetRefusal::KeyLength);
    }
    Ok(Some(aead))
}

/// What a receiver puts up with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AssetRules {
    /// Octets of the largest download, whatever its reference says (D-48).
    pub most: u64,
    /// Whether plain http will do for encrypted content. Never for content that is not encrypted.
    pub http: bool,
    /// Whether content that is neither encrypted nor hashed will do: anyone on the way could change it.
    pub unverified: bool,
}

impl Default for AssetRules {
    /// 100 MiB, https only, and nothing unverified.
    fn default() -> Self {
        Self { most: 100 << 20, http: false, unverified: false }
    }
}

/// Why a file must not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssetRefusal {
    /// The reference is no longer valid.
    #[error("the reference expired at second {0}")]
    Expired(u32),
    /// The reference does not say what it should hash to, and it is not encrypted.
    #[error("neither encrypted nor hashed")]
    Unverified,
    /// A hash algorithm that is not known here.
    #[error("hash algorithm {0} is not known")]
    HashAlgorithm(u8),
    /// A hash that is not as long as its algorithm makes it.
    #[error("the hash does not have the length of its algorithm")]
    HashLength,
    /// An AEAD that is not known here.
    #[error("AEAD {0} is not known")]
    Aead(u16),
    /// A key or nonce that is not as long as its AEAD needs it.
    #[error("key or nonce do not have the length of their AEAD")]
    KeyLength,
    /// Larger than its reference says, or than is allowed.
    #[error("more than {0} octets")]
    TooLarge(u64),
    /// Not as large as its reference says.
    #[error("{found} octets, not {expected}")]
    Size {
        /// What came.
        found: u64,
        /// What should have come.
        expected: u64,
    },
    /// Not the content that the sender meant.
    #[error("the hash is another one")]
    Hash,
    /// Does not decrypt.
    #[error("does not decrypt")]
    Decryption,
}

#[cfg(test)]
mod tests;

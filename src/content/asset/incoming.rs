//! A download that is checked while it comes in.

use sha2::{Digest, Sha256, Sha384, Sha512};

use super::{Aead, AssetRefusal, AssetRules, encryption};
use crate::{content::External, env::Timestamp};

/// The hash algorithms that are known here, of IANA's registry of named information.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HashAlgorithm {
    /// `sha-256`, 1.
    Sha256,
    /// `sha-384`, 7.
    Sha384,
    /// `sha-512`, 8.
    Sha512,
}

impl HashAlgorithm {
    /// Its number in the registry.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Sha256 => 1,
            Self::Sha384 => 7,
            Self::Sha512 => 8,
        }
    }

    /// The one with this number.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        [Self::Sha256, Self::Sha384, Self::Sha512].into_iter().find(|hash| hash.code() == code)
    }
}

#[derive(Clone, Debug)]
enum Hasher {
    Sha256(Sha256),
    Sha384(Sha384),
    Sha512(Sha512),
}

impl Hasher {
    fn new(algorithm: HashAlgorithm) -> Self {
        match algorithm {
            HashAlgorithm::Sha256 => Self::Sha256(Sha256::new()),
            HashAlgorithm::Sha384 => Self::Sha384(Sha384::new()),
            HashAlgorithm::Sha512 => Self::Sha512(Sha512::new()),
        }
    }

    fn length(&self) -> usize {
        match self {
            Self::Sha256(_) => 32,
            Self::Sha384(_) => 48,
            Self::Sha512(_) => 64,
        }
    }

    fn update(&mut self, octets: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(octets),
            Self::Sha384(hasher) => hasher.update(octets),
            Self::Sha512(hasher) => hasher.update(octets),
        }
    }

    fn is(self, expected: &[u8]) -> bool {
        match self {
            Self::Sha256(hasher) => hasher.finalize()[..] == *expected,
            Self::Sha384(hasher) => hasher.finalize()[..] == *expected,
            Self::Sha512(hasher) => hasher.finalize()[..] == *expected,
        }
    }
}

/// A download while it comes in: counted and hashed, never held.
#[derive(Clone, Debug)]
pub struct Incoming<'a> {
    hash: Option<(Hasher, &'a [u8])>,
    /// What the reference says, if it does.
    size: Option<u64>,
    /// How much more than `size` may come: the draft does not say whether the tag of the AEAD counts.
    tag: u64,
    most: u64,
    received: u64,
}

impl<'a> Incoming<'a> {
    /// Looks at the reference, before anything is fetched.
    ///
    /// # Errors
    /// If the reference has expired, or nothing that it could bring would be of use.
    pub fn new(
        external: &External<'a>,
        rules: &AssetRules,
        now: Timestamp,
    ) -> Result<Self, AssetRefusal> {
        let expires = external.expires();
        if expires != 0 && now.seconds() > u64::from(expires) {
            return Err(AssetRefusal::Expired(expires));
        }
        let aead = encryption(external)?;
        let hash = match external.hash_alg() {
            0 if aead.is_none() && !rules.unverified => return Err(AssetRefusal::Unverified),
            0 => None,
            code => {
                let algorithm = HashAlgorithm::from_code(code);
                let hasher = Hasher::new(algorithm.ok_or(AssetRefusal::HashAlgorithm(code))?);
                if external.content_hash().len() != hasher.length() {
                    return Err(AssetRefusal::HashLength);
                }
                Some((hasher, external.content_hash()))
            }
        };
        let size = Some(external.size()).filter(|&size| size != 0);
        let tag = if aead.is_some() { Aead::TAG } else { 0 };
        if size.is_some_and(|size| size > rules.most) {
            return Err(AssetRefusal::TooLarge(rules.most));
        }
        Ok(Self { hash, size, tag, most: rules.most, received: 0 })
    }

    /// Octets that may still come.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.limit().saturating_sub(self.received)
    }

    fn limit(&self) -> u64 {
        self.size.map_or(self.most, |size| size.saturating_add(self.tag).min(self.most))
    }

    /// Takes some octets.
    ///
    /// # Errors
    /// If there are more than there should be: stop the download.
    pub fn push(&mut self, octets: &[u8]) -> Result<(), AssetRefusal> {
        if octets.len() as u64 > self.left() {
            return Err(AssetRefusal::TooLarge(self.limit()));
        }
        self.received += octets.len() as u64;
        if let Some((hasher, _)) = &mut self.hash {
            hasher.update(octets);
        }
        Ok(())
    }

    /// Ends the download. Only now may what came in be used, or decrypted.
    ///
    /// # Errors
    /// If it is not as large as it should be, or another content than the sender meant (C-046).
    pub fn finish(self) -> Result<(), AssetRefusal> {
        if let Some(expected) = self.size
            && self.received != expected
            && (self.tag == 0 || self.received != expected.saturating_add(self.tag))
        {
            return Err(AssetRefusal::Size { found: self.received, expected });
        }
        match self.hash {
            Some((hasher, expected)) => hasher.is(expected).then_some(()).ok_or(AssetRefusal::Hash),
            None => Ok(()),
        }
    }
}

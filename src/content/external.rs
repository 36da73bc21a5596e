//! External parts as they stand in the bytes.

use super::{Invalid, Rule, cbor::read::Reader, part::Text};

/// Content that is elsewhere (content, section 4.5). [`asset`](super::asset) fetches and opens it safely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct External<'a> {
    content_type: Text<'a>,
    url: Text<'a>,
    expires: u32,
    size: u64,
    enc_alg: u16,
    key: &'a [u8],
    nonce: &'a [u8],
    aad: &'a [u8],
    hash_alg: u8,
    content_hash: &'a [u8],
    description: Text<'a>,
    filename: Text<'a>,
}

impl<'a> External<'a> {
    #[inline(always)]
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, Invalid> {
        let content_type = Text(reader.skip_text(Rule::ContentType)?);
        let url = Text(reader.skip_text(Rule::Url)?);
        let expires = reader.u32(Rule::UrlExpires)?;
        let size = reader.unsigned(u64::MAX, Rule::Size)?;
        let enc_alg_at = reader.at();
        let enc_alg = reader.unsigned(u64::from(u16::MAX), Rule::EncAlg)?;
        let key = reader.bytes(Rule::Key)?;
        let nonce = reader.bytes(Rule::Nonce)?;
        let aad = reader.bytes(Rule::Aad)?;
        if enc_alg == 0 && !(key.is_empty() && nonce.is_empty() && aad.is_empty()) {
            return Err(Invalid::at(enc_alg_at, Rule::KeyWithoutAlg));
        }
        Ok(Self {
            content_type,
            url,
            expires,
            size,
            enc_alg: enc_alg.try_into().unwrap_or(u16::MAX),
            key,
            nonce,
            aad,
            hash_alg: reader.u8(Rule::HashAlg)?,
            content_hash: reader.bytes(Rule::ContentHash)?,
            description: Text(reader.skip_text(Rule::Description)?),
            filename: Text(reader.skip_text(Rule::Filename)?),
        })
    }

    /// Its media type, or nothing where the URL is a service.
    #[must_use]
    pub fn content_type(&self) -> &'a str {
        self.content_type.get()
    }

    /// Where it is. Not checked: [`asset::Location`](super::asset::Location) does that before anything is fetched.
    #[must_use]
    pub fn url(&self) -> &'a str {
        self.url.get()
    }

    /// The second since the Unix epoch after which it is invalid; 0 for never.
    #[must_use]
    pub const fn expires(&self) -> u32 {
        self.expires
    }

    /// Its octets, as they are at the URL; 0 for unknown.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The AEAD it is encrypted with, in IANA's registry; 0 for none.
    #[must_use]
    pub const fn enc_alg(&self) -> u16 {
        self.enc_alg
    }

    /// The key of the AEAD.
    #[must_use]
    pub const fn key(&self) -> &'a [u8] {
        self.key
    }

    /// The nonce of the AEAD.
    #[must_use]
    pub const fn nonce(&self) -> &'a [u8] {
        self.nonce
    }

    /// The additional data of the AEAD.
    #[must_use]
    pub const fn aad(&self) -> &'a [u8] {
        self.aad
    }

    /// The hash algorithm, in IANA's registry of named information; 0 for none.
    #[must_use]
    pub const fn hash_alg(&self) -> u8 {
        self.hash_alg
    }

    /// The hash of what is at the URL: of the ciphertext, if it is encrypted.
    #[must_use]
    pub const fn content_hash(&self) -> &'a [u8] {
        self.content_hash
    }

    /// Words about it; untrusted text.
    #[must_use]
    pub fn description(&self) -> &'a str {
        self.description.get()
    }

    /// A name to save it under; untrusted text, and not a path.
    #[must_use]
    pub fn filename(&self) -> &'a str {
        self.filename.get()
    }
}

//! The keys of a gateway, as a client reads them (RFC 9458, section 3).

use crate::{codec::Reader, error::DecodeError};

/// Octets of a list of keys that are looked at: a gateway has two or three, of at most 1,250 octets.
pub(super) const MOST: usize = 16 << 10;

/// HKDF with SHA-256, the only KDF that is known here.
const HKDF_SHA256: u16 = 1;
/// AES-128-GCM and ChaCha20-Poly1305, in the order in which they are chosen.
const AEADS: [u16; 2] = [1, 3];

/// The octets of a public key of a KEM that is known here.
const fn public_key(kem: u16) -> Option<usize> {
    match kem {
        // P-256, X25519, X-Wing
        0x0010 => Some(65),
        0x0020 => Some(32),
        0x647a => Some(1216),
        _ => None,
    }
}

/// The first key that can be used, with one way to use it: all that is left to the engine is to take it.
pub(super) fn usable(keys: &[u8]) -> Result<Option<Vec<u8>>, DecodeError> {
    let mut reader = Reader::new(keys);
    let mut first = None;
    while !reader.is_empty() {
        let length = reader.u16("key configuration")?;
        let mut config = Reader::new(reader.take("key configuration", usize::from(length))?);
        if first.is_none() {
            first = read(&mut config)?;
        }
    }
    Ok(first)
}

fn read(config: &mut Reader<'_>) -> Result<Option<Vec<u8>>, DecodeError> {
    let id = config.u8("key_id")?;
    let kem = config.u16("kem_id")?;
    let Some(length) = public_key(kem) else { return Ok(None) };
    let key = config.take("public_key", length)?;
    let suites = usize::from(config.u16("cipher_suites")?);
    let mut suites = Reader::new(config.take("cipher_suites", suites)?);
    config.finish()?;
    let mut offered = Vec::new();
    while !suites.is_empty() {
        let kdf = suites.u16("kdf_id")?;
        let aead = suites.u16("aead_id")?;
        if kdf == HKDF_SHA256 {
            offered.push(aead);
        }
    }
    let chosen = AEADS.into_iter().find(|aead| offered.contains(aead));
    Ok(chosen.map(|aead| {
        let mut usable = vec![id];
        usable.extend_from_slice(&kem.to_be_bytes());
        usable.extend_from_slice(key);
        for number in [4, HKDF_SHA256, aead] {
            usable.extend_from_slice(&number.to_be_bytes());
        }
        usable
    }))
}

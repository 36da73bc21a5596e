//! What the engine knows of a message and does not tell: which one of its sender it is.
//!
//! The generation stands in the message's sender data, encrypted with a secret of its epoch (RFC 9420, section 6.3.2).
//! That secret is in the engine's own record of message secrets, of which the types here are the shape (openmls
//! 0.9.2, which is pinned; a test reads one). If the record is of another shape, nothing is known of generations, and
//! nothing else depends on it.

use std::{fmt, marker::PhantomData};

use openmls::credentials::CredentialType;
use openmls_traits::{crypto::OpenMlsCrypto, types::Ciphersuite};
use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};
use tls_codec::SecretVLBytes;

use crate::{
    codec::{Reader, decode_exact, write_bytes},
    wire::PrivateMessage,
};

#[derive(Deserialize)]
struct MessageSecretsStore<'a> {
    _kept: u64,
    #[serde(borrow)]
    past: Vec<PastEpoch<'a>>,
    current: MessageSecrets<'a>,
}

#[derive(Deserialize)]
struct PastEpoch<'a> {
    epoch: u64,
    #[serde(borrow)]
    secrets: MessageSecrets<'a>,
    #[serde(borrow)]
    _leaves: Walked<Leaf<'a>>,
}

#[derive(Deserialize)]
struct Leaf<'a> {
    _index: u32,
    _credential_type: CredentialType,
    _identity: &'a [u8],
    _encryption_key: &'a [u8],
    _signature_key: &'a [u8],
}

#[derive(Deserialize)]
struct MessageSecrets<'a> {
    sender_data: &'a [u8],
    #[cfg_attr(not(test), expect(dead_code, reason = "walked over"))]
    membership: &'a [u8],
    _confirmation: &'a [u8],
    _context: &'a [u8],
    #[serde(borrow)]
    _tree: SecretTree<'a>,
    _added_at: Option<(u64, u32)>,
}

#[derive(Deserialize)]
struct SecretTree<'a> {
    _own_index: u32,
    #[serde(borrow)]
    _leaves: Walked<Option<&'a [u8]>>,
    #[serde(borrow)]
    _parents: Walked<Option<&'a [u8]>>,
    #[serde(borrow)]
    _handshake: Walked<Option<Ratchet<'a>>>,
    #[serde(borrow)]
    _application: Walked<Option<Ratchet<'a>>>,
    _size: u32,
}

/// A list as long as the group that is walked over: nothing of it is kept.
struct Walked<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Walked<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Self(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Walked<T> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<T>()?.is_some() {}
        Ok(self)
    }
}

/// A secret and its generation.
type Head<'a> = (&'a [u8], u32);

#[derive(Deserialize)]
#[expect(dead_code, reason = "walked over")]
enum Ratchet<'a> {
    Encryption(#[serde(borrow)] Head<'a>),
    Decryption(#[serde(borrow)] Decryption<'a>),
}

#[derive(Deserialize)]
struct Decryption<'a> {
    #[serde(borrow)]
    _past: Walked<Option<Key<'a>>>,
    #[serde(borrow)]
    _head: Head<'a>,
}

/// Algorithm, key and nonce.
type Key<'a> = (u32, &'a [u8], [u8; 12]);

/// The secret that sender data of an epoch are encrypted with, out of the engine's record.
pub(super) fn sender_data(record: &[u8], epoch: u64, current: u64) -> Option<SecretVLBytes> {
    let store: MessageSecretsStore<'_> = postcard::from_bytes(record).ok()?;
    let secrets = if epoch == current {
        &store.current
    } else {
        &store.past.iter().find(|past| past.epoch == epoch)?.secrets
    };
    Some(secrets.sender_data.to_vec().into())
}

/// The key of membership tags in the current epoch.
#[cfg(test)]
pub(super) fn membership(record: &[u8]) -> Option<Vec<u8>> {
    let store: MessageSecretsStore<'_> = postcard::from_bytes(record).ok()?;
    Some(store.current.membership.to_vec())
}

/// `ExpandWithLabel` (RFC 9420, section 8).
fn expand(
    crypto: &impl OpenMlsCrypto,
    suite: Ciphersuite,
    secret: &[u8],
    (label, context): (&str, &[u8]),
    length: usize,
) -> Option<SecretVLBytes> {
    let mut info = u16::try_from(length).ok()?.to_be_bytes().to_vec();
    write_bytes(&mut info, format!("MLS 1.0 {label}").as_bytes());
    write_bytes(&mut info, context);
    crypto.hkdf_expand(suite.hash_algorithm(), secret, &info, length).ok()
}

/// Which message of its leaf and epoch it is.
pub(super) fn generation(
    crypto: &impl OpenMlsCrypto,
    suite: Ciphersuite,
    secret: &[u8],
    message: &PrivateMessage,
) -> Option<u32> {
    let mut reader = Reader::new(message.as_bytes());
    reader.u32("version and wire format").ok()?;
    let start = reader.offset();
    reader.bytes("PrivateMessage.group_id").ok()?;
    reader.u64("PrivateMessage.epoch").ok()?;
    reader.u8("PrivateMessage.content_type").ok()?;
    // SenderDataAAD is what the message starts with.
    let aad = message.as_bytes().get(start..reader.offset())?;
    reader.bytes("PrivateMessage.authenticated_data").ok()?;
    let encrypted = reader.bytes("PrivateMessage.encrypted_sender_data").ok()?;
    let ciphertext = reader.bytes("PrivateMessage.ciphertext").ok()?;
    let sample = ciphertext.get(..suite.hash_length()).unwrap_or(ciphertext);
    let key = expand(crypto, suite, secret, ("key", sample), suite.aead_key_length())?;
    let nonce = expand(crypto, suite, secret, ("nonce", sample), suite.aead_nonce_length())?;
    let algorithm = suite.aead_algorithm();
    let data =
        crypto.aead_decrypt(algorithm, key.as_slice(), encrypted, nonce.as_slice(), aad).ok()?;
    decode_exact(&data, |reader| {
        reader.u32("SenderData.leaf_index")?;
        let generation = reader.u32("SenderData.generation")?;
        reader.u32("SenderData.reuse_guard")?;
        Ok(generation)
    })
    .ok()
}

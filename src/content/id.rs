//! Message IDs and the salt they rest on (content, section 3.3).

use std::fmt;

use hmac::{Hmac, Mac};
use openmls_traits::random::OpenMlsRand;
use sha2::{Digest, Sha256};

use crate::error::Misuse;

/// What names one message: the hash algorithm, then 31 octets of the hash. Ordered as octets, the tie-break of
/// section 5.11.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct MessageId(pub [u8; Self::LENGTH]);

impl MessageId {
    /// Octets of an ID.
    pub const LENGTH: usize = 32;

    /// SHA-256 in the registry of named information hash algorithms: the one algorithm in use, whatever the MLS
    /// cipher suite (C-005).
    pub const SHA_256: u8 = 0x01;

    /// The ID of `content`, the very octets received, sent by `sender` to `room` (C-004).
    ///
    /// Both URIs come from what MLS authenticated; [`Message::id`](super::Message::id) calls this.
    ///
    /// # Errors
    /// If a URI has more than 65,535 octets.
    pub fn of(sender: &str, room: &str, content: &[u8], salt: Salt) -> Result<Self, UriTooLong> {
        let sender_length = u16::try_from(sender.len()).map_err(|_| UriTooLong)?.to_be_bytes();
        let room_length = u16::try_from(room.len()).map_err(|_| UriTooLong)?.to_be_bytes();
        let hash = hash(sender_length, sender, room_length, room, content, salt);
        let mut id = [Self::SHA_256; Self::LENGTH];
        for (octet, hashed) in id.iter_mut().skip(1).zip(hash) {
            *octet = hashed;
        }
        Ok(Self(id))
    }

    /// Whether its hash algorithm is one that is known here.
    #[must_use]
    pub const fn is_known(&self) -> bool {
        self.0[0] == Self::SHA_256
    }

    /// The ID that `bytes` are, if there are 32 of them.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The octets.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }
}

/// Octets up to which all fields are gathered in one place: to hash it at once costs less than to hash six.
const GATHERED: usize = 512;

#[inline]
fn hash(
    sender_length: [u8; 2],
    sender: &str,
    room_length: [u8; 2],
    room: &str,
    content: &[u8],
    Salt(salt): Salt,
) -> [u8; 32] {
    let mut place = [0; GATHERED];
    let mut end = 0;
    let mut gather = |field: &[u8]| {
        let room = place.get_mut(end..end + field.len());
        room.map(|room| room.copy_from_slice(field)).map(|()| end += field.len()).is_some()
    };
    let uris = gather(&sender_length)
        && gather(sender.as_bytes())
        && gather(&room_length)
        && gather(room.as_bytes());
    if uris && gather(content) && gather(&salt) {
        return Sha256::digest(place.get(..end).unwrap_or_default()).into();
    }
    let mut hasher = Sha256::new();
    if uris {
        let length = sender.len() + room.len() + sender_length.len() + room_length.len();
        hasher.update(place.get(..length).unwrap_or_default());
    } else {
        hasher.update(sender_length);
        hasher.update(sender);
        hasher.update(room_length);
        hasher.update(room);
    }
    hasher.update(content);
    hasher.update(salt);
    hasher.finalize().into()
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageId({self})")
    }
}

/// A URI of more than 65,535 octets, for which the draft has no message ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a URI has more than 65,535 octets")]
pub struct UriTooLong;

/// The random octets of one message: part of its ID, and the key of its franking tag.
///
/// Never use one twice, and never let it be guessed (C-012).
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct Salt(pub [u8; Self::LENGTH]);

impl Salt {
    /// Octets of a salt.
    pub const LENGTH: usize = 16;

    /// A fresh salt from the caller's randomness.
    ///
    /// # Errors
    /// If the randomness fails.
    pub fn random(random: &impl OpenMlsRand) -> Result<Self, Misuse> {
        random.random_array().map(Self).map_err(|_| Misuse::Crypto("no randomness"))
    }

    /// A salt that is random even if the nonce is not: the first octets of HMAC-SHA-256 over `nonce`, keyed with the
    /// MLS exporter's `salt_base_secret` (content, section 9.2). The nonce must not repeat.
    #[must_use]
    pub fn derive(salt_base_secret: &[u8], nonce: &[u8]) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(salt_base_secret)
            .expect("HMAC takes a key of any length");
        mac.update(nonce);
        let mut salt = [0; Self::LENGTH];
        for (octet, derived) in salt.iter_mut().zip(mac.finalize().into_bytes()) {
            *octet = derived;
        }
        Self(salt)
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(")?;
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))?;
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The draft's formula, word for word, with a plain hasher.
    fn formula(sender: &str, room: &str, content: &[u8], salt: Salt) -> Vec<u8> {
        let mut hasher = Sha256::new();
        for uri in [sender, room] {
            hasher.update(u16::try_from(uri.len()).unwrap().to_be_bytes());
            hasher.update(uri);
        }
        hasher.update(content);
        hasher.update(salt.0);
        [&[1], &hasher.finalize()[..31]].concat()
    }

    #[test]
    fn an_id_is_the_same_gathered_or_not() {
        // Around every end of a block, and every number of blocks.
        for length in (0..1200).chain([2000, 2048, 5000, 65_000]) {
            let content: Vec<u8> = (0..length).map(|at: usize| at.to_le_bytes()[0]).collect();
            let id = MessageId::of("sender", "the room", &content, Salt([9; 16])).unwrap();
            assert_eq!(
                id.0[..],
                formula("sender", "the room", &content, Salt([9; 16])),
                "{length}"
            );
            assert!(id.is_known());
        }
        for length in [0, 1, 63, 64, 247, 1000, 65_535] {
            let uri = "u".repeat(length);
            let id = MessageId::of(&uri, &uri, b"content", Salt([8; 16])).unwrap();
            assert_eq!(id.0[..], formula(&uri, &uri, b"content", Salt([8; 16])), "{length}");
        }
    }

    #[test]
    fn lengths_are_octets_and_keep_the_uris_apart() {
        let id = |sender: &str, room: &str| MessageId::of(sender, room, &[], Salt([0; 16]));
        assert_ne!(id("ab", "c"), id("a", "bc"));
        // Two characters, three octets: the length that is hashed is 3.
        let mut hasher = Sha256::new();
        hasher.update([0, 3]);
        hasher.update("aé");
        hasher.update([0, 0]);
        hasher.update([0; 16]);
        assert_eq!(id("aé", "").unwrap().0[1..], hasher.finalize()[..31]);
        assert_eq!(id(&"a".repeat(65_536), ""), Err(UriTooLong));
        assert!(id("", &"a".repeat(65_535)).is_ok());
    }

    #[test]
    fn a_derived_salt_depends_on_secret_and_nonce() {
        let salt = Salt::derive(b"secret", b"nonce");
        assert_eq!(salt, Salt::derive(b"secret", b"nonce"));
        assert_ne!(salt, Salt::derive(b"secret", b"other"));
        assert_ne!(salt, Salt::derive(b"other", b"nonce"));
    }
}

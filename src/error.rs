//! Errors that more than one module makes. Who is to blame is in the type: [`DecodeError`] the bytes, a `…Refusal`
//! the peer (each machine has its own), [`Misuse`] our caller, [`RestoreError`] the disk.

use thiserror::Error;

/// Bytes that are not what they should be. Nothing was changed, and no more memory used than the input has octets.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{what} at byte {offset}: {fault}")]
pub struct DecodeError {
    /// Octets of the input before the fault.
    pub offset: usize,
    /// The field or structure, by its name in the draft.
    pub what: &'static str,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with some bytes.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Fault {
    /// The input ends too early.
    #[error("the input ends {0} octets too early")]
    Truncated(usize),
    /// The input goes on after its end.
    #[error("{0} octets follow the end")]
    Trailing(usize),
    /// A length is written in more octets than it needs (RFC 9420, section 2.1.2).
    #[error("a length is not in its shortest form")]
    LongLength,
    /// A length starts with the bits 11 (RFC 9420, section 2.1.2).
    #[error("a length has the invalid prefix 11")]
    LengthPrefix,
    /// Longer than allowed.
    #[error("{found} is more than the limit of {limit}")]
    TooLarge {
        /// What the input claims.
        found: u64,
        /// What is allowed.
        limit: u64,
    },
    /// Empty where at least one item is needed.
    #[error("empty where something is needed")]
    Empty,
    /// A presence octet or a boolean that is neither 0 nor 1.
    #[error("{0} is neither 0 nor 1")]
    Boolean(u8),
    /// A reserved or unknown code where the draft leaves no room for others.
    #[error("unknown code {0}")]
    Code(u64),
    /// Text that is not UTF-8, or holds a NUL.
    #[error("not UTF-8 text without NUL")]
    Text,
    /// A URI that breaks the strict form.
    #[error(transparent)]
    Uri(#[from] crate::uri::UriError),
    /// Items out of order.
    #[error("items are out of order")]
    Order,
    /// An item that may stand only once stands twice.
    #[error("an item stands twice")]
    Duplicate,
    /// An item that contradicts another.
    #[error("contradicts another field: {0}")]
    Contradiction(&'static str),
    /// An MLS structure that the MLS engine does not read.
    #[error("not a valid MLS structure")]
    Mls,
    /// A ciphertext that does not decrypt.
    #[error("does not decrypt")]
    Decryption,
}

/// Records that do not load. Restore from a good copy; for a client: forget the room and join again.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// A record that must be there is not.
    #[error("the record of {0} is missing")]
    Missing(&'static str),
    /// It is over: nothing is left of it but a tombstone ([`hub::Tombstone::of`](crate::hub::Tombstone::of)).
    #[error("it is over, and only its tombstone is left")]
    Over,
    /// A record does not decode.
    #[error("the record of {0} does not decode")]
    Corrupt(&'static str),
    /// A record of a format that this version does not know.
    #[error("records of format {0} are not known here")]
    Format(u8),
}

/// A call that our caller should not have made. State is unchanged.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Misuse {
    /// A key that the call needs is not in the caller's `Keys`.
    #[error("the key for {0} is not at hand")]
    MissingKey(&'static str),
    /// An argument that cannot be.
    #[error("{0}")]
    Argument(&'static str),
    /// The cryptography provider failed.
    #[error("the cryptography provider failed: {0}")]
    Crypto(&'static str),
}

//! MIMI content: messages that apps build and show (draft-ietf-mimi-content-08).

pub mod asset;
pub mod cbor;
pub mod check;
pub mod choose;
mod derived;
mod draft;
mod extensions;
mod id;
mod invalid;
pub mod known;
pub mod link;
#[cfg(feature = "markdown")]
pub mod markdown;
pub mod media;
mod message;
mod part;
pub mod status;
pub mod timeline;

pub use derived::{DerivedValues, HubTimestamp};
pub use draft::{Compose, Draft, DraftBody, DraftExternal, DraftPart};
pub use extensions::{ExtensionKey, Extensions, KEY_OCTETS};
pub use id::{MessageId, Salt, UriTooLong};
pub use invalid::{Invalid, Rule};
pub use message::{Expiration, Message, MessageBuf, TOPIC_OCTETS};
pub use part::{
    AllParts, Body, Disposition, External, Multi, PART_LEVELS, PARTS, Part, Parts, Semantics,
    Single,
};

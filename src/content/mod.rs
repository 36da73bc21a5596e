//! MIMI content: messages that apps build and show (draft-ietf-mimi-content-08).
//!
//! A message is a CBOR array: a salt, what it replaces or replies to, a topic, an expiry, extensions, and a body of
//! nested parts. Three types hold one:
//!
//! | type | is | made by |
//! | --- | --- | --- |
//! | [`Message`] | decoded, over borrowed bytes; has all accessors | [`Message::decode`] |
//! | [`MessageBuf`] | the same with bytes of its own | [`MessageBuf::decode`], [`Draft::build`] |
//! | [`Draft`] | not encoded yet; every field may be set | [`Compose`], `Draft::from(message)` |
//!
//! # Send
//!
//! ```
//! use openmimi::content::{Compose, DraftPart, MessageId, Salt};
//!
//! let (alice, room) = ("mimi://example.com/u/alice-smith", "mimi://example.com/r/engineering_team");
//! let compose = Compose::new(alice, room);
//! let salt = Salt([7; 16]); // In earnest: Salt::random(&env.crypto)?
//! let message = compose.text("Hi everyone").build(salt)?;
//! let id: MessageId = message.as_message().id(alice, room).expect("short URIs");
//! let bytes = message.into_bytes(); // what MLS encrypts
//! # assert!(id.is_known() && !bytes.is_empty());
//! # Ok::<(), openmimi::content::Rule>(())
//! ```
//!
//! Replies, reactions, edits, deletions, attachments and the rest are methods of [`Compose`]; alternatives and several
//! languages are parts of a [`DraftPart`].
//!
//! # Receive
//!
//! 1. **[Decode](Message::decode).** One walk checks every rule of encoding and structure: deterministic CBOR only, all
//!    limits, nothing after the end. It allocates nothing, recurses nowhere, and says of what it refuses which [`Rule`]
//!    is broken at which byte.
//! 2. **[Check](check).** Sender, room, times and repetition, against what MLS and the hub say. Gives the message ID.
//! 3. **[Choose](Message::choose)** the parts to show, or put the message into a [`timeline`], which folds edits,
//!    deletions, reactions and receipts into what a person sees.
//! 4. **[Open](asset)** attachments, and look out for [links](link) that pretend.
//!
//! ```
//! use openmimi::content::{Body, Message, Rule};
//! # use openmimi::content::{Compose, Salt};
//! # let bytes = Compose::new("s", "r").text("Hi everyone").build(Salt([7; 16]))?.into_bytes();
//! let message = Message::decode(&bytes).map_err(|invalid| invalid.rule())?;
//! if let Body::Single(single) = message.body().body() {
//!     assert_eq!((single.content_type(), single.content()), ("text/plain;charset=utf-8", &b"Hi everyone"[..]));
//! }
//! assert_eq!(Message::decode(&bytes[1..]).map_err(|invalid| invalid.rule()), Err(Rule::Message));
//! # Ok::<(), Rule>(())
//! ```
//!
//! # The franking tag
//!
//! It is the HMAC-SHA-256, keyed with [`Message::salt`], of the application data of the MLS message: of
//! [`Message::as_bytes`], or of the framing around it where the room frames its content. [`crate::franking`] has it.
//!
//! # How we read the draft
//!
//! * What has to be deterministic is refused if it is not (Q-82). So a message has one encoding, its ID is over the
//!   octets received, and decoding and encoding again is the identity.
//! * Multi parts and the root count towards the 1,024 parts, as they have part indices; the root is the first of the
//!   four levels (Q-85).
//! * `replaces` and `inReplyTo` with an unknown hash algorithm are refused (Q-89).
//! * URLs of external parts and derived values are untagged text (Q-83).
//! * The reserved extension key 0 is not sent, and not looked at when received (Q-86).
//! * Of extensions, only the shapes of `senderUri` and `roomUri` are part of the verdict. Those of the individual
//!   drafts in [`known`] are checked when they are asked for.

pub mod asset;
pub mod cbor;
pub mod check;
pub mod choose;
mod derived;
mod draft;
mod extensions;
mod external;
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
pub use external::External;
pub use id::{MessageId, Salt, UriTooLong};
pub use invalid::{Invalid, Rule};
pub use message::{Expiration, Message, MessageBuf, TOPIC_OCTETS};
pub use part::{
    AllParts, Body, Disposition, Multi, PART_LEVELS, PARTS, Part, Parts, Semantics, Single,
};

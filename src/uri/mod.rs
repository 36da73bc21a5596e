//! Strict MIMI URIs: one spelling for one name.
//!
//! | kind | form | type |
//! | --- | --- | --- |
//! | provider | `mimi://a.example` | [`ProviderUri`] |
//! | user, or a pseudonym of one | `mimi://a.example/u/alice`, `mimi://a.example/p/UUID` | [`UserUri`] |
//! | client | `mimi://a.example/d/alice/ClientA1` | [`ClientUri`] |
//! | room | `mimi://a.example/r/clubhouse` | [`RoomUri`] |
//! | MLS group | `mimi://a.example/g/clubhouse` | [`GroupUri`] |
//!
//! Participant lists, signatures, message IDs and franks compare these names octet for octet, so a second spelling
//! of a name would evade a ban. Whatever is not in the one normal form is refused with the exact reason, and
//! nothing is ever rewritten:
//!
//! * the scheme and the host are in lower case; the host is a domain name of letters, digits and hyphens;
//! * there is no user information, port, query, fragment, empty segment or dot segment;
//! * the path starts with the segment of its kind and goes on with at least one more segment;
//! * what can stand for itself is not percent-encoded; what is encoded is UTF-8 without control characters, in
//!   upper-case digits;
//! * a URI has at most [`MAX_URI`] octets.
//!
//! All types are cheap to clone, and sort by their octets.
//!
//! ```
//! use openmimi::uri::UserUri;
//!
//! let alice = UserUri::parse("mimi://a.example/u/alice")?;
//! assert_eq!((alice.domain().as_str(), alice.name()), ("a.example", "alice"));
//! for another_spelling in ["MIMI://a.example/u/alice", "mimi://a.example/u/%61lice", "mimi://a.example:443/u/alice"] {
//!     assert!(UserUri::parse(another_spelling).is_err());
//! }
//! # Ok::<(), openmimi::uri::UriError>(())
//! ```

mod domain;
mod grammar;
mod kinds;
mod participant;
#[cfg(test)]
mod tests;

pub use domain::Domain;
pub use grammar::escape;
pub use kinds::{ClientUri, GroupUri, ProviderUri, RoomUri, UserUri};
pub use participant::ParticipantUri;

/// The longest URI, in octets.
pub const MAX_URI: usize = 1024;

/// Why a URI is not in the strict form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UriError {
    /// Longer than [`MAX_URI`].
    #[error("a URI of {0} octets is too long")]
    TooLong(usize),
    /// Does not start with `mimi://`.
    #[error("not a mimi:// URI")]
    Scheme,
    /// A user name in front of the host.
    #[error("user information in front of the host")]
    Userinfo,
    /// A port behind the host.
    #[error("a port behind the host")]
    Port,
    /// A domain name that is empty, has more than 253 octets, or ends in a label that is no name (an IP address).
    #[error("the host is not a domain name")]
    Host,
    /// A label of the host that is empty, has more than 63 octets, holds anything but `a`–`z`, `0`–`9` and `-`, or
    /// starts or ends with `-`.
    #[error("a label of the host is not in lower-case letters, digits and hyphens")]
    Label,
    /// A query.
    #[error("a query")]
    Query,
    /// A fragment.
    #[error("a fragment")]
    Fragment,
    /// The path does not start with the segment of the expected kind.
    #[error("not of the kind mimi://host{expected}")]
    Kind {
        /// What should follow the host: `/u/`, `/d/`, `/r/`, `/g/`, or nothing.
        expected: &'static str,
    },
    /// A segment without an octet, as between two slashes or after the last one.
    #[error("an empty segment in the path")]
    EmptySegment,
    /// A segment `.` or `..`.
    #[error("a dot segment in the path")]
    DotSegment,
    /// An octet that cannot stand in a path.
    #[error("the octet {0:#04x} in the path")]
    Octet(u8),
    /// A `%` without two upper-case hexadecimal digits.
    #[error("a malformed percent-encoding")]
    Escape,
    /// An octet is percent-encoded that can stand for itself.
    #[error("{0:#04x} is percent-encoded without need")]
    NeedlessEscape(u8),
    /// Percent-encoded octets that are not UTF-8, or a control character.
    #[error("percent-encoded octets are not printable UTF-8")]
    EscapedText,
}

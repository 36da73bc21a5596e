//! Why a hub fetches nothing, or not to the end.

use thiserror::Error;

/// Why an asset is not fetched, or not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProxyRefusal {
    /// What is asked for is no GET of an https URL.
    #[error("not a GET of an https URL")]
    Request,
    /// The host serves the assets of no peer (P-244, P-248, D-60, D-65).
    #[error("the host serves the assets of no peer")]
    Host,
    /// A port other than 443 (D-60).
    #[error("a port other than 443")]
    Port,
    /// An address of the host is none of the public Internet (D-61).
    #[error("an address of the host is none of the public Internet")]
    Address,
    /// The host has no address.
    #[error("the host has no address")]
    Unresolved,
    /// The host sends the client elsewhere (D-62).
    #[error("redirected by status {0}")]
    Redirected(u16),
    /// The host has no such asset, or none any more.
    #[error("no asset: status {0}")]
    NotFound(u16),
    /// The host is not able to now.
    #[error("not now: status {status}")]
    Later {
        /// The status, for logs.
        status: u16,
        /// Milliseconds to wait at least, if the host says so; not more than `Limits::retry_after`.
        retry_after: Option<u64>,
    },
    /// The host answers with a status that is no answer to what was asked.
    #[error("status {0}")]
    Status(u16),
    /// The asset is encoded, which nobody has asked for.
    #[error("the asset is encoded")]
    Encoded,
    /// The asset has more octets than are fetched (D-63).
    #[error("more than {0} octets")]
    TooLarge(u64),
    /// The asset ends before its announced length.
    #[error("{found} octets of {announced}")]
    Truncated {
        /// What came.
        found: u64,
        /// What was announced.
        announced: u64,
    },
    /// The asset takes too long (D-63).
    #[error("it takes too long")]
    TooSlow,
}

impl ProxyRefusal {
    /// The HTTP status that says it, where nothing has been passed on yet (P-246). What the network of the hub looks
    /// like, nobody learns: an address that is not public is answered like a host that is not listed.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Host | Self::Port | Self::Address => 403,
            Self::Request => 400,
            Self::NotFound(status) => *status,
            Self::Later { .. } => 503,
            Self::Unresolved
            | Self::Redirected(_)
            | Self::Status(_)
            | Self::Encoded
            | Self::TooLarge(_)
            | Self::Truncated { .. } => 502,
            Self::TooSlow => 504,
        }
    }

    /// Milliseconds for `Retry-After`, if there are any.
    #[must_use]
    pub const fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Later { retry_after, .. } => *retry_after,
            Self::Request
            | Self::Host
            | Self::Port
            | Self::Address
            | Self::Unresolved
            | Self::Redirected(_)
            | Self::NotFound(_)
            | Self::Status(_)
            | Self::Encoded
            | Self::TooLarge(_)
            | Self::Truncated { .. }
            | Self::TooSlow => None,
        }
    }
}

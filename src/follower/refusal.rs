//! Why a follower refuses, and what it answers.

use thiserror::Error;

use crate::{error::DecodeError, machine::Revision};

/// Something that was refused. Nothing of it was processed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{fault}")]
pub struct Refusal {
    /// The reason.
    pub fault: Fault,
    /// The saved state it was judged at.
    pub revision: Revision,
}

/// Why something is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// It cannot be read.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// It does not come from the hub of the room, the authority of its URI (D-30).
    #[error("not from the hub of the room")]
    NotTheHub,
    /// No client of this provider is in the room, or about to be.
    #[error("no client of this provider is in the room")]
    UnknownRoom,
    /// It does not come from a client of this provider, or speaks for another user.
    #[error("not from a client of this provider that speaks for its own user")]
    NotOurs,
    /// It holds events of a later epoch, and there is no more room to hold them back: `Limits::early` and
    /// `Limits::held`. The hub sends them again when the commits before them have come (P-174).
    #[error("too many events of a later epoch")]
    TooEarly,
}

impl Fault {
    /// The HTTP status that says it.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Malformed(_) => 400,
            Self::NotTheHub | Self::NotOurs => 403,
            Self::UnknownRoom => 404,
            Self::TooEarly => 503,
        }
    }
}

//! Why a claim on a user's KeyPackages is refused, and what is answered.

use thiserror::Error;

use super::Policy;
use crate::{
    codec::Wire,
    error::DecodeError,
    machine::Revision,
    uri::UserUri,
    wire::{KeyMaterialResponse, KeyMaterialUserCode, PROTOCOL_MLS10},
};

/// A claim that was refused. Nothing was handed out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{fault}")]
pub struct ClaimRefusal {
    /// The reason: for logs, for the answer may hide it.
    pub fault: ClaimFault,
    /// The saved state it was judged at; none if there is no such user.
    pub revision: Revision,
    /// What to answer.
    pub answer: ClaimAnswer,
}

/// What is answered to a claim that is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimAnswer {
    /// HTTP 200 with this `KeyMaterialResponse`.
    Response(Vec<u8>),
    /// An HTTP status without a body.
    Status {
        /// The status.
        status: u16,
        /// Milliseconds for `Retry-After`.
        retry_after: Option<u64>,
    },
}

/// Why a claim is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ClaimFault {
    /// It is no request for key material.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// It names another user than its path (P-073).
    #[error("the request names another user than its path")]
    OtherUser,
    /// It comes neither from the hub of its room nor, without a room, from the requester's provider.
    #[error("neither from the hub of the room nor from the requester's provider")]
    NotTheHub,
    /// It is for a protocol that is not known here (P-087).
    #[error("protocol {0} is not known here")]
    Protocol(u8),
    /// Its signature or its credential is not the requesting user's (P-078).
    #[error("not signed by the requesting user")]
    Signature,
    /// There is no such user.
    #[error("no such user")]
    Unknown,
    /// The account was deleted.
    #[error("the account was deleted")]
    Deleted,
    /// The user has not consented.
    #[error("no consent")]
    NoConsent,
    /// The user has not consented for this room, though for another.
    #[error("no consent for this room")]
    NoConsentForRoom,
    /// The requester or the peer has claimed much that no Welcome followed (Q-21, D-95).
    #[error("too many claims without a Welcome")]
    TooMany {
        /// Milliseconds until one of them no longer counts.
        retry_after: u64,
    },
}

impl ClaimRefusal {
    pub(super) fn new(
        fault: ClaimFault,
        policy: &Policy,
        user: &UserUri,
        revision: Revision,
    ) -> Self {
        let status = |status| ClaimAnswer::Status { status, retry_after: None };
        // What is behind a code may be masked (P-089, P-090).
        let masked = |code, mask| if policy.privacy { mask } else { code };
        let reply = |protocol, user_status| {
            let (user, clients) = (user.clone(), Vec::new());
            let response = KeyMaterialResponse { protocol, user_status, user, clients };
            ClaimAnswer::Response(response.encode())
        };
        let code = |code| reply(PROTOCOL_MLS10, code);
        let answer = match &fault {
            ClaimFault::Malformed(_) | ClaimFault::OtherUser => status(400),
            ClaimFault::NotTheHub => status(403),
            ClaimFault::Protocol(protocol) => {
                reply(*protocol, KeyMaterialUserCode::IncompatibleProtocol)
            }
            ClaimFault::Signature | ClaimFault::NoConsent => code(KeyMaterialUserCode::NoConsent),
            ClaimFault::Unknown => {
                code(masked(KeyMaterialUserCode::UserUnknown, KeyMaterialUserCode::NoConsent))
            }
            ClaimFault::Deleted => {
                code(masked(KeyMaterialUserCode::UserDeleted, KeyMaterialUserCode::NoConsent))
            }
            ClaimFault::NoConsentForRoom => code(masked(
                KeyMaterialUserCode::NoConsentForThisRoom,
                KeyMaterialUserCode::NoConsent,
            )),
            ClaimFault::TooMany { retry_after } => {
                ClaimAnswer::Status { status: 429, retry_after: Some(*retry_after) }
            }
        };
        Self { fault, revision, answer }
    }
}

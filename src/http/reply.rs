//! What a machine answers, as an `http::Response`.

use http::{
    HeaderValue, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};

use super::OCTETS;
use crate::{
    codec::Wire,
    download::ProxyRefusal,
    follower,
    hub::{self, KeysClaimedRefusal, SubmitRefusal, UpdateRefusal},
    provider::{ClaimAnswer, ClaimRefusal, ConsentRefusal, query::QueryRefusal},
};

/// The answer to a request, whatever the machine that gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Status 200 and the encoded response of the endpoint.
    Response(Vec<u8>),
    /// Status 201 and no body: received, and nothing is said about what becomes of it (P-172, P-206, Q-110).
    Received,
    /// Another status and no body.
    Status {
        /// The status.
        status: u16,
        /// Milliseconds for `Retry-After`.
        retry_after: Option<u64>,
    },
}

impl Reply {
    const fn status(status: u16) -> Self {
        Self::Status { status, retry_after: None }
    }

    /// Later, not before so many milliseconds: 429 (D-96).
    #[must_use]
    pub const fn too_many(retry_after: u64) -> Self {
        Self::Status { status: 429, retry_after: Some(retry_after) }
    }
}

/// An encoded response, as [`provider::User::claim`](crate::provider::User::claim) gives it.
impl From<Vec<u8>> for Reply {
    fn from(response: Vec<u8>) -> Self {
        Self::Response(response)
    }
}

/// A response, as the methods of [`hub::Room`] give it.
impl<T: Wire> From<&T> for Reply {
    fn from(response: &T) -> Self {
        Self::Response(response.encode())
    }
}

impl<T: Wire> From<hub::Answer<T>> for Reply {
    fn from(answer: hub::Answer<T>) -> Self {
        match answer {
            hub::Answer::Response(response) => Self::from(&response),
            hub::Answer::Status(status) => Self::status(status),
            hub::Answer::Later { retry_after } => Self::too_many(retry_after),
        }
    }
}

impl From<hub::Refusal<UpdateRefusal>> for Reply {
    fn from(refusal: hub::Refusal<UpdateRefusal>) -> Self {
        refusal.reason.answer().into()
    }
}

impl From<hub::Refusal<SubmitRefusal>> for Reply {
    fn from(refusal: hub::Refusal<SubmitRefusal>) -> Self {
        refusal.reason.answer().into()
    }
}

impl From<hub::Refusal<hub::ReportRefusal>> for Reply {
    fn from(refusal: hub::Refusal<hub::ReportRefusal>) -> Self {
        match refusal.reason.status() {
            201 => Self::Received,
            status => Self::Status { status, retry_after: refusal.reason.retry_after() },
        }
    }
}

/// Key material that does not pass: for who asks if it is the request, for who answered if it is the response.
impl From<hub::Refusal<KeysClaimedRefusal>> for Reply {
    fn from(refusal: hub::Refusal<KeysClaimedRefusal>) -> Self {
        Self::status(match refusal.reason {
            KeysClaimedRefusal::Peer
            | KeysClaimedRefusal::Room
            | KeysClaimedRefusal::NotAParticipant
            | KeysClaimedRefusal::Ended => 403,
            KeysClaimedRefusal::Repeated | KeysClaimedRefusal::KeyPackage(_) => 502,
            KeysClaimedRefusal::TooMany(_) => 429,
        })
    }
}

impl From<ClaimAnswer> for Reply {
    fn from(answer: ClaimAnswer) -> Self {
        match answer {
            ClaimAnswer::Response(response) => Self::Response(response),
            ClaimAnswer::Status { status, retry_after } => Self::Status { status, retry_after },
        }
    }
}

impl From<ClaimRefusal> for Reply {
    fn from(refusal: ClaimRefusal) -> Self {
        refusal.answer.into()
    }
}

impl From<ConsentRefusal> for Reply {
    fn from(refusal: ConsentRefusal) -> Self {
        Self::status(refusal.status)
    }
}

impl From<QueryRefusal> for Reply {
    fn from(refusal: QueryRefusal) -> Self {
        refusal.answer().into()
    }
}

impl From<follower::Refusal> for Reply {
    fn from(refusal: follower::Refusal) -> Self {
        refusal.fault.into()
    }
}

impl From<follower::Fault> for Reply {
    fn from(fault: follower::Fault) -> Self {
        Self::status(fault.status())
    }
}

/// A download that is refused, or that breaks off before anything of it was passed on.
impl From<ProxyRefusal> for Reply {
    fn from(refusal: ProxyRefusal) -> Self {
        Self::Status { status: refusal.status(), retry_after: refusal.retry_after() }
    }
}

/// The response to send.
#[must_use]
pub fn respond(reply: impl Into<Reply>) -> Response<Vec<u8>> {
    match reply.into() {
        Reply::Response(body) => with_body(OCTETS, body),
        Reply::Received => with_status(StatusCode::CREATED),
        Reply::Status { status, retry_after } => {
            // A machine that names a status which is none has failed.
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut response = with_status(status);
            if let Some(milliseconds) = retry_after {
                let seconds = HeaderValue::from(milliseconds.div_ceil(1000));
                response.headers_mut().insert(RETRY_AFTER, seconds);
            }
            response
        }
    }
}

pub(super) fn with_status(status: StatusCode) -> Response<Vec<u8>> {
    let mut response = Response::new(Vec::new());
    *response.status_mut() = status;
    response
}

pub(super) fn with_body(media_type: &'static str, body: Vec<u8>) -> Response<Vec<u8>> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

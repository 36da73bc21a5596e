//! A request to another provider, and what came back.

use http::{
    Method, Request, Response, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_TYPE, FROM, HOST, RETRY_AFTER},
};
use thiserror::Error;

use super::{LOCAL_PART, OCTETS, accept::method};
use crate::{
    codec::Wire,
    env::{Limits, Timestamp},
    error::DecodeError,
    provider::directory::{Directory, DirectoryFault, Route, TemplateFault, Unreachable},
    uri::Domain,
};

/// The request to send: `from` is the provider that sends it, `to` the directory of the one that it goes to.
///
/// The body is taken as it is, so that one notification for many providers is encoded once. Show a certificate for
/// `from`, and check that of the server against the host of the URL (P-036, Q-02). Follow no redirect.
///
/// # Errors
/// If that provider has no such endpoint.
pub fn request<B>(
    from: &Domain,
    to: &Directory,
    route: &Route,
    body: B,
) -> Result<Request<B>, Unreachable> {
    let url = to.url(route)?;
    let media_type = (method(Some(route.endpoint())) == Method::POST).then_some(OCTETS);
    build(from, media_type, &url, body)
        .map_err(|_| Unreachable::Template(route.endpoint(), TemplateFault::Path))
}

/// The request for the directory of a provider (P-061). What comes back is for [`directory`].
#[must_use]
pub fn request_directory(from: &Domain, of: &Domain) -> Request<Vec<u8>> {
    let url = format!("https://{of}{}", Directory::PATH);
    build(from, None, &url, Vec::new()).expect("a domain and this path are a URL")
}

/// A POST with a body of this media type, or a GET if there is none.
pub(super) fn build<B>(
    from: &Domain,
    media_type: Option<&'static str>,
    url: &str,
    body: B,
) -> Result<Request<B>, http::Error> {
    let uri = http::Uri::try_from(url)?;
    // P-032: as it is in the URL.
    let host = uri.authority().map_or("", |authority| authority.as_str()).to_owned();
    let mut request = Request::builder()
        .method(if media_type.is_some() { Method::POST } else { Method::GET })
        .header(HOST, host)
        .header(FROM, format!("{LOCAL_PART}{from}"))
        .uri(uri);
    if let Some(media_type) = media_type {
        request = request.header(CONTENT_TYPE, media_type);
    }
    request.body(body)
}

/// What another provider has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<T> {
    /// Any success, and what came with it.
    Done(T),
    /// Not now: send the same octets again.
    Later {
        /// The status, for logs.
        status: u16,
        /// Milliseconds to wait at least, if it says so; not more than [`Limits::retry_after`].
        retry_after: Option<u64>,
    },
    /// No, and the same octets will get the same answer. A hub sends a notification again all the same, later and
    /// later ([`notify_failed`](crate::hub::Room::notify_failed), P-174), but for 404 and 410
    /// ([`notify_unknown`](crate::hub::Room::notify_unknown)).
    Refused {
        /// The status, for logs.
        status: u16,
    },
}

/// An answer that is not one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AnswerFault {
    /// The body is longer than [`Limits::body`].
    #[error("a body of {0} octets is too long")]
    TooLarge(usize),
    /// The body is encoded, which nobody has asked for.
    #[error("the body is encoded")]
    Encoded,
    /// The body is not the response of the endpoint.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// The body is no sealed response of a gateway.
    #[error("no sealed response")]
    NotSealed,
    /// The body is no directory.
    #[error(transparent)]
    Directory(#[from] DirectoryFault),
}

/// Reads the answer to a request; [`Answer::decode`] reads its body.
///
/// # Errors
/// If the body is not to be read.
pub fn answer<'a, B: AsRef<[u8]>>(
    now: Timestamp,
    limits: &Limits,
    response: &'a Response<B>,
) -> Result<Answer<&'a [u8]>, AnswerFault> {
    let status = response.status();
    if status.is_success() {
        let body = response.body().as_ref();
        if body.len() > limits.body {
            return Err(AnswerFault::TooLarge(body.len()));
        }
        let mut codings = response.headers().get_all(CONTENT_ENCODING).iter();
        if codings.any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
            return Err(AnswerFault::Encoded);
        }
        return Ok(Answer::Done(body));
    }
    let retry_after = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|header| crate::retry::wait(now, header.to_str().ok()?))
        .map(|wait| wait.min(limits.retry_after));
    let later = status.is_server_error()
        || status == StatusCode::TOO_MANY_REQUESTS
        || status == StatusCode::REQUEST_TIMEOUT
        || status == StatusCode::TOO_EARLY;
    let status = status.as_u16();
    Ok(if later { Answer::Later { status, retry_after } } else { Answer::Refused { status } })
}

/// Reads the answer to [`request_directory`].
///
/// # Errors
/// If the body is not the directory of a provider.
pub fn directory<B: AsRef<[u8]>>(
    now: Timestamp,
    limits: &Limits,
    of: &Domain,
    response: &Response<B>,
) -> Result<Answer<Directory>, AnswerFault> {
    answer(now, limits, response)?
        .try_map(|body| Directory::read(of.clone(), limits, body).map_err(AnswerFault::from))
}

impl<T> Answer<T> {
    fn try_map<S, E>(self, read: impl FnOnce(T) -> Result<S, E>) -> Result<Answer<S>, E> {
        Ok(match self {
            Self::Done(body) => Answer::Done(read(body)?),
            Self::Later { status, retry_after } => Answer::Later { status, retry_after },
            Self::Refused { status } => Answer::Refused { status },
        })
    }
}

impl Answer<&[u8]> {
    /// The answer with its body read. Where an endpoint answers without a body, leave that unread.
    ///
    /// # Errors
    /// If the body is something else.
    pub fn decode<T: Wire>(self) -> Result<Answer<T>, AnswerFault> {
        self.try_map(|body| T::decode(body).map_err(AnswerFault::from))
    }
}

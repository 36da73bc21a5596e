//! Downloads for others: the request to the host of an asset, and the response to the peer.

use http::{HeaderValue, Request, Response, header::CONTENT_LENGTH};

use super::{Answer, AnswerFault, answer};
use crate::{
    download::{Asked, ProxyRefusal, Transfer},
    env::{Limits, Timestamp},
};

/// The request to the host of an asset: send it to [`Asked::addresses`], with TLS for [`Asked::host`], and follow no
/// redirect.
#[must_use]
pub fn fetch(asked: &Asked) -> Request<()> {
    let mut request = Request::get(asked.url().as_str());
    for (name, value) in asked.headers() {
        request = request.header(name, value);
    }
    request.body(()).expect("the characters of the URL were looked at, and the headers are ours")
}

/// The head of what the host has answered.
///
/// # Errors
/// If nothing of it may be passed on.
pub fn fetched<B>(
    asked: &Asked,
    now: Timestamp,
    response: &Response<B>,
) -> Result<Transfer, ProxyRefusal> {
    let headers = response.headers().iter();
    let headers: Vec<_> = headers.map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    asked.answered(now, response.status().as_u16(), &headers)
}

/// The head of the response to the peer (P-245, D-64); the octets of the asset follow.
#[must_use]
pub fn asset_head(transfer: &Transfer) -> Response<()> {
    let mut response = Response::new(());
    for (name, value) in Transfer::HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    if let Some(length) = transfer.announced() {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    response
}

/// The response to the peer for an asset that is here as a whole, from the host or from a cache.
#[must_use]
pub fn asset(octets: Vec<u8>) -> Response<Vec<u8>> {
    let mut response = Response::new(octets);
    for (name, value) in Transfer::HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// What a hub has answered to a request for a download; as [`answer`], with the bound of an asset.
///
/// # Errors
/// If the body is not to be read.
pub fn downloaded<'a, B: AsRef<[u8]>>(
    now: Timestamp,
    limits: &Limits,
    response: &'a Response<B>,
) -> Result<Answer<&'a [u8]>, AnswerFault> {
    // What seals an asset, where it is sealed, takes less than this.
    const AROUND: u64 = 1024;
    let body = usize::try_from(limits.asset.saturating_add(AROUND)).unwrap_or(usize::MAX);
    answer(now, &Limits { body, ..limits.clone() }, response)
}

/// Oblivious HTTP between a relay and the gateway of a hub.
#[cfg(feature = "ohttp")]
pub mod oblivious {
    use http::{Request, Response, StatusCode, header::CONTENT_TYPE};

    use crate::{
        download::oblivious::{Forward, Gateway, GatewayRefusal, KEYS, REQUEST, RESPONSE},
        env::{Limits, Timestamp},
        http::{Answer, AnswerFault, downloaded, outgoing::build, reply},
        uri::Domain,
    };

    /// The request of a relay to the gateway: the sealed request as it came, and nothing else of the client.
    #[must_use]
    pub fn forward<B>(from: &Domain, forward: &Forward, sealed: B) -> Request<B> {
        build(from, Some(REQUEST), &forward.url, sealed)
            .expect("a domain and a path of ours are a URL")
    }

    /// What came back, for the client as it is.
    ///
    /// # Errors
    /// If the body is not to be read, or no sealed response.
    pub fn forwarded<'a, B: AsRef<[u8]>>(
        now: Timestamp,
        limits: &Limits,
        response: &'a Response<B>,
    ) -> Result<Answer<&'a [u8]>, AnswerFault> {
        let answer = downloaded(now, limits, response)?;
        let is_sealed = response.headers().get(CONTENT_TYPE).is_some_and(|it| it == RESPONSE);
        match answer {
            Answer::Done(_) if !is_sealed => Err(AnswerFault::NotSealed),
            Answer::Done(_) | Answer::Later { .. } | Answer::Refused { .. } => Ok(answer),
        }
    }

    /// The keys of the gateway, for [`Call::GatewayKeys`](crate::http::Call::GatewayKeys).
    #[must_use]
    pub fn keys(gateway: &Gateway) -> Response<Vec<u8>> {
        reply::with_body(KEYS, gateway.keys())
    }

    /// A sealed answer, whatever it says.
    #[must_use]
    pub fn sealed(answer: Vec<u8>) -> Response<Vec<u8>> {
        reply::with_body(RESPONSE, answer)
    }

    /// The answer where nothing could be opened.
    #[must_use]
    pub fn refused(refusal: &GatewayRefusal) -> Response<Vec<u8>> {
        let mut response = match refusal {
            GatewayRefusal::Key => {
                reply::with_body("application/problem+json", GatewayRefusal::PROBLEM.into())
            }
            GatewayRefusal::TooLarge(_) | GatewayRefusal::Malformed | GatewayRefusal::Engine => {
                Response::new(Vec::new())
            }
        };
        *response.status_mut() = StatusCode::from_u16(refusal.status())
            .expect("the status of a refusal is one of HTTP's");
        response
    }
}

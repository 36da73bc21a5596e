//! The client's part.

use ohttp::{ClientRequest, ClientResponse};
use thiserror::Error;

use super::{binary, keys};
use crate::{env::Limits, error::DecodeError, wire::HttpsUrl};

/// Why a client's part fails.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AskFault {
    /// The keys are none.
    #[error("the keys of the gateway: {0}")]
    Keys(DecodeError),
    /// The keys are longer than a gateway's are.
    #[error("{0} octets of keys")]
    TooManyKeys(usize),
    /// None of the keys can be used here.
    #[error("none of the gateway's keys can be used")]
    NoKey,
    /// The response is longer than an asset may be that comes this way: `Limits::oblivious_asset`. The proxy takes larger
    /// ones.
    #[error("a response of {0} octets is too long")]
    TooLarge(usize),
    /// The response does not open: it is not for this request, or was changed on its way.
    #[error("the response does not open")]
    Sealed,
    /// What is in the response is none.
    #[error("the response cannot be read")]
    Response,
}

/// A request for an asset, sealed for the gateway: its body, of type [`REQUEST`](super::REQUEST), for the user's
/// provider to relay, and what opens the response. `keys` is what the gateway of the hub has given; fetch it as others
/// do, so that all clients have the same keys and none is known by them.
///
/// # Errors
/// If there is no key that can be used.
pub fn ask(keys: &[u8], url: &HttpsUrl) -> Result<(Vec<u8>, Waiting), AskFault> {
    if keys.len() > keys::MOST {
        return Err(AskFault::TooManyKeys(keys.len()));
    }
    let config = keys::usable(keys).map_err(AskFault::Keys)?.ok_or(AskFault::NoKey)?;
    let client = ClientRequest::from_encoded_config(&config).map_err(|_| AskFault::NoKey)?;
    let (sealed, response) =
        client.encapsulate(&binary::request(url)).map_err(|_| AskFault::NoKey)?;
    Ok((sealed, Waiting { response }))
}

/// What opens the response to a request.
#[must_use = "the response opens with it alone"]
pub struct Waiting {
    response: ClientResponse,
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Waiting")
    }
}

/// What the gateway has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The asset. Whether it is the one that was meant, its hash says.
    Asset(Vec<u8>),
    /// No asset, and the status that says why.
    Refused(u16),
}

impl Waiting {
    /// Opens the body of a response of type [`RESPONSE`](super::RESPONSE).
    ///
    /// # Errors
    /// If it is not the response to the request.
    pub fn open(self, limits: &Limits, sealed: &[u8]) -> Result<Answer, AskFault> {
        // Head, nonce and tag take less than this.
        const AROUND: u64 = 1024;
        if sealed.len() as u64 > limits.oblivious_asset.saturating_add(AROUND) {
            return Err(AskFault::TooLarge(sealed.len()));
        }
        let octets = self.response.decapsulate(sealed).map_err(|_| AskFault::Sealed)?;
        match binary::read_response(&octets).ok_or(AskFault::Response)? {
            (200, asset) => Ok(Answer::Asset(asset)),
            (status, _) => Ok(Answer::Refused(status)),
        }
    }
}

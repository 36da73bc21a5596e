//! The part of the user's provider.

use thiserror::Error;

use crate::{
    download::GATEWAY_PATH,
    env::{Limits, Peer},
    provider::{directory::Endpoint, peering::Peering},
    uri::Domain,
};

/// A sealed request to pass on: POST the body, as it came, to this URL, and the body of the answer, as it comes, to the
/// client. Neither takes anything else along: no header of the client says who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// The gateway.
    pub url: String,
    /// The hub that it is of.
    pub to: Domain,
}

/// Why a sealed request is not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RelayRefusal {
    /// It does not come from a client of this provider.
    #[error("not from a client of this provider")]
    NotOurs,
    /// Its gateway is of no peer: a relay to anybody would be an open proxy.
    #[error("a gateway of no peer")]
    Gateway,
    /// It is longer than [`Limits::body`].
    #[error("{0} octets are too many")]
    TooLarge(usize),
}

impl RelayRefusal {
    /// The HTTP status that says it.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::NotOurs | Self::Gateway => 403,
            Self::TooLarge(_) => 413,
        }
    }
}

/// Relays a sealed request of a client of this provider to the gateway of a hub (P-251), one that may exchange
/// downloads with us.
///
/// # Errors
/// If it is not to be relayed.
pub fn relay(
    limits: &Limits,
    peering: &Peering,
    peer: &Peer,
    hub: &Domain,
    sealed: &[u8],
) -> Result<Forward, RelayRefusal> {
    match peer {
        Peer::Client(client, user) if client.host() == user.host() => {}
        Peer::Client(..) | Peer::Server(_) => return Err(RelayRefusal::NotOurs),
    }
    if hub.is_local() || !peering.admits(hub, Endpoint::ProxyDownload) {
        return Err(RelayRefusal::Gateway);
    }
    if sealed.len() > limits.body {
        return Err(RelayRefusal::TooLarge(sealed.len()));
    }
    Ok(Forward { url: format!("https://{hub}{GATEWAY_PATH}"), to: hub.clone() })
}

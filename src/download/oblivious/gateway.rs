//! The hub's part.

use ohttp::{
    KeyConfig, Server, ServerResponse, SymmetricSuite,
    hpke::{Aead, Kdf, Kem},
};
use thiserror::Error;

use super::binary;
use crate::{
    download::{Fetch, Proxy, ProxyRefusal, Transfer},
    error::Misuse,
};

/// Octets of a sealed request that are looked at: a URL has at most 2,048, and padding may hide how many.
const MOST: usize = 16 << 10;
/// Keys at once: the newest for new requests, older ones for clients that have not fetched it yet.
const KEYS: usize = 4;

/// The gateway of a hub, which every hub has (P-249). It opens sealed requests for assets of peers, and refuses all
/// others (P-248, D-65).
#[derive(Clone, Debug)]
pub struct Gateway {
    /// The newest first.
    servers: Vec<Server>,
}

impl Gateway {
    /// A gateway with one key. The secret is the caller's to keep: the same secret makes the same key.
    ///
    /// # Errors
    /// If no key can be made of it.
    pub fn new(key_id: u8, secret: &[u8; 32]) -> Result<Self, Misuse> {
        Ok(Self { servers: vec![server(key_id, secret)?] })
    }

    /// The same gateway with a new key, for new requests. Older ones still open what was sealed for them; of four keys,
    /// the oldest goes.
    ///
    /// # Errors
    /// If no key can be made of the secret, or the number is one of a key that is still here.
    pub fn rotate(mut self, key_id: u8, secret: &[u8; 32]) -> Result<Self, Misuse> {
        if self.servers.iter().any(|it| id(it) == Some(key_id)) {
            return Err(Misuse::Argument("two keys of the gateway with one number"));
        }
        self.servers.insert(0, server(key_id, secret)?);
        self.servers.truncate(KEYS);
        Ok(self)
    }

    /// The keys for clients, of type [`KEYS`](super::KEYS), the newest first.
    #[must_use]
    pub fn keys(&self) -> Vec<u8> {
        let configs: Vec<&KeyConfig> = self.servers.iter().map(Server::config).collect();
        KeyConfig::encode_list(&configs).unwrap_or_default()
    }

    /// Opens a sealed request of a peer's relay. Whether the peer may use the gateway is asked before
    /// ([`http::Server::accept`](crate::http::Server::accept) does).
    ///
    /// # Errors
    /// If it does not open. Who asks then gets the status and no sealed answer.
    pub fn open(&self, proxy: &Proxy, sealed: &[u8]) -> Result<Opened, GatewayRefusal> {
        if sealed.len() > MOST {
            return Err(GatewayRefusal::TooLarge(sealed.len()));
        }
        let key_id = sealed.first().copied().ok_or(GatewayRefusal::Malformed)?;
        let server = self.servers.iter().find(|it| id(it) == Some(key_id));
        let server = server.ok_or(GatewayRefusal::Key)?;
        let (request, response) =
            server.decapsulate(sealed).map_err(|_| GatewayRefusal::Malformed)?;
        let sealer = Sealer { response };
        let url = binary::read_request(&request).ok_or(ProxyRefusal::Request);
        match url.and_then(|url| proxy.open(&url)).map(Fetch::oblivious) {
            Ok(fetch) => Ok(Opened::Fetch(fetch, Box::new(sealer))),
            Err(refusal) => Ok(Opened::Refused(refusal, sealer.refusal(&refusal)?)),
        }
    }
}

fn server(key_id: u8, secret: &[u8; 32]) -> Result<Server, Misuse> {
    let suites = vec![
        SymmetricSuite::new(Kdf::HkdfSha256, Aead::Aes128Gcm),
        SymmetricSuite::new(Kdf::HkdfSha256, Aead::ChaCha20Poly1305),
    ];
    let config = KeyConfig::derive(key_id, Kem::X25519Sha256, suites, secret);
    config.and_then(Server::new).map_err(|_| Misuse::Crypto("no key of a gateway"))
}

/// The number of a key, which its encoding begins with.
fn id(server: &Server) -> Option<u8> {
    server.config().encode().ok()?.first().copied()
}

/// A request that was opened.
#[derive(Debug)]
#[must_use = "somebody waits for an answer"]
pub enum Opened {
    /// It is for an asset of a peer: fetch it as for the proxy, and seal the answer. It is held whole until then, so no
    /// more of it is taken than [`Limits::oblivious_asset`](crate::env::Limits::oblivious_asset).
    Fetch(Fetch, Box<Sealer>),
    /// It is refused: the reason, for logs, and the answer to send, with status 200 and type
    /// [`RESPONSE`](super::RESPONSE).
    Refused(ProxyRefusal, Vec<u8>),
}

/// What seals the answer to one request. Send what it makes with status 200 and type [`RESPONSE`](super::RESPONSE):
/// the relay does not learn how it went.
#[derive(Debug)]
#[must_use = "somebody waits for an answer"]
pub struct Sealer {
    response: ServerResponse,
}

impl Sealer {
    /// Seals an asset that came to its end: [`Transfer::finish`].
    ///
    /// # Errors
    /// If the cryptography fails.
    pub fn asset(self, asset: &[u8]) -> Result<Vec<u8>, GatewayRefusal> {
        self.seal(&binary::response(200, &Transfer::HEADERS, asset))
    }

    /// Seals the status of a refusal.
    ///
    /// # Errors
    /// If the cryptography fails.
    pub fn refusal(self, refusal: &ProxyRefusal) -> Result<Vec<u8>, GatewayRefusal> {
        self.seal(&binary::response(refusal.status(), &[], &[]))
    }

    fn seal(self, response: &[u8]) -> Result<Vec<u8>, GatewayRefusal> {
        self.response.encapsulate(response).map_err(|_| GatewayRefusal::Engine)
    }
}

/// Why a sealed request does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum GatewayRefusal {
    /// It is longer than a request for an asset can be.
    #[error("{0} octets are too many")]
    TooLarge(usize),
    /// It is sealed for a key that is not here, or not any more: answer with [`GatewayRefusal::PROBLEM`], and the
    /// client fetches the keys again.
    #[error("sealed for another key")]
    Key,
    /// It does not open.
    #[error("it does not open")]
    Malformed,
    /// The cryptography fails.
    #[error("the cryptography fails")]
    Engine,
}

impl GatewayRefusal {
    /// The body of the answer to [`GatewayRefusal::Key`], of type `application/problem+json` (RFC 9458, section 5.3).
    pub const PROBLEM: &str = r#"{"type":"https://iana.org/assignments/http-problem-types#ohttp-key","title":"key identifier unknown"}"#;

    /// The HTTP status that says it.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::TooLarge(_) => 413,
            Self::Key | Self::Malformed => 400,
            Self::Engine => 500,
        }
    }
}

//! The hub's proxy: what it fetches for its peers, and how.

use std::net::{IpAddr, SocketAddr};

use super::{AssetHosts, Network, ProxyRefusal, address::plain, is_public};
use crate::{
    env::{Limits, Timestamp},
    retry,
    uri::Domain,
    wire::HttpsUrl,
};

/// The only port that assets are fetched from.
const HTTPS: u16 = 443;

/// What a hub fetches for others: assets of its peers, and nothing else (P-244).
///
/// It decides and holds no state; the connection is the caller's. Each step gives what the next one needs, so that
/// none can be left out:
///
/// ```
/// use openmimi::{download::{Asked, AssetHosts, Proxy}, env::{Limits, Timestamp}, uri::Domain, wire::HttpsUrl};
///
/// let c = Domain::parse("c.example")?;
/// let hosts = AssetHosts::default().with(c, Domain::parse("files.c.example")?);
/// let proxy = Proxy::new(hosts, &Limits::default());
///
/// // The URL of the request, `Call::ProxyDownload`.
/// let url = HttpsUrl::parse(b"https://files.c.example/1a2b")?;
/// let fetch = proxy.open(&url)?;
/// // Resolve the host, once; connect to one of the addresses, with TLS for the host's name.
/// assert_eq!(fetch.host().as_str(), "files.c.example");
/// let asked: Asked = fetch.resolved(Timestamp(0), &["192.0.43.8".parse()?])?;
/// assert_eq!(asked.addresses()[0].to_string(), "192.0.43.8:443");
/// assert_eq!((asked.method(), asked.target().as_str()), ("GET", "/1a2b"));
/// // The head of the answer, then the body, piece by piece.
/// let mut transfer = asked.answered(Timestamp(10), 200, &[("content-length", b"5")])?;
/// transfer.take(Timestamp(20), b"asset".len())?;
/// transfer.finish()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Whether the octets are what the sender meant is not for the proxy to say: the hash of the content is, at the client
/// ([`content::asset`](crate::content::asset)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    hosts: AssetHosts,
    networks: Vec<Network>,
    bounds: Bounds,
}

/// Those of the limits that a download needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bounds {
    octets: u64,
    oblivious: u64,
    time: u64,
    retry_after: u64,
}

impl Proxy {
    /// A proxy for these hosts. An asset has at most [`Limits::asset`] octets and takes at most
    /// [`Limits::asset_for`].
    #[must_use]
    pub const fn new(hosts: AssetHosts, limits: &Limits) -> Self {
        let bounds = Bounds {
            octets: limits.asset,
            oblivious: limits.oblivious_asset,
            time: limits.asset_for,
            retry_after: limits.retry_after,
        };
        Self { hosts, networks: Vec::new(), bounds }
    }

    /// The same proxy, which also connects to none of these addresses: those of the operator's own network that are
    /// public ones.
    #[must_use]
    pub fn avoiding(mut self, networks: impl IntoIterator<Item = Network>) -> Self {
        self.networks.extend(networks);
        self
    }

    /// The hosts.
    #[must_use]
    pub const fn hosts(&self) -> &AssetHosts {
        &self.hosts
    }

    /// Whether a URL is fetched at all (D-60): its host serves the assets of a peer, and it names no other port. That
    /// it is https, to a name, without a user and without a fragment is in the type.
    ///
    /// # Errors
    /// The refusal, with the status to answer.
    pub fn open(&self, url: &HttpsUrl) -> Result<Fetch, ProxyRefusal> {
        if !self.hosts.has(url.host()) {
            return Err(ProxyRefusal::Host);
        }
        if url.port() != HTTPS {
            return Err(ProxyRefusal::Port);
        }
        Ok(Fetch { url: url.clone(), networks: self.networks.clone(), bounds: self.bounds })
    }
}

/// An asset that may be fetched, if its host is where it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "resolve the host"]
pub struct Fetch {
    url: HttpsUrl,
    networks: Vec<Network>,
    bounds: Bounds,
}

impl Fetch {
    /// The name to resolve, and the one that the certificate of the server has to have.
    #[must_use]
    pub const fn host(&self) -> &Domain {
        self.url.host()
    }

    /// The name under which a cache may keep the asset: the whole URL, as it was asked for (D-64). Only what came to
    /// its end goes into a cache.
    #[must_use]
    pub fn cache_key(&self) -> &str {
        self.url.as_str()
    }

    /// The same, of which no more is taken than goes by Oblivious HTTP: [`Limits::oblivious_asset`]. The gateway says so
    /// of what it opens.
    pub const fn oblivious(mut self) -> Self {
        if self.bounds.oblivious < self.bounds.octets {
            self.bounds.octets = self.bounds.oblivious;
        }
        self
    }

    /// All addresses that the name resolved to, asked for once (D-61). If one of them is none of the public Internet,
    /// none is used: such a name is not what it seems.
    ///
    /// # Errors
    /// The refusal, with the status to answer.
    pub fn resolved(self, now: Timestamp, addresses: &[IpAddr]) -> Result<Asked, ProxyRefusal> {
        if addresses.is_empty() {
            return Err(ProxyRefusal::Unresolved);
        }
        let bad = |address: &IpAddr| {
            let ours = |it: &Network| it.contains(*address) || it.contains(plain(*address));
            !is_public(*address) || self.networks.iter().any(ours)
        };
        if addresses.iter().any(bad) {
            return Err(ProxyRefusal::Address);
        }
        let addresses = addresses.iter().map(|it| SocketAddr::new(*it, HTTPS)).collect();
        let until = now.plus(self.bounds.time);
        Ok(Asked { fetch: self, addresses, until })
    }
}

/// The request to send: to one of these addresses and nowhere else, with exactly these headers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "send the request"]
pub struct Asked {
    fetch: Fetch,
    addresses: Vec<SocketAddr>,
    until: Timestamp,
}

impl Asked {
    /// Where to connect to. Resolve the name no second time: it could lead elsewhere by then.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The name that the certificate of the server has to have.
    #[must_use]
    pub const fn host(&self) -> &Domain {
        self.fetch.host()
    }

    /// The method: `GET`, whatever was asked (Q-107).
    #[must_use]
    pub const fn method(&self) -> &'static str {
        "GET"
    }

    /// The path and query.
    #[must_use]
    pub fn target(&self) -> String {
        self.fetch.url.target()
    }

    /// The URL.
    #[must_use]
    pub const fn url(&self) -> &HttpsUrl {
        &self.fetch.url
    }

    /// All headers (D-64, Q-107). Nothing of what the peer has sent is among them: no cookie, no authorization, no
    /// range, and not who asks.
    #[must_use]
    pub fn headers(&self) -> [(&'static str, &str); 3] {
        [("host", self.host().as_str()), ("accept", "*/*"), ("accept-encoding", "identity")]
    }

    /// When to give up.
    #[must_use]
    pub const fn until(&self) -> Timestamp {
        self.until
    }

    /// The head of the answer: its status, and its headers with names in lower case.
    ///
    /// # Errors
    /// If nothing of it may be passed on. No redirect is followed (D-62).
    pub fn answered(
        &self,
        now: Timestamp,
        status: u16,
        headers: &[(&str, &[u8])],
    ) -> Result<Transfer, ProxyRefusal> {
        if now >= self.until {
            return Err(ProxyRefusal::TooSlow);
        }
        let values = |name: &'static str| {
            headers.iter().filter(move |(found, _)| found.eq_ignore_ascii_case(name))
        };
        match status {
            200 => {}
            300..=399 => return Err(ProxyRefusal::Redirected(status)),
            404 | 410 => return Err(ProxyRefusal::NotFound(status)),
            429 | 503 => {
                let asks = |value| retry::wait(now, std::str::from_utf8(value).ok()?);
                let wait = values("retry-after").find_map(|(_, value)| asks(value));
                let retry_after = wait.map(|it| it.min(self.fetch.bounds.retry_after));
                return Err(ProxyRefusal::Later { status, retry_after });
            }
            _ => return Err(ProxyRefusal::Status(status)),
        }
        let identity = |value: &[u8]| value.eq_ignore_ascii_case(b"identity");
        if values("content-encoding").any(|(_, value)| !identity(value)) {
            return Err(ProxyRefusal::Encoded);
        }
        let mut lengths = values("content-length").map(|(_, value)| number(value));
        let announced = match (lengths.next(), lengths.next()) {
            (None, None) => None,
            (Some(Some(length)), None) => Some(length),
            (Some(_), _) | (None, Some(_)) => return Err(ProxyRefusal::Status(status)),
        };
        let most = self.fetch.bounds.octets;
        if announced.is_some_and(|length| length > most) {
            return Err(ProxyRefusal::TooLarge(most));
        }
        Ok(Transfer { announced, most, received: 0, until: self.until })
    }
}

/// A number of digits alone; as large as can be, if it has too many.
fn number(value: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(value).ok()?;
    let listed = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    listed.then(|| digits.parse().unwrap_or(u64::MAX))
}

/// An asset on its way through the hub. It is counted and never held: pass each piece on before you read the next,
/// so that a slow reader slows the source (D-63).
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "count the octets"]
pub struct Transfer {
    announced: Option<u64>,
    most: u64,
    received: u64,
    until: Timestamp,
}

impl Transfer {
    /// The headers of the response to the peer, with status 200: a fixed set, whatever the host has sent (D-64).
    pub const HEADERS: [(&'static str, &'static str); 2] =
        [("content-type", "application/octet-stream"), ("x-content-type-options", "nosniff")];

    /// The length that was announced, for `Content-Length`.
    #[must_use]
    pub const fn announced(&self) -> Option<u64> {
        self.announced
    }

    /// Octets that may still come.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.announced.unwrap_or(self.most).saturating_sub(self.received)
    }

    /// So many octets have come. Ask with 0 when none come: time passes too.
    ///
    /// # Errors
    /// If there are too many, or it takes too long: break both connections off, so that the peer does not take what it
    /// has for the whole.
    pub fn take(&mut self, now: Timestamp, octets: usize) -> Result<(), ProxyRefusal> {
        if now >= self.until {
            return Err(ProxyRefusal::TooSlow);
        }
        let octets = u64::try_from(octets).unwrap_or(u64::MAX);
        if octets > self.left() {
            return Err(ProxyRefusal::TooLarge(self.announced.unwrap_or(self.most)));
        }
        self.received += octets;
        Ok(())
    }

    /// The host has closed the connection. Only what came to its end may go into a cache.
    ///
    /// # Errors
    /// If less has come than was announced.
    pub fn finish(self) -> Result<u64, ProxyRefusal> {
        match self.announced {
            Some(announced) if announced != self.received => {
                Err(ProxyRefusal::Truncated { found: self.received, announced })
            }
            Some(_) | None => Ok(self.received),
        }
    }
}

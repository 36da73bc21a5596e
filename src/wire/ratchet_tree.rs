//! How a ratchet tree is conveyed: `RatchetTreeOption` of draft-ietf-mls-ratchet-tree-options-00.

use openmls::treesync::RatchetTreeIn;
use tls_codec::Deserialize as _;

use super::protocol::Octets;
use crate::{
    codec::{Reader, Wire, write_bytes},
    error::{DecodeError, Fault},
    uri::Domain,
};

/// The longest URL of a ratchet tree, in octets.
const MAX_URL: usize = 2048;

const FULL: u8 = 1;
const HTTPS_URI: u8 = 2;
const OUT_OF_BAND: u8 = 3;
const DISTRIBUTION_SERVICE: u8 = 4;

/// Where to take the ratchet tree from (T-001).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RatchetTreeOption {
    /// From here.
    Full(RatchetTree),
    /// From this address. The host has to be one that the group allows (T-006); the tree has to have the tree hash
    /// of the GroupContext.
    HttpsUri(HttpsUrl),
    /// From somewhere that the receiver knows.
    OutOfBand,
    /// From the hub, which has followed the group.
    DistributionService,
}

impl Wire for RatchetTreeOption {
    const NAME: &'static str = "RatchetTreeOption";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.clone();
        match reader.u8("RatchetTreeOption.representation")? {
            FULL => RatchetTree::read(reader).map(Self::Full),
            HTTPS_URI => HttpsUrl::read(reader).map(Self::HttpsUri),
            OUT_OF_BAND => Ok(Self::OutOfBand),
            DISTRIBUTION_SERVICE => Ok(Self::DistributionService),
            other => {
                Err(start.error("RatchetTreeOption.representation", Fault::Code(other.into())))
            }
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Full(tree) => {
                out.push(FULL);
                tree.write(out);
            }
            Self::HttpsUri(url) => {
                out.push(HTTPS_URI);
                url.write(out);
            }
            Self::OutOfBand => out.push(OUT_OF_BAND),
            Self::DistributionService => out.push(DISTRIBUTION_SERVICE),
        }
    }
}

/// A whole ratchet tree, the content of the `ratchet_tree` extension: a vector of nodes, blank or not.
///
/// It was read by the MLS engine, but no signature or hash in it has been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RatchetTree(Octets);

impl RatchetTree {
    /// The tree, as it was received.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The tree for the MLS engine.
    #[must_use]
    pub fn to_openmls(&self) -> RatchetTreeIn {
        RatchetTreeIn::tls_deserialize_exact(self.as_bytes())
            .expect("these octets were read before")
    }
}

impl Wire for RatchetTree {
    const NAME: &'static str = "ratchet_tree";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (_, octets) = reader.mls::<RatchetTreeIn>(Self::NAME)?;
        Ok(Self(octets.into()))
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

/// An `https` URL with a domain name as its host. Nothing has been fetched from it; a client that does so bounds the
/// answer and follows no redirect (D-66).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpsUrl {
    text: String,
    host: Domain,
}

impl HttpsUrl {
    /// Reads a URL: `https://`, a host in lower case, perhaps a port, perhaps a path and a query.
    ///
    /// # Errors
    /// If it is longer than 2,048 octets or anything else, as with user information, an IP address or a fragment.
    pub fn parse(url: &[u8]) -> Result<Self, Fault> {
        if url.len() > MAX_URL {
            return Err(Fault::TooLarge { found: url.len() as u64, limit: MAX_URL as u64 });
        }
        let refused = Fault::Contradiction("not an https URL in its plain form");
        let text = std::str::from_utf8(url).map_err(|_| Fault::Text)?;
        let plain = text.bytes().all(|octet| octet.is_ascii_graphic() && octet != b'#');
        let rest = match text.strip_prefix("https://") {
            Some(rest) if plain => rest,
            _ => return Err(refused),
        };
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let host = match authority.split_once(':') {
            Some((host, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => host,
            Some(_) => return Err(refused),
            None => authority,
        };
        let host = Domain::parse(host)?;
        Ok(Self { text: text.into(), host })
    }

    /// The URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its host, without the port.
    #[must_use]
    pub const fn host(&self) -> &Domain {
        &self.host
    }
}

impl Wire for HttpsUrl {
    const NAME: &'static str = "RatchetTreeOption.ratchet_tree_url";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.clone();
        Self::parse(reader.bytes(Self::NAME)?).map_err(|fault| start.error(Self::NAME, fault))
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_bytes(out, self.text.as_bytes());
    }
}

//! How a ratchet tree is conveyed: `RatchetTreeOption` of draft-ietf-mls-ratchet-tree-options-00.

use openmls::treesync::RatchetTreeIn;
use tls_codec::Deserialize as _;

use super::{Capabilities, protocol::Octets};
use crate::{
    codec::{Reader, Wire, write_bytes, write_vec},
    error::{DecodeError, Fault},
    uri::Domain,
};

/// The longest URL of a ratchet tree, in octets.
const MAX_URL: usize = 2048;

/// The largest tree, in nodes: that of 65,536 clients.
const MAX_NODES: u64 = 2 * 65_536 - 1;

/// The port of a URL that names none.
const HTTPS: u16 = 443;

const LEAF: u8 = 1;
const PARENT: u8 = 2;

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
    /// The tree as this server's own engine has written it: to read it again would prove nothing.
    pub(crate) fn of_engine(octets: &[u8]) -> Self {
        Self(octets.into())
    }

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

/// Walks over a node (RFC 9420, section 7.1), blank or not.
fn walk_node(reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    if !reader.bool("ratchet_tree.node")? {
        return Ok(());
    }
    let start = reader.clone();
    match reader.u8("Node.node_type")? {
        LEAF => walk_leaf(reader),
        PARENT => {
            reader.bytes("ParentNode.encryption_key")?;
            reader.bytes("ParentNode.parent_hash")?;
            reader.bytes("ParentNode.unmerged_leaves").map(drop)
        }
        other => Err(start.error("Node.node_type", Fault::Code(other.into()))),
    }
}

fn walk_leaf(reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    reader.bytes("LeafNode.encryption_key")?;
    reader.bytes("LeafNode.signature_key")?;
    reader.u16("Credential.credential_type")?;
    reader.bytes("Credential")?;
    Capabilities::read(reader)?;
    let start = reader.clone();
    match reader.u8("LeafNode.leaf_node_source")? {
        1 => drop(reader.take("LeafNode.lifetime", 16)?),
        2 => {}
        3 => drop(reader.bytes("LeafNode.parent_hash")?),
        other => return Err(start.error("LeafNode.leaf_node_source", Fault::Code(other.into()))),
    }
    reader.bytes("LeafNode.extensions")?;
    reader.bytes("LeafNode.signature").map(drop)
}

impl Wire for RatchetTree {
    const NAME: &'static str = "ratchet_tree";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        // A blank node is one octet here and many in memory, so they are counted before the engine makes them.
        let mut walk = reader.clone();
        let mut nodes = walk.inside(Self::NAME)?;
        let mut count = 0;
        while !nodes.is_empty() {
            walk_node(&mut nodes)?;
            count += 1;
            if count > MAX_NODES {
                let fault = Fault::TooLarge { found: count, limit: MAX_NODES };
                return Err(reader.error(Self::NAME, fault));
            }
        }
        let (_, octets) = reader.mls::<RatchetTreeIn>(Self::NAME)?;
        Ok(Self(octets.into()))
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

/// An `https` URL with a domain name as its host. Nothing has been fetched from it; a client that does so connects to
/// [public](crate::download::is_public) addresses only, bounds the answer and follows no redirect (D-66).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpsUrl {
    text: String,
    host: Domain,
    port: u16,
}

impl HttpsUrl {
    /// Reads a URL: `https://`, a host in lower case, perhaps a port, perhaps a path and a query.
    ///
    /// # Errors
    /// If it is longer than 2,048 octets or anything else, as with user information, an IP address, a name of a local
    /// network, or a fragment.
    pub fn parse(url: &[u8]) -> Result<Self, Fault> {
        if url.len() > MAX_URL {
            return Err(Fault::TooLarge { found: url.len() as u64, limit: MAX_URL as u64 });
        }
        let refused = Fault::Contradiction("not an https URL in its plain form");
        let text = std::str::from_utf8(url).map_err(|_| Fault::Text)?;
        let marks = b"-._~!$&'()*+,;=:@/?%";
        let plain =
            text.bytes().all(|octet| octet.is_ascii_alphanumeric() || marks.contains(&octet));
        let rest = match text.strip_prefix("https://") {
            Some(rest) if plain => rest,
            _ => return Err(refused),
        };
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let (host, port) = match authority.split_once(':') {
            Some((_, port)) if port.starts_with('+') => return Err(refused),
            Some((host, port)) => (host, port.parse().map_err(|_| refused.clone())?),
            None => (authority, HTTPS),
        };
        let host = Domain::parse(host)?;
        // D-66: no provider is reached by a name of somebody's own network.
        if port == 0 || host.is_local() {
            return Err(refused);
        }
        Ok(Self { text: text.into(), host, port })
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

    /// Its port, by default 443.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// What a request asks its host for: the path, `/` if there is none, and the query.
    #[must_use]
    pub fn target(&self) -> String {
        let rest = self.text.strip_prefix("https://").unwrap_or_default();
        match rest.find(['/', '?']).and_then(|at| rest.get(at..)) {
            Some(query) if query.starts_with('?') => format!("/{query}"),
            Some(path) => path.to_owned(),
            None => "/".to_owned(),
        }
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

/// The domains that a ratchet tree may be fetched from: the GroupContext extension `ratchet_tree_source_domains`,
/// which has no number yet: one for private use stands for it, the same that another implementation has chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RatchetTreeSourceDomains(pub Vec<Domain>);

impl RatchetTreeSourceDomains {
    /// The number of the extension, until it is given one.
    pub const EXTENSION: u16 = 0xF4C0;

    /// Whether the tree may be fetched from this address (T-006).
    #[must_use]
    pub fn allows(&self, url: &HttpsUrl) -> bool {
        self.0.contains(url.host())
    }
}

impl Wire for RatchetTreeSourceDomains {
    const NAME: &'static str = "ratchet_tree_source_domains";

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.clone();
        let domains = reader.vec(Self::NAME, |reader| reader.uri::<Domain>(Self::NAME))?;
        match domains.is_empty() {
            true => Err(start.error(Self::NAME, Fault::Empty)),
            false => Ok(Self(domains)),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_vec(out, &self.0, |domain, out| write_bytes(out, domain.as_bytes()));
    }
}

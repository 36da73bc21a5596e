//! Which addresses a server may connect to on the word of somebody else.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A range of addresses: those that share the first bits with this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    /// The addresses that share the first `bits` with `address`: none if an address has fewer.
    #[must_use]
    pub const fn new(address: IpAddr, bits: u32) -> Option<Self> {
        let width = match address {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => 128,
        };
        if bits > width { None } else { Some(Self { address, bits }) }
    }

    const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u32) -> Self {
        Self { address: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), bits }
    }

    const fn v6(a: u16, b: u16, c: u16, bits: u32) -> Self {
        Self { address: IpAddr::V6(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0)), bits }
    }

    /// Whether an address is in it. One of IPv4 is in no network of IPv6.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let differ = u32::from(network) ^ u32::from(address);
                differ.leading_zeros() >= self.bits
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let differ = u128::from(network) ^ u128::from(address);
                differ.leading_zeros() >= self.bits
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// What is not of the public Internet, by IANA's registry of special-purpose addresses, and the one address within it
/// at which a cloud keeps the metadata of its machines.
const NOT_PUBLIC_V4: [Network; 16] = [
    Network::v4(0, 0, 0, 0, 8),        // this network
    Network::v4(10, 0, 0, 0, 8),       // private
    Network::v4(100, 64, 0, 0, 10),    // shared, behind a carrier's NAT; metadata of Alibaba Cloud
    Network::v4(127, 0, 0, 0, 8),      // loopback
    Network::v4(168, 63, 129, 16, 32), // metadata of Azure
    Network::v4(169, 254, 0, 0, 16),   // link-local; metadata of most clouds
    Network::v4(172, 16, 0, 0, 12),    // private
    Network::v4(192, 0, 0, 0, 24),     // protocol assignments; metadata of Oracle Cloud
    Network::v4(192, 0, 2, 0, 24),     // documentation
    Network::v4(192, 88, 99, 0, 24),   // relays of 6to4
    Network::v4(192, 168, 0, 0, 16),   // private
    Network::v4(198, 18, 0, 0, 15),    // benchmarks
    Network::v4(198, 51, 100, 0, 24),  // documentation
    Network::v4(203, 0, 113, 0, 24),   // documentation
    Network::v4(224, 0, 0, 0, 4),      // multicast
    Network::v4(240, 0, 0, 0, 4),      // reserved, broadcast
];

/// Of IPv6 only these are given out for the public Internet …
const PUBLIC_V6: Network = Network::v6(0x2000, 0, 0, 3);

/// … and these are exceptions among them.
const NOT_PUBLIC_V6: [Network; 4] = [
    Network::v6(0x2001, 0, 0, 23), // protocol assignments, Teredo among them
    Network::v6(0x2001, 0xdb8, 0, 32), // documentation
    Network::v6(0x2002, 0, 0, 16), // 6to4, which holds an address of IPv4
    Network::v6(0x3fff, 0, 0, 20), // documentation
];

/// Addresses of IPv4 as IPv6 writes them: as such, and as NAT64 reaches them (RFC 6052).
const HOLD_V4: [Network; 2] = [
    Network { address: IpAddr::V6(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0)), bits: 96 },
    Network { address: IpAddr::V6(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0)), bits: 96 },
];

/// Whether an address is one of the public Internet, and not of the own machine or network, of a cloud's metadata
/// service, or of nobody (D-61). An address of IPv4 within one of IPv6 counts as what it is.
///
/// ```
/// use openmimi::download::is_public;
///
/// assert!(is_public("192.0.43.8".parse()?));
/// for address in ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "fd00::1", "::ffff:10.1.2.3", "64:ff9b::a01:203"] {
///     assert!(!is_public(address.parse()?), "{address}");
/// }
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    let among = |networks: &[Network], address| networks.iter().any(|it| it.contains(address));
    let address = plain(address);
    match address {
        IpAddr::V4(_) => !among(&NOT_PUBLIC_V4, address),
        IpAddr::V6(_) => PUBLIC_V6.contains(address) && !among(&NOT_PUBLIC_V6, address),
    }
}

/// The address of IPv4 that an address of IPv6 stands for, or the address itself.
pub(super) fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) if HOLD_V4.iter().any(|it| it.contains(address)) => {
            let [.., a, b, c, d] = v6.octets();
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        }
        IpAddr::V4(_) | IpAddr::V6(_) => address,
    }
}

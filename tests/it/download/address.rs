//! Which addresses are of the public Internet.

use std::net::IpAddr;

use openmimi::download::{Network, is_public};
use proptest::prelude::*;

#[test]
fn d_61_what_is_not_of_the_public_internet_is_known() {
    for address in [
        "0.0.0.0",
        "0.255.255.255",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.1",
        "100.100.100.200",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.255",
        "168.63.129.16",
        "169.254.0.0",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:0:10.0.0.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::192.0.43.8",
        "100::1",
        "1fff:ffff::1",
        "2001::1",
        "2001:0:5ef5:79fd::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "2002:c000:2b08::1",
        "3fff::1",
        "4000::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "ff02::1",
    ] {
        assert!(!is_public(address.parse().unwrap()), "{address}");
    }
    for address in [
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "168.63.129.15",
        "168.63.129.17",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.0.43.8",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2001:200::1",
        "2003::1",
        "2606:4700::1111",
        "3ffe:ffff::1",
        "::ffff:192.0.43.8",
        "64:ff9b::192.0.43.8",
    ] {
        assert!(is_public(address.parse().unwrap()), "{address}");
    }
}

#[test]
fn a_network_is_the_addresses_that_share_its_first_bits() {
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    let network = Network::new(address("192.0.43.0"), 30).unwrap();
    assert!(network.contains(address("192.0.43.3")));
    assert!(!network.contains(address("192.0.43.4")));
    assert!(!network.contains(address("::ffff:192.0.43.3")));
    let all = Network::new(address("::"), 0).unwrap();
    assert!(all.contains(address("ffff::")) && !all.contains(address("1.1.1.1")));
    assert!(Network::new(address("1.1.1.1"), 32).unwrap().contains(address("1.1.1.1")));
    assert_eq!(Network::new(address("1.1.1.1"), 33), None);
    assert_eq!(Network::new(address("::"), 129), None);
}

proptest! {
    /// The standard library knows less; what it knows, we know.
    #[test]
    fn nothing_private_is_public(address in any::<IpAddr>(), v4 in any::<u32>()) {
        let v4 = std::net::Ipv4Addr::from(v4);
        let odd = v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_broadcast()
            || v4.is_documentation() || v4.is_multicast() || v4.is_unspecified();
        prop_assert!(!(odd && is_public(v4.into())));
        prop_assert_eq!(is_public(v4.to_ipv6_mapped().into()), is_public(v4.into()));
        if let IpAddr::V6(v6) = address {
            let odd = v6.is_loopback() || v6.is_unspecified() || v6.is_multicast()
                || v6.is_unique_local() || v6.is_unicast_link_local();
            prop_assert!(!(odd && is_public(address)));
        }
    }
}

//! Addresses that the server connects to on behalf of its users.
//!
//! It stands in a network of its own: what it connects to there would believe that the server itself had
//! come. So only what everybody can reach is reached through it, unless its administrator allows more.
//! An address is judged after a name was resolved, and that very address is connected to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The one metadata service of a cloud at an address that looks public (Azure); all others are
/// link-local or private.
const AZURE: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);

/// May a user's connection go there? `private`: also to private, loopback and link-local addresses. Never
/// to what is no address of one host.
pub fn may(address: IpAddr, private: bool) -> bool {
    if private { is_host(address) } else { is_public(address) }
}

/// Is it the address of one host, wherever that is?
fn is_host(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [first, ..] = v4.octets();
            first != 0 && first < 224
        }
        IpAddr::V6(v6) => !(v6.is_unspecified() || v6.is_multicast()),
    }
}

/// Is it the address of one host that everybody can reach (RFC 6890)? IPv4 addresses within IPv6 would
/// be others in disguise; those of NAT64 (RFC 6052) are what a server without IPv4 is given by its
/// resolver, and are judged by the address within.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_host(address) && is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let shared = first == 100 && second & 0xC0 == 64;
    let protocols = (first, second, third) == (192, 0, 0);
    let benchmarks = first == 198 && second & 0xFE == 18;
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || shared
        || protocols
        || benchmarks
        || address == AZURE)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            let within = Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
            is_public(IpAddr::V4(within))
        }
        // Global unicast, all that is assigned (RFC 4291 section 2.4), without Teredo (RFC 4380) and 6to4
        // (RFC 3056), which have an IPv4 address within.
        [first, second, ..] => {
            first & 0xE000 == 0x2000 && (first, second) != (0x2001, 0) && first != 0x2002
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_reached_through_the_server() {
        for (text, public, private) in [
            ("8.8.8.8", true, true),
            ("198.51.100.7", true, true),
            ("2001:db8::1", true, true),
            ("2606:4700::1111", true, true),
            ("64:ff9b::808:808", true, true),
            ("10.0.0.1", false, true),
            ("172.31.255.255", false, true),
            ("192.168.1.1", false, true),
            ("100.64.0.1", false, true),
            ("100.127.255.255", false, true),
            ("127.0.0.53", false, true),
            ("169.254.169.254", false, true),
            ("168.63.129.16", false, true),
            ("192.0.0.1", false, true),
            ("198.19.0.1", false, true),
            ("::1", false, true),
            ("fe80::1", false, true),
            ("fec0::1", false, true),
            ("fd00::1", false, true),
            ("fc00::1", false, true),
            ("::ffff:127.0.0.1", false, true),
            ("::ffff:8.8.8.8", false, true),
            ("::127.0.0.1", false, true),
            ("64:ff9b::7f00:1", false, true),
            ("64:ff9b::a00:1", false, true),
            ("64:ff9b:1::808:808", false, true),
            ("2002:7f00:1::1", false, true),
            ("2001::1", false, true),
            ("100::1", false, true),
            ("4000::1", false, true),
            ("0.0.0.0", false, false),
            ("0.1.2.3", false, false),
            ("224.0.0.1", false, false),
            ("240.0.0.1", false, false),
            ("255.255.255.255", false, false),
            ("::", false, false),
            ("::ffff:0.0.0.0", false, false),
            ("::ffff:255.255.255.255", false, false),
            ("ff02::1", false, false),
        ] {
            let address = text.parse().expect(text);
            assert_eq!((may(address, false), may(address, true)), (public, private), "{text}");
        }
    }
}

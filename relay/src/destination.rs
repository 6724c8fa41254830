//! Where a client may be connected to, and what way the kernel would take there.
//!
//! The relay has a foot in the host: what it connected to on behalf of a client would believe that the
//! router itself had come. So nothing is connected that is the router's own, however the packet filter
//! came to hand it over.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, getsockname, socket_with};

/// What the kernel's routes say of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It is reached from this address of the router.
    From(IpAddr),
    /// No route leads there.
    None,
    /// A route forbids it (blackhole, prohibit, unreachable).
    Forbidden,
    /// It is an address of the router itself.
    Own,
}

/// Is it an address that a connection may have beyond this router? Not loopback, link-local,
/// multicast, broadcast or unspecified (RFC 6890), nor IPv4 within IPv6 (RFC 4291 section 2.5.5), which
/// would be one of these in disguise.
pub fn is_elsewhere(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let first = v4.octets().first().copied();
            let reserved = first == Some(0) || first.is_some_and(|first| first >= 224);
            !(reserved || v4.is_loopback() || v4.is_link_local())
        }
        IpAddr::V6(v6) => {
            let embeds = v6.to_ipv4().is_some();
            !(embeds || v6.is_unicast_link_local() || v6.is_multicast())
        }
    }
}

/// Asks the kernel's routes, as a program would that binds to nothing.
///
/// # Errors
/// No descriptor is left.
pub fn way(to: IpAddr) -> io::Result<Way> {
    let (family, any) = match to {
        IpAddr::V4(_) => (AddressFamily::INET, IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        IpAddr::V6(_) => (AddressFamily::INET6, IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
    };
    // A connected datagram socket has a route and sends nothing (udp(7)). The port does not matter.
    let socket = socket_with(family, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    Ok(match connect(&socket, &SocketAddr::new(to, 9)) {
        Ok(()) => {
            let own = getsockname(&socket)?;
            match SocketAddr::try_from(own).map_or(any, |own| own.ip()) {
                source if source == to => Way::Own,
                source => Way::From(source),
            }
        }
        Err(Errno::NETUNREACH | Errno::ADDRNOTAVAIL) => Way::None,
        Err(_) => Way::Forbidden,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_other_hosts_are_elsewhere() {
        for (text, expected) in [
            ("198.51.100.7", true),
            ("10.0.0.1", true),
            ("2001:db8::1", true),
            ("fd00::1", true),
            ("0.0.0.0", false),
            ("0.1.2.3", false),
            ("127.0.0.53", false),
            ("169.254.169.254", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("::", false),
            ("::1", false),
            ("fe80::1", false),
            ("ff02::1", false),
            ("::ffff:127.0.0.1", false),
            ("::ffff:198.51.100.7", false),
            ("::198.51.100.7", false),
        ] {
            assert_eq!(is_elsewhere(text.parse().expect(text)), expected, "{text}");
        }
    }

    #[test]
    fn the_kernel_knows_what_is_its_own() {
        assert_eq!(way(IpAddr::V4(Ipv4Addr::LOCALHOST)).expect("a descriptor"), Way::Own);
    }
}

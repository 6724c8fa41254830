//! Where clients may reach this host: the addresses from which it speaks to the rest of the world.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

use mptcpize_model::gateway::lan;

/// Somewhere beyond every network of this host: a default route leads there, and nothing is sent.
const BEYOND: [(IpAddr, IpAddr); 2] = [
    (IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::new(7, 7, 7, 7))),
    (
        IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        IpAddr::V6(Ipv6Addr::new(0x2001, 0x4860, 0, 0, 0, 0, 0, 7)),
    ),
];

/// The source addresses of the default routes, IPv4 first: most clients have that.
pub fn own() -> Vec<IpAddr> {
    let source = |(any, to): (IpAddr, IpAddr)| {
        let socket = UdpSocket::bind((any, 0)).ok()?;
        socket.connect((to, 9)).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    BEYOND.into_iter().filter_map(source).collect()
}

/// Can everybody reach it? Not behind the address translation of a provider or of a cloud.
pub fn is_public(address: IpAddr) -> bool {
    let special = match address {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            let shared = first == 100 && second & 0xC0 == 64;
            shared || v4.is_loopback() || v4.is_link_local() || v4.is_unspecified()
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unicast_link_local() || v6.is_unspecified(),
    };
    !special && !lan::is_private(address)
}

/// The name of this host.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_behind_translation_are_told_apart() {
        for (text, public) in [
            ("198.51.100.7", true),
            ("2001:db8::7", true),
            ("10.0.0.4", false),
            ("192.168.1.2", false),
            ("100.64.0.9", false),
            ("100.128.0.9", true),
            ("169.254.1.1", false),
            ("127.0.0.1", false),
            ("fd00::1", false),
            ("fe80::1", false),
            ("::1", false),
        ] {
            assert_eq!(is_public(text.parse().expect("an address")), public, "{text}");
        }
    }
}

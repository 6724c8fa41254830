//! Where a connection goes: through a relay, or directly. Pure: what the kernel's routes say is handed
//! in.
//!
//! Nothing is led around a VPN, and nothing goes to a relay that it would refuse: private networks, and
//! itself.

use std::net::{IpAddr, Ipv6Addr};

use mptcpize_model::relay::agent::{Policy, Terms};

use crate::destination::Way;

/// Where a connection goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Through a relay.
    Relay,
    /// Directly: over MPTCP, and in plain TCP where the destination has none.
    Multipath,
    /// Directly, in plain TCP, as the host's own connections go.
    Direct,
    /// Nowhere: no route leads there, or one forbids it.
    Nowhere,
}

/// What is known of a destination besides its address.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// What the kernel's routes say.
    pub way: Way,
    /// The address that it would leave from is of an uplink.
    pub by_uplink: bool,
    /// It is an address of one of the relays.
    pub is_relay: bool,
    /// It was found not to speak MPTCP.
    pub without_mptcp: bool,
}

/// Where a connection to an address goes.
pub fn route(terms: &Terms, to: IpAddr, seen: Seen) -> Route {
    match seen.way {
        Way::Own => return Route::Direct,
        Way::Forbidden => return Route::Nowhere,
        Way::From(_) if !seen.by_uplink => return Route::Direct,
        Way::From(_) | Way::None => {}
    }
    // A relay may lead where this host has no route, as to IPv6.
    let reached = seen.way != Way::None;
    let directly = |route| if reached { route } else { Route::Nowhere };
    if is_private(to) || terms.never.iter().any(|net| net.contains(to)) {
        return directly(Route::Direct);
    }
    if seen.is_relay {
        return directly(Route::Multipath);
    }
    match terms.policy {
        Policy::WithoutMptcp if reached && !seen.without_mptcp => Route::Multipath,
        Policy::Always | Policy::WithoutMptcp => Route::Relay,
    }
}

/// Is it of a network that only those within it reach: RFC 1918, RFC 6598 (behind a provider's NAT), RFC
/// 4193, loopback and link-local?
pub fn is_private(address: IpAddr) -> bool {
    let v4_is_private = |v4: std::net::Ipv4Addr| {
        let [first, second, ..] = v4.octets();
        let shared = first == 100 && (64..128).contains(&second);
        v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_unspecified() || shared
    };
    match address {
        IpAddr::V4(v4) => v4_is_private(v4),
        IpAddr::V6(v6) => {
            let mapped = v6.to_ipv4_mapped().is_some_and(v4_is_private);
            let nowhere = v6.is_loopback() || v6 == Ipv6Addr::UNSPECIFIED;
            mapped || nowhere || v6.is_unique_local() || v6.is_unicast_link_local()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(policy: Policy) -> Terms {
        let never = vec!["203.0.113.0/24".parse().expect("a network")];
        Terms { relays: Vec::new(), policy, never, fallback: Default::default() }
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    const UPLINK: Seen = Seen {
        way: Way::From(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1))),
        by_uplink: true,
        is_relay: false,
        without_mptcp: false,
    };

    #[test]
    fn what_leaves_over_an_uplink_goes_through_a_relay_and_nothing_else_does() {
        let public = "198.51.100.7";
        for (to, seen, expected) in [
            (public, UPLINK, Route::Relay),
            ("2001:db8::7", UPLINK, Route::Relay),
            // A VPN.
            (public, Seen { by_uplink: false, ..UPLINK }, Route::Direct),
            (public, Seen { way: Way::Own, ..UPLINK }, Route::Direct),
            (public, Seen { way: Way::Forbidden, ..UPLINK }, Route::Nowhere),
            (public, Seen { way: Way::None, ..UPLINK }, Route::Relay),
            (public, Seen { is_relay: true, ..UPLINK }, Route::Multipath),
            ("203.0.113.9", UPLINK, Route::Direct),
            ("203.0.113.9", Seen { way: Way::None, ..UPLINK }, Route::Nowhere),
            ("192.168.1.1", UPLINK, Route::Direct),
            ("fd00::1", UPLINK, Route::Direct),
        ] {
            assert_eq!(route(&terms(Policy::Always), address(to), seen), expected, "{to} {seen:?}");
        }
    }

    #[test]
    fn a_server_with_mptcp_is_tried_first_where_that_is_asked_for() {
        let terms = terms(Policy::WithoutMptcp);
        let to = address("198.51.100.7");
        for (seen, expected) in [
            (UPLINK, Route::Multipath),
            (Seen { without_mptcp: true, ..UPLINK }, Route::Relay),
            (Seen { way: Way::None, ..UPLINK }, Route::Relay),
            (Seen { by_uplink: false, ..UPLINK }, Route::Direct),
        ] {
            assert_eq!(route(&terms, to, seen), expected, "{seen:?}");
        }
    }

    #[test]
    fn private_networks_are_known_in_every_disguise() {
        for (text, expected) in [
            ("10.0.0.1", true),
            ("172.31.0.1", true),
            ("192.168.0.1", true),
            ("100.64.0.1", true),
            ("100.128.0.1", false),
            ("169.254.169.254", true),
            ("127.0.0.1", true),
            ("::1", true),
            ("fe80::1", true),
            ("fd00::1", true),
            ("::ffff:10.0.0.1", true),
            ("198.51.100.1", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(is_private(address(text)), expected, "{text}");
        }
    }
}

//! Where a packet would leave: the kernel's answers to route look-ups, which send nothing.
//!
//! Traffic that a program leaves unbound tells what the host is: where it leaves by an uplink's
//! default route, subflows may use the others as well; where it enters a tunnel, they must not.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::net::{Family, IfName, MAIN};

/// Where packets to an address leave, as the kernel answers a route look-up (`ip route get`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteLookup {
    /// From this address; none where a program leaves the choice to the kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<IpAddr>,
    /// To this one.
    pub to: IpAddr,
    /// Bound to this link (`oif`), as subflows of an endpoint with `dev` are; or not bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oif: Option<IfName>,
    /// The next step; none where the kernel has no route, or one that forbids it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hop: Option<Hop>,
}

/// A link, and the gateway behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hop {
    /// The link that packets leave by.
    pub dev: IfName,
    /// The gateway; none where the destination is taken to be on the link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<IpAddr>,
    /// The table that says so.
    #[serde(default = "main", skip_serializing_if = "is_main")]
    pub table: u32,
}

fn main() -> u32 {
    MAIN
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_main(table: &u32) -> bool {
    *table == MAIN
}

/// Where unbound traffic is asked about: the middle of each sixteenth of the unicast addresses of
/// IPv4, and of the parts of 2000::/3 that are given out. A VPN that takes the Internet in two
/// halves (OpenVPN's `def1`), in quarters, or in all networks but the private ones, has several
/// of them. None is private, shared or reserved, nor of a resolver that has host routes.
pub const DESTINATIONS: [IpAddr; 20] = [
    v4(7, 7),
    v4(20, 77),
    v4(38, 77),
    v4(55, 55),
    v4(71, 77),
    v4(87, 77),
    v4(103, 77),
    v4(119, 77),
    v4(134, 77),
    v4(150, 77),
    v4(166, 77),
    v4(182, 77),
    v4(199, 77),
    v4(214, 77),
    v6(0x2003),
    v6(0x2404),
    v6(0x2604),
    v6(0x2804),
    v6(0x2a04),
    v6(0x2c0c),
];

const fn v4(first: u8, second: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(first, second, 86, 84))
}

const fn v6(first: u16) -> IpAddr {
    IpAddr::V6(Ipv6Addr::new(first, 0x0e00, 0x8684, 0, 0, 0, 0, 1))
}

/// The destinations of one family.
pub fn destinations(family: Family) -> impl Iterator<Item = IpAddr> {
    DESTINATIONS.into_iter().filter(move |to| Family::of(*to) == family)
}

//! Which address of a link connections start from.

use std::net::IpAddr;

use super::gateway::Out;
use crate::HostState;
use crate::net::{Address, Family, IfName, Link};
use crate::ours::is_ours;

/// Addresses that a connection may start from: lasting before temporary, public before
/// unique-local (RFC 4193), the rest in the kernel's order.
pub(super) fn usable<'a>(state: &'a HostState, dev: &IfName, family: Family) -> Vec<&'a Address> {
    let mut usable: Vec<&Address> = state
        .addresses
        .iter()
        .filter(|address| address.dev == *dev && Family::of(address.address) == family)
        .filter(|address| address.global && !address.deprecated && !address.tentative)
        .filter(|address| !is_link_local(address.address) && !is_ours(address.protocol))
        .collect();
    usable.sort_by_key(|address| (address.temporary, is_unique_local(address.address)));
    usable
}

/// The address for the way out: the route's own source; for IPv4 one in the gateway's network;
/// else what the kernel chooses by itself, which for IPv6 is RFC 6724 with the link's preference
/// for privacy addresses (RFC 8981); where the kernel was not asked, the first.
pub(super) fn choose(state: &HostState, link: &Link, usable: &[&Address], out: &Out) -> IpAddr {
    let fitting: Vec<&Address> = usable
        .iter()
        .filter(|address| {
            let from = out.route.and_then(|route| route.from);
            from.is_none_or(|from| from.contains(address.address))
        })
        .copied()
        .collect();
    let there = |wanted: &IpAddr| fitting.iter().any(|address| address.address == *wanted);
    let family = Family::of(fitting.first().or(usable.first()).expect("a usable address").address);
    // Our own route's source is what was chosen last time, not what the host says.
    let own = out.route.filter(|route| !is_ours(route.protocol)).and_then(|route| route.src);
    let beside_gateway = || {
        let via = out.via.filter(|_| family == Family::V4)?;
        fitting.iter().find(|address| address.network().contains(via)).map(|it| it.address)
    };
    own.filter(there)
        .or_else(beside_gateway)
        .or_else(|| state.source(&link.name, family).filter(there))
        .or_else(|| fitting.first().map(|address| address.address))
        .unwrap_or_else(|| usable.first().expect("a usable address").address)
}

/// Why a link with addresses of a family has no usable one; nothing when it has none at all.
pub(super) fn missing(state: &HostState, dev: &IfName, family: Family) -> Option<String> {
    let mut all = state
        .addresses
        .iter()
        .filter(|address| address.dev == *dev && Family::of(address.address) == family)
        .filter(|address| !is_link_local(address.address) && !is_ours(address.protocol));
    let first = all.next()?;
    Some(if first.tentative {
        format!("{} is tentative", first.address)
    } else if first.deprecated {
        format!("{} is deprecated", first.address)
    } else {
        format!("{} is not of global scope", first.address)
    })
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

fn is_unique_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.is_unique_local())
}

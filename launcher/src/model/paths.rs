//! Which paths the host has. A path is a link with a usable address and a way to the world beyond
//! it; this module finds them, and says of every other link why it is none.

use std::net::IpAddr;

use crate::model::HostState;
use crate::model::config::Config;
use crate::model::net::{Address, Family, IfName, Link, Prefix, Route};
use crate::model::policy::is_ours;

/// A link and gateway usable for a subflow, in one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// The link.
    pub dev: IfName,
    /// The family.
    pub family: Family,
    /// The address that subflows leave from.
    pub address: IpAddr,
    /// Further addresses of the link that must be routed through it as well.
    pub others: Vec<IpAddr>,
    /// Networks that are connected through the link.
    pub networks: Vec<Prefix>,
    /// The next hop; none on a point-to-point link.
    pub gateway: Option<IpAddr>,
    /// How good its default route is; lower is better.
    pub metric: u32,
    /// How the gateway was found.
    pub origin: Origin,
}

/// How a path's gateway was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The administrator named it.
    Asked,
    /// The link has a default route.
    Route,
    /// Another link in the same network has it.
    Neighbour(IfName),
    /// There is only one host to send to.
    PointToPoint,
}

/// A link or address that is no path, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The link, or the address on it.
    pub what: String,
    /// A clause that a person reads.
    pub why: String,
}

/// The metric of a path without a default route of its own: behind all that have one.
pub const NO_METRIC: u32 = u32::MAX;

/// Kinds of link that carry traffic inside that of other links (ip-link(8)).
const TUNNELS: [&str; 20] = [
    "amt",
    "bareudp",
    "erspan",
    "fou",
    "geneve",
    "gre",
    "gretap",
    "gtp",
    "ip6erspan",
    "ip6gre",
    "ip6gretap",
    "ip6tnl",
    "ipip",
    "ovpn",
    "sit",
    "tun",
    "vti",
    "vti6",
    "wireguard",
    "xfrm",
];

/// All paths, best first, and what was left out.
pub fn find(state: &HostState, config: &Config) -> (Vec<Path>, Vec<LeftOut>) {
    let mut paths: Vec<Path> = Vec::new();
    let mut left_out = Vec::new();
    for link in &state.links {
        let found = match unsuitable(link, config) {
            Some(why) => Err(why),
            None => of_link(state, config, link),
        };
        match found {
            Ok(found) => paths.extend(found),
            Err(why) => left_out.push(LeftOut { what: link.name.to_string(), why }),
        }
    }
    // A stable sort: among equals the kernel's order of links.
    paths.sort_by_key(|path| path.metric);
    (paths, left_out)
}

/// Why a link cannot be a path, whatever its addresses.
fn unsuitable(link: &Link, config: &Config) -> Option<String> {
    let named = config.only.contains(&link.name);
    if link.loopback {
        return Some("loopback".into());
    }
    if config.exclude.contains(&link.name) {
        return Some("excluded as asked".into());
    }
    if !config.only.is_empty() && !named {
        return Some("not among the links asked for".into());
    }
    if !link.up {
        return Some("it is down".into());
    }
    if let Some(master) = &link.master {
        return Some(format!("part of {master}"));
    }
    let kind = link.kind.as_deref().unwrap_or_default();
    (TUNNELS.contains(&kind) && !named).then(|| format!("a tunnel over the others ({kind})"))
}

/// The paths of one link: at most one a family.
fn of_link(state: &HostState, config: &Config, link: &Link) -> Result<Vec<Path>, String> {
    let mut found = Vec::new();
    let mut reasons = Vec::new();
    for family in Family::BOTH {
        let usable = usable_addresses(state, &link.name, family);
        let Some(best) = usable.first() else {
            reasons.extend(without_address(state, &link.name, family));
            continue;
        };
        let Some((gateway, metric, origin)) = gateway(state, config, link, &usable) else {
            reasons.push("no route to a gateway".to_owned());
            continue;
        };
        found.push(Path {
            dev: link.name.clone(),
            family,
            address: best.address,
            others: usable.iter().skip(1).map(|address| address.address).collect(),
            networks: networks(&usable),
            gateway,
            metric,
            origin,
        });
    }
    match (found.is_empty(), reasons.into_iter().next()) {
        (true, reason) => Err(reason.unwrap_or_else(|| "no usable address".into())),
        (false, _) => Ok(found),
    }
}

/// Addresses that a connection may start from, the best first: lasting before temporary, public
/// before unique-local (RFC 4193), the rest in the kernel's order.
fn usable_addresses<'a>(state: &'a HostState, dev: &IfName, family: Family) -> Vec<&'a Address> {
    let mut usable: Vec<&Address> = state
        .addresses
        .iter()
        .filter(|address| address.dev == *dev && Family::of(address.address) == family)
        .filter(|address| address.global && !address.deprecated && !address.tentative)
        .filter(|address| !is_link_local(address.address))
        .collect();
    usable.sort_by_key(|address| (address.temporary, is_unique_local(address.address)));
    usable
}

/// Why a link with addresses of a family has no usable one; nothing when it has none at all.
fn without_address(state: &HostState, dev: &IfName, family: Family) -> Option<String> {
    let mut all = state
        .addresses
        .iter()
        .filter(|address| address.dev == *dev && Family::of(address.address) == family)
        .filter(|address| !is_link_local(address.address));
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

fn networks(usable: &[&Address]) -> Vec<Prefix> {
    let mut networks: Vec<Prefix> = Vec::new();
    for network in usable.iter().map(|address| address.network()) {
        if !networks.contains(&network) {
            networks.push(network);
        }
    }
    networks
}

/// The next hop of a link, its metric, and where that comes from.
fn gateway(
    state: &HostState,
    config: &Config,
    link: &Link,
    usable: &[&Address],
) -> Option<(Option<IpAddr>, u32, Origin)> {
    let family = Family::of(usable.first()?.address);
    let own = default_route(state, &link.name, family);
    // One of ours says where the gateway is, not how good the link is.
    let ranked = own.filter(|route| !is_ours(route.protocol));
    let metric = ranked.map_or(NO_METRIC, |route| route.metric);
    let asked = config.gateway.get(&link.name).filter(|asked| Family::of(**asked) == family);
    if let Some(asked) = asked {
        return Some((Some(*asked), metric, Origin::Asked));
    }
    if let Some(route) = own {
        return Some((route.via, metric, Origin::Route));
    }
    // Three dongles in one network, one default route: all of them reach its gateway.
    let neighbour = defaults(state, family)
        .filter(|route| route.dev != link.name && !is_ours(route.protocol))
        .filter(|route| route.via.is_some_and(|via| same_network(usable, via)))
        .min_by_key(|route| route.metric);
    if let Some(route) = neighbour {
        return Some((route.via, NO_METRIC, Origin::Neighbour(route.dev.clone())));
    }
    (link.point_to_point && usable.iter().any(|address| address.peer.is_some())).then_some((
        None,
        NO_METRIC,
        Origin::PointToPoint,
    ))
}

fn same_network(usable: &[&Address], gateway: IpAddr) -> bool {
    usable.iter().any(|address| address.network().contains(gateway) && address.address != gateway)
}

fn defaults(state: &HostState, family: Family) -> impl Iterator<Item = &Route> {
    state.routes.iter().filter(move |route| route.to.is_none() && route.family == family)
}

/// The best default route through a link, in any table.
fn default_route<'a>(state: &'a HostState, dev: &IfName, family: Family) -> Option<&'a Route> {
    defaults(state, family)
        .filter(|route| route.dev == *dev)
        // One of ours may be all that is left when the carrier is gone.
        .min_by_key(|route| (is_ours(route.protocol), route.metric))
}

//! Which paths the host has. A path is a link with a usable address and a way to the world beyond
//! it; this module finds them, and says of every other link why it is none.

mod gateway;
mod source;
mod twins;

use std::net::{IpAddr, Ipv4Addr};

use crate::HostState;
use crate::config::Config;
use crate::in_force::in_force;
use crate::metrics::Metrics;
use crate::net::{Action, Address, Family, IfName, Link, Prefix, Route, Rule};
use crate::ours;
use crate::rule_order;
pub use gateway::gateways;

/// A link and gateway usable for a subflow, in one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// The link.
    pub dev: IfName,
    /// The family.
    pub family: Family,
    /// The address of the link that subflows leave from.
    pub address: IpAddr,
    /// The address that we give to the link, because another has the same one.
    pub own: Option<Ipv4Addr>,
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
    /// Main has a default route for it, so that unbound traffic may leave by it.
    pub in_main: bool,
    /// Its default route takes the gateway to be on the link.
    pub onlink: bool,
    /// The scope of its default route, where that is an odd one.
    pub scope: Option<u8>,
    /// The metrics of its default route.
    pub metrics: Metrics,
}

impl Path {
    /// The address that sockets and endpoints have.
    pub fn source(&self) -> IpAddr {
        self.own.map_or(self.address, IpAddr::V4)
    }
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
    /// It was set up with it, and its default route has not come back.
    Recorded,
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

/// Kinds of link that are another face of the link that they lie over (ip-link(8)).
const FACES: [&str; 6] = ["ipvlan", "ipvtap", "macsec", "macvlan", "macvtap", "vlan"];

/// All paths, best first, and what was left out.
pub fn find(state: &HostState, config: &Config) -> (Vec<Path>, Vec<LeftOut>) {
    let config = &*in_force(state, config);
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
    faces(state, config, &mut paths, &mut left_out);
    // A stable sort: among equals the kernel's order of links.
    paths.sort_by_key(|path| path.metric);
    pinned(state, &mut paths, &mut left_out);
    twins::tell_apart(state, &mut paths, &mut left_out);
    (paths, left_out)
}

/// The links of the paths, each once, in their order. A path is a link: one with addresses of both families is
/// one path.
pub fn links(paths: &[Path]) -> Vec<IfName> {
    let mut links: Vec<IfName> = Vec::new();
    for path in paths {
        if !links.contains(&path.dev) {
            links.push(path.dev.clone());
        }
    }
    links
}

/// Those of them that have a carrier: what any verb counts as paths.
pub fn usable(state: &HostState, paths: &[Path]) -> Vec<IfName> {
    let has_carrier = |dev: &IfName| state.link(dev).is_none_or(|link| link.carrier);
    links(paths).into_iter().filter(has_carrier).collect()
}

/// Is this a link that carries traffic inside that of other links?
pub fn is_tunnel(link: &Link) -> bool {
    TUNNELS.contains(&link.kind.as_deref().unwrap_or_default())
}

/// Leaves out paths whose address a rule of somebody else sends out by another link: that rule was
/// there before, and it is asked before ours.
fn pinned(state: &HostState, paths: &mut Vec<Path>, left_out: &mut Vec<LeftOut>) {
    paths.retain(|path| {
        let about = |rule: &&Rule| {
            rule.family == path.family
                && !rule.conditional
                && rule.suppress.is_none()
                && rule.action == Action::Lookup
                && !ours::is_ours(rule.protocol)
                && rule_order::is_before_main(state, rule)
                && rule.from.is_some_and(|from| from.length > 0 && from.contains(path.address))
        };
        let default = |rule: &Rule| {
            let of_table = |route: &&Route| {
                route.table == rule.table
                    && route.to.is_none()
                    && route.from.is_none()
                    && route.family == path.family
            };
            state.routes.iter().filter(of_table).min_by_key(|route| route.metric)
        };
        let first = state.rules.iter().filter(about).find_map(|rule| Some((rule, default(rule)?)));
        match first.filter(|(_, route)| route.dev != path.dev) {
            None => true,
            Some((rule, route)) => {
                let why = format!("the rule \"{rule}\" sends its packets out by {}", route.dev);
                left_out.push(LeftOut { what: path.dev.to_string(), why });
                false
            }
        }
    });
}

/// Leaves out the links that lie over another path: the same wire twice is no second path.
fn faces(state: &HostState, config: &Config, paths: &mut Vec<Path>, left_out: &mut Vec<LeftOut>) {
    for link in &state.links {
        let kind = link.kind.as_deref().unwrap_or_default();
        let Some(lower) = link.lower.as_ref().filter(|_| FACES.contains(&kind)) else { continue };
        let both = [&link.name, lower].iter().all(|dev| paths.iter().any(|path| path.dev == **dev));
        if both && !config.only.contains(&link.name) {
            paths.retain(|path| path.dev != link.name);
            let why = format!("over {lower} ({kind})");
            left_out.push(LeftOut { what: link.name.to_string(), why });
        }
    }
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
    (is_tunnel(link) && !named).then(|| format!("a tunnel over the others ({kind})"))
}

/// The paths of one link: at most one a family.
fn of_link(state: &HostState, config: &Config, link: &Link) -> Result<Vec<Path>, String> {
    let mut found = Vec::new();
    let mut reasons = Vec::new();
    for family in Family::BOTH {
        let usable = source::usable(state, &link.name, family);
        if usable.is_empty() {
            reasons.extend(source::missing(state, &link.name, family));
            continue;
        }
        // It would refuse the endpoint, and with that the whole set-up.
        if family == Family::V6 && state.kernel.mptcp_without_ipv6 {
            reasons.push("this kernel's MPTCP has no IPv6 (CONFIG_MPTCP_IPV6)".to_owned());
            continue;
        }
        let Some(out) = gateway::find(state, config, link, &usable) else {
            reasons.push("no route to a gateway".to_owned());
            continue;
        };
        if out.route.is_some_and(|route| route.encapsulated) {
            reasons.push("its default route adds a header (encap), which a copy cannot".to_owned());
            continue;
        }
        let address = source::choose(state, link, &usable, &out);
        let others = usable.iter().map(|other| other.address).filter(|other| *other != address);
        found.push(Path {
            dev: link.name.clone(),
            family,
            address,
            own: None,
            others: others.collect(),
            networks: networks(&usable),
            gateway: out.via,
            metric: out.metric,
            in_main: out.in_main,
            onlink: out.route.is_some_and(|route| route.onlink),
            scope: out.route.and_then(|route| route.scope),
            metrics: out.metrics(),
            origin: out.origin,
        });
    }
    match (found.is_empty(), reasons.into_iter().next()) {
        (true, reason) => Err(reason.unwrap_or_else(|| "no usable address".into())),
        (false, _) => Ok(found),
    }
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

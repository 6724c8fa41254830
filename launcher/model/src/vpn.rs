//! Does something else than an uplink take what programs leave unbound? Then the host is captured:
//! a subflow that leaves by an uplink would lead traffic around a VPN.
//!
//! What counts is where the kernel sends such traffic, not what the VPN is: a tunnel's default
//! route, two halves of the Internet, a rule that is asked before main.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::HostState;
use crate::config::Config;
use crate::mptcp::{Endpoint, Flags};
use crate::net::{Family, IfName, MAIN, Prefix};
use crate::ours::is_ours;
use crate::route_lookup::{Hop, RouteLookup};
use crate::uplinks;

/// The table `default` (`RT_TABLE_DEFAULT`), which is asked after main.
const DEFAULT: u32 = 253;

/// What takes unbound traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// What it is.
    pub by: By,
    /// One of the destinations.
    pub to: IpAddr,
}

/// What can take unbound traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// A link that is no uplink.
    Link(IfName),
    /// A table that a rule puts before main, though it leads to an uplink.
    Table(u32, IfName),
    /// An IPsec policy.
    Policy(Policy),
}

/// An IPsec policy for packets that leave (ip-xfrm(8)).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The sources that it is for.
    pub from: Prefix,
    /// The destinations.
    pub to: Prefix,
}

impl Captured {
    /// The device, the table or the policy, as the subject of a sentence.
    pub fn by(&self) -> String {
        match &self.by {
            By::Link(dev) => dev.to_string(),
            By::Table(table, _) => format!("table {table}"),
            By::Policy(_) => "IPsec".to_owned(),
        }
    }

    /// What is the case, as a clause.
    pub fn what(&self) -> String {
        match &self.by {
            By::Link(dev) => format!("traffic of this host leaves by {dev}, which is no uplink"),
            By::Table(table, _) => format!(
                "traffic of this host leaves by table {table}, which a rule puts before the \
                 uplinks' default routes"
            ),
            By::Policy(policy) => {
                format!("traffic of this host to {} leaves by IPsec", policy.to)
            }
        }
    }

    /// How to see it.
    pub fn why(&self) -> String {
        match &self.by {
            By::Link(dev) | By::Table(_, dev) => {
                format!("ip route get {} says dev {dev}: a VPN?", self.to)
            }
            By::Policy(policy) => format!(
                "ip xfrm policy says src {} dst {} dir out: other sources would leave in clear",
                policy.from, policy.to
            ),
        }
    }
}

/// The first destination whose unbound traffic leaves by something that is no uplink's default
/// route. Nothing where the kernel was not asked.
pub fn captured(state: &HostState, config: &Config) -> Option<Captured> {
    let by_route = unbound(state).find_map(|(to, hop)| {
        let hop = hop?;
        if !is_uplink(state, config, &hop.dev) {
            return Some(Captured { by: By::Link(hop.dev.clone()), to });
        }
        let ours = || {
            let own = |table: u32| {
                state.routes.iter().any(|route| route.table == table && is_ours(route.protocol))
            };
            own(hop.table)
        };
        let main = [MAIN, DEFAULT].contains(&hop.table) || ours();
        let by = By::Table(hop.table, hop.dev.clone());
        (!main).then_some(Captured { by, to })
    });
    by_route.or_else(|| by_policy(state))
}

/// A policy for half of the Internet or more: OpenVPN's two halves have their like in IPsec.
fn by_policy(state: &HostState) -> Option<Captured> {
    let wide = |policy: &&Policy| policy.to.length <= 1;
    let policy = state.policies.iter().find(wide)?;
    let inside = |(to, _): &(IpAddr, Option<&Hop>)| policy.to.contains(*to);
    let to = unbound(state).find(inside).map(|(to, _)| to)?;
    Some(Captured { by: By::Policy(policy.clone()), to })
}

/// Does a route or rule forbid what programs leave unbound, although main has a default route
/// whose link is alive? A kill switch does.
pub fn is_forbidden(state: &HostState, family: Family) -> bool {
    let alive = state.routes.iter().any(|route| {
        route.table == MAIN
            && route.to.is_none()
            && route.from.is_none()
            && route.family == family
            && state.link(&route.dev).is_some_and(|link| link.up && link.carrier)
    });
    alive && unbound(state).any(|(to, hop)| Family::of(to) == family && hop.is_none())
}

/// Endpoints whose subflows leave by an uplink although the host is captured: around the VPN.
pub fn leaks<'a>(state: &'a HostState, config: &Config) -> Vec<(&'a Endpoint, &'a IfName)> {
    let Some(captured) = captured(state, config) else { return vec![] };
    if state.limits.is_some_and(|limits| limits.subflows == 0) {
        return vec![];
    }
    let leak = |endpoint: &'a Endpoint| {
        let opens = endpoint.flags.has(Flags::SUBFLOW) || endpoint.flags.has(Flags::FULLMESH);
        // What leaves by the uplink and is encrypted there goes around nothing.
        let encrypted = state.policies.iter().any(|policy| {
            policy.to.contains(captured.to) && policy.from.contains(endpoint.address)
        });
        let opens = opens && !encrypted;
        let leaves = |lookup: &&RouteLookup| {
            lookup.from == Some(endpoint.address)
                && lookup.oif == endpoint.dev
                && lookup.hop.as_ref().is_some_and(|hop| is_uplink(state, config, &hop.dev))
        };
        let lookup = state.ways.iter().filter(|_| opens).find(leaves)?;
        Some((endpoint, &lookup.hop.as_ref()?.dev))
    };
    state.endpoints.iter().filter_map(leak).collect()
}

/// Destinations of unbound traffic, and the first step there.
fn unbound(state: &HostState) -> impl Iterator<Item = (IpAddr, Option<&Hop>)> {
    let asked = |lookup: &&RouteLookup| lookup.from.is_none() && lookup.oif.is_none();
    state.ways.iter().filter(asked).map(|lookup| (lookup.to, lookup.hop.as_ref()))
}

/// May unbound traffic leave by this link? Not by a tunnel, unless it was named as an uplink. PPP
/// may be a line or a VPN (PPTP, L2TP): where it was to be left out, it is taken for a VPN.
fn is_uplink(state: &HostState, config: &Config, dev: &IfName) -> bool {
    let Some(link) = state.link(dev) else { return false };
    let left_out = config.exclude.contains(dev) && link.kind.as_deref() == Some("ppp");
    !left_out && (!uplinks::is_tunnel(link) || config.only.contains(dev))
}

//! What the host should look like: from the paths it has and what was asked to endpoints, rules,
//! routes, limits and sysctls, each with the reason that a person reads.
//!
//! Source rules come last before the main table's own rule, and each address is sent to the main
//! table first for everything but its default route: whatever the administrator, a VPN or a
//! container engine arranged keeps its say, and only what would leave by the default route leaves
//! by the address's own uplink. Where unbound traffic leaves by something that is no uplink,
//! nothing is set up.

mod edge;
mod endpoints;
mod passed_by;

pub use edge::{LAST_RESORT, misplaced};

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use self::edge::Edge;
use crate::HostState;
use crate::config::Config;
use crate::congestion::Congestion;
use crate::in_force::in_force;
use crate::metrics::Metrics;
use crate::mptcp::{Endpoint, Limits};
use crate::nat::Translation;
use crate::net::{Action, Address, Family, IfName, MAIN, Prefix, Route, Rule};
use crate::no_path;
use crate::ours::{FIRST_TABLE, PROTOCOL, is_ours};
use crate::rule_order::{is_before_main, is_local};
use crate::unwanted;
use crate::uplinks::{self, LeftOut, Origin, Path};
use crate::vpn::{self, Captured};

/// The metric of our IPv6 routes: what the kernel gives to one without
/// (`IP6_RT_PRIO_USER`, include/net/ip6_fib.h); an IPv4 route may have none.
pub const METRIC_V6: u32 = 1024;

/// What should be there.
#[derive(Clone, Debug, Default)]
pub struct Desired {
    /// The paths it is made for, best first.
    pub paths: Vec<Path>,
    /// There are at least two links to bond. Otherwise nothing is desired, and nothing is undone
    /// either: the second link may be back in a minute.
    pub bonds: bool,
    /// Links that were set up and that the settings leave out since then: where one path is left, what was set
    /// up for them goes all the same.
    pub unwanted: BTreeSet<IfName>,
    /// Why nothing is desired although there are links to bond.
    pub refused: Option<Refused>,
    /// Addresses that we give to links.
    pub addresses: Vec<(Address, String)>,
    /// Translations of those addresses.
    pub translations: Vec<(Translation, String)>,
    /// Sysctls and their least values.
    pub sysctls: Vec<(String, u32, String)>,
    /// Routes of our tables.
    pub routes: Vec<(Route, String)>,
    /// Rules.
    pub rules: Vec<(Rule, String)>,
    /// The limits, at least.
    pub limits: Option<(Limits, String)>,
    /// Endpoints, in the order in which the kernel is to try them.
    pub endpoints: Vec<(Endpoint, String)>,
    /// Links and addresses that are not used, and why.
    pub left_out: Vec<LeftOut>,
    /// What a person should know beside the changes.
    pub notes: Vec<String>,
}

/// Why a host with several links is left as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Something that is no uplink takes unbound traffic.
    Captured(Captured),
    /// Our rules have no place among those that are there; the reason, as a clause.
    Rules(String),
}

/// What is the case with [`Refused::Rules`], as a clause.
pub const NO_PLACE: &str = "there is no place for the source rules";

/// How to see that.
pub const SHOW_RULES: &str =
    "ip rule show; ip -6 rule show    (main and local where they are by default)";

/// Derives the desired state.
///
/// With fewer than two links there is nothing to bond, and nothing is desired; nor where a VPN takes
/// what programs leave unbound.
pub fn desired(state: &HostState, config: &Config) -> Desired {
    let config = &*in_force(state, config);
    for_uplinks(uplinks::find(state, config), state, config)
}

/// Derives the desired state for the uplinks that were found in `state`, and what was left out.
pub(crate) fn for_uplinks(
    (mut paths, left_out): (Vec<Path>, Vec<LeftOut>),
    state: &HostState,
    config: &Config,
) -> Desired {
    let mut desired = Desired { left_out, ..Desired::default() };
    let links = distinct(paths.iter().map(|path| &path.dev));
    if links.len() < 2 {
        desired.notes.push(match links.first() {
            Some(only) => format!("only one path, {only}: nothing to set up"),
            None => no_path::LeftOut::of(state, config).sentence(),
        });
        desired.paths = paths;
        desired.unwanted = unwanted::links(state, config);
        return desired;
    }
    let captured = vpn::captured(state, config);
    if let Some(captured) = captured.as_ref().filter(|_| !config.beside_vpn) {
        desired.refused = Some(Refused::Captured(captured.clone()));
        desired.paths = paths;
        return desired;
    }
    let edges = edges(state, config, &mut paths, &mut desired);
    let links = distinct(paths.iter().map(|path| &path.dev));
    if links.len() < 2 {
        let why = desired.left_out.last().map(|left| left.why.clone()).unwrap_or_default();
        desired.refused = Some(Refused::Rules(why));
        desired.paths = paths;
        return desired;
    }
    desired.bonds = true;
    if let Some(captured) = captured {
        let names: Vec<&str> = links.iter().map(IfName::as_str).collect();
        desired.notes.push(format!(
            "beside {}: subflows leave by {} outside of it, as asked (--beside-vpn)",
            captured.by(),
            names.join(" and ")
        ));
    }
    let tables = tables(state, &links);
    sysctls(state, &paths, &mut desired);
    for path in &paths {
        let (Some(table), Some(edge)) = (tables.get(&path.dev), edges.get(&path.family)) else {
            continue;
        };
        own_address(path, &mut desired);
        routing(state, config, path, (*table, *edge), &mut desired);
    }
    let stalled = passed_by::links(state, config, &paths);
    for family in Family::BOTH {
        let Some(edge) = edges.get(&family) else { continue };
        let rules = passed_by::rules(family, &paths, &stalled, config, &tables, edge.before_main);
        desired.rules.extend(rules);
    }
    // At main's edge, for each source the main table comes first, and each source before what has none.
    desired
        .rules
        .sort_by_key(|(rule, _)| (rule.family, rule.priority, rule.local, rule.suppress.is_none()));
    let endpoints = endpoints::endpoints(state, config, &paths, &stalled, &mut desired);
    desired.endpoints = endpoints;
    desired.limits = Some(limits(state, config));
    several_gateways(state, &paths, &mut desired);
    desired.notes.extend(conflicts(state));
    desired.paths = paths;
    desired
}

/// The places of our rules, by family. The paths of a family without one, or whose unbound traffic
/// is forbidden, are left out.
fn edges(
    state: &HostState,
    config: &Config,
    paths: &mut Vec<Path>,
    desired: &mut Desired,
) -> BTreeMap<Family, Edge> {
    let mut edges = BTreeMap::new();
    for family in Family::BOTH {
        if !paths.iter().any(|path| path.family == family) {
            continue;
        }
        let forbidden = vpn::is_forbidden(state, family) && !config.beside_vpn;
        let place = edge::find(state, family).and_then(|edge| match forbidden {
            true => Err("a route or rule forbids what leaves by the default route".to_owned()),
            false => Ok(edge),
        });
        match place {
            Ok(edge) => {
                edges.insert(family, edge);
            }
            Err(why) => {
                paths.retain(|path| path.family != family);
                let what = if family == Family::V4 { "IPv4" } else { "IPv6" };
                desired.left_out.push(LeftOut { what: what.to_owned(), why });
            }
        }
    }
    edges
}

/// An address of our own for a link that has another one's, and its translation.
fn own_address(path: &Path, desired: &mut Desired) {
    let (Some(own), IpAddr::V4(to)) = (path.own, path.address) else { return };
    let (dev, real) = (path.dev.clone(), path.address);
    let address = Address {
        dev: dev.clone(),
        address: IpAddr::V4(own),
        length: 32,
        peer: None,
        // So that no program gets it unless it asks for it.
        global: false,
        deprecated: false,
        tentative: false,
        temporary: false,
        secondary: false,
        protocol: PROTOCOL,
    };
    desired.addresses.push((address, format!("another link has {dev}'s {real}")));
    let translation = Translation { dev, from: own, to };
    desired.translations.push((translation, "leaves with the link's own address".into()));
}

/// Says which gateway is used where a link has several.
fn several_gateways(state: &HostState, paths: &[Path], desired: &mut Desired) {
    for path in paths {
        let all = uplinks::gateways(state, &path.dev, path.family);
        let Some(used) = path.gateway.filter(|_| all.len() > 1) else { continue };
        let others: Vec<String> =
            all.iter().filter(|via| **via != used).map(ToString::to_string).collect();
        desired.notes.push(format!(
            "{} has several gateways: {used} is used, and not {}",
            path.dev,
            others.join(", ")
        ));
    }
}

fn distinct<'a>(names: impl Iterator<Item = &'a IfName>) -> Vec<IfName> {
    let mut distinct = Vec::new();
    for name in names {
        if !distinct.contains(name) {
            distinct.push(name.clone());
        }
    }
    distinct
}

/// A table for each link: the one that it has from us, or the next number that nobody uses.
fn tables(state: &HostState, links: &[IfName]) -> BTreeMap<IfName, u32> {
    let mut tables = BTreeMap::new();
    for link in links {
        let mine = state.routes.iter().find(|route| is_ours(route.protocol) && route.dev == *link);
        if let Some(route) = mine {
            tables.insert(link.clone(), route.table);
        }
    }
    let foreign_rules = state.rules.iter().filter(|rule| !is_ours(rule.protocol));
    let foreign_routes = state.routes.iter().filter(|route| !is_ours(route.protocol));
    let foreign: Vec<u32> = foreign_rules
        .map(|rule| rule.table)
        .chain(foreign_routes.map(|route| route.table))
        .chain(state.occupied.iter().copied())
        .collect();
    for link in links {
        if tables.contains_key(link) {
            continue;
        }
        let taken: Vec<u32> = tables.values().copied().collect();
        let free = (FIRST_TABLE..)
            .find(|table| !foreign.contains(table) && !taken.contains(table))
            .unwrap_or(FIRST_TABLE);
        tables.insert(link.clone(), free);
    }
    tables
}

fn sysctls(state: &HostState, paths: &[Path], desired: &mut Desired) {
    let mut want = |key: String, least: u32, reason: String| {
        if !desired.sysctls.iter().any(|(other, ..)| *other == key) {
            desired.sysctls.push((key, least, reason));
        }
    };
    want("net.mptcp.enabled".into(), 1, "so that programs get MPTCP sockets".into());
    for path in paths {
        let family = if path.family == Family::V4 { "ipv4" } else { "ipv6" };
        want(
            format!("net.{family}.conf.{}.ignore_routes_with_linkdown", sysctl_name(&path.dev)),
            1,
            "new connections avoid it without carrier".into(),
        );
        let shares = |other: &&Path| {
            other.dev != path.dev
                && other.networks.iter().any(|network| path.networks.contains(network))
        };
        if path.family == Family::V4
            && let Some(other) = paths.iter().find(shares)
            && state.sysctl("net.ipv4.conf.all.arp_ignore") < 1
        {
            want(
                format!("net.ipv4.conf.{}.arp_ignore", sysctl_name(&path.dev)),
                1,
                format!("{} must not answer for it", other.dev),
            );
        }
    }
}

/// A link's name as sysctl(8) writes it: a dot in it becomes a slash.
pub(crate) fn sysctl_name(dev: &IfName) -> String {
    dev.as_str().replace('.', "/")
}

/// Table, source rules and last resort of one path.
fn routing(
    state: &HostState,
    config: &Config,
    path: &Path,
    (table, edge): (u32, Edge),
    desired: &mut Desired,
) {
    let Path { dev, family, .. } = path;
    let source = path.source();
    let route = Route {
        table,
        family: *family,
        to: None,
        from: None,
        via: None,
        dev: dev.clone(),
        src: Some(source),
        metric: if *family == Family::V6 { METRIC_V6 } else { 0 },
        protocol: PROTOCOL,
        onlink: false,
        scope: None,
        metrics: Metrics::default(),
        encapsulated: false,
    };
    let bits = family.bits();
    for network in path.networks.iter().filter(|network| network.length < bits) {
        // A link with two networks has an address in each.
        let inside = path.others.iter().find(|other| network.contains(**other));
        let own = path.own.is_some() || network.contains(source);
        let src = if own { Some(source) } else { inside.copied().or(Some(source)) };
        let connected = Route { to: Some(*network), src, ..route.clone() };
        desired.routes.push((connected, format!("{dev}'s own network")));
    }
    let reachable = |gateway: IpAddr| {
        let inside =
            path.networks.iter().any(|network| network.length < bits && network.contains(gateway));
        inside || matches!(gateway, IpAddr::V6(v6) if v6.is_unicast_link_local())
    };
    let congestion = config.congestion.get(dev).filter(|asked| !asked.is_auto());
    let metrics = path.metrics.clone();
    let default = Route {
        via: path.gateway,
        onlink: path.gateway.is_some_and(|gateway| path.onlink || !reachable(gateway)),
        scope: path.scope,
        metrics: congestion.map_or(metrics.clone(), |asked| asked.over(metrics)),
        ..route
    };
    desired.routes.push((default, explain(path, congestion)));

    let rule = Rule {
        priority: edge.before_main,
        family: *family,
        from: None,
        local: false,
        action: Action::Lookup,
        table: MAIN,
        suppress: Some(0),
        protocol: PROTOCOL,
        conditional: false,
    };
    // Another link's address is that link's to route, also where this one has it too.
    let elsewhere = |address: &&IpAddr| {
        let has = |other: &&Address| other.address == **address && other.dev != *dev;
        !state.addresses.iter().any(|other| has(&other))
    };
    let sources = std::iter::once(&source).chain(path.others.iter().filter(elsewhere));
    for source in sources {
        let from = Some(Prefix::host(*source));
        desired
            .rules
            .push((Rule { from, ..rule.clone() }, "main's other routes keep their say".into()));
        desired.rules.push((
            Rule { from, table, suppress: None, ..rule.clone() },
            format!("leaves by {dev}"),
        ));
    }
    let last = edge.last_resort.and_then(|first| first.checked_add(table - FIRST_TABLE));
    if let Some(priority) = last.filter(|_| path.in_main) {
        desired.rules.push((
            Rule { priority, table, suppress: None, ..rule },
            "for new connections where main fails".into(),
        ));
    }
}

fn explain(path: &Path, congestion: Option<&Congestion>) -> String {
    let (dev, address) = (&path.dev, path.source());
    let why = match &path.origin {
        Origin::Route => format!("{address} answers on {dev}"),
        Origin::Asked => format!("{address} answers on {dev} (asked)"),
        Origin::Neighbour(other) => format!("{dev} shares {other}'s gateway"),
        Origin::Recorded => format!("{address} answered on {dev} before"),
        Origin::PointToPoint => format!("{dev} is point to point"),
    };
    congestion.map_or(why.clone(), |asked| format!("{why}; {asked} as asked"))
}

fn limits(state: &HostState, config: &Config) -> (Limits, String) {
    let most = state.kernel.most_subflows;
    let subflows = config.max_subflows.unwrap_or(most).min(most);
    let reason = match config.max_subflows {
        Some(_) => "as asked (--max-subflows)",
        None => "room for a subflow on every path",
    };
    (Limits { subflows, add_addr_accepted: subflows }, reason.into())
}

/// What others do on this host that a person should know of.
fn conflicts(state: &HostState) -> Vec<String> {
    let mut notes = Vec::new();
    for manager in &state.managers {
        notes.push(match manager {
            super::Manager::Networkd => continue,
            other => format!("{other} runs here: its endpoints are kept, and it may add more"),
        });
    }
    let catch_all = state.rules.iter().find(|rule| {
        is_before_main(state, rule)
            && !is_local(rule)
            && !is_ours(rule.protocol)
            && rule.from.is_none()
            && rule.table != MAIN
            && state.routes.iter().any(|route| route.table == rule.table && route.to.is_none())
    });
    if let Some(rule) = catch_all {
        notes.push(format!(
            "the rule \"{rule}\" is asked before ours (a VPN?): what it takes does not use the \
             uplinks' own routes"
        ));
    }
    notes
}

//! What the host should look like: from the paths it has and what was asked to endpoints, rules,
//! routes, limits and sysctls, each with the reason that a person reads.
//!
//! Source rules come last before the main table's own rule, and each address is sent to the main
//! table first for everything but its default route: whatever the administrator, a VPN or a
//! container engine arranged keeps its say, and only what would leave by the default route leaves
//! by the address's own uplink.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::model::HostState;
use crate::model::config::{Config, Role};
use crate::model::mptcp::{Endpoint, Flags, Limits};
use crate::model::net::{Action, Family, IfName, MAIN, Prefix, Route, Rule};
use crate::model::paths::{self, LeftOut, Origin, Path};

/// `rtm_protocol` and `FRA_PROTOCOL` of all that we make, so that it is found again and nothing
/// else is taken for ours. 86 as in RFC 8684; not in /etc/iproute2/rt_protos and unused by the
/// daemons listed in include/uapi/linux/rtnetlink.h.
pub const PROTOCOL: u8 = 86;

/// The first of our tables, one a link: 8684 after the RFC, far from the small numbers that people
/// and distributions pick, from wg-quick's 51820 and from systemd's and NetworkManager's, which
/// derive theirs from the interface index. A number in use is passed over.
pub const FIRST_TABLE: u32 = 8684;

/// `from ADDRESS lookup main suppress_prefixlength 0`: all that main knows better than by its
/// default route. The last two priorities before main's own 32766, because the kernel gives rules
/// without a priority (wg-quick's) ever lower numbers: they are asked before ours.
pub const MAIN_FIRST: u32 = 32764;

/// `from ADDRESS lookup TABLE`: the default route through the address's own uplink.
pub const OWN_UPLINK: u32 = 32765;

/// `lookup TABLE` for everybody, behind main (32766) and default (32767): where main has no route
/// at all, because the preferred uplink is gone, another uplink takes new connections.
pub const LAST_RESORT: u32 = 32800;

/// The metric of our IPv6 routes: what the kernel gives to one without
/// (`IP6_RT_PRIO_USER`, include/net/ip6_fib.h); an IPv4 route may have none.
pub const METRIC_V6: u32 = 1024;

/// Is this route or rule one of ours?
pub fn is_ours(protocol: u8) -> bool {
    protocol == PROTOCOL
}

/// What should be there.
#[derive(Clone, Debug, Default)]
pub struct Desired {
    /// The paths it is made for, best first.
    pub paths: Vec<Path>,
    /// There are at least two links to bond. Otherwise nothing is desired, and nothing is undone
    /// either: the second link may be back in a minute.
    pub bonds: bool,
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

/// Derives the desired state.
///
/// With fewer than two links there is nothing to bond, and nothing is desired.
pub fn desired(state: &HostState, config: &Config) -> Desired {
    let (paths, left_out) = paths::find(state, config);
    let mut desired = Desired { left_out, ..Desired::default() };
    let links = distinct(paths.iter().map(|path| &path.dev));
    if links.len() < 2 {
        desired.notes.push(match links.first() {
            Some(only) => format!("only one path, {only}: nothing to set up"),
            None => "no path at all: no link has a usable address and a gateway".to_owned(),
        });
        desired.paths = paths;
        return desired;
    }
    desired.bonds = true;
    let tables = tables(state, &links);
    sysctls(state, &paths, &mut desired);
    for path in &paths {
        let Some(table) = tables.get(&path.dev) else { continue };
        routing(path, *table, &mut desired);
    }
    desired.rules.sort_by_key(|(rule, _)| (rule.family, rule.priority));
    let endpoints = endpoints(state, config, &paths, &mut desired);
    desired.endpoints = endpoints;
    desired.limits = Some(limits(state, config));
    desired.notes.extend(conflicts(state));
    desired.paths = paths;
    desired
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
pub(super) fn sysctl_name(dev: &IfName) -> String {
    dev.as_str().replace('.', "/")
}

/// Table, source rules and last resort of one path.
fn routing(path: &Path, table: u32, desired: &mut Desired) {
    let Path { dev, family, address, .. } = path;
    let route = Route {
        table,
        family: *family,
        to: None,
        via: None,
        dev: dev.clone(),
        src: Some(*address),
        metric: if *family == Family::V6 { METRIC_V6 } else { 0 },
        protocol: PROTOCOL,
        onlink: false,
    };
    let bits = family.bits();
    for network in path.networks.iter().filter(|network| network.length < bits) {
        let connected = Route { to: Some(*network), ..route.clone() };
        desired.routes.push((connected, format!("{dev}'s own network")));
    }
    let reachable = |gateway: IpAddr| {
        let inside =
            path.networks.iter().any(|network| network.length < bits && network.contains(gateway));
        inside || matches!(gateway, IpAddr::V6(v6) if v6.is_unicast_link_local())
    };
    let default = Route {
        via: path.gateway,
        onlink: path.gateway.is_some_and(|gateway| !reachable(gateway)),
        ..route
    };
    desired.routes.push((default, explain(path)));

    let rule = Rule {
        priority: MAIN_FIRST,
        family: *family,
        from: None,
        action: Action::Lookup,
        table: MAIN,
        suppress: Some(0),
        protocol: PROTOCOL,
        conditional: false,
    };
    for source in std::iter::once(address).chain(&path.others) {
        let from = Some(Prefix::host(*source));
        desired
            .rules
            .push((Rule { from, ..rule.clone() }, "main's other routes keep their say".into()));
        desired.rules.push((
            Rule { from, priority: OWN_UPLINK, table, suppress: None, ..rule.clone() },
            format!("leaves by {dev}"),
        ));
    }
    desired.rules.push((
        Rule { priority: LAST_RESORT + (table - FIRST_TABLE), table, suppress: None, ..rule },
        "for new connections where main fails".into(),
    ));
}

fn explain(path: &Path) -> String {
    let (dev, address) = (&path.dev, path.address);
    match &path.origin {
        Origin::Route => format!("{address} answers on {dev}"),
        Origin::Asked => format!("{address} answers on {dev} (asked)"),
        Origin::Neighbour(other) => format!("{dev} shares {other}'s gateway"),
        Origin::PointToPoint => format!("{dev} is point to point"),
    }
}

/// The endpoints: client paths open subflows, server addresses are announced.
fn endpoints(
    state: &HostState,
    config: &Config,
    paths: &[Path],
    desired: &mut Desired,
) -> Vec<(Endpoint, String)> {
    let (flags, reason) = flags(state, config, paths);
    let mut wanted: Vec<(Endpoint, String)> = paths
        .iter()
        .map(|path| {
            let backup = config.backup.contains(&path.dev);
            let flags = if backup { flags.with(Flags::BACKUP) } else { flags };
            let reason = if backup { "a backup path, as asked".into() } else { reason.clone() };
            let endpoint = Endpoint {
                id: 0,
                address: path.address,
                port: None,
                dev: Some(path.dev.clone()),
                flags,
            };
            (endpoint, reason)
        })
        .collect();

    // Those of others stay and count.
    let foreign = state
        .foreign_endpoints()
        .filter(|endpoint| wanted.iter().all(|(wanted, _)| wanted.address != endpoint.address))
        .count();
    let room = state.kernel.most_endpoints.saturating_sub(foreign);
    for (endpoint, _) in wanted.drain(room.min(wanted.len())..) {
        desired.left_out.push(LeftOut {
            what: format!("endpoint {}", endpoint.address),
            why: format!("the kernel takes {} endpoints", state.kernel.most_endpoints),
        });
    }
    // `laminar` takes the first free endpoint of the list: the uplink that connections start on
    // anyway comes last (kernel-measured, see the README).
    if flags.has(Flags::LAMINAR) {
        wanted.reverse();
    }
    wanted
}

/// Which flags make every link carry data. Plain `subflow` does where all links have the same one
/// family. Elsewhere an address that the peer announces may be the only one that a link can
/// reach: `laminar` opens one subflow to each announced address and is enough when every link has
/// both families (or there are two links); `fullmesh` works in every case, with more subflows.
fn flags(state: &HostState, config: &Config, paths: &[Path]) -> (Flags, String) {
    let client = match config.role {
        Role::Server => return (Flags::SIGNAL, "announced to clients (--role server)".into()),
        // The kernel refuses `signal` with `fullmesh`.
        Role::Both => {
            let both = Flags::SUBFLOW.with(Flags::SIGNAL);
            return (both, "used and announced (--role both)".into());
        }
        Role::Client => Flags::SUBFLOW,
    };
    let links = distinct(paths.iter().map(|path| &path.dev));
    let has = |link: &IfName, family: Family| {
        paths.iter().any(|path| path.dev == *link && path.family == family)
    };
    let families: Vec<Family> = Family::BOTH
        .into_iter()
        .filter(|family| links.iter().any(|link| has(link, *family)))
        .collect();
    let complete = links.iter().all(|link| families.iter().all(|family| has(link, *family)));
    if config.fullmesh {
        return (client.with(Flags::FULLMESH), "as asked (--fullmesh)".into());
    }
    if families.len() < 2 {
        return (client, String::new());
    }
    if state.kernel.at_least(6, 18) && (complete || links.len() == 2) {
        let reason = "a subflow to each announced address, of either family";
        return (client.with(Flags::LAMINAR), reason.into());
    }
    let reason = if complete {
        "both families; this kernel has no laminar"
    } else {
        "some links lack a family: all announced addresses are tried"
    };
    (client.with(Flags::FULLMESH), reason.into())
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
        let before = rule.priority > 0 && rule.priority <= OWN_UPLINK;
        before
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

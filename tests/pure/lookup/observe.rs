//! What `mptcpize` sees of a host: the same reduction as `host::observe::kernel_host`, which knows default routes,
//! its own tables, and the kernel's answers to a few look-ups.

use std::net::IpAddr;

use mptcpize_model::change::{Change, Item, same_endpoint};
use mptcpize_model::config::Config;
use mptcpize_model::net::{Address, Family, IfName, Link, MAIN, Route, Rule};
use mptcpize_model::ours::{FIRST_TABLE, is_ours};
use mptcpize_model::route_lookup::{self, Hop, RouteLookup};
use mptcpize_model::{HostState, Source, record, vpn};

use super::fib::{Answer, DEFAULT, Fib, FibRule, Kind, LOCAL, Packet};

/// Looks at the host; `ours` is what the journal has.
pub fn observe(fib: &Fib, ours: &[Change]) -> HostState {
    let mut state = HostState {
        links: fib.links.clone(),
        addresses: fib.addresses.clone(),
        rules: fib.rules.iter().map(shown).collect(),
        endpoints: fib.endpoints.clone(),
        limits: Some(fib.limits),
        sysctls: fib.sysctls.clone(),
        recorded: record::uplinks(ours),
        ..HostState::default()
    };
    state.nat.rules = fib.translations.clone();
    state.occupied = occupied(fib);
    state.routes = routes(fib, &state, ours);
    let is_ours = |address: &IpAddr| {
        let same = |own: &Change| {
            let here =
                |it: &_| matches!(own, Change::Add(Item::Endpoint(own)) if same_endpoint(own, it));
            fib.endpoints.iter().filter(|it| it.address == *address).any(here)
        };
        ours.iter().any(same)
    };
    state.ours = fib.endpoints.iter().map(|it| it.address).filter(is_ours).collect();
    state.sources = sources(&state);
    ways(fib, &mut state);
    state
}

fn shown(rule: &FibRule) -> Rule {
    let conditional = rule.to.is_some() || rule.mark.is_some() || rule.iif.is_some() || rule.invert;
    Rule { conditional, ..rule.rule.clone() }
}

fn could_be_a_path(link: &Link) -> bool {
    link.up && !link.loopback && link.master.is_none()
}

/// Tables among those that come next in which others have something.
fn occupied(fib: &Fib) -> Vec<u32> {
    let foreign = |table: u32| {
        fib.entries.iter().any(|it| it.route.table == table && !is_ours(it.route.protocol))
    };
    (FIRST_TABLE..FIRST_TABLE + 16).filter(|table| foreign(*table)).collect()
}

fn routes(fib: &Fib, state: &HostState, ours: &[Change]) -> Vec<Route> {
    let recorded = |table: u32| {
        ours.iter().any(|it| matches!(it, Change::Add(Item::Route(own)) if own.table == table))
    };
    let named = |table: u32| state.rules.iter().any(|rule| rule.table == table);
    let unicast = fib.entries.iter().filter(|it| it.kind == Kind::Unicast).map(|it| &it.route);
    let all: Vec<&Route> = unicast.collect();
    let mut found: Vec<Route> = Vec::new();
    for route in &all {
        let path = fib.link(&route.dev).is_some_and(could_be_a_path);
        let read = match route.table {
            MAIN => {
                path && route.to.is_none() && (route.family == Family::V4 || is_best(route, &all))
            }
            LOCAL | DEFAULT => false,
            table if (FIRST_TABLE..FIRST_TABLE + 16).contains(&table) || recorded(table) => {
                route.to.is_none() || is_ours(route.protocol)
            }
            table => named(table) && route.to.is_none(),
        };
        if read && !found.contains(route) {
            found.push((*route).clone());
        }
    }
    found
}

/// Of IPv6's default routes of a link in main the best are seen, for each source.
fn is_best(route: &Route, all: &[&Route]) -> bool {
    let of = |it: &Route| (it.to, it.from, it.table, it.dev.clone(), it.family);
    !all.iter().any(|it| of(it) == of(route) && it.metric < route.metric)
}

fn sources(state: &HostState) -> Vec<Source> {
    let mut found = Vec::new();
    for link in state.links.iter().filter(|link| could_be_a_path(link)) {
        for family in Family::BOTH {
            let of_link = |it: &&Address| {
                it.dev == link.name && it.global && Family::of(it.address) == family
            };
            let all: Vec<&Address> = state.addresses.iter().filter(of_link).collect();
            let chosen = all.iter().find(|it| !it.deprecated).filter(|_| all.len() > 1);
            let dev = link.name.clone();
            found.extend(chosen.map(|it| Source { dev, address: it.address }));
        }
    }
    found
}

fn ways(fib: &Fib, state: &mut HostState) {
    let several = |family: Family| {
        let mut links: Vec<&IfName> = state
            .addresses
            .iter()
            .filter(|it| it.global && Family::of(it.address) == family)
            .filter(|it| state.link(&it.dev).is_some_and(could_be_a_path))
            .map(|it| &it.dev)
            .collect();
        links.dedup();
        links.len() > 1
    };
    if !Family::BOTH.into_iter().any(several) {
        return;
    }
    for to in route_lookup::DESTINATIONS {
        let used = |it: &Address| {
            it.global
                && Family::of(it.address) == Family::of(to)
                && state.link(&it.dev).is_some_and(|link| !link.loopback)
        };
        if state.addresses.iter().any(used) {
            state.ways.push(ask(fib, None, to));
        }
    }
    let Some(captured) = vpn::captured(state, &Config::default()) else { return };
    for endpoint in state.endpoints.clone() {
        if Family::of(endpoint.address) == Family::of(captured.to) {
            state.ways.push(ask(fib, Some(endpoint.address), captured.to));
        }
    }
}

fn ask(fib: &Fib, from: Option<IpAddr>, to: IpAddr) -> RouteLookup {
    let hop = match fib.lookup(&unbound(from, to)) {
        Answer::Leaves { entry: it, .. } => {
            Some(Hop { dev: it.route.dev.clone(), via: it.route.via, table: it.route.table })
        }
        Answer::Refused(_) => None,
    };
    RouteLookup { from, to, oif: None, hop }
}

/// A packet of a program of this host, without a mark.
pub fn unbound(from: Option<IpAddr>, to: IpAddr) -> Packet {
    Packet { from, to, mark: 0, iif: IfName::new("lo").expect("a literal name") }
}

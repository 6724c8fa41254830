//! What was set up for links that the settings leave out since then. On a host where two links are left it goes
//! with whatever else is no longer right; where one is left nothing is bonded and nothing is undone, because
//! the other may be back in a minute. A link that somebody left out by name does not come back by itself, and
//! its endpoint would go on opening subflows.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::HostState;
use crate::change::Item;
use crate::config::Config;
use crate::mptcp::Flags;
use crate::net::{IfName, MAIN};
use crate::ours::is_ours;

/// Do the settings leave this link out?
pub fn is_left_out(config: &Config, dev: &IfName) -> bool {
    config.exclude.contains(dev) || !config.only.is_empty() && !config.only.contains(dev)
}

/// The links that were set up here and that the settings leave out, each once.
pub fn links(state: &HostState, config: &Config) -> BTreeSet<IfName> {
    let recorded = state.recorded.iter().map(|recorded| &recorded.dev);
    recorded.filter(|dev| is_left_out(config, dev)).cloned().collect()
}

/// What is ours of these links, in the order in which it goes: subflows first, then what leads their packets.
pub fn items(state: &HostState, links: &BTreeSet<IfName>) -> Vec<Item> {
    let routes = || {
        let all = state.routes.iter();
        all.filter(|route| is_ours(route.protocol) && links.contains(&route.dev))
    };
    let tables: BTreeSet<u32> =
        routes().map(|route| route.table).filter(|table| *table != MAIN).collect();
    let rules = || state.rules.iter().filter(|rule| is_ours(rule.protocol));
    let of_rule = |from: &Option<crate::net::Prefix>| from.map(|prefix| prefix.address);
    // An address may have gone from its link meanwhile: its rule still has it.
    let sources: BTreeSet<IpAddr> = rules()
        .filter(|rule| tables.contains(&rule.table))
        .filter_map(|rule| of_rule(&rule.from))
        .collect();
    let theirs = |table: u32, from: Option<IpAddr>| {
        tables.contains(&table) || from.is_some_and(|from| sources.contains(&from))
    };
    let endpoints = state.endpoints.iter().filter(|endpoint| {
        let own = state.ours.contains(&endpoint.address) && !endpoint.flags.has(Flags::IMPLICIT);
        own && sources.contains(&endpoint.address)
    });
    let translations = state.nat.rules.iter().filter(|one| links.contains(&one.dev));
    let rules = rules().filter(|rule| theirs(rule.table, of_rule(&rule.from)));
    let addresses = state.addresses.iter();
    let addresses =
        addresses.filter(|address| is_ours(address.protocol) && links.contains(&address.dev));
    endpoints
        .map(|endpoint| Item::Endpoint(endpoint.clone()))
        .chain(translations.map(|one| Item::Nat(one.clone())))
        .chain(rules.map(|rule| Item::Rule(rule.clone())))
        .chain(routes().map(|route| Item::Route(route.clone())))
        .chain(addresses.map(|address| Item::Address(address.clone())))
        .collect()
}

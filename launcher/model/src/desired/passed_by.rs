//! What is set aside while a link is up and passes nothing: its endpoints are backups, and
//! connections that are bound to no address begin over another link.
//!
//! Main's routes are their manager's. So two rules stand before main, for what this host itself sends
//! (`iif lo`; forwarded packets have their translation of addresses already, and containers stay where
//! they are): main without its default routes, so that static routes and the halves of a VPN keep their
//! say, and then the table of a link that passes. They come behind the rules of sources, so
//! connections that have an address keep their link.

use std::collections::{BTreeMap, BTreeSet};

use crate::HostState;
use crate::config::Config;
use crate::mptcp::Flags;
use crate::net::{Action, Family, IfName, MAIN, Rule};
use crate::ours::{PROTOCOL, is_ours};
use crate::uplinks::Path;

/// The links that are set aside: those that the daemon found, or, where nobody says, those that are
/// so now. Never all of them.
pub(super) fn links(state: &HostState, config: &Config, paths: &[Path]) -> BTreeSet<IfName> {
    let mut links: BTreeSet<IfName> = match &config.stalled {
        Some(found) => found.clone(),
        None => set_aside(state, config, paths),
    };
    links.retain(|dev| paths.iter().any(|path| path.dev == *dev));
    let living = paths.iter().any(|path| !links.contains(&path.dev));
    if living { links } else { BTreeSet::new() }
}

/// The links whose endpoints of ours are backups that nobody asked for, and the one whose default route
/// is passed by.
fn set_aside(state: &HostState, config: &Config, paths: &[Path]) -> BTreeSet<IfName> {
    let is_backup = |path: &&Path| {
        let source = path.source();
        let ours = state.endpoints.iter().find(|endpoint| endpoint.address == source);
        let ours = ours.filter(|_| state.ours.contains(&source));
        ours.is_some_and(|endpoint| endpoint.flags.has(Flags::BACKUP))
            && !config.backup.contains(&path.dev)
    };
    let is_passed_by = |path: &Path| {
        let of = |rule: &Rule| rule.family == path.family && rule.local && is_ours(rule.protocol);
        state.rules.iter().any(of)
    };
    let preferred = Family::BOTH.into_iter().filter_map(|family| preferred(family, paths));
    let passed_by = preferred.filter(|path| is_passed_by(path));
    paths.iter().filter(is_backup).chain(passed_by).map(|path| path.dev.clone()).collect()
}

/// The path that unbound connections take.
fn preferred(family: Family, paths: &[Path]) -> Option<&Path> {
    paths.iter().find(|path| path.family == family && path.in_main)
}

/// The rules that lead unbound connections past the preferred path where that is stalled, with the
/// reason for each.
pub(super) fn rules(
    family: Family,
    paths: &[Path],
    stalled: &BTreeSet<IfName>,
    config: &Config,
    tables: &BTreeMap<IfName, u32>,
    priority: u32,
) -> Vec<(Rule, String)> {
    let Some(dead) = preferred(family, paths).filter(|path| stalled.contains(&path.dev)) else {
        return Vec::new();
    };
    let living = paths.iter().filter(|path| path.family == family && path.in_main);
    let living = living.filter(|path| !stalled.contains(&path.dev));
    let Some(living) = living.min_by_key(|path| config.backup.contains(&path.dev)) else {
        return Vec::new();
    };
    let Some(table) = tables.get(&living.dev) else { return Vec::new() };
    let main = Rule {
        priority,
        family,
        from: None,
        local: true,
        action: Action::Lookup,
        table: MAIN,
        suppress: Some(0),
        protocol: PROTOCOL,
        conditional: false,
    };
    let past = Rule { table: *table, suppress: None, ..main.clone() };
    let reason = format!("new connections leave by {}: nothing passes {}", living.dev, dead.dev);
    vec![(main, "main's other routes keep their say".into()), (past, reason)]
}

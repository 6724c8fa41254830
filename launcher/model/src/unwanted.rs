//! What was set up for links that the settings leave out since then. On a host where two links are left it goes
//! with whatever else is no longer right; where one is left nothing is bonded and nothing is undone, because
//! the other may be back in a minute. A link that somebody left out by name does not come back by itself, and
//! its endpoint would go on opening subflows, or do so again when the link is switched on.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::HostState;
use crate::change::Item;
use crate::config::Config;
use crate::mptcp::Flags;
use crate::net::{IfName, MAIN, Route, Rule};
use crate::ours::is_ours;
use crate::record::Recorded;

/// Do the settings leave this link out?
pub fn is_left_out(config: &Config, dev: &IfName) -> bool {
    config.exclude.contains(dev) || is_beside(config, dev)
}

/// Is it not among those that alone are wanted?
fn is_beside(config: &Config, dev: &IfName) -> bool {
    !config.only.is_empty() && !config.only.contains(dev)
}

/// The links that were set up here and that the settings leave out, each once. Not those that the daemon
/// holds back for a while: they come back by themselves.
pub fn links(state: &HostState, config: &Config) -> BTreeSet<IfName> {
    let recorded = state.recorded.iter().map(|recorded| &recorded.dev);
    let is_held = |dev: &IfName| config.held.contains(dev) && !is_beside(config, dev);
    recorded.filter(|dev| is_left_out(config, dev) && !is_held(dev)).cloned().collect()
}

/// What is ours of these links, in the order in which it goes: subflows first, then what leads their packets.
pub fn items(state: &HostState, links: &BTreeSet<IfName>) -> Vec<Item> {
    let own = Own { state, links };
    let routes = own.routes().filter(|route| links.contains(&route.dev));
    let (tables, sources) = (own.tables(), own.sources());
    let endpoints = state.endpoints.iter().filter(|endpoint| {
        let own = state.ours.contains(&endpoint.address) && !endpoint.flags.has(Flags::IMPLICIT);
        own && sources.contains(&endpoint.address)
    });
    let translations = state.nat.rules.iter().filter(|one| links.contains(&one.dev));
    let theirs = |rule: &&Rule| {
        let from = rule.from.map(|prefix| prefix.address);
        tables.contains(&rule.table) || from.is_some_and(|from| sources.contains(&from))
    };
    let addresses = state.addresses.iter();
    let addresses =
        addresses.filter(|address| is_ours(address.protocol) && links.contains(&address.dev));
    endpoints
        .map(|endpoint| Item::Endpoint(endpoint.clone()))
        .chain(translations.map(|one| Item::Nat(one.clone())))
        .chain(own.rules().filter(theirs).map(|rule| Item::Rule(rule.clone())))
        .chain(routes.map(|route| Item::Route(route.clone())))
        .chain(addresses.map(|address| Item::Address(address.clone())))
        .collect()
}

/// What belongs to links that go. The kernel drops routes and addresses with their link, and somebody may have
/// deleted rules: so what is there is asked first, and the record where nothing is.
struct Own<'a> {
    state: &'a HostState,
    links: &'a BTreeSet<IfName>,
}

impl<'a> Own<'a> {
    fn routes(&self) -> impl Iterator<Item = &'a Route> {
        self.state.routes.iter().filter(|route| is_ours(route.protocol))
    }

    fn rules(&self) -> impl Iterator<Item = &'a Rule> {
        self.state.rules.iter().filter(|rule| is_ours(rule.protocol))
    }

    /// The tables of these links, and of no other.
    fn tables(&self) -> BTreeSet<u32> {
        let routes = self.routes().filter(|route| route.table != MAIN);
        let there: Vec<(u32, &IfName)> = routes.map(|route| (route.table, &route.dev)).collect();
        self.theirs(&there, |recorded| recorded.table)
    }

    /// Their addresses, and no other link's.
    fn sources(&self) -> BTreeSet<IpAddr> {
        let addresses = self.state.addresses.iter();
        let there: Vec<(IpAddr, &IfName)> =
            addresses.map(|address| (address.address, &address.dev)).collect();
        let mut sources = self.theirs(&there, |recorded| recorded.source);
        // A link has several, and one may have gone from it meanwhile: its rule still has it.
        let tables = self.tables();
        let rules = self.rules().filter(|rule| tables.contains(&rule.table));
        sources.extend(rules.filter_map(|rule| rule.from).map(|prefix| prefix.address));
        sources
    }

    /// What these links were given and have, `there` being what each link has now. A link that was plugged in
    /// while another one was away may have got its table, and its address.
    fn theirs<T: Ord + Copy>(
        &self,
        there: &[(T, &IfName)],
        of: impl Fn(&Recorded) -> Option<T>,
    ) -> BTreeSet<T> {
        let (state, links) = (self.state, self.links);
        let recorded: Vec<(T, &IfName)> =
            state.recorded.iter().filter_map(|it| Some((of(it)?, &it.dev))).collect();
        let candidates = recorded.iter().chain(there).filter(|(_, dev)| links.contains(*dev));
        let is_theirs = |thing: &T| {
            let now = || there.iter().filter(|(it, _)| it == thing);
            let others = |dev: &IfName| !links.contains(dev);
            if now().next().is_some() {
                return !now().any(|(_, dev)| others(dev));
            }
            let mut before = recorded.iter().filter(|(it, _)| it == thing);
            !before.any(|(_, dev)| others(dev) && state.link(dev).is_some())
        };
        candidates.map(|(thing, _)| *thing).filter(is_theirs).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> IfName {
        IfName::new(name).expect("a link name")
    }

    /// A host with these links; each of `recorded` was given a table and an address.
    fn host(links: &[&str], recorded: &[(&str, u32, &str)]) -> HostState {
        let mut state = HostState::default();
        for link in links {
            let line = format!(r#"{{"name":"{link}","up":false}}"#);
            state.links.push(serde_json::from_str(&line).expect("a link"));
        }
        for (dev, table, source) in recorded {
            let line =
                format!(r#"{{"dev":"{dev}","family":"inet","table":{table},"source":"{source}"}}"#);
            state.recorded.push(serde_json::from_str(&line).expect("a record"));
        }
        state
    }

    fn rule(state: &mut HostState, from: &str, table: u32) {
        let line = format!(
            r#"{{"priority":32765,"family":"inet","from":"{from}/32","table":{table},"protocol":86}}"#
        );
        state.rules.push(serde_json::from_str(&line).expect("a rule"));
    }

    fn tables(state: &HostState, link: &str) -> Vec<u32> {
        let items = items(state, &BTreeSet::from([name(link)]));
        let table = |item: &Item| match item {
            Item::Rule(rule) => rule.table,
            other => panic!("{other}"),
        };
        items.iter().map(table).collect()
    }

    #[test]
    fn rules_of_a_link_that_is_away_are_known_from_the_record() {
        let mut state = host(&["w1"], &[("w1", 8684, "10.1.0.1"), ("w2", 8685, "10.2.0.1")]);
        rule(&mut state, "10.1.0.1", 8684);
        rule(&mut state, "10.2.0.1", 8685);
        assert_eq!(tables(&state, "w2"), [8685]);
        assert_eq!(tables(&state, "w1"), [8684]);
    }

    #[test]
    fn what_a_link_got_that_came_while_the_one_left_out_was_away_is_not_taken() {
        let of_both = [("w2", 8685, "10.2.0.1"), ("w3", 8685, "10.2.0.1")];
        let mut state = host(&["w1", "w3"], &of_both);
        rule(&mut state, "10.2.0.1", 8685);
        assert_eq!(tables(&state, "w2"), Vec::<u32>::new());
        // The record of a link that is away stands in nobody's way.
        assert_eq!(tables(&state, "w3"), [8685]);
    }
}

//! The links that settings name, and those of them that this host does not have.

use crate::HostState;
use crate::config::Config;
use crate::nearest::nearest;
use crate::net::IfName;

/// A link, and the setting that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named<'a> {
    /// The key of /etc/mptcpize.toml, which is the option's name too.
    pub key: &'static str,
    /// The link.
    pub link: &'a IfName,
}

impl Named<'_> {
    /// What is the case with one that is not there, as a clause.
    pub fn what(&self) -> String {
        format!("there is no link {}, which {} names", self.link, self.key)
    }

    /// What to do about it in that settings file.
    pub fn advice(&self, state: &HostState, file: &str) -> String {
        let link = self.link;
        match meant(state, link) {
            Some(meant) => format!("in {file}, {meant} instead of {link}"),
            None => format!("plug {link} in, or take it out of {file}"),
        }
    }
}

/// Why a link that is named is not there, as a clause.
pub fn why(state: &HostState) -> String {
    format!("this host has {}", there(state))
}

/// Is this link part of what is set up? One that is not there is away then, as a modem that is unplugged.
pub fn was_set_up(state: &HostState, link: &IfName) -> bool {
    state.recorded.iter().any(|recorded| recorded.dev == *link)
}

/// Every link that is named, in the order of the keys.
pub fn named(config: &Config) -> impl Iterator<Item = Named<'_>> {
    let lists: [(&'static str, &[IfName]); 4] = [
        ("only", &config.only),
        ("exclude", &config.exclude),
        ("backup", &config.backup),
        ("metered", &config.metered),
    ];
    let listed = lists.into_iter().flat_map(|(key, links)| links.iter().map(move |it| (key, it)));
    let tables = [
        ("gateway", config.gateway.keys().collect::<Vec<_>>()),
        ("congestion", config.congestion.keys().collect()),
        ("budget", config.budget.keys().collect()),
    ];
    let keyed =
        tables.into_iter().flat_map(|(key, links)| links.into_iter().map(move |it| (key, it)));
    listed.chain(keyed).map(|(key, link)| Named { key, link })
}

/// Those that this host does not have, each once.
pub fn unknown<'a>(state: &HostState, config: &'a Config) -> Vec<Named<'a>> {
    let mut found: Vec<Named<'a>> = Vec::new();
    for one in named(config).filter(|one| state.link(one.link).is_none()) {
        if !found.iter().any(|other| other.link == one.link) {
            found.push(one);
        }
    }
    found
}

/// Those that are to be used alone and to be left out at once.
pub fn both(config: &Config) -> impl Iterator<Item = &IfName> {
    config.only.iter().filter(|link| config.exclude.contains(link))
}

/// The links of this host as a list; the loopback is none that anybody names.
fn there(state: &HostState) -> String {
    let links = state.links.iter().filter(|link| !link.loopback);
    let links: Vec<&str> = links.map(|link| link.name.as_str()).collect();
    if links.is_empty() { "none".to_owned() } else { links.join(", ") }
}

/// Which of the links somebody may have meant; nothing where too many are as near.
fn meant(state: &HostState, name: &IfName) -> Option<String> {
    let links = state.links.iter().filter(|link| !link.loopback);
    let all = nearest(name.as_str(), links.map(|link| link.name.as_str()));
    (1..=MOST_MEANT).contains(&all.len()).then(|| all.join(" or "))
}

/// Of more names than these nobody can tell which was meant.
const MOST_MEANT: usize = 2;

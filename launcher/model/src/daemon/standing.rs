//! What is the case on the host, in a line, and which links are paths.

use std::collections::{BTreeMap, BTreeSet};

use crate::HostState;
use crate::config::Config;
use crate::desired::{self, Refused};
use crate::net::IfName;
use crate::phrase;
use crate::proposal::Proposal;
use crate::uplinks;

/// Every link that is a path and has a carrier, and of each other one why it is none.
pub(super) fn usable(state: &HostState, config: &Config) -> BTreeMap<IfName, Result<(), String>> {
    let (paths, left_out) = uplinks::find(state, config);
    let of_link = |link: &crate::net::Link| {
        let why = left_out.iter().find(|left| left.what == link.name.as_str());
        let usable = match (paths.iter().any(|path| path.dev == link.name), link.carrier) {
            (true, true) => Ok(()),
            (true, false) => Err("it has no carrier".to_owned()),
            (false, _) => Err(why.map_or_else(|| "no route to it".to_owned(), |it| it.why.clone())),
        };
        (link.name.clone(), usable)
    };
    state.links.iter().map(of_link).collect()
}

/// What is said of links that are joined.
pub(super) fn joined(
    links: &[IfName],
    held: &BTreeSet<IfName>,
    lossy: &BTreeSet<IfName>,
) -> String {
    format!("{} are set up{}{}", phrase::list(links), with_bbr(lossy), but_for(held))
}

/// What is the case where nothing is to be changed.
pub(super) fn say(
    proposal: &Proposal,
    held: &BTreeSet<IfName>,
    lossy: &BTreeSet<IfName>,
) -> String {
    let desired = &proposal.desired;
    let said = match &desired.refused {
        Some(Refused::Captured(by)) => return captured(&by.what(), held),
        Some(Refused::Rules(why)) => format!("{}: {why}", desired::NO_PLACE),
        None if proposal.is_blocked() => {
            let blocked: Vec<String> =
                proposal.plan.blocked.iter().map(ToString::to_string).collect();
            blocked.join("; ")
        }
        None if desired.bonds => {
            format!("{} are set up{}", phrase::list(&proposal.links()), with_bbr(lossy))
        }
        None => desired.notes.join("; "),
    };
    said + &but_for(held)
}

/// What is said while something else takes the host's traffic.
pub(super) fn captured(by: &str, held: &BTreeSet<IfName>) -> String {
    format!("{by}: nothing that was set up leads around it{}", but_for(held))
}

fn with_bbr(lossy: &BTreeSet<IfName>) -> String {
    let lossy: Vec<&IfName> = lossy.iter().collect();
    if lossy.is_empty() { String::new() } else { format!(", {} with bbr", phrase::list(&lossy)) }
}

fn but_for(held: &BTreeSet<IfName>) -> String {
    let held: Vec<&IfName> = held.iter().collect();
    if held.is_empty() { String::new() } else { format!("; held back: {}", phrase::list(&held)) }
}

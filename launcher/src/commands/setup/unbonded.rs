//! What `mptcpize setup` says of a host on which nothing is bonded.

use std::collections::BTreeSet;

use mptcpize_model::HostState;
use mptcpize_model::desired::Desired;
use mptcpize_model::net::IfName;
use mptcpize_model::phrase;
use mptcpize_model::proposal::Proposal;

/// What is said where links are left out, and one at most is left.
pub fn taken_away(proposal: &Proposal, count: usize) -> String {
    let notes = proposal.desired.notes.join("; ");
    format!(
        "{notes}; what was set up for links that are left out is gone: {}",
        phrase::count(count, "change")
    )
}

/// What is said of a host with nothing to bond.
pub(super) fn idle(proposal: &Proposal, state: &HostState) -> String {
    let Desired { paths, unwanted, notes, .. } = &proposal.desired;
    let is_path = |dev: &IfName| paths.iter().any(|path| path.dev == *dev);
    let recorded = state.recorded.iter().map(|recorded| &recorded.dev);
    // Of links that are left out by name nothing stays, and what the kernel dropped is in the record only.
    let gone: BTreeSet<&str> = recorded
        .filter(|dev| !is_path(dev) && !unwanted.contains(*dev))
        .map(IfName::as_str)
        .collect();
    let gone = Vec::from_iter(gone);
    let notes = notes.join("; ");
    // One that is there has lost its address or its gateway, and its endpoint goes on.
    let there = gone.iter().find(|dev| {
        state.links.iter().any(|link| link.name.as_str() == **dev && link.up && link.carrier)
    });
    match gone.as_slice() {
        [] => notes,
        _ if there.is_some() => format!(
            "{notes}; what was set up for {} stays, and its subflows too: mptcpize setup undo",
            gone.join(", ")
        ),
        _ => format!(
            "{notes}; {} was set up and is away: what was set up stays, and mptcpize setup \
             completes it when it is back",
            gone.join(", ")
        ),
    }
}

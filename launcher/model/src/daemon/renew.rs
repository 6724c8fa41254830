//! Endpoints that are deleted and added again, so that the kernel opens their subflows anew.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::HostState;
use crate::change::{Change, Item};
use crate::mptcp::Endpoint;
use crate::plan::Step;
use crate::proposal::Proposal;

/// The reason for the changes.
const WHY: &str = "its subflows wait in a long pause, and it passes again";

/// Puts both steps for each of these endpoints of ours that is wanted into a plan, in place of a change
/// of its flags.
pub(super) fn renew(state: &HostState, addresses: &BTreeSet<IpAddr>, proposal: &mut Proposal) {
    let ours = |endpoint: &&Endpoint| {
        addresses.contains(&endpoint.address) && state.ours.contains(&endpoint.address)
    };
    let steps = &mut proposal.plan.steps;
    for now in state.endpoints.iter().filter(ours) {
        let mut wanted = proposal.desired.endpoints.iter().map(|(wanted, _)| wanted);
        let Some(wanted) = wanted.find(|wanted| wanted.address == now.address) else { continue };
        let removed =
            |step: &Step| matches!(&step.change, Change::Remove(Item::Endpoint(it)) if it == now);
        if steps.iter().any(removed) {
            continue;
        }
        steps.retain(
            |step| !matches!(&step.change, Change::Flags { endpoint, .. } if endpoint == now),
        );
        let new = Endpoint { id: another(state, now.id), ..wanted.clone() };
        for change in
            [Change::Remove(Item::Endpoint(now.clone())), Change::Add(Item::Endpoint(new))]
        {
            steps.push(Step { change, reason: WHY.into() });
        }
    }
}

/// An id that no endpoint has; 0, by which the kernel chooses, where all are taken.
///
/// The peer may learn by a slower path that the subflows of the old id are gone (REMOVE_ADDR, RFC 8684
/// section 3.4.2), and closes what has that id. With the same one, on a machine whose processors were
/// busy, the link carried bytes after 0.7 to 1.7 s in three rounds of ten; with another after 0.4 s at
/// most.
fn another(state: &HostState, id: u8) -> u8 {
    let taken = |id: &u8| state.endpoints.iter().any(|endpoint| endpoint.id == *id);
    (id..=u8::MAX).chain(1..id).find(|id| !taken(id)).unwrap_or(0)
}

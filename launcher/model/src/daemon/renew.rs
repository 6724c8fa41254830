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
        for change in [
            Change::Remove(Item::Endpoint(now.clone())),
            Change::Add(Item::Endpoint(wanted.clone())),
        ] {
            steps.push(Step { change, reason: WHY.into() });
        }
    }
}

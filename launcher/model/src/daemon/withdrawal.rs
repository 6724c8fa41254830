//! Under a VPN that takes this host's traffic: what would lead around it is taken away, and comes
//! back with the next set-up once the VPN has gone.
//!
//! Taken away are all our rules, so that what has an uplink's address goes where the VPN's routes lead,
//! and our endpoints, whose subflows the kernel closes with them. Left are the endpoints of the link on
//! which connections begin: with such an endpoint the kernel closes the subflow on which they began
//! too, and a connection without any ends after `net.mptcp.close_timeout`, 60 s, where one of plain TCP
//! waits for the VPN to go. Without our rules that subflow stays inside. Where a look shows that it
//! does not, by an IPsec policy or by rules of others, these endpoints go as well.
//!
//! Routes stay: without rules nothing asks our tables, and they say which links were set up.
//!
//! Plain `mptcpize setup` withdraws nothing: nobody would give it back when the VPN goes.

use crate::HostState;
use crate::change::{Change, Item};
use crate::config::Config;
use crate::mptcp::{Endpoint, Flags};
use crate::ours::is_ours;
use crate::phrase;
use crate::plan::Step;
use crate::proposal::Proposal;
use crate::vpn;

/// The reason for each of the changes.
const WHY: &str = "it would lead around the VPN";

/// Adds the withdrawal to the proposal for a host that is captured and may not be bonded beside that.
pub(super) fn add(proposal: &mut Proposal, state: &HostState, config: &Config) {
    if proposal.captured().is_none() {
        return;
    }
    proposal.withdraws = true;
    let rules: Vec<_> = state.rules.iter().filter(|rule| is_ours(rule.protocol)).collect();
    let around = vpn::leaks(state, config);
    let goes = |endpoint: &&Endpoint| {
        let leads_around = || around.iter().any(|(leak, _)| leak.id == endpoint.id);
        !begins_connections(state, proposal, endpoint) || rules.is_empty() && leads_around()
    };
    let endpoints = own_endpoints(state).filter(goes).cloned().map(Item::Endpoint);
    // Rules that send a source past main's default route end before those that send it to main.
    let rules = rules.iter().rev().map(|rule| Item::Rule((*rule).clone()));
    let steps = endpoints
        .chain(rules)
        .map(|item| Step { change: Change::Remove(item), reason: WHY.to_owned() });
    let steps: Vec<Step> = steps.collect();
    proposal.plan.steps.extend(steps);
}

fn own_endpoints(state: &HostState) -> impl Iterator<Item = &Endpoint> {
    let own = |endpoint: &&Endpoint| {
        state.ours.contains(&endpoint.address) && !endpoint.flags.has(Flags::IMPLICIT)
    };
    state.endpoints.iter().filter(own)
}

/// Is it one of the best link, which unbound connections take where nothing else does?
fn begins_connections(state: &HostState, proposal: &Proposal, endpoint: &Endpoint) -> bool {
    let Some(best) = proposal.desired.paths.first() else { return false };
    let mut addresses = state.addresses.iter().filter(|address| address.dev == best.dev);
    addresses.any(|address| address.address == endpoint.address)
}

/// What was withdrawn, as the object of a sentence: `1 endpoint and 6 rules`.
pub(super) fn what(changes: &[Change]) -> String {
    let count = |noun: &str| {
        let all = changes.iter().filter(|change| change.noun() == noun).count();
        (all > 0).then(|| phrase::count(all, noun))
    };
    let counts: Vec<String> = ["endpoint", "rule"].into_iter().filter_map(count).collect();
    phrase::list(&counts)
}

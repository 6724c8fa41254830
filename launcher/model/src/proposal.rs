//! What follows from one observation of the host and from what was asked: the uplinks, what should
//! be there, the changes, and whether anything stands against making them. Derived once for each
//! observation and handed down with it, so that `setup`, `run`, `check` and `status` judge alike.

use crate::HostState;
use crate::change::Change;
use crate::config::Config;
use crate::desired::{self, Desired, Refused};
use crate::in_force::in_force;
use crate::mptcp::{Endpoint, Flags};
use crate::net::IfName;
use crate::plan::{Plan, plan};
use crate::uplinks::{self, Origin, Path};
use crate::vpn::{self, Captured};

/// What is proposed for the host.
#[derive(Clone, Debug, Default)]
pub struct Proposal {
    /// Every uplink of the host, best first; also those for which `desired` has no place.
    pub uplinks: Vec<Path>,
    /// What should be there, for which paths.
    pub desired: Desired,
    /// The changes that lead from what is to what should be, in order.
    pub plan: Plan,
    /// The plan takes away what would lead around a VPN: once it is carried out the host is as it
    /// should be, although nothing is bonded.
    pub withdraws: bool,
}

/// An observation of the host, and what is proposed for it.
#[derive(Clone, Debug)]
pub struct Observation {
    /// The host as it was seen.
    pub state: HostState,
    /// What follows from that.
    pub proposal: Proposal,
}

impl Observation {
    /// Derives what is proposed for the host in this state.
    pub fn of(state: HostState, config: &Config) -> Self {
        let proposal = Proposal::of(&state, config);
        Observation { state, proposal }
    }
}

impl Proposal {
    /// Derives uplinks, desired state and plan from one observation of the host.
    pub fn of(state: &HostState, config: &Config) -> Self {
        let config = &*in_force(state, config);
        let (uplinks, left_out) = uplinks::find(state, config);
        let desired = desired::for_uplinks((uplinks.clone(), left_out), state, config);
        let plan = plan(state, &desired);
        Proposal { uplinks, desired, plan, withdraws: false }
    }

    /// The links that connections can use once the plan is carried out, best first.
    pub fn links(&self) -> Vec<&IfName> {
        let mut links: Vec<&IfName> = Vec::new();
        for path in &self.desired.paths {
            let blocked = self.plan.blocked.iter().any(|blocked| {
                blocked.dev == path.dev && blocked.endpoint.address == path.source()
            });
            if !blocked && !links.contains(&&path.dev) {
                links.push(&path.dev);
            }
        }
        links
    }

    /// Do endpoints of others keep all but one link from being used?
    pub fn is_blocked(&self) -> bool {
        self.desired.bonds && self.links().len() < 2
    }

    /// What takes the host's unbound traffic, where that keeps us from setting it up.
    pub fn captured(&self) -> Option<&Captured> {
        match &self.desired.refused {
            Some(Refused::Captured(captured)) => Some(captured),
            _ => None,
        }
    }

    /// Does somebody else bond the links well enough without us? Each link but the best has an
    /// endpoint of theirs and a default route of its own, in main or by a rule of its address, and
    /// no two answer for each other.
    pub fn others_bond(&self, state: &HostState) -> bool {
        let paths = &self.desired.paths;
        let Some(best) = paths.first().map(|path| &path.dev) else { return false };
        let flag = self.desired.endpoints.first().map_or(Flags::SUBFLOW, |(endpoint, _)| {
            if endpoint.flags.has(Flags::SUBFLOW) { Flags::SUBFLOW } else { Flags::SIGNAL }
        });
        let foreign: Vec<&Endpoint> = state.foreign_endpoints().collect();
        let used = |dev: &IfName| {
            paths.iter().filter(|path| path.dev == *dev).any(|path| {
                path.origin == Origin::Route
                    && foreign.iter().any(|endpoint| {
                        endpoint.address == path.address && endpoint.flags.has(flag)
                    })
            })
        };
        let mut others = self.links().into_iter().filter(|dev| *dev != best).peekable();
        let flux = |change: &Change| matches!(change, Change::Sysctl { key, .. } if key.ends_with(".arp_ignore"));
        self.desired.bonds
            && state.recorded.is_empty()
            && state.ours.is_empty()
            && others.peek().is_some()
            && others.all(used)
            && state.limits.is_some_and(|limits| limits.subflows > 0)
            && !self.plan.steps.iter().any(|step| flux(&step.change))
    }

    /// Has the host been set up, and is no longer as it should be?
    pub fn is_stale(&self, state: &HostState) -> bool {
        self.desired.bonds && !self.plan.is_empty() && !state.recorded.is_empty()
    }
}

/// What is said of endpoints that lead traffic around a VPN, with the commands that end it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leak {
    /// What is the case, as a clause.
    pub what: String,
    /// Why, as a clause.
    pub why: String,
    /// Commands, run in this order by root.
    pub fix: Vec<String>,
}

/// Do subflows leave by an uplink although something else takes the host's traffic? Not where that
/// was asked for.
pub fn leak(state: &HostState, config: &Config) -> Option<Leak> {
    let config = &*in_force(state, config);
    let captured = vpn::captured(state, config).filter(|_| !config.beside_vpn)?;
    let leaks = vpn::leaks(state, config);
    let (first, dev) = leaks.first()?;
    let ours = |endpoint: &Endpoint| state.ours.contains(&endpoint.address);
    let mut fix = Vec::new();
    if leaks.iter().any(|(endpoint, _)| ours(endpoint)) {
        fix.push("mptcpize setup undo".to_owned());
    }
    let foreign = leaks.iter().filter(|(endpoint, _)| !ours(endpoint));
    fix.extend(foreign.map(|(endpoint, _)| format!("mptcpize endpoint delete id {}", endpoint.id)));
    let more = match leaks.len() - 1 {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let whose = if ours(first) { "set up by mptcpize" } else { "not made by mptcpize" };
    Some(Leak {
        what: format!("connections through {} leave by {dev} too, around it", captured.by()),
        why: format!(
            "the endpoint {} (id {}){more}, {whose}, opens subflows that {} does not carry",
            first.address,
            first.id,
            captured.by()
        ),
        fix,
    })
}

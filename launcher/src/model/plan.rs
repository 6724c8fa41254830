//! The difference between what is and what should be, as ordered changes: sysctls, routes and rules
//! before the limits and endpoints that need them. What is not ours is never removed.

use std::net::IpAddr;

use crate::model::HostState;
use crate::model::change::{Change, Item};
use crate::model::mptcp::{Endpoint, Flags, Limits};
use crate::model::paths::LeftOut;
use crate::model::policy::{Desired, is_ours};

/// One change and the reason for it; the reason may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What to do.
    pub change: Change,
    /// Why, as a clause.
    pub reason: String,
}

/// What to do, what is there already, what is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The changes, in order.
    pub steps: Vec<Step>,
    /// Endpoints of others that serve as they are (or not: the reason says so).
    pub kept: Vec<(Endpoint, String)>,
    /// Links and addresses that are not used, and why.
    pub left_out: Vec<LeftOut>,
    /// What a person should know beside the changes.
    pub notes: Vec<String>,
}

/// Compares the observed state with the desired one.
pub fn plan(state: &HostState, desired: &Desired) -> Plan {
    let mut plan = Plan {
        left_out: desired.left_out.clone(),
        notes: desired.notes.clone(),
        ..Plan::default()
    };
    if !desired.bonds {
        return plan;
    }
    // What is stale goes first: it may hold the place of what comes.
    endpoints_that_go(state, desired, &mut plan);
    rules_and_routes_that_go(state, desired, &mut plan);
    for (key, least, reason) in &desired.sysctls {
        // A sysctl that this kernel does not have is not missed.
        let Some(now) = state.sysctls.get(key) else { continue };
        if now.trim().parse::<u32>().is_ok_and(|now| now < *least) {
            let change = Change::Sysctl {
                key: key.clone(),
                from: now.trim().to_owned(),
                to: least.to_string(),
            };
            plan.step(change, reason);
        }
    }
    for (route, reason) in &desired.routes {
        if !state.routes.contains(route) {
            plan.step(Change::Add(Item::Route(route.clone())), reason);
        }
    }
    for (rule, reason) in &desired.rules {
        if !state.rules.contains(rule) {
            plan.step(Change::Add(Item::Rule(rule.clone())), reason);
        }
    }
    limits(state, desired, &mut plan);
    endpoints_that_come(state, desired, &mut plan);
    plan
}

impl Plan {
    /// Nothing to do?
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The changes that take the plan back, newest first.
    pub fn undo(&self) -> Vec<Change> {
        self.steps.iter().rev().map(|step| step.change.inverse()).collect()
    }

    fn step(&mut self, change: Change, reason: &str) {
        self.steps.push(Step { change, reason: reason.to_owned() });
    }
}

fn rules_and_routes_that_go(state: &HostState, desired: &Desired, plan: &mut Plan) {
    for rule in state.rules.iter().filter(|rule| is_ours(rule.protocol)) {
        if !desired.rules.iter().any(|(wanted, _)| wanted == rule) {
            plan.step(Change::Remove(Item::Rule(rule.clone())), "ours, no longer right");
        }
    }
    for route in state.routes.iter().filter(|route| is_ours(route.protocol)) {
        if !desired.routes.iter().any(|(wanted, _)| wanted == route) {
            plan.step(Change::Remove(Item::Route(route.clone())), "ours, no longer right");
        }
    }
}

/// The endpoint that stands for an address now; one with a port of its own is another thing.
fn present(state: &HostState, address: IpAddr) -> Option<&Endpoint> {
    state
        .endpoints
        .iter()
        .filter(|endpoint| !endpoint.flags.has(Flags::IMPLICIT))
        .find(|endpoint| endpoint.address == address && endpoint.port.is_none())
}

/// Does an endpoint already do what is wanted? An id is whatever the kernel gave.
fn serves(present: &Endpoint, wanted: &Endpoint) -> bool {
    Endpoint { id: 0, ..present.clone() } == Endpoint { id: 0, ..wanted.clone() }
}

fn endpoints_that_go(state: &HostState, desired: &Desired, plan: &mut Plan) {
    for address in &state.ours {
        let Some(now) = present(state, *address) else { continue };
        let wanted = desired.endpoints.iter().find(|(wanted, _)| wanted.address == *address);
        if !wanted.is_some_and(|(wanted, _)| serves(now, wanted)) {
            plan.step(Change::Remove(Item::Endpoint(now.clone())), "ours, no longer right");
        }
    }
}

fn endpoints_that_come(state: &HostState, desired: &Desired, plan: &mut Plan) {
    for (wanted, reason) in &desired.endpoints {
        match present(state, wanted.address) {
            Some(now) if serves(now, wanted) => {
                if !state.ours.contains(&wanted.address) {
                    plan.kept.push((now.clone(), "already there, not ours: kept".into()));
                }
            }
            Some(now) if !state.ours.contains(&wanted.address) => {
                let reason = format!("not ours: kept, though \"{}\" was wanted", wanted.flags);
                plan.kept.push((now.clone(), reason));
            }
            _ => plan.step(Change::Add(Item::Endpoint(wanted.clone())), reason),
        }
    }
}

fn limits(state: &HostState, desired: &Desired, plan: &mut Plan) {
    let (Some(from), Some((wanted, reason))) = (state.limits, &desired.limits) else { return };
    let to = Limits {
        subflows: from.subflows.max(wanted.subflows),
        add_addr_accepted: from.add_addr_accepted.max(wanted.add_addr_accepted),
    };
    if to != from {
        plan.step(Change::Limits { from, to }, reason);
    }
}

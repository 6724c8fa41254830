//! The difference between what is and what should be, as ordered changes: sysctls, routes and rules
//! before the limits and endpoints that need them. What is not ours is never removed.

use std::net::IpAddr;

use crate::HostState;
use crate::change::{Change, Item};
use crate::desired::{self, Desired};
use crate::mptcp::{Endpoint, Flags, Limits};
use crate::net::{Address, Family, IfName, Rule};
use crate::ours::is_ours;
use crate::unwanted;
use crate::uplinks::{LeftOut, Path};

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
    /// That some sysctls cannot be set here, as a sentence.
    pub kept_sysctls: Option<String>,
    /// Links that an endpoint of somebody else keeps from being used, and why.
    pub blocked: Vec<Blocked>,
}

/// A link that cannot be used, because the kernel takes one endpoint for an address, and that one
/// is somebody else's and opens nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// The link.
    pub dev: IfName,
    /// The endpoint.
    pub endpoint: Endpoint,
}

impl std::fmt::Display for Blocked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Endpoint { address, id, flags, .. } = &self.endpoint;
        let flags = match flags.words().as_slice() {
            [] => "no flags".to_owned(),
            words => format!("the flags {} alone", words.join(" ")),
        };
        write!(
            f,
            "{} carries nothing: the endpoint {address} (id {id}), which is not ours, has {flags}",
            self.dev
        )
    }
}

/// The reason for the removal of something of ours.
const NO_LONGER: &str = "ours, no longer right";

/// The reason where the settings leave a link out and nothing is bonded any more.
const LEFT_OUT: &str = "its link is left out";

/// Compares the observed state with the desired one.
pub fn plan(state: &HostState, desired: &Desired) -> Plan {
    let mut plan = Plan {
        left_out: desired.left_out.clone(),
        notes: desired.notes.clone(),
        ..Plan::default()
    };
    if !desired.bonds {
        for item in unwanted::items(state, &desired.unwanted) {
            plan.step(Change::Remove(item), LEFT_OUT);
        }
        return plan;
    }
    // What is stale goes first: it may hold the place of what comes.
    endpoints_that_go(state, desired, &mut plan);
    translations_that_go(state, desired, &mut plan);
    rules_and_routes_that_go(state, desired, &mut plan);
    addresses_that_go(state, desired, &mut plan);
    sysctls(state, desired, &mut plan);
    for (address, reason) in &desired.addresses {
        let there =
            |other: &Address| (&other.dev, other.address) == (&address.dev, address.address);
        if !state.addresses.iter().any(there) {
            plan.step(Change::Add(Item::Address(address.clone())), reason);
        }
    }
    for (route, reason) in &desired.routes {
        if !state.routes.contains(route) {
            plan.step(Change::Add(Item::Route(route.clone())), reason);
        }
    }
    let again = misplaced(state, desired);
    for (rule, reason) in &desired.rules {
        if !state.rules.contains(rule) || again.contains(&rule) {
            plan.step(Change::Add(Item::Rule(rule.clone())), reason);
        }
    }
    for (translation, reason) in &desired.translations {
        if !state.nat.rules.contains(translation) {
            plan.step(Change::Add(Item::Nat(translation.clone())), reason);
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

/// The sysctl without which no program gets an MPTCP socket.
const MPTCP_ENABLED: &str = "net.mptcp.enabled";

/// Can a set-up do without this change? Of the sysctls one alone is needed.
pub fn is_optional(change: &Change) -> bool {
    matches!(change, Change::Sysctl { key, .. } if key != MPTCP_ENABLED)
}

fn sysctls(state: &HostState, desired: &Desired, plan: &mut Plan) {
    let mut kept = 0;
    for (key, least, reason) in &desired.sysctls {
        // A sysctl that this kernel does not have is not missed.
        let Some(now) = state.sysctls.get(key) else { continue };
        if now.trim().parse::<u32>().is_ok_and(|now| now < *least) {
            let (from, to) = (now.trim().to_owned(), least.to_string());
            let change = Change::Sysctl { key: key.clone(), from, to };
            if state.sysctls_read_only && is_optional(&change) {
                kept += 1;
            } else {
                plan.step(change, reason);
            }
        }
    }
    if kept > 0 {
        let said = format!("/proc/sys is read-only here: {kept} sysctls stay as they are");
        plan.notes.push(said.clone());
        plan.kept_sysctls = Some(said);
    }
}

fn translations_that_go(state: &HostState, desired: &Desired, plan: &mut Plan) {
    for translation in &state.nat.rules {
        if !desired.translations.iter().any(|(wanted, _)| wanted == translation) {
            plan.step(Change::Remove(Item::Nat(translation.clone())), NO_LONGER);
        }
    }
}

fn addresses_that_go(state: &HostState, desired: &Desired, plan: &mut Plan) {
    for address in state.addresses.iter().filter(|address| is_ours(address.protocol)) {
        let wanted = |(wanted, _): &(Address, String)| {
            (&wanted.dev, wanted.address) == (&address.dev, address.address)
        };
        if !desired.addresses.iter().any(wanted) {
            plan.step(Change::Remove(Item::Address(address.clone())), NO_LONGER);
        }
    }
}

/// Our rules that stand where they do no good, in both families.
fn misplaced<'a>(state: &'a HostState, desired: &Desired) -> Vec<&'a Rule> {
    let of = |family| {
        let wanted: Vec<&Rule> =
            desired.rules.iter().map(|(rule, _)| rule).filter(|it| it.family == family).collect();
        desired::misplaced(state, family, &wanted)
    };
    Family::BOTH.into_iter().flat_map(of).collect()
}

fn rules_and_routes_that_go(state: &HostState, desired: &Desired, plan: &mut Plan) {
    let misplaced = misplaced(state, desired);
    for rule in state.rules.iter().filter(|rule| is_ours(rule.protocol)) {
        if !desired.rules.iter().any(|(wanted, _)| wanted == rule) {
            plan.step(Change::Remove(Item::Rule(rule.clone())), NO_LONGER);
        } else if misplaced.contains(&rule) {
            plan.step(Change::Remove(Item::Rule(rule.clone())), "ours, out of its place");
        }
    }
    for route in state.routes.iter().filter(|route| is_ours(route.protocol)) {
        if !desired.routes.iter().any(|(wanted, _)| wanted == route) {
            plan.step(Change::Remove(Item::Route(route.clone())), NO_LONGER);
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

/// Is an endpoint of ours as it is wanted? An id is whatever the kernel gave.
fn serves(present: &Endpoint, wanted: &Endpoint) -> bool {
    Endpoint { id: 0, ..present.clone() } == Endpoint { id: 0, ..wanted.clone() }
}

/// Is an endpoint of ours as it is wanted but for `backup`, which can change while it is in use?
fn differs_in_backup(present: &Endpoint, wanted: &Endpoint) -> bool {
    let without = |endpoint: &Endpoint| Endpoint {
        flags: endpoint.flags.without(Flags::BACKUP),
        ..endpoint.clone()
    };
    present.flags != wanted.flags && serves(&without(present), &without(wanted))
}

/// Does somebody else's endpoint open or announce what is wanted, be it in another way?
pub fn does_the_same(present: &Endpoint, wanted: &Endpoint) -> bool {
    let main = [Flags::SUBFLOW, Flags::SIGNAL];
    main.into_iter().filter(|flag| wanted.flags.has(*flag)).all(|flag| present.flags.has(flag))
}

fn endpoints_that_go(state: &HostState, desired: &Desired, plan: &mut Plan) {
    for address in &state.ours {
        let Some(now) = present(state, *address) else { continue };
        let wanted = desired.endpoints.iter().find(|(wanted, _)| wanted.address == *address);
        let stays = |wanted: &Endpoint| serves(now, wanted) || differs_in_backup(now, wanted);
        if !wanted.is_some_and(|(wanted, _)| stays(wanted)) {
            plan.step(Change::Remove(Item::Endpoint(now.clone())), NO_LONGER);
        }
    }
}

fn endpoints_that_come(state: &HostState, desired: &Desired, plan: &mut Plan) {
    for (wanted, reason) in &desired.endpoints {
        match present(state, wanted.address) {
            Some(now) if state.ours.contains(&wanted.address) && serves(now, wanted) => {}
            Some(now) if state.ours.contains(&wanted.address) && differs_in_backup(now, wanted) => {
                let reason = match reason.as_str() {
                    "" => "no backup any more",
                    reason => reason,
                };
                plan.step(Change::Flags { endpoint: now.clone(), to: wanted.flags }, reason);
            }
            Some(now) if !state.ours.contains(&wanted.address) => {
                let same = does_the_same(now, wanted);
                let reason = match now.flags.without(Flags::BACKUP) == wanted.flags {
                    true => "already there, not ours: kept".to_owned(),
                    false => format!("not ours: kept, though \"{}\" was wanted", wanted.flags),
                };
                plan.kept.push((now.clone(), reason));
                let of = |path: &&Path| path.source() == wanted.address;
                // Connections begin on the best link, which needs no endpoint.
                let best = desired.paths.first().map(|best| &best.dev);
                let path = desired.paths.iter().find(of).filter(|path| Some(&path.dev) != best);
                if let Some(path) = path.filter(|_| !same) {
                    plan.blocked.push(Blocked { dev: path.dev.clone(), endpoint: now.clone() });
                }
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

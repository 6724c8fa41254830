//! A change of the host as data: both sides are in it, so its inverse is total, and its words are
//! those of iproute2.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::HostState;
use crate::model::mptcp::{Endpoint, Limits};
use crate::model::net::{Route, Rule};

/// One step, small enough for the kernel to take whole or refuse whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Something new.
    Add(Item),
    /// Something of ours goes.
    Remove(Item),
    /// The path manager's limits.
    Limits {
        /// As they were.
        from: Limits,
        /// As they are to be.
        to: Limits,
    },
    /// A kernel parameter.
    Sysctl {
        /// Its dotted name.
        key: String,
        /// As it was.
        from: String,
        /// As it is to be.
        to: String,
    },
}

/// What can be added and removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Item {
    /// A route.
    Route(Route),
    /// A rule.
    Rule(Rule),
    /// An endpoint of the path manager.
    Endpoint(Endpoint),
}

impl Item {
    /// The noun of the dry run's second column.
    pub fn noun(&self) -> &'static str {
        match self {
            Item::Route(_) => "route",
            Item::Rule(_) => "rule",
            Item::Endpoint(_) => "endpoint",
        }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Item::Route(route) => route.fmt(f),
            Item::Rule(rule) => rule.fmt(f),
            Item::Endpoint(endpoint) => endpoint.fmt(f),
        }
    }
}

impl Change {
    /// What takes it back.
    #[must_use]
    pub fn inverse(&self) -> Change {
        match self.clone() {
            Change::Add(item) => Change::Remove(item),
            Change::Remove(item) => Change::Add(item),
            Change::Limits { from, to } => Change::Limits { from: to, to: from },
            Change::Sysctl { key, from, to } => Change::Sysctl { key, from: to, to: from },
        }
    }

    /// The sign of the dry run's first column.
    pub fn sign(&self) -> char {
        match self {
            Change::Add(_) => '+',
            Change::Remove(_) => '-',
            Change::Limits { .. } | Change::Sysctl { .. } => '~',
        }
    }

    /// The noun of the dry run's second column.
    pub fn noun(&self) -> &'static str {
        match self {
            Change::Add(item) | Change::Remove(item) => item.noun(),
            Change::Limits { .. } => "limits",
            Change::Sysctl { .. } => "sysctl",
        }
    }

    /// Would it do anything to this state, and would it do what it says? An inverse whose object
    /// is gone, or was changed by somebody else meanwhile, would not.
    pub fn makes_sense(&self, state: &HostState) -> bool {
        match self {
            Change::Add(item) => !contains(state, item),
            Change::Remove(item) => contains(state, item),
            Change::Limits { from, .. } => state.limits == Some(*from),
            Change::Sysctl { key, from, .. } => {
                state.sysctls.get(key).is_some_and(|now| now.trim() == from.trim())
            }
        }
    }

    /// Does to the model what the kernel does to the host.
    pub fn apply_to(&self, state: &mut HostState) {
        match self {
            Change::Add(item) => match item.clone() {
                Item::Route(route) => state.routes.push(route),
                Item::Rule(rule) => {
                    let at = state.rules.partition_point(|other| other.priority <= rule.priority);
                    state.rules.insert(at, rule);
                }
                Item::Endpoint(mut endpoint) => {
                    if endpoint.id == 0 {
                        endpoint.id = free_id(state);
                    }
                    state.ours.push(endpoint.address);
                    state.endpoints.push(endpoint);
                }
            },
            Change::Remove(item) => match item {
                Item::Route(route) => state.routes.retain(|other| other != route),
                Item::Rule(rule) => state.rules.retain(|other| other != rule),
                Item::Endpoint(endpoint) => {
                    state.ours.retain(|other| *other != endpoint.address);
                    state.endpoints.retain(|other| !same_endpoint(other, endpoint));
                }
            },
            Change::Limits { to, .. } => state.limits = Some(*to),
            Change::Sysctl { key, to, .. } => {
                state.sysctls.insert(key.clone(), to.clone());
            }
        }
    }
}

fn contains(state: &HostState, item: &Item) -> bool {
    match item {
        Item::Route(route) => state.routes.contains(route),
        Item::Rule(rule) => state.rules.contains(rule),
        Item::Endpoint(endpoint) => {
            state.endpoints.iter().any(|other| same_endpoint(other, endpoint))
        }
    }
}

/// The same endpoint, whatever id the kernel gave it, if none was asked for.
pub fn same_endpoint(one: &Endpoint, other: &Endpoint) -> bool {
    let same_id = one.id == other.id || one.id == 0 || other.id == 0;
    same_id && Endpoint { id: 0, ..one.clone() } == Endpoint { id: 0, ..other.clone() }
}

fn free_id(state: &HostState) -> u8 {
    (1..=u8::MAX)
        .find(|id| state.endpoints.iter().all(|endpoint| endpoint.id != *id))
        .unwrap_or(u8::MAX)
}

impl fmt::Display for Change {
    /// The third column of the dry run: the object, or what becomes what.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Add(item) | Change::Remove(item) => item.fmt(f),
            Change::Limits { from, to } => {
                let mut separator = "";
                let pairs = [
                    ("subflows", from.subflows, to.subflows),
                    ("add_addr_accepted", from.add_addr_accepted, to.add_addr_accepted),
                ];
                for (name, from, to) in pairs.iter().filter(|(_, from, to)| from != to) {
                    write!(f, "{separator}{name} {from} → {to}")?;
                    separator = ", ";
                }
                Ok(())
            }
            Change::Sysctl { key, from, to } => write!(f, "{key} {} → {to}", from.trim()),
        }
    }
}

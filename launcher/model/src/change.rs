//! A change of the host as data: both sides are in it, so its inverse is total, and its words are
//! those of iproute2.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::HostState;
use crate::gateway::part::Part;
use crate::mptcp::{Endpoint, Flags, Limits};
use crate::nat::Translation;
use crate::net::{Address, Route, Rule};

/// One step, small enough for the kernel to take whole or refuse whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Something new.
    Add(Item),
    /// Something of ours goes.
    Remove(Item),
    /// The flags of an endpoint of ours that may change while it is in use; the kernel tells the peers
    /// of `backup` (MP_PRIO, RFC 8684 section 3.3.8).
    Flags {
        /// The endpoint as it was.
        endpoint: Endpoint,
        /// Its flags from then on.
        to: Flags,
    },
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
    /// An address of a link.
    Address(Address),
    /// A route.
    Route(Route),
    /// A rule.
    Rule(Rule),
    /// A translation of addresses, in our nftables table.
    Nat(Translation),
    /// An endpoint of the path manager.
    Endpoint(Endpoint),
    /// What a gateway needs beside the set-up.
    Gateway(Part),
}

impl Item {
    /// The noun of the dry run's second column.
    pub fn noun(&self) -> &'static str {
        match self {
            Item::Address(_) => "address",
            Item::Route(_) => "route",
            Item::Rule(_) => "rule",
            Item::Nat(_) => "nat",
            Item::Endpoint(_) => "endpoint",
            Item::Gateway(part) => part.noun(),
        }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Item::Address(address) => address.fmt(f),
            Item::Route(route) => route.fmt(f),
            Item::Rule(rule) => rule.fmt(f),
            Item::Nat(translation) => translation.fmt(f),
            Item::Endpoint(endpoint) => endpoint.fmt(f),
            Item::Gateway(part) => part.fmt(f),
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
            Change::Flags { endpoint, to } => {
                let from = endpoint.flags;
                Change::Flags { endpoint: Endpoint { flags: to, ..endpoint }, to: from }
            }
            Change::Limits { from, to } => Change::Limits { from: to, to: from },
            Change::Sysctl { key, from, to } => Change::Sysctl { key, from: to, to: from },
        }
    }

    /// The sign of the dry run's first column.
    pub fn sign(&self) -> char {
        match self {
            Change::Add(_) => '+',
            Change::Remove(_) => '-',
            Change::Flags { .. } | Change::Limits { .. } | Change::Sysctl { .. } => '~',
        }
    }

    /// The noun of the dry run's second column.
    pub fn noun(&self) -> &'static str {
        match self {
            Change::Add(item) | Change::Remove(item) => item.noun(),
            Change::Flags { .. } => "endpoint",
            Change::Limits { .. } => "limits",
            Change::Sysctl { .. } => "sysctl",
        }
    }

    /// What takes it back from this state; nothing where its object is gone, or somebody else
    /// changed it since. Of two limits only the one that is still ours goes back.
    #[must_use]
    pub fn undone_in(&self, state: &HostState) -> Option<Change> {
        match self {
            Change::Add(item) => present(state, item).map(Change::Remove),
            Change::Remove(item) => {
                present(state, item).is_none().then(|| Change::Add(item.clone()))
            }
            Change::Flags { endpoint, to } => {
                let now = state.endpoints.iter().find(|other| same_endpoint(other, endpoint))?;
                let back = || Change::Flags { endpoint: now.clone(), to: endpoint.flags };
                (now.flags == *to).then(back)
            }
            Change::Limits { from, to } => {
                let now = state.limits?;
                let back = |now: u32, from: u32, to: u32| if now == to { from } else { now };
                let before = Limits {
                    subflows: back(now.subflows, from.subflows, to.subflows),
                    add_addr_accepted: back(
                        now.add_addr_accepted,
                        from.add_addr_accepted,
                        to.add_addr_accepted,
                    ),
                };
                (before != now).then_some(Change::Limits { from: now, to: before })
            }
            Change::Sysctl { key, from, to } => {
                let now = state.sysctls.get(key)?;
                (now.trim() == to.trim()).then(|| Change::Sysctl {
                    key: key.clone(),
                    from: to.clone(),
                    to: from.clone(),
                })
            }
        }
    }

    /// Does to the model what the kernel does to the host.
    pub fn apply_to(&self, state: &mut HostState) {
        match self {
            Change::Add(item) => match item.clone() {
                Item::Address(address) => state.addresses.push(address),
                Item::Route(route) => state.routes.push(route),
                Item::Rule(rule) => {
                    let at = place(state, &rule);
                    state.rules.insert(at, rule);
                }
                Item::Nat(translation) => state.nat.rules.push(translation),
                Item::Endpoint(mut endpoint) => {
                    if endpoint.id == 0 {
                        endpoint.id = free_id(state);
                    }
                    state.ours.push(endpoint.address);
                    state.endpoints.push(endpoint);
                }
                Item::Gateway(part) => state.gateway.add(part),
            },
            Change::Remove(item) => match item {
                Item::Address(address) => {
                    state.addresses.retain(|other| !same_address(other, address));
                }
                Item::Route(route) => state.routes.retain(|other| other != route),
                Item::Rule(rule) => state.rules.retain(|other| other != rule),
                Item::Nat(translation) => state.nat.rules.retain(|other| other != translation),
                Item::Endpoint(endpoint) => {
                    state.ours.retain(|other| *other != endpoint.address);
                    state.endpoints.retain(|other| !same_endpoint(other, endpoint));
                }
                Item::Gateway(part) => state.gateway.remove(part),
            },
            Change::Flags { endpoint, to } => {
                let same = |other: &&mut Endpoint| same_endpoint(other, endpoint);
                state.endpoints.iter_mut().filter(same).for_each(|other| other.flags = *to);
            }
            Change::Limits { to, .. } => state.limits = Some(*to),
            Change::Sysctl { key, to, .. } => {
                state.sysctls.insert(key.clone(), to.clone());
            }
        }
    }
}

/// The thing as it is in this state, if it is there.
fn present(state: &HostState, item: &Item) -> Option<Item> {
    let is_there = |there: bool| there.then(|| item.clone());
    match item {
        Item::Address(address) => {
            is_there(state.addresses.iter().any(|other| same_address(other, address)))
        }
        Item::Route(route) => is_there(state.routes.contains(route)),
        Item::Rule(rule) => is_there(state.rules.contains(rule)),
        Item::Nat(translation) => is_there(state.nat.rules.contains(translation)),
        Item::Endpoint(endpoint) => {
            let found = state.endpoints.iter().find(|other| same_endpoint(other, endpoint));
            found.map(|found| Item::Endpoint(found.clone()))
        }
        Item::Gateway(part) => is_there(state.gateway.has(part)),
    }
}

/// Are these the same thing, whatever the kernel added to one of them?
pub fn same_thing(one: &Item, other: &Item) -> bool {
    match (one, other) {
        (Item::Address(one), Item::Address(other)) => same_address(one, other),
        (Item::Endpoint(one), Item::Endpoint(other)) => same_endpoint(one, other),
        (Item::Gateway(one), Item::Gateway(other)) => one.takes_the_place_of(other),
        _ => one == other,
    }
}

/// Are both of one link, with one address and one prefix length?
fn same_address(one: &Address, other: &Address) -> bool {
    (&one.dev, one.address, one.length) == (&other.dev, other.address, other.length)
}

/// The same endpoint: of the same address and port and made alike. Not compared are what the kernel
/// gives (the id), what may be changed (`backup`, `fullmesh`), and the link's name, for a link that
/// was made again has another index, and its endpoint shows none of today's names.
pub fn same_endpoint(one: &Endpoint, other: &Endpoint) -> bool {
    let made = |endpoint: &Endpoint| {
        let flags = endpoint.flags.without(Flags::BACKUP).without(Flags::FULLMESH);
        (endpoint.address, endpoint.port, endpoint.dev.is_some(), flags)
    };
    made(one) == made(other)
}

/// Where a new rule stands: after all of its family that have its priority or a lower one.
fn place(state: &HostState, rule: &Rule) -> usize {
    let before = |other: &Rule| (other.family, other.priority) <= (rule.family, rule.priority);
    state.rules.iter().rposition(before).map_or(0, |at| at + 1)
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
            Change::Flags { endpoint, to } => write!(f, "{endpoint} → {to}"),
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

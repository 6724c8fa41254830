//! What a gateway needs of its host beside links that are set up: marked packets are delivered here,
//! and a table of the packet filter marks them. Parts of a [`Change`](crate::change::Change).
//!
//! Not here: which of them a host is to have (`wanted`), and the filter's rules (`filter`).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::filter::Filter;
use crate::net::Family;

/// The priority of the rules for it: before what VPNs and administrators add (tailscale's 5210,
/// wg-quick's behind 32000), for a packet that has the mark is to go nowhere else. Only `local` is first.
pub const PRIORITY: u32 = 86;

/// The first table for the local route, down from which a free one is sought; the set-up's own begin
/// right behind it ([`FIRST_TABLE`](crate::ours::FIRST_TABLE)).
pub const LAST_TABLE: u32 = crate::ours::FIRST_TABLE - 1;

/// One part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Marked packets look in a table.
    Rule(MarkRule),
    /// In that table every destination is this host.
    Route(LocalRoute),
    /// The table of the packet filter.
    Filter(Filter),
}

/// A rule for marked packets (ip-rule(8)).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MarkRule {
    /// IPv4 or IPv6.
    pub family: Family,
    /// Its place in the order.
    pub priority: u32,
    /// The mark; all bits count.
    pub mark: u32,
    /// Where it leads.
    pub table: u32,
}

/// A route to this host for every destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalRoute {
    /// IPv4 or IPv6.
    pub family: Family,
    /// Its table.
    pub table: u32,
}

impl Part {
    /// The noun of the dry run's second column.
    pub fn noun(&self) -> &'static str {
        match self {
            Part::Rule(MarkRule { family: Family::V4, .. }) => "rule",
            Part::Rule(_) => "rule -6",
            Part::Route(LocalRoute { family: Family::V4, .. }) => "route",
            Part::Route(_) => "route -6",
            Part::Filter(_) => "nft",
        }
    }

    /// Is there one thing at a time of both? There is one table of the filter, whatever its rules.
    pub fn takes_the_place_of(&self, other: &Part) -> bool {
        match (self, other) {
            (Part::Filter(_), Part::Filter(_)) => true,
            _ => self == other,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Rule(MarkRule { mark, table, .. }) => {
                write!(f, "fwmark {mark:#x} lookup {table}")
            }
            Part::Route(LocalRoute { table, .. }) => {
                write!(f, "local default dev lo table {table}")
            }
            Part::Filter(filter) => filter.fmt(f),
        }
    }
}

/// What was seen of these parts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Seen {
    /// Our rules for marks.
    pub rules: Vec<MarkRule>,
    /// Our local routes.
    pub routes: Vec<LocalRoute>,
    /// The [name](Filter::name) of the rules in our table of the filter; empty for one of unknown making.
    pub filter: Option<String>,
    /// The table in which a local route is or may be: ours, or one that nobody uses.
    pub table: u32,
}

impl Seen {
    /// Nothing was seen of it?
    pub fn is_default(&self) -> bool {
        *self == Seen::default()
    }

    /// Is it there? Of the filter's table, in whatever form.
    pub fn has(&self, part: &Part) -> bool {
        match part {
            Part::Rule(rule) => self.rules.contains(rule),
            Part::Route(route) => self.routes.contains(route),
            Part::Filter(_) => self.filter.is_some(),
        }
    }

    /// Is it there and as it is wanted?
    pub fn serves(&self, part: &Part) -> bool {
        match part {
            Part::Filter(filter) => self.filter == Some(filter.name()),
            other => self.has(other),
        }
    }

    /// Takes it as added.
    pub fn add(&mut self, part: Part) {
        match part {
            Part::Rule(rule) => self.rules.push(rule),
            Part::Route(route) => self.routes.push(route),
            Part::Filter(filter) => self.filter = Some(filter.name()),
        }
    }

    /// Takes it as removed.
    pub fn remove(&mut self, part: &Part) {
        match part {
            Part::Rule(rule) => self.rules.retain(|other| other != rule),
            Part::Route(route) => self.routes.retain(|other| other != route),
            Part::Filter(_) => self.filter = None,
        }
    }
}

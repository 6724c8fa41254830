//! What is ours on this host, and what was there before us: the journal, read as a balance and not
//! as a history.
//!
//! An addition stands until the thing is removed again, whoever asks for it; a limit or a sysctl
//! keeps the value that it had before our first change. So an undo is the inverse of what stands,
//! whatever happened to links and addresses in between.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::asked::Asked;
use crate::change::{Change, Item, same_thing};
use crate::mptcp::Limits;
use crate::net::{Address, Family, IfName, MAIN};

/// The balance of a journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// What stands, in the order in which it was made.
    pub entries: Vec<Change>,
    /// What the set-up was asked.
    pub asked: Asked,
}

/// An uplink that was set up, as far as a later look may have to know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    /// The link.
    pub dev: IfName,
    /// The family.
    pub family: Family,
    /// The next hop of its default route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
    /// Main had a default route for it: it may take connections where main fails.
    #[serde(default, skip_serializing_if = "super::net::is_false")]
    pub in_main: bool,
    /// The table of that route. The kernel drops routes with their link; rules and endpoints stay, and are
    /// found by this and by `source`. Recordings of older versions have neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<u32>,
    /// The address that it gives to what leaves by it, which its endpoint has, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
}

impl Record {
    /// Takes one line of the journal into account.
    pub fn absorb(&mut self, change: &Change) {
        match change {
            Change::Add(item) => {
                if !self.entries.iter().any(|entry| adds(entry, item)) {
                    self.entries.push(change.clone());
                }
            }
            Change::Remove(item) => {
                if let Some(at) = self.entries.iter().rposition(|entry| adds(entry, item)) {
                    self.entries.remove(at);
                }
            }
            // The endpoint is what stands, whatever its flags.
            Change::Flags { .. } => {}
            Change::Limits { from, to } => self.limits(*from, *to),
            Change::Sysctl { key, from, to } => self.sysctl(key, from, to),
        }
    }

    fn limits(&mut self, from: Limits, to: Limits) {
        let at = self.entries.iter().position(|entry| matches!(entry, Change::Limits { .. }));
        let Some(Change::Limits { from: first, to: last }) = at.map(|at| &mut self.entries[at])
        else {
            self.entries.push(Change::Limits { from, to });
            return;
        };
        // What somebody else set meanwhile is what was there before us now.
        if from.subflows != last.subflows {
            first.subflows = from.subflows;
        }
        if from.add_addr_accepted != last.add_addr_accepted {
            first.add_addr_accepted = from.add_addr_accepted;
        }
        *last = to;
        if first == last {
            self.entries.retain(|entry| !matches!(entry, Change::Limits { .. }));
        }
    }

    fn sysctl(&mut self, name: &str, from: &str, to: &str) {
        let of = |entry: &Change| matches!(entry, Change::Sysctl { key, .. } if key == name);
        let at = self.entries.iter().position(of);
        let Some(Change::Sysctl { from: first, to: last, .. }) = at.map(|at| &mut self.entries[at])
        else {
            let (key, from, to) = (name.to_owned(), from.to_owned(), to.to_owned());
            self.entries.push(Change::Sysctl { key, from, to });
            return;
        };
        if from != last.as_str() {
            from.clone_into(first);
        }
        to.clone_into(last);
        if first == last {
            self.entries.retain(|entry| !of(entry));
        }
    }
}

fn adds(entry: &Change, item: &Item) -> bool {
    matches!(entry, Change::Add(other) if same_thing(other, item))
}

/// The addresses of the endpoints that are ours.
pub fn endpoints(entries: &[Change]) -> Vec<IpAddr> {
    let address = |entry: &Change| match entry {
        Change::Add(Item::Endpoint(endpoint)) => Some(endpoint.address),
        _ => None,
    };
    entries.iter().filter_map(address).collect()
}

/// The addresses that we gave to links.
pub fn addresses(entries: &[Change]) -> impl Iterator<Item = &Address> {
    entries.iter().filter_map(|entry| match entry {
        Change::Add(Item::Address(address)) => Some(address),
        _ => None,
    })
}

/// The uplinks that were set up.
pub fn uplinks(entries: &[Change]) -> Vec<Recorded> {
    let serves_all = |table: u32, family: Family| {
        entries.iter().any(|entry| {
            matches!(entry, Change::Add(Item::Rule(rule)) if rule.table == table
                && rule.family == family && rule.from.is_none() && rule.suppress.is_none())
        })
    };
    let uplink = |entry: &Change| match entry {
        Change::Add(Item::Route(route)) if route.to.is_none() && route.table != MAIN => {
            Some(Recorded {
                dev: route.dev.clone(),
                family: route.family,
                gateway: route.via,
                in_main: serves_all(route.table, route.family),
                table: Some(route.table),
                source: route.src,
            })
        }
        _ => None,
    };
    entries.iter().filter_map(uplink).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(from: (u32, u32), to: (u32, u32)) -> Change {
        let of = |(subflows, add_addr_accepted)| Limits { subflows, add_addr_accepted };
        Change::Limits { from: of(from), to: of(to) }
    }

    fn sysctl(from: &str, to: &str) -> Change {
        Change::Sysctl { key: "net.a".into(), from: from.into(), to: to.into() }
    }

    fn balance(lines: &[Change]) -> Vec<Change> {
        let mut record = Record::default();
        lines.iter().for_each(|line| record.absorb(line));
        record.entries
    }

    #[test]
    fn a_value_keeps_what_it_was_before_our_first_change() {
        assert_eq!(
            balance(&[limits((2, 0), (8, 8)), limits((8, 8), (6, 6))]),
            [limits((2, 0), (6, 6))]
        );
        assert_eq!(balance(&[sysctl("0", "1"), sysctl("1", "2")]), [sysctl("0", "2")]);
    }

    #[test]
    fn what_somebody_else_set_meanwhile_is_what_was_there_before() {
        let lines = [limits((2, 0), (8, 8)), limits((4, 8), (8, 8))];
        assert_eq!(balance(&lines), [limits((4, 0), (8, 8))]);
        assert_eq!(balance(&[sysctl("0", "1"), sysctl("2", "1")]), [sysctl("2", "1")]);
    }

    #[test]
    fn a_value_that_is_back_is_no_longer_ours() {
        assert_eq!(balance(&[limits((2, 0), (8, 8)), limits((8, 8), (2, 0))]), []);
        assert_eq!(balance(&[sysctl("0", "1"), sysctl("1", "0")]), []);
    }

    #[test]
    fn what_was_removed_again_is_not_ours_whatever_id_it_had() {
        let endpoint = |id| {
            Item::Endpoint(crate::mptcp::Endpoint {
                id,
                address: "192.0.2.1".parse().expect("a literal address"),
                port: None,
                dev: None,
                flags: crate::mptcp::Flags::SUBFLOW,
            })
        };
        let lines = [Change::Add(endpoint(0)), Change::Add(endpoint(0))];
        assert_eq!(balance(&lines), [Change::Add(endpoint(0))]);
        assert_eq!(balance(&[Change::Add(endpoint(0)), Change::Remove(endpoint(3))]), []);
    }
}

//! The kernel's route look-up over plain data (net/core/fib_rules.c, net/ipv4/fib_trie.c,
//! net/ipv6/ip6_fib.c): rules in order, tables by longest prefix and metric, links without carrier.
//!
//! Left out, because nothing here depends on it: look-ups bound to a link, types of service,
//! and which of several next hops of equal cost a flow gets (the first).

use std::collections::BTreeMap;
use std::net::IpAddr;

use mptcpize_model::change::{Change, Item, same_endpoint};
use mptcpize_model::mptcp::{Endpoint, Limits};
use mptcpize_model::nat::Translation;
use mptcpize_model::net::{Action, Address, Family, IfName, Link, Prefix, Route, Rule};

/// The table of the host's own addresses, and the one that is asked after main.
pub const LOCAL: u32 = 255;
pub const DEFAULT: u32 = 253;

/// Why a packet goes nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    NoRoute,
    Blackhole,
    Unreachable,
    Prohibit,
}

/// What a route does with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Unicast,
    Local,
    /// As if the table had no route.
    Throw,
    Refuse(Refusal),
}

/// A route of any kind. The link of a special one says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub route: Route,
    pub kind: Kind,
}

impl Entry {
    pub fn length(&self) -> u32 {
        self.route.to.map_or(0, |to| u32::from(to.length))
    }

    fn takes(&self, packet: &Packet) -> bool {
        let from = self.route.from;
        self.route.to.is_none_or(|to| inside(&to, packet.to))
            && from.is_none_or(|from| packet.from.is_some_and(|address| inside(&from, address)))
    }
}

/// A rule with the conditions that the tool's own model leaves out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FibRule {
    pub rule: Rule,
    pub to: Option<Prefix>,
    pub mark: Option<u32>,
    pub iif: Option<IfName>,
    pub invert: bool,
}

impl FibRule {
    fn matches(&self, packet: &Packet) -> bool {
        let source = |from: Prefix| packet.from.is_some_and(|address| inside(&from, address));
        let all = self.rule.from.is_none_or(source)
            && self.to.is_none_or(|to| inside(&to, packet.to))
            && self.mark.is_none_or(|mark| mark == packet.mark)
            && self.iif.as_ref().is_none_or(|iif| *iif == packet.iif);
        all != self.invert
    }
}

/// Is an address in a network of its family?
fn inside(network: &Prefix, address: IpAddr) -> bool {
    let same = |one: u128, other: u128, bits: u32| {
        let rest = bits.saturating_sub(u32::from(network.length));
        rest >= bits || one >> rest == other >> rest
    };
    match (network.address, address) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            same(u32::from(one).into(), u32::from(other).into(), 32)
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => same(one.into(), other.into(), 128),
        _ => false,
    }
}

/// What is looked up. Packets of the host's own programs come in by `lo`.
#[derive(Clone, Debug)]
pub struct Packet {
    pub from: Option<IpAddr>,
    pub to: IpAddr,
    pub mark: u32,
    pub iif: IfName,
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Answer<'a> {
    /// By this route, to which a rule led that is for some sources only, or for all.
    Leaves {
        entry: &'a Entry,
        by_source: bool,
    },
    Refused(Refusal),
}

impl<'a> Answer<'a> {
    /// The next step: link and gateway, or the refusal.
    pub fn step(&self) -> Result<(&'a IfName, Option<IpAddr>), Refusal> {
        match self {
            Answer::Leaves { entry, .. } => Ok((&entry.route.dev, entry.route.via)),
            Answer::Refused(refusal) => Err(*refusal),
        }
    }
}

/// A host, as far as routing and the path manager go.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fib {
    pub links: Vec<Link>,
    pub addresses: Vec<Address>,
    pub entries: Vec<Entry>,
    pub rules: Vec<FibRule>,
    pub endpoints: Vec<Endpoint>,
    pub translations: Vec<Translation>,
    pub limits: Limits,
    pub sysctls: BTreeMap<String, String>,
}

impl Fib {
    /// Follows the rules, as `fib_rules_lookup` does.
    pub fn lookup(&self, packet: &Packet) -> Answer<'_> {
        let family = Family::of(packet.to);
        let mut at = 0;
        while let Some(rule) = self.rules.get(at) {
            at += 1;
            if rule.rule.family != family || !rule.matches(packet) {
                continue;
            }
            match rule.rule.action {
                Action::Lookup => {
                    let Some(entry) = self.best(rule.rule.table, packet) else { continue };
                    match entry.kind {
                        Kind::Throw => {}
                        Kind::Refuse(refusal) => return Answer::Refused(refusal),
                        Kind::Unicast | Kind::Local => {
                            if rule.rule.suppress.is_none_or(|short| entry.length() > short) {
                                let by_source = rule.rule.from.is_some();
                                return Answer::Leaves { entry, by_source };
                            }
                        }
                    }
                }
                Action::Goto(priority) => {
                    let target =
                        |it: &FibRule| it.rule.family == family && it.rule.priority == priority;
                    at = self.rules.iter().position(target).unwrap_or(at);
                }
                Action::Nop | Action::Other(_) => {}
                Action::Blackhole => return Answer::Refused(Refusal::Blackhole),
                Action::Unreachable => return Answer::Refused(Refusal::Unreachable),
                Action::Prohibit => return Answer::Refused(Refusal::Prohibit),
            }
        }
        Answer::Refused(Refusal::NoRoute)
    }

    /// The table's usable route with the longest prefix, the most special source, the least metric.
    fn best(&self, table: u32, packet: &Packet) -> Option<&Entry> {
        let mut best: Option<&Entry> = None;
        let rank = |entry: &Entry| {
            let from = entry.route.from.map_or(0, |from| u32::from(from.length));
            (entry.length(), from, u32::MAX - entry.route.metric)
        };
        let family = Family::of(packet.to);
        for entry in &self.entries {
            let here = entry.route.table == table && entry.route.family == family;
            if here
                && best.is_none_or(|best| rank(best) < rank(entry))
                && entry.takes(packet)
                && self.is_usable(entry)
            {
                best = Some(entry);
            }
        }
        best
    }

    fn is_usable(&self, entry: &Entry) -> bool {
        if entry.kind != Kind::Unicast {
            return true;
        }
        let Some(link) = self.link(&entry.route.dev) else { return false };
        link.up && (link.carrier || !self.avoids_dead(&link.name, entry.route.family))
    }

    fn avoids_dead(&self, dev: &IfName, family: Family) -> bool {
        let family = if family == Family::V4 { "ipv4" } else { "ipv6" };
        let key = format!("net.{family}.conf.{dev}.ignore_routes_with_linkdown");
        self.sysctls.get(&key).is_some_and(|value| value != "0")
    }

    pub fn link(&self, dev: &IfName) -> Option<&Link> {
        self.links.iter().find(|link| link.name == *dev)
    }

    /// Adds a rule behind those of its priority; without one it gets one less than the second has
    /// (`fib_default_rule_pref`).
    pub fn add_rule(&mut self, mut rule: FibRule, priority: Option<u32>) {
        let family = rule.rule.family;
        let second = self.rules.iter().filter(|it| it.rule.family == family).nth(1);
        let before = second.map_or(0, |second| second.rule.priority.saturating_sub(1));
        rule.rule.priority = priority.unwrap_or(before);
        let key = |it: &FibRule| (it.rule.family, it.rule.priority);
        let at = self.rules.iter().position(|it| key(it) > key(&rule));
        self.rules.insert(at.unwrap_or(self.rules.len()), rule);
    }

    pub fn add_route(&mut self, route: Route, kind: Kind) {
        self.entries.push(Entry { route, kind });
    }

    pub fn add_address(&mut self, address: Address) {
        let route = own(&address);
        self.addresses.push(address);
        self.add_route(route, Kind::Local);
    }

    /// Makes one change; what the kernel would refuse is a failure.
    ///
    /// # Errors
    /// The kernel's reason.
    pub fn apply(&mut self, change: &Change) -> Result<(), String> {
        match change {
            Change::Add(Item::Address(address)) => self.add_address(address.clone()),
            Change::Remove(Item::Address(address)) => {
                let route = own(address);
                let at = self.entries.iter().rposition(|it| it.route == route);
                self.entries.remove(at.ok_or("no such address")?);
                self.addresses.retain(|it| it != address);
            }
            Change::Add(Item::Route(route)) => {
                self.takes(route)?;
                self.add_route(route.clone(), Kind::Unicast);
            }
            Change::Remove(Item::Route(route)) => {
                let at = self.entries.iter().position(|it| it.route == *route);
                self.entries.remove(at.ok_or("no such route")?);
            }
            Change::Add(Item::Rule(rule)) => {
                let priority = Some(rule.priority);
                let rule = plain(rule.clone());
                if self.rules.contains(&rule) {
                    return Err(format!("the rule {} exists", rule.rule));
                }
                self.add_rule(rule, priority);
            }
            Change::Remove(Item::Rule(rule)) => {
                let at = self.rules.iter().position(|it| *it == plain(rule.clone()));
                self.rules.remove(at.ok_or("no such rule")?);
            }
            Change::Add(Item::Nat(translation)) => self.translations.push(translation.clone()),
            Change::Remove(Item::Nat(translation)) => {
                self.translations.retain(|it| it != translation);
            }
            Change::Add(Item::Endpoint(endpoint)) => {
                if self.endpoints.iter().any(|it| it.address == endpoint.address) {
                    return Err(format!("the endpoint {} exists", endpoint.address));
                }
                let free = (1..=u8::MAX).find(|id| self.endpoints.iter().all(|it| it.id != *id));
                let id = free.ok_or("no id is free")?;
                self.endpoints.push(Endpoint { id, ..endpoint.clone() });
            }
            Change::Remove(Item::Endpoint(endpoint)) => {
                self.endpoints.retain(|it| !same_endpoint(it, endpoint));
            }
            Change::Add(Item::Gateway(_)) | Change::Remove(Item::Gateway(_)) => {
                return Err("a set-up makes no gateway".to_owned());
            }
            Change::Flags { endpoint, to } => {
                let same = |it: &&mut Endpoint| same_endpoint(it, endpoint);
                self.endpoints.iter_mut().filter(same).for_each(|it| it.flags = *to);
            }
            Change::Limits { to, .. } => self.limits = *to,
            Change::Sysctl { key, to, .. } => {
                self.sysctls.insert(key.clone(), to.clone());
            }
        }
        Ok(())
    }

    /// Would the kernel take a route? Its gateway must be on the link (`fib_check_nh`), and a table
    /// has one route of a destination and metric.
    fn takes(&self, route: &Route) -> Result<(), String> {
        let same = |it: &&Entry| {
            let key = |route: &Route| (route.table, route.family, route.to, route.metric);
            key(&it.route) == key(route)
        };
        if let Some(other) = self.entries.iter().find(same) {
            return Err(format!("the route {route}: {} exists", other.route));
        }
        let Some(via) = route.via.filter(|_| !route.onlink) else { return Ok(()) };
        let link_local = matches!(via, IpAddr::V6(via) if via.is_unicast_link_local());
        let connected = self.entries.iter().any(|it| {
            it.kind == Kind::Unicast
                && it.route.dev == route.dev
                && it.route.via.is_none()
                && it.route.to.is_some_and(|to| inside(&to, via))
        });
        let there = link_local || connected;
        if there {
            Ok(())
        } else {
            Err(format!("the route {route}: its gateway is not on the link"))
        }
    }
}

/// The route of the local table that comes with an address.
fn own(address: &Address) -> Route {
    Route {
        table: LOCAL,
        family: Family::of(address.address),
        to: Some(Prefix::host(address.address)),
        from: None,
        via: None,
        dev: IfName::new("lo").expect("a literal name"),
        src: None,
        metric: 0,
        protocol: 2,
        onlink: false,
        scope: None,
        metrics: mptcpize_model::metrics::Metrics::default(),
        encapsulated: false,
    }
}

/// A rule without further conditions.
pub fn plain(rule: Rule) -> FibRule {
    FibRule { rule, to: None, mark: None, iif: None, invert: false }
}

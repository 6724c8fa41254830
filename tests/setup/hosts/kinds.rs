//! A kind of host: what makes it special, the links that are its uplinks, and what the set-up must
//! have made of it; with what the tables (rules.rs, routes.rs) say of them.

use super::look::word_after;
use crate::support::uplinks::Uplinks;

/// A kind of host.
pub(crate) struct Kind {
    /// A sentence.
    pub(crate) is: &'static str,
    /// What it is made from.
    pub(crate) base: fn() -> Uplinks,
    /// `ip` commands on the client that make it so; `SYSCTL NAME VALUE` and `ROUTER …` besides.
    pub(crate) commands: &'static [&'static str],
    /// Its uplinks, sorted.
    pub(crate) uplinks: &'static [&'static str],
    /// Further questions for `ip route get`.
    pub(crate) ask: &'static [&'static str],
    /// What must hold after the set-up; with the screen of the dry run.
    pub(crate) expect: fn(&Uplinks, &str),
}

impl Kind {
    /// A new host of this kind.
    pub(crate) fn host(&self) -> Uplinks {
        let lab = (self.base)();
        for command in self.commands {
            match command.split_once(' ') {
                Some(("SYSCTL", setting)) => {
                    let (name, value) = setting.split_once(' ').expect("a name and a value");
                    lab.client.net.sysctl(name, value);
                }
                Some(("ROUTER", command)) => drop(lab.router.ip(command)),
                _ => drop(lab.client.net.ip(command)),
            }
        }
        lab
    }
}

pub(crate) fn two() -> Uplinks {
    Uplinks::two_subnets("50mbit")
}

/// Links with networks on the router's side alone.
pub(crate) fn bare() -> Uplinks {
    let lab = Uplinks::new(&["50mbit"; 2]);
    lab.number_v4(1);
    lab
}

pub(crate) fn one() -> Uplinks {
    let lab = Uplinks::new(&["50mbit"]);
    lab.number_v4(1);
    lab
}

pub(crate) fn two_v6() -> Uplinks {
    let lab = Uplinks::new(&["50mbit"; 2]);
    lab.number_v6(1);
    lab.number_v6(2);
    lab
}

pub(crate) fn ten() -> Uplinks {
    let lab = Uplinks::new(&["50mbit"; 10]);
    for link in 1..=10 {
        lab.number_v4(link);
    }
    lab
}

pub(crate) const W1_W2: &[&str] = &["w1", "w2"];

/// The default route that the set-up made for a link: in a table of ours.
#[track_caller]
pub(crate) fn ours(lab: &Uplinks, family: &str, dev: &str) -> String {
    let routes = lab.client.net.ip(&format!("{family} route show table all proto 86 dev {dev}"));
    let mut defaults = routes.lines().filter(|line| line.starts_with("default "));
    let one = defaults.next().unwrap_or_else(|| panic!("no default of {dev}: {routes}")).to_owned();
    assert_eq!(defaults.next(), None, "one for {dev}: {routes}");
    one
}

/// The endpoints' addresses, sorted.
pub(crate) fn endpoints(lab: &Uplinks) -> Vec<String> {
    let shown = lab.client.net.ip("mptcp endpoint show");
    let first = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
    let mut addresses: Vec<String> = shown.lines().map(first).collect();
    addresses.sort();
    addresses
}

pub(crate) fn usual(lab: &Uplinks, _: &str) {
    assert_eq!(endpoints(lab), ["10.1.0.1", "10.2.0.1"]);
    assert_eq!(gateway(lab, "w1"), "10.1.0.254");
    assert_eq!(gateway(lab, "w2"), "10.2.0.254");
}

#[track_caller]
pub(crate) fn gateway(lab: &Uplinks, dev: &str) -> String {
    word_after(&ours(lab, "-4", dev), "via").expect("by a gateway")
}

/// The rules of one family, in the order in which the kernel asks them: priority and text.
pub(crate) fn rules(lab: &Uplinks) -> Vec<(u32, String)> {
    let shown = lab.client.net.ip("rule show");
    let split = |line: &str| {
        let (priority, rule) = line.split_once(":\t").expect("ip-rule's form");
        (priority.parse().expect("a number"), rule.trim_end().to_owned())
    };
    shown.lines().map(split).collect()
}

/// A rule with these words stands before every one of ours.
#[track_caller]
pub(crate) fn first(lab: &Uplinks, words: &str) {
    let rules = rules(lab);
    let ours = rules.iter().position(|(_, rule)| rule.contains("proto 86")).expect("we have some");
    let theirs = rules.iter().position(|(_, rule)| rule.contains(words));
    assert!(theirs.is_some_and(|theirs| theirs < ours), "{words}: {rules:#?}");
}

/// The tables that the rules behind main lead everybody to.
pub(crate) fn last_resorts(lab: &Uplinks) -> Vec<String> {
    let behind = rules(lab).into_iter().filter(|(priority, _)| *priority >= 32800);
    behind.map(|(_, rule)| word_after(&rule, "lookup").expect("it has a table")).collect()
}

/// The table of ours that a link's default route stands in.
pub(crate) fn table(lab: &Uplinks, dev: &str) -> String {
    word_after(&ours(lab, "-4", dev), "table").expect("not main")
}

/// A host with one uplink and what looks like a second.
pub(crate) fn single_with_macvlan() -> Uplinks {
    let lab = one();
    for command in [
        "link add shim link w1 type macvlan mode bridge",
        "address add 10.1.0.77/24 dev shim",
        "link set shim up",
        "route add default via 10.1.0.254 dev shim metric 300",
    ] {
        lab.client.net.ip(command);
    }
    lab
}

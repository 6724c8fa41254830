//! The rule that a set-up keeps, as a property of the model: whatever a host did before for any
//! destination, it does after; traffic alone that left by an uplink's default route may use the
//! other uplinks too.
//!
//! Random hosts (`lookup/hosts.rs`) with random VPNs (`lookup/vpns.rs`), a simulated kernel that
//! answers look-ups (`lookup/fib.rs`), and the tool's own decision on what it would observe
//! (`lookup/observe.rs`). A failure prints the host's seed: `LOOKUP_SEED=N` tries that host alone.
//!
//! Not here: the real kernel (setup/routes.rs, setup/vpn.rs), and `throw` routes in main, which no look
//! at default routes can see.

#![allow(unreachable_pub, reason = "modules of a test have no readers outside of it")]

mod fib;
mod hosts;
mod observe;
mod vpns;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::IpAddr;

use mptcpize_model::change::Change;
use mptcpize_model::desired::Refused;
use mptcpize_model::nat::OWN;
use mptcpize_model::net::{Family, IfName, MAIN, Prefix};
use mptcpize_model::ours::is_ours;
use mptcpize_model::proposal::Proposal;
use mptcpize_model::record::Record;
use mptcpize_model::route_lookup;

use crate::support::random::Random;
use fib::{Answer, DEFAULT, Fib, Kind, Packet};
use hosts::{Host, host, name};
use observe::{observe, unbound};
use vpns::{Style, connect};

/// So many hosts for each property.
const HOSTS: u64 = 3_000;

/// The seeds: one a host.
fn seeds() -> Vec<u64> {
    let asked = std::env::var("LOOKUP_SEED").ok();
    let asked = asked.map(|text| text.parse().expect("LOOKUP_SEED is a number"));
    asked.map_or_else(|| (0..HOSTS).collect(), |seed| vec![seed])
}

/// What became of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kept {
    SetUp,
    Captured,
    NoPlace,
    OnePath,
    Blocked,
}

/// A host and its set-up.
struct SetUp {
    host: Host,
    before: Fib,
    after: Fib,
    proposal: Proposal,
    record: Record,
    kept: Kept,
}

fn set_up(mut host: Host, seed: u64) -> SetUp {
    let before = host.fib.clone();
    let state = observe(&before, &[]);
    let proposal = Proposal::of(&state, &host.config);
    let mut record = Record::default();
    for step in &proposal.plan.steps {
        record.absorb(&step.change);
        let made = host.fib.apply(&step.change);
        made.unwrap_or_else(|why| panic!("seed {seed}: the kernel refuses {}: {why}", step.change));
    }
    let kept = match &proposal.desired.refused {
        Some(Refused::Captured(_)) => Kept::Captured,
        Some(Refused::Rules(_)) => Kept::NoPlace,
        None if !proposal.desired.bonds => Kept::OnePath,
        None if proposal.is_blocked() => Kept::Blocked,
        None => Kept::SetUp,
    };
    SetUp { after: host.fib.clone(), host, before, proposal, record, kept }
}

/// A random host, in half of the cases with a VPN.
fn with_vpn(seed: u64) -> (Host, Option<Style>, Random) {
    let mut random = Random(seed);
    let mut host = host(&mut random);
    let style = random.chance(50).then(|| *random.pick(&Style::ALL));
    if let Some(style) = style {
        connect(&mut host.fib, &mut random, style);
    }
    (host, style, random)
}

/// Packets that tell hosts apart: to wherever a route, a rule or an address points, and anywhere
/// else; from nothing, from every address, and from others that are forwarded.
fn packets(fib: &Fib, random: &mut Random) -> Vec<Packet> {
    let mut to: Vec<IpAddr> = Vec::new();
    let networks = fib.entries.iter().filter_map(|it| it.route.to);
    let networks: Vec<Prefix> = networks.chain(fib.rules.iter().filter_map(|it| it.to)).collect();
    for _ in 0..10 {
        to.push(within(random.pick(&networks), random));
    }
    for _ in 0..3 {
        to.push(*random.pick(&route_lookup::DESTINATIONS));
        let v4 = u32::try_from(random.bits() >> 100).expect("28 bits") + (1 << 28);
        to.push(IpAddr::V4(v4.into()));
        to.push(IpAddr::V6((random.bits() >> 3 | 1 << 125).into()));
    }
    // Ours alone, and in no network of the generator.
    to.retain(|to| !OWN.contains(*to));
    let marks: Vec<u32> = fib.rules.iter().filter_map(|it| it.mark).collect();
    let mut packets = Vec::new();
    for to in to {
        let own = fib.addresses.iter().map(|it| it.address);
        let own = own.filter(|it| Family::of(*it) == Family::of(to));
        for from in std::iter::once(None).chain(own.map(Some)) {
            packets.push(unbound(from, to));
            if !marks.is_empty() && random.chance(40) {
                packets.push(Packet { mark: *random.pick(&marks), ..unbound(from, to) });
            }
        }
        let guest = if to.is_ipv4() { "172.17.0.9" } else { "fd00::9" };
        let from = Some(hosts::ip(guest));
        packets.push(Packet { iif: name("docker0"), ..unbound(from, to) });
    }
    packets
}

fn within(network: &Prefix, random: &mut Random) -> IpAddr {
    let rest = u32::from(Family::of(network.address).bits() - network.length);
    let noise = random.bits().checked_shr(128 - rest).unwrap_or(0);
    match network.address {
        IpAddr::V4(v4) => {
            IpAddr::V4((u32::from(v4) | u32::try_from(noise).expect("at most 32 bits")).into())
        }
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) | noise).into()),
    }
}

/// What the rule leaves free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// A packet takes the step that it took before the set-up.
    Same,
    /// An uplink's default route, before and after.
    OtherUplink,
    Wrong,
}

/// Compares two answers; `dead` where the first is no way at all. `ways` are the links and gateways of the uplinks' own default routes.
fn compare(
    before: Answer<'_>,
    after: Answer<'_>,
    dead: bool,
    uplinks: &[IfName],
    ways: &[Hop],
) -> Step {
    if before.step() == after.step() {
        return Step::Same;
    }
    let free = match before {
        Answer::Leaves { entry, by_source } => {
            let table = [MAIN, DEFAULT].contains(&entry.route.table) || by_source;
            entry.route.to.is_none() && table && uplinks.contains(&entry.route.dev)
        }
        Answer::Refused(_) => false,
    };
    let uplink = match after {
        Answer::Leaves { entry, .. } => {
            let hop = (entry.route.dev.clone(), entry.route.family, entry.route.via);
            entry.route.to.is_none() && ways.contains(&hop)
        }
        Answer::Refused(_) => false,
    };
    if (free || dead) && uplink { Step::OtherUplink } else { Step::Wrong }
}

/// A link and its gateway in a family.
type Hop = (IfName, Family, Option<IpAddr>);

/// The ways out that a host's uplinks have by themselves: default routes in main, or in a table
/// that a rule gives to some sources; of links in one network, the gateway of either.
fn own_ways(fib: &Fib, uplinks: &[IfName]) -> Vec<Hop> {
    let by_source = |table: u32| {
        let gives = |it: &&fib::FibRule| it.rule.table == table && it.rule.from.is_some();
        fib.rules.iter().any(|it| gives(&it) && it.mark.is_none() && it.to.is_none())
    };
    let defaults = fib.entries.iter().filter(|it| {
        it.kind == Kind::Unicast
            && it.route.to.is_none()
            && (it.route.table == MAIN || by_source(it.route.table))
            && uplinks.contains(&it.route.dev)
    });
    let mut ways: Vec<Hop> = Vec::new();
    for entry in defaults {
        let (family, via) = (entry.route.family, entry.route.via);
        ways.push((entry.route.dev.clone(), family, via));
        let beside = |it: &&mptcpize_model::net::Address| {
            via.is_some_and(|via| it.network().contains(via)) && uplinks.contains(&it.dev)
        };
        ways.extend(fib.addresses.iter().filter(beside).map(|it| (it.dev.clone(), family, via)));
    }
    // A point-to-point link has but one host to send to.
    let peers = fib.addresses.iter().filter(|it| it.peer.is_some() && uplinks.contains(&it.dev));
    ways.extend(peers.map(|it| (it.dev.clone(), Family::of(it.address), None)));
    ways
}

/// Tries every packet; how many went another uplink's way. What left by a link without a carrier
/// went nowhere: with the set-up the kernel avoids such a link, as if it had no routes.
fn try_all(before: &Fib, after: &Fib, host: &Host, random: &mut Random, told: &str) -> usize {
    let mut without_dead = before.clone();
    without_dead.sysctls.clone_from(&after.sysctls);
    let ways = own_ways(before, &host.uplinks);
    let mut moved = 0;
    for packet in packets(before, random) {
        let (old, new) = (before.lookup(&packet), after.lookup(&packet));
        let dead = old.step().is_ok_and(|(dev, _)| before.link(dev).is_some_and(|it| !it.carrier));
        match compare(old, new, dead, &host.uplinks, &ways) {
            Step::Same => {}
            Step::OtherUplink => moved += 1,
            Step::Wrong if without_dead.lookup(&packet).step() == new.step() => {}
            Step::Wrong => {
                panic!("{told}\n{packet:?}\nbefore: {old:?}\nafter: {new:?}\n{}", show(after));
            }
        }
    }
    moved
}

/// A host as iproute2 would show it.
fn show(fib: &Fib) -> String {
    let mut text = String::new();
    for link in &fib.links {
        let _ = writeln!(
            text,
            "link {} {:?} up {} carrier {}",
            link.name, link.kind, link.up, link.carrier
        );
    }
    for address in &fib.addresses {
        let _ = writeln!(text, "address {address}");
    }
    for rule in &fib.rules {
        let (to, mark, not) = (rule.to.map(String::from), rule.mark, rule.invert);
        let _ = writeln!(
            text,
            "rule {:?} {} to {to:?} mark {mark:?} iif {:?} not {not}",
            rule.rule.family, rule.rule, rule.iif
        );
    }
    for entry in fib.entries.iter().filter(|it| it.kind != Kind::Local) {
        let _ =
            writeln!(text, "route {:?} {} table {}", entry.kind, entry.route, entry.route.table);
    }
    text
}

#[test]
fn every_look_up_answers_as_before_but_for_the_uplinks_default_routes() {
    let (mut kept, mut moved, mut styles) = (BTreeMap::new(), 0, BTreeMap::new());
    let all = seeds();
    for seed in &all {
        let (host, style, mut random) = with_vpn(*seed);
        let it = set_up(host, *seed);
        *kept.entry(it.kept).or_insert(0) += 1;
        if let Some(style) = style.filter(|_| it.kept == Kept::SetUp) {
            *styles.entry(style).or_insert(0) += 1;
        }
        let told = format!("seed {seed}, {style:?}, {:?}", it.host.config);
        if it.kept == Kept::SetUp || it.kept == Kept::Blocked {
            moved += try_all(&it.before, &it.after, &it.host, &mut random, &told);
        } else {
            assert!(it.proposal.plan.is_empty(), "{told}: {:?}", it.proposal.plan.steps);
        }
    }
    println!("{kept:?}, {moved} look-ups by another uplink, set up beside {styles:?}");
    if all.len() > 1 {
        for enough in [Kept::SetUp, Kept::Captured, Kept::NoPlace, Kept::OnePath] {
            assert!(kept.get(&enough).is_some_and(|count| *count > 50), "{enough:?}: {kept:?}");
        }
        assert!(moved > 5_000, "{moved}");
        for beside in [Style::Split, Style::SplitByRule, Style::KillSwitch] {
            assert!(styles.get(&beside).is_some_and(|count| *count > 10), "{beside:?}: {styles:?}");
        }
    }
}

#[test]
fn a_host_whose_unbound_traffic_a_tunnel_takes_is_not_changed() {
    let mut captured = BTreeMap::new();
    for seed in seeds() {
        let (host, style, _) = with_vpn(seed);
        let it = set_up(host, seed);
        let hops = route_lookup::DESTINATIONS.map(|to| it.before.lookup(&unbound(None, to)));
        let tunnel = hops.iter().any(|hop| match hop {
            Answer::Leaves { entry, .. } => !it.host.uplinks.contains(&entry.route.dev),
            Answer::Refused(_) => false,
        });
        if tunnel {
            *captured.entry(style).or_insert(0) += 1;
            let plan = &it.proposal.plan;
            assert!(
                plan.is_empty(),
                "seed {seed}, {style:?}: {:?}\n{}",
                plan.steps,
                show(&it.before)
            );
        }
    }
    if captured.values().sum::<u32>() > 1 {
        for style in Style::ALL.into_iter().take(5) {
            let count = captured.get(&Some(style));
            assert!(count.is_some_and(|count| *count > 20), "{style:?}: {captured:?}");
        }
    }
}

#[test]
fn a_vpn_that_comes_after_the_set_up_keeps_its_say() {
    let (mut tried, mut moved) = (0, 0);
    let all = seeds();
    for seed in &all {
        let mut random = Random(*seed);
        let it = set_up(host(&mut random), *seed);
        // A rule without a priority comes before the second rule. Where somebody moved the local
        // rule, that may be ours, and then the order of two such rules is another.
        let local_first = |family| {
            it.before.rules.iter().any(|it| it.rule.family == family && it.rule.priority == 0)
        };
        if it.kept != Kept::SetUp || !Family::BOTH.into_iter().all(local_first) {
            continue;
        }
        let style = *random.pick(&Style::BY_RULE_OR_PREFIX);
        let (mut before, mut after) = (it.before.clone(), it.after.clone());
        for fib in [&mut before, &mut after] {
            connect(fib, &mut random.clone(), style);
        }
        tried += 1;
        let told = format!("seed {seed}, {style:?} after the set-up");
        moved += try_all(&before, &after, &it.host, &mut random, &told);
    }
    assert!(all.len() == 1 || tried > 500 && moved > 1_000, "{tried} hosts, {moved} look-ups");
}

#[test]
fn a_second_plan_is_empty_and_undo_gives_the_host_back() {
    for seed in seeds() {
        let (host, style, _) = with_vpn(seed);
        let mut it = set_up(host, seed);
        let told = format!("seed {seed}, {style:?}");
        let mut state = observe(&it.after, &it.record.entries);
        let again = Proposal::of(&state, &it.host.config);
        assert!(again.plan.is_empty(), "{told}: {:?}\n{}", again.plan.steps, show(&it.after));
        let undone: Vec<Change> = it.record.entries.iter().rev().cloned().collect();
        for change in undone {
            let inverse = change.undone_in(&state);
            let inverse = inverse.unwrap_or_else(|| panic!("{told}: {change} is gone"));
            it.after.apply(&inverse).unwrap_or_else(|why| panic!("{told}: {inverse}: {why}"));
            inverse.apply_to(&mut state);
        }
        let ours = it.after.rules.iter().filter(|it| is_ours(it.rule.protocol)).count();
        assert_eq!(ours, 0, "{told}");
        assert!(it.after == it.before, "{told}\n{}\n{}", show(&it.before), show(&it.after));
    }
}

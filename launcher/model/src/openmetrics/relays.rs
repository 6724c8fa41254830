//! The metrics of the client end of relays: what the agents and the gateway's relay said, summed since
//! their start. There are none where nothing goes through a relay.
//!
//! Labels are names that the administrator gave: all programs under `run --relay` are one agent here.

use std::collections::BTreeMap;

use super::Measured;
use super::table::row;
use super::text::{Family, Kind, Number, Samples};
use crate::relay::status::{Amounts, Relay, Relays};
use crate::status::relays::by_kind;

use Kind::{Counter, Gauge};

/// Every metric of them, in the order of the text.
pub(super) const TABLE: &[Family] = &[
    row(
        "relay_usable",
        Gauge,
        "Whether an agent holds a relay for one that can be used",
        |from, into| each(from, into, |_, one| u32::from(one.fault.is_empty()), u32::min),
    ),
    row("relay_chosen", Gauge, "Whether new connections go through a relay", |from, into| {
        let chosen = |all: &Relays, one: &Relay| all.chosen.as_ref() == Some(&one.name);
        each(from, into, |all, one| u32::from(chosen(all, one)), u32::max);
    }),
    row("relay_connections", Gauge, "Open connections through a relay", |from, into| {
        each(from, into, |_, one| u64::from(one.amounts.open), sum);
    }),
    row("relay_carried_connections", Counter, "Connections that a relay carried", |from, into| {
        each(from, into, |_, one| one.amounts.carried, sum)
    }),
    row("relay_up_bytes", Counter, "Bytes to a relay, without headers", |from, into| {
        each(from, into, |_, one| one.amounts.up_bytes, sum);
    }),
    row("relay_down_bytes", Counter, "Bytes from a relay, without headers", |from, into| {
        each(from, into, |_, one| one.amounts.down_bytes, sum);
    }),
    row(
        "relay_handshake_seconds",
        Gauge,
        "How long the last handshake with a relay took",
        |from, into| {
            for (agent, told) in by_kind(&from.report.relays) {
                let all = told.iter().flat_map(|all| &all.relays);
                // Before the first one there is none.
                let known = all.filter_map(|one| Some((one.name.as_str(), one.rtt_us?)));
                for (relay, rtt_us) in known.collect::<BTreeMap<_, _>>() {
                    into.add(&[("agent", agent), ("relay", relay)], rtt_us.number() / 1e6);
                }
            }
        },
    ),
    row(
        "relay_fallback",
        Gauge,
        "Whether new connections go without a relay because none can be reached",
        |from, into| {
            for agent in by_kind(&from.report.relays).keys() {
                let of_kind =
                    |name: &str| name == *agent || (*agent == "run" && name.starts_with("run-"));
                let mut all = from.report.relays.iter().filter(|one| of_kind(&one.agent));
                into.add(&[("agent", agent)], all.any(|one| one.fallback_in_force));
            }
        },
    ),
    row(
        "relay_direct_carried_connections",
        Counter,
        "Connections that an agent carried without a relay, by what they were outward",
        |from, into| directly(from, into, |amounts| amounts.carried),
    ),
    row(
        "relay_direct_up_bytes",
        Counter,
        "Bytes that an agent sent without a relay",
        |from, into| directly(from, into, |amounts| amounts.up_bytes),
    ),
    row(
        "relay_direct_down_bytes",
        Counter,
        "Bytes that an agent received without a relay",
        |from, into| directly(from, into, |amounts| amounts.down_bytes),
    ),
    row(
        "relay_refused_connections",
        Counter,
        "Connections that an agent did not carry, by reason",
        |from, into| {
            for (agent, told) in by_kind(&from.report.relays) {
                let mut all = BTreeMap::new();
                for (reason, count) in told.iter().flat_map(|one| &one.refused) {
                    *all.entry(reason.as_str()).or_insert(0u64) += count;
                }
                for (reason, count) in all {
                    into.add(&[("agent", agent), ("reason", reason)], count);
                }
            }
        },
    ),
];

fn sum(one: u64, other: u64) -> u64 {
    one.saturating_add(other)
}

/// A sample for each relay of each kind of agent; several of a kind come together.
fn each<N: Number>(
    from: &Measured<'_>,
    into: &mut Samples,
    value: impl Fn(&Relays, &Relay) -> N,
    together: impl Fn(N, N) -> N,
) {
    for (agent, told) in by_kind(&from.report.relays) {
        let mut all: BTreeMap<&str, N> = BTreeMap::new();
        for (relays, one) in
            told.iter().flat_map(|all| all.relays.iter().map(move |one| (all, one)))
        {
            let value = value(relays, one);
            let value = match all.remove(one.name.as_str()) {
                Some(before) => together(before, value),
                None => value,
            };
            all.insert(one.name.as_str(), value);
        }
        for (relay, value) in all {
            into.add(&[("agent", agent), ("relay", relay)], value);
        }
    }
}

/// A sample for each kind of agent and each way without a relay.
fn directly(from: &Measured<'_>, into: &mut Samples, value: impl Fn(&Amounts) -> u64) {
    for (agent, told) in by_kind(&from.report.relays) {
        if told.is_empty() {
            continue;
        }
        let of = |way: fn(&Relays) -> &Amounts| told.iter().map(|one| value(way(one))).fold(0, sum);
        into.add(&[("agent", agent), ("kind", "multipath")], of(|one| &one.multipath));
        into.add(&[("agent", agent), ("kind", "tcp")], of(|one| &one.direct));
    }
}

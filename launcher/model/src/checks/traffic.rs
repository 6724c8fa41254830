//! What happens to packets: filters on this host, and what the kernel's counters tell.

use super::{Context, Finding, Harm, Severity};
use crate::counters::Counters;

pub(super) fn firewall(context: &Context) -> Vec<Finding> {
    let firewall = &context.seen.firewall;
    let mut found: Vec<Finding> = firewall
        .rules
        .iter()
        .map(|rule| {
            let what = match (rule.harm, rule.joins_only) {
                (Harm::Drops, true) => "joins (MP_JOIN) are dropped",
                (Harm::Drops, false) => "packets with MPTCP options are dropped",
                (Harm::Strips, _) => "MPTCP options are taken out of packets",
            };
            let forward = rule.hook.as_deref() == Some("forward");
            let finding = match forward {
                true => Finding::warning("firewall.forward", format!("forwarded: {what}")),
                false => Finding::problem("firewall.rule", what),
            };
            let hook = rule.hook.as_ref().map(|hook| format!(" (hook {hook})"));
            finding.why(format!("{}{}", rule.place, hook.unwrap_or_default())).fix(&[&rule.delete])
        })
        .collect();
    if let Some(why) = &firewall.unread {
        let unknown = Finding::new(Severity::Unknown, "firewall.unread", "the rules were not read");
        found.push(unknown.why(why.clone()));
    }
    if found.is_empty() {
        found.push(Finding::fine("firewall", "no rule of this host touches MPTCP"));
    }
    found
}

/// What is done once the cause is mended: the finding ends with it.
const COUNT_ANEW: &str = "mptcpize counters --since-last";

/// A diagnosis: counters that together say what went wrong.
struct Diagnosis {
    code: &'static str,
    title: String,
    why: &'static str,
    advice: &'static str,
}

pub(super) fn counters(context: &Context) -> Vec<Finding> {
    let counters = &context.seen.counters;
    if counters.0.is_empty() {
        return vec![];
    }
    let mut found: Vec<Finding> =
        diagnoses(counters, context.seen.reverse_path_drops, context.bonds())
            .into_iter()
            .map(|diagnosis| {
                Finding::warning(diagnosis.code, diagnosis.title)
                    .why(diagnosis.why)
                    .advice(format!("{}; then count anew", diagnosis.advice))
                    .fix(&[COUNT_ANEW])
            })
            .collect();
    let (asked, without) =
        (counters.get("MPCapableSYNTX"), counters.get("MPCapableFallbackSYNACK"));
    if without > 0 {
        let title = format!("{without} of {asked} connections were answered without MPTCP");
        let note = Finding::note("counters.peers_without", title);
        found.push(note.why("those servers have none; they got TCP"));
    }
    let (sent, unanswered) = (sent(counters), unanswered(counters));
    if is_silent(counters) && may_be_within(counters) {
        let title = format!("{unanswered} of {sent} joins were never answered");
        let note = Finding::note("counters.joins_within", title);
        found.push(note.why(
            "as many connections came as this host began: if those were to itself, there was nothing to join",
        ));
    }
    let unsent = unsent(counters);
    if unsent > 0 {
        let note =
            Finding::note("counters.joins_unsent", format!("{unsent} joins could not be sent"));
        found.push(note.why(
            "the address was gone, or the peer was this host itself, where there is nothing to join",
        ));
    }
    if found.is_empty() {
        found.push(Finding::fine("counters", "nothing went wrong that the kernel counts"));
    }
    found
}

/// Joins that failed on this host. Connections within a host try, too, and there is no way for that:
/// some are no sign of a fault.
fn unsent(counters: &Counters) -> u64 {
    ["MPJoinSynTxBindErr", "MPJoinSynTxConnectErr", "MPJoinSynTxCreatSkErr"]
        .iter()
        .map(|name| counters.get(name))
        .sum()
}

/// Joins that left, and how many of these got no answer.
fn sent(counters: &Counters) -> u64 {
    counters.get("MPJoinSynTx").saturating_sub(unsent(counters))
}

fn unanswered(counters: &Counters) -> u64 {
    sent(counters).saturating_sub(counters.get("MPJoinSynAckRx"))
}

/// Were most joins never answered, and more than a few?
fn is_silent(counters: &Counters) -> bool {
    let sent = sent(counters);
    sent >= 3 && unanswered(counters) * 2 > sent
}

/// Were the connections that this host began to itself, as far as their number tells? Such a one is counted at
/// both of its ends; its joins leave by a link, for an address that is here, and nothing can answer them. A server
/// takes more than it begins: what it began is then to others, for all that is known.
fn may_be_within(counters: &Counters) -> bool {
    let received = counters.get("MPCapableSYNRX");
    received > 0 && counters.get("MPCapableSYNACKRX") == received
}

/// A middlebox is at work: what to do.
const MIDDLEBOX: &str = "find it with mptcpize check HOST, over each link in turn";

fn diagnoses(counters: &Counters, reverse_path_drops: u64, bonds: bool) -> Vec<Diagnosis> {
    let mut diagnoses = Vec::new();
    let mut tell = |when: bool, code, title: String, why, advice| {
        if when {
            diagnoses.push(Diagnosis { code, title, why, advice });
        }
    };
    let sum = |names: &[&str]| names.iter().map(|name| counters.get(name)).sum::<u64>();
    let vanished = sum(&["Blackhole", "MPCapableSYNTXDrop"]);
    tell(
        vanished > 0,
        "counters.blackhole",
        format!("SYNs with MPTCP got no answer {vanished} times"),
        "a firewall on the way drops them; such connections are seconds late and then TCP",
        MIDDLEBOX,
    );
    let (sent, unanswered) = (sent(counters), unanswered(counters));
    tell(
        is_silent(counters) && !may_be_within(counters),
        "counters.joins_unanswered",
        format!("{unanswered} of {sent} joins were never answered"),
        "a firewall, the routing of this host or the peer's limits keep second paths from opening",
        "see the findings above and mptcpize check HOST",
    );
    let rejected = counters.get("MPJoinRejected");
    tell(
        rejected > 0,
        "counters.joins_rejected",
        format!("{rejected} joins of clients were refused"),
        "they are over this host's limit for subflows",
        "raise it: mptcpize limits set subflows 8",
    );
    let forged = sum(&["MPJoinSynAckHMacFailure", "MPJoinAckHMacFailure"]);
    tell(
        forged > 0,
        "counters.joins_forged",
        format!("{forged} joins had a wrong proof (HMAC)"),
        "something on the way changes MPTCP options, or somebody guesses",
        MIDDLEBOX,
    );
    let changed = sum(&[
        "DSSCorruptionFallback",
        "DSSCorruptionReset",
        "DataCsumErr",
        "DssFallback",
        "MPCapableDataFallback",
        "InfiniteMapRx",
        "DSSNoMatchTCP",
    ]);
    tell(
        changed > 0,
        "counters.middlebox",
        format!("{changed} connections or paths broke over changed data or options"),
        "a device on the way rewrites TCP (\"optimises\" it)",
        MIDDLEBOX,
    );
    tell(
        reverse_path_drops > 0 && bonds,
        "counters.rp_filter",
        format!("rp_filter dropped {reverse_path_drops} packets"),
        "they came by a link that is not the way back to their sender",
        "see routing and rp_filter above",
    );
    diagnoses
}

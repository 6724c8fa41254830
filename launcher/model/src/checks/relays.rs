//! The relays that connections of this host go through: what their agents and the gateway's relay say of
//! them, and which way a host that was named is gone to.
//!
//! Nothing is sent to a relay here; `relay test` does that. Hosts without an agent have no finding.

use std::net::IpAddr;

use super::peer::{Answer, Report};
use super::{Context, Finding, Observed};
use crate::relay::agent::{Fallback, Policy};
use crate::relay::status::Relays;
use crate::shell;
use crate::status::relays::{Asked, GATEWAY, HOST, Heard, whose};

/// What each agent says of its relays.
pub(super) fn relays(context: &Context) -> Vec<Finding> {
    let mut found = Vec::new();
    for Asked { agent, heard } in &context.seen.agents {
        match heard {
            Heard::Hidden => {}
            Heard::Silent(why) => found.push(
                Finding::problem(
                    "relays.silent",
                    format!("the agent of {} is silent", whose(agent)),
                )
                .why(why.clone())
                .advice("journalctl -u mptcpize-relay-agent shows what it said last"),
            ),
            Heard::State(state) => found.extend(of_agent(context, agent, &state.relays)),
        }
    }
    found.extend(
        context.seen.gateway_relays.iter().flat_map(|told| of_agent(context, GATEWAY, told)),
    );
    found
}

fn of_agent(context: &Context, agent: &str, told: &Relays) -> Vec<Finding> {
    let whose = whose(agent);
    let mut found = Vec::new();
    let mut works = false;
    for relay in &told.relays {
        let name = &relay.name;
        let test = format!("mptcpize relay test {}    # tries it path by path", shell::word(name));
        if !relay.fault.is_empty() {
            let title = format!("the relay {name} cannot be used by {whose}");
            found.push(
                Finding::warning("relays.fault", title).why(relay.fault.clone()).advice(test),
            );
            continue;
        }
        works = true;
        if relay.mptcp == Some(false) && context.bonds() {
            let title = format!("the relay {name} speaks TCP alone");
            found.push(
                Finding::warning("relays.no_mptcp", title)
                    .why("its answer to MPTCP was plain TCP: connections use one path at a time")
                    .advice(test),
            );
        }
    }
    if !works && told.chosen.is_none() && !told.relays.is_empty() {
        let way = match told.fallback {
            Fallback::Direct => "go directly",
            Fallback::Refuse => "are refused",
        };
        let title = format!("new connections of {whose} {way}: no relay can be reached");
        found.insert(
            0,
            Finding::problem("relays.fallback", title)
                .why("each of the relays is away, for the reasons below")
                .advice("mptcpize relay test    # tries all of them"),
        );
    } else if let Some(name) = &told.chosen {
        let open: u32 = told.relays.iter().map(|relay| relay.amounts.open).sum();
        let title = format!("connections of {whose} go through {name}, {open} are open");
        found.push(Finding::fine("relays", title));
    }
    found
}

/// Which way this host's programs go to the peer; nothing where no agent takes their connections.
pub(super) fn way(seen: &Observed, report: &Report) -> Option<Finding> {
    let of_host = seen.agents.iter().find(|asked| asked.agent == HOST)?;
    let Heard::State(state) = &of_host.heard else { return None };
    let (asked, name) = (&seen.asked.relay, &report.name);
    let speaks = |answer: &Answer| matches!(answer, Answer::Connected { mptcp: true, .. });
    let mptcp = report.tries.iter().any(|tried| speaks(&tried.mptcp));
    let never = |address: &IpAddr| asked.never.iter().find(|net| net.contains(*address));
    let here = |address: &IpAddr| {
        address.is_loopback() || seen.host.addresses.iter().any(|own| own.address == *address)
    };
    let beside = !report.tries.is_empty() && report.tries.iter().all(|tried| tried.from.is_none());
    let over = if mptcp { "over MPTCP" } else { "in plain TCP" };
    let title = if let Some(net) = report.addresses.iter().find_map(never) {
        format!("connections to {name} go directly: {net} is among [relay] never")
    } else if report.addresses.iter().any(here) {
        format!("connections to {name} go directly: it is this host")
    } else if beside {
        format!("connections to {name} go directly: the host's route there is none of its paths")
    } else if asked.policy == Policy::WithoutMptcp && mptcp {
        format!("connections to {name} go directly, {over}: it speaks MPTCP itself")
    } else if let Some(relay) = &state.relays.chosen {
        format!("connections to {name} go through the relay {relay}")
    } else {
        match state.relays.fallback {
            Fallback::Direct => {
                format!("connections to {name} go directly, {over}: no relay answers")
            }
            Fallback::Refuse => format!("connections to {name} are refused: no relay answers"),
        }
    };
    Some(Finding::note("peer.way", title))
}

//! What `status` remarks on: faults that can be seen at a glance, each with its remedy, and what is
//! worth knowing though nothing is wrong.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::checks::gateway;
use crate::connection::Fallback;
use crate::mptcp::Flags;
use crate::net::IfName;
use crate::phrase;
use crate::proposal::{self, Proposal};
use crate::shell;
use crate::status::lan::{Heard, lan};
use crate::status::{Availability, PathRow, Seen, State, Use, Whereabouts, links, state_of};
use crate::status::{relays, served};
use crate::vpn::Captured;

/// A remark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Something is wrong; otherwise it is only worth knowing.
    pub attention: bool,
    /// A clause that a person reads.
    pub what: String,
    /// Its cause, where that is known.
    pub why: Option<String>,
    /// A command line that mends it, or finds out more.
    pub fix: Option<String>,
}

/// After so long without data, while its connections moved some, a path is remarked on. A scheduler
/// that prefers the faster path leaves the other alone for seconds, not for this long.
const SILENT_MS: u32 = 10_000;
/// A connection that moved data within this time is busy.
const BUSY_MS: u32 = 1_000;

/// The line that sets everything up.
const SETUP: &str = "sudo mptcpize setup";
/// The line that finds out more.
const CHECK: &str = "mptcpize check";

/// All remarks, faults first.
pub(super) fn find(
    seen: &Seen,
    proposal: &Proposal,
    mptcp: Availability,
    paths: &[PathRow],
    whereabouts: &Whereabouts<'_>,
) -> Vec<Finding> {
    let mut all = Vec::new();
    kernel(mptcp, &mut all);
    if mptcp == Availability::On {
        around_a_vpn(seen, &mut all);
        unlisted(seen, &mut all);
        match proposal.captured() {
            Some(captured) => captured_by(captured, &mut all),
            None => {
                paths_unused(seen, paths, &mut all);
                stale(seen, proposal, &mut all);
            }
        }
        endpoints_gone(seen, &mut all);
        links_dead(paths, &mut all);
        subflows_stale(seen, whereabouts, &mut all);
        paths_silent(seen, paths, whereabouts, &mut all);
        on_the_way(seen, &mut all);
        single(seen, paths, &mut all);
    }
    relay_silent(seen, &mut all);
    uplinks_unused(seen, &mut all);
    relays_away(seen, &mut all);
    served(seen, &mut all);
    all.sort_by_key(|finding| !finding.attention);
    all
}

/// What is wrong with the relay that this host is.
fn served(seen: &Seen, all: &mut Vec<Finding>) {
    let wrong = |what: &str, why: String, fix: &str| Finding {
        attention: true,
        what: what.to_owned(),
        why: Some(why),
        fix: Some(fix.to_owned()),
    };
    match &seen.served {
        served::Heard::Silent(why) => all.push(wrong(
            "the relay that this host is does not answer",
            why.clone(),
            "journalctl -u mptcpize-relay    # what it said; or: sudo mptcpize relay serve undo",
        )),
        served::Heard::State(told) if !told.mptcp => all.push(wrong(
            "the relay that this host is speaks TCP alone: its clients use one path",
            "the kernel had no MPTCP, or it was off, when the relay was started".to_owned(),
            "sudo sysctl net.mptcp.enabled=1 && sudo systemctl restart mptcpize-relay",
        )),
        served::Heard::State(told) if !told.clocks.is_empty() => {
            let clock = |(address, off): &(std::net::IpAddr, i64)| {
                let way = if *off < 0 { "behind" } else { "ahead" };
                format!("{address} is {} s {way}", off.unsigned_abs())
            };
            let clocks: Vec<String> = told.clocks.iter().take(4).map(clock).collect();
            all.push(Finding {
                attention: false,
                what: "clients of the relay have clocks that are off, and get no answer".to_owned(),
                why: Some(phrase::list(&clocks)),
                fix: Some("timedatectl set-ntp true    # there; here: timedatectl".to_owned()),
            });
        }
        _ => {}
    }
}

/// An uplink that is up and answers, and carries nothing of connections that went over several others:
/// what all green lamps hide. Tenths of a per cent are handshakes. One that no connection was placed on
/// is in order: a client without MPTCP at the other end stays on one uplink.
fn uplinks_unused(seen: &Seen, all: &mut Vec<Finding>) {
    let Some(told) = lan(&seen.relay, None).and_then(|lan| lan.told) else { return };
    for row in &told.uplinks {
        let used = row.share_permille.is_none_or(|share| share > 1);
        let missed = row.uplink.missed_bytes >= MUCH;
        if missed && !used && !row.uplink.backup && row.uplink.failures == 0 {
            let what = format!("{} carries nothing for the LAN", row.uplink.dev);
            let why =
                "connections that others share have no subflow there: joins are refused on its way";
            all.push(fault(what, why, CHECK));
        }
    }
}

/// So many bytes are spread over all uplinks that work: more than the first request of a page.
const MUCH: u64 = 20_000_000;

/// The relay of a gateway that should answer, on a host that has the interfaces of its LAN.
fn relay_silent(seen: &Seen, all: &mut Vec<Finding>) {
    let Heard::Silent(silence) = &seen.relay else { return };
    if silence.links.iter().any(|dev| seen.state.link(dev).is_some()) {
        let what = match silence.gone {
            true => "the relay of the gateway does not run",
            false => "the relay of the gateway does not answer",
        };
        let fix = match silence.service {
            true => "journalctl -u mptcpize-gateway".to_owned(),
            false => gateway::anew(&silence.links),
        };
        all.push(fault(what, &silence.why, fix));
    }
}

fn fault(what: impl Into<String>, why: &str, fix: impl Into<String>) -> Finding {
    Finding {
        attention: true,
        what: what.into(),
        why: (!why.is_empty()).then(|| why.to_owned()),
        fix: Some(fix.into()),
    }
}

/// Subflows that leave beside the VPN which takes the host's traffic. First of all faults.
fn around_a_vpn(seen: &Seen, all: &mut Vec<Finding>) {
    if let Some(leak) = proposal::leak(&seen.state, &seen.config) {
        let fix: Vec<String> = leak.fix.iter().map(|command| format!("sudo {command}")).collect();
        all.insert(0, fault(leak.what, &leak.why, fix.join(" && ")));
    }
}

/// Worth knowing: why nothing is set up.
fn captured_by(captured: &Captured, all: &mut Vec<Finding>) {
    all.push(Finding { attention: false, ..fault(captured.what(), &captured.why(), CHECK) });
}

/// What was set up is no longer as it was made, and no other fault says so.
fn stale(seen: &Seen, proposal: &Proposal, all: &mut Vec<Finding>) {
    let told = all.iter().any(|finding| finding.attention);
    if proposal.is_stale(&seen.state) && !told {
        let count = proposal.plan.steps.len();
        let plural = if count == 1 { "change is" } else { "changes are" };
        let why = format!("{count} {plural} due: a manager or an event undid part of it");
        all.push(fault("the set-up is no longer whole", &why, SETUP));
    }
}

fn kernel(mptcp: Availability, all: &mut Vec<Finding>) {
    let newer = "boot a kernel 5.6 or newer built with CONFIG_MPTCP";
    all.extend(match mptcp {
        Availability::On => None,
        Availability::Off => Some(fault(
            "every program gets plain TCP",
            "net.mptcp.enabled is 0",
            "sudo sysctl -w net.mptcp.enabled=1",
        )),
        Availability::Absent => {
            Some(fault("every program gets plain TCP", "this kernel has no MPTCP", newer))
        }
        Availability::OutOfTree => Some(fault(
            "nothing can be shown",
            "this kernel has the out-of-tree MPTCP (v0), which has other interfaces",
            newer,
        )),
    });
}

fn unlisted(seen: &Seen, all: &mut Vec<Finding>) {
    if seen.connections.is_none() {
        let why = "the kernel does not list them";
        all.push(fault("the connections are not known", why, "sudo modprobe mptcp_diag"));
    }
}

fn paths_unused(seen: &Seen, paths: &[PathRow], all: &mut Vec<Finding>) {
    if paths.is_empty() {
        let why = "no link has both an address and a gateway";
        all.push(fault("there is no path to the world", why, CHECK));
    }
    let several = links(paths).len() > 1;
    let is_userspace = paths.iter().any(|path| path.usage == Use::Userspace);
    if !several || is_userspace {
        return;
    }
    if seen.state.limits.is_some_and(|limits| limits.subflows == 0) {
        let what = "no connection gets a second subflow";
        all.push(fault(what, "the limit of subflows is 0", SETUP));
    }
    for link in links(paths) {
        let unused = |path: &&PathRow| path.link == *link;
        if !paths.iter().filter(unused).all(|path| path.usage == Use::Nothing) {
            continue;
        }
        let what = format!("{link} is not used");
        let most = seen.state.kernel.most_endpoints;
        all.push(match seen.state.endpoints.len() < most {
            true => fault(what, "it has no endpoint", SETUP),
            false => Finding {
                attention: false,
                fix: None,
                ..fault(what, &format!("this kernel takes {most} endpoints, and has them"), "")
            },
        });
    }
}

fn endpoints_gone(seen: &Seen, all: &mut Vec<Finding>) {
    for endpoint in &seen.state.endpoints {
        let there = seen.state.addresses.iter().any(|one| one.address == endpoint.address);
        // What is only announced may be another host's: that of a NAT in front of this one.
        if !there && endpoint.flags.has(Flags::SUBFLOW) {
            all.push(fault(
                format!("the endpoint {} leads nowhere", endpoint.address),
                "no link of this host has that address",
                format!("sudo mptcpize endpoint delete id {}", endpoint.id),
            ));
        }
    }
}

fn links_dead(paths: &[PathRow], all: &mut Vec<Finding>) {
    for link in links(paths) {
        if paths.iter().any(|path| path.link == *link && !path.carrier) {
            let why = "its cable, or its radio link";
            let fix = format!("ip link show dev {}", shell::word(link));
            all.push(fault(format!("{link} has no carrier"), why, fix));
        }
    }
}

fn subflows_stale(seen: &Seen, whereabouts: &Whereabouts<'_>, all: &mut Vec<Finding>) {
    let mut stale: BTreeMap<Option<&IfName>, usize> = BTreeMap::new();
    for connection in seen.connections.iter().flatten() {
        for subflow in connection.open_subflows().filter(|subflow| subflow.stale) {
            *stale.entry(whereabouts.link(subflow)).or_default() += 1;
        }
    }
    for (link, count) in stale {
        let on = link.map_or_else(String::new, |link| format!(" on {link}"));
        let what = format!("{}{on} get{} no answer", phrase::count(count, "subflow"), third(count));
        all.push(fault(what, "data is sent again and again", CHECK));
    }
}

/// The ending of a verb.
fn third(count: usize) -> &'static str {
    if count == 1 { "s" } else { "" }
}

/// Paths that carried nothing while connections with a subflow there did.
fn paths_silent(
    seen: &Seen,
    paths: &[PathRow],
    whereabouts: &Whereabouts<'_>,
    all: &mut Vec<Finding>,
) {
    // Of each link: the shortest silence within busy connections, and whether all are backups.
    let mut silence: BTreeMap<&IfName, (u32, bool)> = BTreeMap::new();
    for connection in seen.connections.iter().flatten() {
        if connection.fallback.is_some() || connection.idle_ms().is_none_or(|idle| idle > BUSY_MS) {
            continue;
        }
        for subflow in connection.open_subflows() {
            if let Some(link) = whereabouts.link(subflow) {
                let of_link = silence.entry(link).or_insert((u32::MAX, true));
                of_link.0 = of_link.0.min(subflow.idle_ms);
                of_link.1 &= subflow.backup;
            }
        }
    }
    for (link, (idle_ms, backup)) in silence {
        if idle_ms < SILENT_MS || !links(paths).contains(link) {
            continue;
        }
        let seconds = idle_ms / 1_000;
        let time =
            if seconds < 60 { format!("{seconds} s") } else { format!("{} min", seconds / 60) };
        let what = format!("{link} has carried nothing for {time}");
        all.push(match backup {
            true => {
                Finding { attention: false, fix: None, ..fault(what, "it is a backup path", "") }
            }
            false => fault(what, "its connections use other paths alone", CHECK),
        });
    }
}

fn on_the_way(seen: &Seen, all: &mut Vec<Finding>) {
    let fell = |reason| {
        let all = seen.connections.iter().flatten();
        all.filter(|connection| connection.fallback == Some(reason)).count()
    };
    let count = fell(Fallback::OnTheWay);
    if count > 0 {
        let what = format!("{} had to give MPTCP up", phrase::count(count, "connection"));
        all.push(fault(what, "something on the way changes options or data", CHECK));
    }
}

/// Relays that connections of this host should go through, and cannot.
fn relays_away(seen: &Seen, all: &mut Vec<Finding>) {
    let several = has_several_links(seen);
    for one in relays::through(seen) {
        let whose = relays::whose(&one.agent);
        if let Some(why) = &one.why {
            all.push(Finding {
                attention: true,
                what: format!("the agent of {whose} does not answer"),
                why: Some(why.clone()),
                fix: Some("journalctl -u mptcpize-relay-agent".to_owned()),
            });
        }
        let Some(told) = &one.told else { continue };
        if one.fallback_in_force {
            let faults: Vec<_> =
                told.relays.iter().map(|it| format!("{}: {}", it.name, it.fault)).collect();
            all.push(Finding {
                attention: true,
                what: format!("{} ({whose})", one.goes()),
                why: Some(phrase::list(&faults)),
                fix: Some("mptcpize relay test".to_owned()),
            });
            continue;
        }
        for relay in &told.relays {
            let test = format!("mptcpize relay test {}", shell::word(&relay.name));
            if !relay.fault.is_empty() {
                all.push(Finding {
                    attention: false,
                    what: format!("the relay {} is not used ({whose})", relay.name),
                    why: Some(relay.fault.clone()),
                    fix: Some(test),
                });
            } else if relay.mptcp == Some(false) && several {
                all.push(Finding {
                    attention: true,
                    what: format!("the relay {} speaks TCP alone", relay.name),
                    why: Some("connections through it use one path at a time".to_owned()),
                    fix: Some(test),
                });
            }
        }
    }
}

/// Is there more than one link that a connection could use?
fn has_several_links(seen: &Seen) -> bool {
    let uplinks = seen.proposal().uplinks;
    uplinks.iter().any(|path| uplinks.iter().any(|other| other.dev != path.dev))
}

/// MPTCP connections to elsewhere, and none of them on two paths though there are two.
fn single(seen: &Seen, paths: &[PathRow], all: &mut Vec<Finding>) {
    let away = seen.connections.iter().flatten().filter(|one| !one.remote.ip().is_loopback());
    let states: Vec<State> = away.map(state_of).collect();
    let single = states.iter().filter(|state| **state == State::SinglePath).count();
    if links(paths).len() > 1 && single > 0 && !states.contains(&State::Multipath) {
        all.push(Finding {
            attention: false,
            ..fault("no connection uses more than one path", "", CHECK)
        });
    }
}

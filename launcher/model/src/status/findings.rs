//! What `status` remarks on: what the judge found at a glance ([`crate::checks::judge()`]), and beside that what the
//! connections of this moment, relays and a gateway show.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;

use crate::checks::{Judged, Place, Severity, Verdict, gateway};
use crate::connection::{Connection, Fallback};
use crate::net::IfName;
use crate::phrase;
use crate::shell;
use crate::status::lan::{Heard, lan};
use crate::status::paths::links;
use crate::status::{Availability, PathRow, Seen, State, Whereabouts, state_of};
use crate::status::{relays, served};
use crate::uplinks;

/// A remark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// A name that stays; that of `check` for what both look at.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Something is wrong; otherwise it is only worth knowing.
    pub attention: bool,
    /// It says why paths are used as they are: whoever shows paths shows it.
    #[serde(skip)]
    pub explains_paths: bool,
    /// A clause that a person reads.
    pub what: String,
    /// Its cause, where that is known.
    pub why: Option<String>,
    /// What a person can do where no command helps.
    pub advice: Option<String>,
    /// A command line that mends it, or finds out more.
    pub fix: Option<String>,
}

/// After so long without data, while its connections moved some, a path is remarked on. A scheduler
/// that prefers the faster path leaves the other alone for seconds, not for this long.
const SILENT_MS: u32 = 10_000;
/// A connection that moved data within this time is busy.
const BUSY_MS: u32 = 1_000;

/// The line that finds out more.
const CHECK: &str = "mptcpize check";

/// All remarks, faults first, the worst of them first.
pub(super) fn find(
    seen: &Seen,
    judged: &Judged,
    mptcp: Availability,
    paths: &[PathRow],
    whereabouts: &Whereabouts<'_>,
) -> Vec<Finding> {
    let mut all = of_the_judge(judged, &seen.place);
    settings_wrong(seen, &mut all);
    if mptcp == Availability::On {
        unlisted(seen, &mut all);
        subflows_stale(seen, whereabouts, &mut all);
        paths_silent(seen, paths, whereabouts, &mut all);
        on_the_way(seen, &mut all);
        // Where a fault is told, it is the reason.
        if !all.iter().any(|finding| finding.attention) {
            single(seen, judged, whereabouts, &mut all);
        }
    }
    relay_silent(seen, &mut all);
    uplinks_unused(seen, &mut all);
    relays_away(seen, judged, &mut all);
    served(seen, &mut all);
    all.sort_by_key(|finding| (!finding.attention, Reverse(Verdict::by(finding.severity))));
    all
}

/// What `check` says of the same. Of what is only worth knowing, that which explains the paths on the screen.
fn of_the_judge(judged: &Judged, place: &Place) -> Vec<Finding> {
    let told = judged.findings.iter().filter(|one| one.is_fault() || one.explains_paths());
    told.map(|finding| Finding {
        code: finding.code,
        severity: finding.severity,
        attention: finding.is_fault(),
        explains_paths: finding.explains_paths(),
        what: match finding.code {
            // The number of paths is in the first line, and why there is no other is the news.
            "paths.one" => "paths: there is no other".to_owned(),
            _ => format!("{}: {}", finding.topic, finding.title),
        },
        why: finding.why.clone(),
        advice: finding.advice.clone(),
        fix: place.line(&finding.fix),
    })
    .collect()
}

/// Verbs that print once refuse such a file; one that goes on for hours tells of it.
fn settings_wrong(seen: &Seen, all: &mut Vec<Finding>) {
    if let Some(what) = &seen.wrong_settings {
        let why = "this is judged by the defaults";
        all.push(fault("settings.wrong", format!("settings: {what}"), why, CHECK));
    }
}

/// What is wrong with the relay that this host is.
fn served(seen: &Seen, all: &mut Vec<Finding>) {
    match &seen.served {
        served::Heard::Silent(why) => all.push(fault(
            "served.silent",
            "the relay that this host is does not answer",
            why,
            "journalctl -u mptcpize-relay    # what it said; or: sudo mptcpize relay serve undo",
        )),
        served::Heard::State(told) if !told.mptcp => all.push(fault(
            "served.no_mptcp",
            "the relay that this host is speaks TCP alone: its clients use one path",
            "the kernel had no MPTCP, or it was off, when the relay was started",
            "sudo sysctl net.mptcp.enabled=1 && sudo systemctl restart mptcpize-relay",
        )),
        served::Heard::State(told) if !told.clocks.is_empty() => {
            let clock = |(address, off): &(std::net::IpAddr, i64)| {
                let way = if *off < 0 { "behind" } else { "ahead" };
                format!("{address} is {} s {way}", off.unsigned_abs())
            };
            let clocks: Vec<String> = told.clocks.iter().take(4).map(clock).collect();
            all.push(note(fault(
                "served.clocks",
                "clients of the relay have clocks that are off, and get no answer",
                &phrase::list(&clocks),
                "timedatectl set-ntp true    # there; here: timedatectl",
            )));
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
            all.push(fault("gateway.unused", what, why, CHECK));
        }
    }
}

/// So many bytes are spread over all uplinks that work: more than the first request of a page.
const MUCH: u64 = 20_000_000;

/// The relay of a gateway that should answer, on a host that has the interfaces of its LAN.
fn relay_silent(seen: &Seen, all: &mut Vec<Finding>) {
    let Heard::Silent(silence) = &seen.relay else { return };
    if silence.links.iter().any(|dev| seen.observed.host.link(dev).is_some()) {
        let what = match silence.gone {
            true => "the relay of the gateway does not run",
            false => "the relay of the gateway does not answer",
        };
        let fix = match silence.service {
            true => "journalctl -u mptcpize-gateway".to_owned(),
            false => gateway::anew(&silence.links),
        };
        all.push(fault("gateway.relay", what, &silence.why, fix));
    }
}

fn fault(
    code: &'static str,
    what: impl Into<String>,
    why: &str,
    fix: impl Into<String>,
) -> Finding {
    Finding {
        code,
        severity: Severity::Warning,
        attention: true,
        explains_paths: false,
        what: what.into(),
        why: (!why.is_empty()).then(|| why.to_owned()),
        advice: None,
        fix: Some(fix.into()),
    }
}

/// The same, and only worth knowing.
fn note(finding: Finding) -> Finding {
    Finding { severity: Severity::Note, attention: false, ..finding }
}

fn unlisted(seen: &Seen, all: &mut Vec<Finding>) {
    if seen.connections.is_none() {
        let why = "the kernel does not list them";
        let fix = "sudo modprobe mptcp_diag";
        all.push(fault("traffic.unlisted", "the connections are not known", why, fix));
    }
}

fn subflows_stale(seen: &Seen, whereabouts: &Whereabouts<'_>, all: &mut Vec<Finding>) {
    let mut stale: BTreeMap<Option<&IfName>, usize> = BTreeMap::new();
    for connection in seen.connections.iter().flatten() {
        for subflow in whereabouts.open(connection).filter(|subflow| subflow.stale) {
            *stale.entry(whereabouts.link(subflow)).or_default() += 1;
        }
    }
    for (link, count) in stale {
        let on = link.map_or_else(String::new, |link| format!(" on {link}"));
        let what = format!("{}{on} get{} no answer", phrase::count(count, "subflow"), third(count));
        all.push(fault("traffic.stale", what, "data is sent again and again", CHECK));
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
        for subflow in whereabouts.open(connection) {
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
            true => Finding {
                fix: None,
                ..note(fault("traffic.silent_backup", what, "it is a backup path", ""))
            },
            false => fault("traffic.silent", what, "its connections use other paths alone", CHECK),
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
        let why = "something on the way changes options or data";
        all.push(fault("traffic.lost_on_the_way", what, why, CHECK));
    }
}

/// Relays that connections of this host should go through, and cannot.
fn relays_away(seen: &Seen, judged: &Judged, all: &mut Vec<Finding>) {
    let several = uplinks::links(&judged.proposal.uplinks).len() > 1;
    for one in relays::through(seen) {
        let whose = relays::whose(&one.agent);
        if let Some(why) = &one.why {
            let what = format!("the agent of {whose} does not answer");
            all.push(fault("relays.silent", what, why, "journalctl -u mptcpize-relay-agent"));
        }
        let Some(told) = &one.told else { continue };
        if one.fallback_in_force {
            let faults: Vec<_> =
                told.relays.iter().map(|it| format!("{}: {}", it.name, it.fault)).collect();
            let what = format!("{} ({whose})", one.goes());
            let why = phrase::list(&faults);
            all.push(fault("relays.fallback", what, &why, "mptcpize relay test"));
            continue;
        }
        for relay in &told.relays {
            let test = format!("mptcpize relay test {}", shell::word(&relay.name));
            if !relay.fault.is_empty() {
                let what = format!("the relay {} is not used ({whose})", relay.name);
                all.push(note(fault("relays.fault", what, &relay.fault, test)));
            } else if relay.mptcp == Some(false) && several {
                let what = format!("the relay {} speaks TCP alone", relay.name);
                let why = "connections through it use one path at a time";
                all.push(fault("relays.no_mptcp", what, why, test));
            }
        }
    }
}

/// MPTCP connections to elsewhere, and none of them on two paths though there are two; or no connection at all.
fn single(seen: &Seen, judged: &Judged, whereabouts: &Whereabouts<'_>, all: &mut Vec<Finding>) {
    let Some(connections) = &seen.connections else { return };
    // What a VPN takes goes through its tunnel alone, whatever the server could.
    if judged.usable_paths.len() < 2 || judged.proposal.captured().is_some() {
        return;
    }
    let away = || connections.iter().filter(|one| !one.remote.ip().is_loopback());
    if away().next().is_none() {
        let what = "every path is ready, and no program uses MPTCP now";
        return all.push(note(fault("traffic.none", what, "", "mptcpize run PROGRAM")));
    }
    // The path manager opens further subflows once data has been answered (RFC 8684 section 3.1).
    let moved = |one: &&Connection| one.sent + one.received > 0;
    let single: Vec<&Connection> = away()
        .filter(|one| state_of(one, whereabouts) == State::SinglePath)
        .filter(moved)
        .collect();
    let multipath = away().any(|one| state_of(one, whereabouts) == State::Multipath);
    let Some(first) = single.first().filter(|_| !multipath) else { return };
    let count = phrase::count(single.len(), "connection");
    let what = format!("{count} with one path each, and none with more");
    // A client asks for further paths; a server's port is the lower one.
    let to_servers = single.iter().find(|one| one.remote.port() < one.local.port());
    all.push(note(match to_servers {
        Some(one) => fault(
            "traffic.single",
            what,
            "the server takes no second subflow, or something on a path refuses it",
            format!("mptcpize check {}", shell::word(one.remote)),
        ),
        None => Finding {
            fix: None,
            advice: Some(format!(
                "mptcpize check    # on {}, whose links they are",
                first.remote.ip()
            )),
            ..fault(
                "traffic.single",
                what,
                "their clients have one path, or open none beside it",
                "",
            )
        },
    }));
}

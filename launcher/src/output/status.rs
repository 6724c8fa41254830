//! The screen of `mptcpize status`, and its JSON.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;

use crate::output::daemon;
use crate::output::lan;
use crate::output::table::{Cell, Column, cell, column, numbers, table};
use crate::output::term::{Term, Tone, clip};
use crate::output::units;
use crate::output::{fitted, parts, relays, served, wrap};
use mptcpize_model::checks::Verdict;
use mptcpize_model::connection::Fallback;
use mptcpize_model::mptcp::Flags;
use mptcpize_model::phrase;
use mptcpize_model::status::{
    Availability, ConnectionRow, Counts, Elsewhere, Finding, PathRow, Report, State, SubflowRow,
    Use,
};

const PATHS: [Column; 7] = [
    column("PATH"),
    column("ADDRESS"),
    column("VIA").spare(2),
    column("USE"),
    numbers("SUBFLOWS").spare(1),
    numbers("RATE ↓"),
    numbers("RATE ↑").spare(3),
];

const CONNECTIONS: [Column; 6] = [
    column("CONNECTION"),
    numbers("PID").spare(3),
    column("REMOTE"),
    column("PATHS").spare(1),
    numbers("RTT").spare(2),
    column("STATE"),
];

/// What neighbours ask of each other, as ARP does, is less than this: a link that carries no more is idle,
/// in the first look, which may not have counted, as in the next.
const NOTHING_BIT_S: u64 = 1_000;

/// The room for a container's name: twice an identifier.
const CONTAINER: usize = 24;

/// Where the second of two remarks on one line begins.
const SECOND: usize = 51;

/// The report as one JSON object.
pub fn json(report: &Report) -> String {
    serde_json::to_string(report).expect("keys are text and nothing fails")
}

/// The screen.
pub fn screen(report: &Report, term: &Term) -> String {
    let mut text = headline(report, term);
    if !report.paths.is_empty() {
        let rows: Vec<_> = report.paths.iter().flat_map(|row| path(row, report)).collect();
        let _ = write!(text, "\n{}", table(term, &PATHS, &rows));
    }
    if let Some(elsewhere) = &report.elsewhere {
        text.push_str(&everywhere(report, elsewhere, term));
    } else if !report.connections.is_empty() {
        let label = |row: &ConnectionRow| row.program.as_ref().map(|one| one.label().into_owned());
        let row = |row| connection(row, label(row).as_deref());
        let rows: Vec<_> = report.connections.iter().map(row).collect();
        let _ = write!(text, "\n{}", table(term, &CONNECTIONS, &rows));
        let more = report.counts.map_or(0, |counts| counts.all - report.connections.len());
        if more > 0 {
            let line = format!("and {} more    (mptcpize status --all)", units::count(more));
            let _ = writeln!(text, "{}", term.paint(Tone::Quiet, &clip(&line, term.width)));
        }
    }
    if let Some(gateway) = &report.gateway {
        text.push_str(&lan::tables(gateway, term));
    }
    text.push_str(&relays::tables(&report.relays, term));
    text.push('\n');
    footer(report, term, &mut text);
    if let Some(gateway) = &report.gateway {
        text.push_str(&lan::lines(gateway, term));
    }
    text.push_str(&relays::lines(&report.relays, term));
    if let Some(served) = &report.served {
        text.push_str(&served::lines(served, term));
    }
    if let Some(running) = &report.daemon {
        text.push_str(&daemon::lines(running, term));
    }
    let mut findings = report.findings.iter().peekable();
    while let Some(finding) = findings.next() {
        // One remedy for several faults is read once, below the last.
        let again = findings.peek().is_some_and(|next| next.fix == finding.fix);
        remark(finding, again, term, &mut text);
    }
    term.finish(text)
}

fn headline(report: &Report, term: &Term) -> String {
    let (symbol, tone) = (report.verdict.mark(), tone(report.verdict));
    let state = match report.mptcp {
        Availability::On => "MPTCP is on",
        Availability::Off => "MPTCP is off",
        Availability::Absent => "this kernel has no MPTCP",
        Availability::OutOfTree => "this kernel has the out-of-tree MPTCP",
    };
    let mut line = format!("{state} · {}", plural(report.usable_paths.len(), "path"));
    let room = term.width.saturating_sub(2);
    match report.counts {
        Some(counts) => {
            let _ = write!(line, " · {}", plural(counts.all, "connection"));
            let kinds = kinds(counts);
            if line.chars().count() + kinds.chars().count() <= room {
                line.push_str(&kinds);
            }
        }
        None => line.push_str(" · connections unknown"),
    }
    format!("{} {}\n", term.paint(tone, symbol), parts(&line, room, 2))
}

/// How a verdict is painted.
pub(super) fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Fine => Tone::Good,
        Verdict::Warning => Tone::Warning,
        Verdict::Problem => Tone::Bad,
    }
}

fn plural(count: usize, noun: &str) -> String {
    format!("{} {noun}{}", units::count(count), phrase::plural(count))
}

/// ` (2 multipath, 1 fell back to TCP)`, or nothing.
fn kinds(counts: Counts) -> String {
    let mut parts = Vec::new();
    if counts.multipath > 0 {
        parts.push(format!("{} multipath", units::count(counts.multipath)));
    }
    if counts.fallback > 0 {
        parts.push(format!("{} fell back to TCP", units::count(counts.fallback)));
    }
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

/// The lines of a path: one for each of its addresses, and what is of the link on the first.
fn path(row: &PathRow, report: &Report) -> Vec<Vec<Cell>> {
    let rate = |bits: Option<u64>| match (bits, report.rates_over_ms) {
        (Some(bits), Some(_)) if bits >= NOTHING_BIT_S => units::rate(bits),
        _ => "idle".into(),
    };
    let link = match row.is_up() {
        true => cell(row.link.as_str()),
        false => (row.link.to_string(), Some(Tone::Bad)),
    };
    let of_link = [link, cell(rate(row.received_bit_s)), cell(rate(row.sent_bit_s))];
    let below = || [cell(""), cell(""), cell("")];
    row.addresses()
        .enumerate()
        .map(|(at, address)| {
            let [link, received, sent] = if at == 0 { of_link.clone() } else { below() };
            let usage = match &address.usage {
                _ if !row.carrier => ("no carrier".into(), Some(Tone::Bad)),
                _ if row.stalled.is_some() => ("passes nothing".into(), Some(Tone::Bad)),
                Use::Endpoint(flags) if flags.has(Flags::BACKUP) => cell("backup"),
                Use::Endpoint(flags) => cell(flags.words().join(" ")),
                Use::Initial => cell("initial"),
                Use::Nothing => ("not used".into(), Some(Tone::Warning)),
                Use::Userspace => cell("userspace"),
            };
            let gateway = address.gateway.map_or_else(|| "–".into(), |gateway| gateway.to_string());
            let subflows = cell(units::count(address.subflows));
            let own = cell(address.address.to_string());
            vec![link, own, cell(gateway), usage, subflows, received, sent]
        })
        .collect()
}

/// A connection, and what its program shall be called.
fn connection(row: &ConnectionRow, name: Option<&str>) -> Vec<Cell> {
    let pid = row.program.as_ref().map(|program| program.pid.to_string());
    vec![
        cell(clip(name.unwrap_or("?"), 20)),
        cell(pid.unwrap_or_else(|| "?".into())),
        cell(row.remote.to_string()),
        cell(links(row)),
        cell(rtts(row)),
        state(row),
    ]
}

/// The connections of all namespaces, each with its container, or with a process by which `--netns` finds the
/// namespace.
fn everywhere(report: &Report, elsewhere: &[Elsewhere], term: &Term) -> String {
    let own = report.connections.iter().map(|row| ("–".to_owned(), row));
    let others = elsewhere.iter().flat_map(|one| {
        let place = one.container.as_ref().map(|container| container.shown().to_owned());
        let place = place.unwrap_or_else(|| format!("netns {}", one.pid));
        one.connections.iter().map(move |row| (place.clone(), row))
    });
    let rows: Vec<Vec<Cell>> = own
        .chain(others)
        .map(|(place, row)| {
            let program = row.program.as_ref();
            let container = program.and_then(|program| program.container.as_ref());
            let first = container.map_or(place, |container| container.shown().to_owned());
            let name = program.map(|program| program.name.as_str());
            std::iter::once(cell(clip(&first, CONTAINER))).chain(connection(row, name)).collect()
        })
        .collect();
    let columns: Vec<Column> = std::iter::once(column("CONTAINER")).chain(CONNECTIONS).collect();
    if rows.is_empty() { String::new() } else { format!("\n{}", table(term, &columns, &rows)) }
}

/// The subflows that carry data or could.
fn open(row: &ConnectionRow) -> impl Iterator<Item = &SubflowRow> {
    row.subflows.iter().filter(|subflow| subflow.open)
}

/// The links of subflows that the kernel keeps open though nothing can carry them.
pub(super) fn down(row: &ConnectionRow) -> impl Iterator<Item = &str> {
    let down = row.subflows.iter().filter(|subflow| subflow.down);
    down.map(|subflow| subflow.link.as_ref().map_or("a link", |link| link.as_str()))
}

/// The links of a connection, each once, with a count where it has several subflows.
fn links(row: &ConnectionRow) -> String {
    let mut names: Vec<(&str, usize)> = Vec::new();
    for subflow in open(row) {
        let name = subflow.link.as_ref().map_or("?", |link| link.as_str());
        match names.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => names.push((name, 1)),
        }
    }
    let shown: Vec<String> = names
        .into_iter()
        .map(|(name, count)| if count > 1 { format!("{name}×{count}") } else { name.into() })
        .collect();
    shown.join(" ")
}

/// As many round trips are shown as there are in most connections.
const ROUND_TRIPS: usize = 4;

fn rtts(row: &ConnectionRow) -> String {
    let all: Vec<String> = open(row)
        .map(|subflow| subflow.rtt_us.map_or_else(|| "?".into(), units::milliseconds))
        .collect();
    match all.len() {
        0 => String::new(),
        1..=ROUND_TRIPS => format!("{} ms", all.join("/")),
        _ => format!("{}/… ms", all[..ROUND_TRIPS - 1].join("/")),
    }
}

fn state(row: &ConnectionRow) -> Cell {
    let of = |wanted: fn(&SubflowRow) -> bool| open(row).filter(|subflow| wanted(subflow)).count();
    let mut text = match (row.state, row.fallback) {
        (State::Multipath, _) => "multipath".to_owned(),
        (State::SinglePath, _) if open(row).next().is_none() => "MPTCP, no path".to_owned(),
        (State::SinglePath, _) => "MPTCP, 1 path".to_owned(),
        (State::Connecting, _) => "connecting".to_owned(),
        (State::Closing, _) => "closing".to_owned(),
        (State::Tcp, Some(Fallback::PeerWithout)) => "TCP: peer has no MPTCP".to_owned(),
        (State::Tcp, Some(Fallback::AskedWithout)) => "TCP: peer asked for TCP".to_owned(),
        (State::Tcp, _) => "TCP: MPTCP was lost on the way".to_owned(),
    };
    let (backup, stale) = (of(|subflow| subflow.backup), of(|subflow| subflow.stale));
    if backup > 0 {
        let _ = write!(text, ", {backup} backup");
    }
    if stale > 0 {
        let _ = write!(text, ", {stale} stale");
    }
    let down: BTreeSet<&str> = down(row).collect();
    for link in &down {
        let _ = write!(text, ", {link} down");
    }
    let tone = match row.state {
        _ if stale > 0 || !down.is_empty() => Some(Tone::Warning),
        State::Multipath => Some(Tone::Good),
        State::Tcp => Some(Tone::Warning),
        _ => None,
    };
    (text, tone)
}

fn footer(report: &Report, term: &Term, text: &mut String) {
    let mut line = |name: &str, first: String, second: String| {
        let first = format!("{name:<12}{first}");
        let both =
            if second.is_empty() { first.clone() } else { format!("{first:<SECOND$}{second}") };
        if both.chars().count() <= term.width || second.is_empty() {
            let _ = writeln!(text, "{}", fitted(&both, term.width, 12));
        } else {
            let _ = writeln!(text, "{}", fitted(&first, term.width, 12));
            let _ = writeln!(text, "{}", fitted(&format!("{:<12}{second}", ""), term.width, 12));
        }
    };
    let limits = report.limits.map_or_else(
        || "?".to_owned(),
        |limits| {
            format!("subflows {}, add_addr_accepted {}", limits.subflows, limits.add_addr_accepted)
        },
    );
    let set_up = report.set_up_s.map(|seconds| {
        let ago = units::ago(Duration::from_secs(seconds));
        // A gateway sets the uplinks up again as long as it runs; its undo says how to end it.
        let undo = match report.gateway {
            Some(_) => "undo: mptcpize gateway undo",
            None => "undo: mptcpize setup undo",
        };
        format!("set up {ago} ago ({undo})")
    });
    if report.mptcp == Availability::On || report.mptcp == Availability::Off {
        line("limits", limits, set_up.unwrap_or_default());
        let or_unknown = |value: &Option<String>| value.clone().unwrap_or_else(|| "?".into());
        line(
            "scheduler",
            or_unknown(&report.scheduler),
            format!("path manager: {}", or_unknown(&report.path_manager)),
        );
    }
    let state = |unit: &String| report.services_tcp.get(unit).map_or("on", String::as_str);
    let services: Vec<String> =
        report.services.iter().map(|unit| format!("{unit}: {}", state(unit))).collect();
    let foreign = match report.foreign_endpoints {
        0 => String::new(),
        count => {
            let managers: Vec<String> = report.managers.iter().map(ToString::to_string).collect();
            let whose = if managers.is_empty() {
                String::new()
            } else {
                format!(" ({})", managers.join(", "))
            };
            let is = if count == 1 { "is" } else { "are" };
            format!("{} {is} not ours, kept{whose}", plural(count, "endpoint"))
        }
    };
    match (services.is_empty(), foreign.is_empty()) {
        (false, _) => line("services", services.join(", "), foreign),
        (true, false) => line("endpoints", foreign, String::new()),
        (true, true) => {}
    }
    if let Some(on) = &report.system {
        let state = if on.complete { on.release() } else { "not whole, see below".to_owned() };
        line("system", format!("every program, {} ({state})", on.by()), String::new());
    }
    if !report.containers.is_empty() || report.seccomp_profile.is_some() {
        let profile = report.seccomp_profile.map(|file| format!("seccomp={file}"));
        let all: Vec<&str> =
            report.containers.iter().map(String::as_str).chain(profile.as_deref()).collect();
        line("containers", format!("they may be given {}", all.join(", ")), String::new());
    }
    if let Some(why) = report.programs_hidden {
        let (why, remedy) = why.split_once(": ").unwrap_or((why, ""));
        line("?", why.to_owned(), remedy.to_owned());
    }
}

/// A remark: on one line where it fits, else what helps below it. `again`: the next one has the same remedy.
fn remark(finding: &Finding, again: bool, term: &Term, text: &mut String) {
    let symbol = match finding.attention {
        true => {
            term.paint(tone(Verdict::by(finding.severity)), Verdict::by(finding.severity).mark())
        }
        false => term.paint(Tone::Quiet, "–"),
    };
    let label = if finding.attention { "fix" } else { "more" };
    let why = finding.why.iter().map(|why| ("why", why));
    let advice = finding.advice.iter().map(|advice| ("do", advice));
    let fix = finding.fix.iter().filter(|_| !again).map(|fix| (label, fix));
    let rest: Vec<(&str, &String)> = why.chain(advice).chain(fix).collect();
    let first = &finding.what;
    let words: Vec<String> = rest.iter().map(|(label, text)| format!("{label}: {text}")).collect();
    let one_line = format!("{first:<width$}{}", words.join("      "), width = SECOND - 2);
    let fits = one_line.chars().count() + 2 <= term.width && first.chars().count() < SECOND - 2;
    if fits && !rest.is_empty() {
        let _ = writeln!(text, "{symbol} {one_line}");
        return;
    }
    let mut mark = symbol;
    for line in wrap(first, term.width.saturating_sub(2).max(12)) {
        let _ = writeln!(text, "{mark} {line}");
        mark = " ".to_owned();
    }
    for (label, words) in rest {
        // What can be pasted is never broken.
        let lines = match label {
            "fix" | "more" => vec![words.clone()],
            _ => wrap(words, term.width.saturating_sub(6 + label.len()).max(12)),
        };
        for (at, line) in lines.iter().enumerate() {
            let start = if at == 0 { format!("{label}: ") } else { " ".repeat(label.len() + 2) };
            let _ = writeln!(text, "    {start}{line}");
        }
    }
}

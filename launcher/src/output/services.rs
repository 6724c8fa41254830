//! Units as a person reads them: what `enable` and `disable` did or would do, and the table of
//! `list`.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::output::table::{Cell, Column, cell, column, whole};
use crate::output::term::Term;
use mptcpize_model::plain;
use mptcpize_model::shell;
use mptcpize_model::system::{Standing, SystemMechanism};
use mptcpize_model::unit::judge::{Count, Judgement, Verdict};

/// One unit that `enable` or `disable` was about.
#[derive(Clone, Debug, Default)]
pub struct Done {
    /// Its name.
    pub unit: String,
    /// `+` on, `-` off, `=` as it was.
    pub sign: char,
    /// How it is reached.
    pub mechanism: String,
    /// Why so.
    pub why: String,
    /// The drop-in.
    pub file: String,
    /// Its text; empty for one that goes.
    pub text: String,
    /// It runs, and does not know yet.
    pub restart: bool,
    /// What a person should know besides.
    pub notes: Vec<String>,
    /// What its sockets are, where it was looked at after its start.
    pub judgement: Option<Judgement>,
    /// What stayed TCP then, and what does something about it.
    pub hints: Vec<String>,
}

/// The line to paste that restarts units. A socket is not opened while the service that took the old
/// one runs, so both are stopped.
pub fn restart(systemctl: &str, units: &[&str]) -> String {
    let (sockets, others): (Vec<&str>, Vec<&str>) =
        units.iter().partition(|unit| unit.ends_with(".socket"));
    let mut parts = Vec::new();
    if !others.is_empty() {
        parts.push(format!("{systemctl} restart {}", shell::operands(others)));
    }
    if !sockets.is_empty() {
        let service = |socket: &&str| format!("{}.service", socket.trim_end_matches(".socket"));
        let services: Vec<String> = sockets.iter().map(service).collect();
        let all = sockets.iter().copied().chain(services.iter().map(String::as_str));
        parts.push(format!("{systemctl} stop {}", shell::operands(all)));
        parts.push(format!("{systemctl} start {}", shell::operands(sockets)));
    }
    parts.join(" && ")
}

/// The lines for all units.
pub fn done(all: &[Done]) -> String {
    let width = all.iter().map(|one| one.unit.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for one in all {
        let (sign, unit) = (one.sign, &one.unit);
        let line = match (sign, one.mechanism.as_str()) {
            ('-', _) => format!("{sign} {unit:<width$}  removed  {}", one.file),
            ('=', "") => format!("{sign} {unit:<width$}  is not on"),
            ('=', mechanism) => {
                format!("{sign} {unit:<width$}  {mechanism:<8} {}  (already there)", one.file)
            }
            (_, mechanism) => format!("{sign} {unit:<width$}  {mechanism:<8} {}", one.file),
        };
        let _ = writeln!(text, "{}", plain::words(&line));
        if !one.why.is_empty() {
            let _ = writeln!(text, "    {}", plain::words(&one.why));
        }
        for note in &one.notes {
            let _ = writeln!(text, "    note: {}", plain::words(note));
        }
        if let Some(judgement) = &one.judgement {
            let line = format!("in effect: {} ({})", judgement.verdict.word(), sockets(judgement));
            let _ = writeln!(text, "    {line}");
        }
        for hint in &one.hints {
            let _ = writeln!(text, "    ! {}", plain::words(hint));
        }
    }
    text
}

/// A unit that a pattern met and that cannot be enabled.
#[derive(Clone, Debug)]
pub struct Passed {
    /// Its name.
    pub unit: String,
    /// The reason that it shares with others: `masked`.
    pub group: &'static str,
    /// The whole reason.
    pub why: String,
}

/// Names of a group that are shown; all are in the JSON.
const MOST_NAMES: usize = 4;

/// The units that were passed over, counted by their reasons.
pub fn passed_over(all: &[Passed]) -> String {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for one in all {
        match groups.iter_mut().find(|(group, _)| *group == one.group) {
            Some((_, units)) => units.push(&one.unit),
            None => groups.push((one.group, vec![&one.unit])),
        }
    }
    groups.sort_by_key(|(group, units)| (std::cmp::Reverse(units.len()), *group));
    let mut text = String::new();
    if !all.is_empty() {
        let _ = writeln!(text, "passed over, because they cannot be enabled: {}", all.len());
    }
    for (group, units) in groups {
        let shown = units.iter().take(MOST_NAMES).copied().collect::<Vec<_>>().join(" ");
        let more = if units.len() > MOST_NAMES { " …" } else { "" };
        let _ = writeln!(text, "    {} {group}: {}{more}", units.len(), plain::words(&shown));
    }
    text
}

/// The drop-ins themselves, for a dry run.
pub fn texts(all: &[Done]) -> String {
    let mut text = String::new();
    for one in all.iter().filter(|one| !one.text.is_empty() && one.sign == '+') {
        let _ = writeln!(text, "\n{}:", plain::words(&one.file));
        for line in one.text.lines() {
            let _ = writeln!(text, "  {line}");
        }
    }
    text
}

/// The units that were switched on or off, as one JSON object; for `enable` with those that it passed
/// over and put back.
pub fn done_json(all: &[Done], dry_run: bool, passed: &[Passed], put_back: &[Passed]) -> Value {
    let told = |all: &[Passed]| -> Vec<Value> {
        all.iter().map(|one| json!({ "unit": one.unit, "why": one.why })).collect()
    };
    let units: Vec<Value> = all
        .iter()
        .map(|one| {
            json!({
                "unit": one.unit,
                "change": match one.sign { '+' => "on", '-' => "off", _ => "none" },
                "via": if one.mechanism.is_empty() { Value::Null } else { json!(one.mechanism) },
                "why": if one.why.is_empty() { Value::Null } else { json!(one.why) },
                "file": one.file,
                "text": if one.text.is_empty() { Value::Null } else { json!(one.text) },
                "needs_restart": one.restart,
                "notes": one.notes,
                "verdict": one.judgement.as_ref().map(|judgement| judgement.verdict.word()),
                "stayed_tcp": one.judgement.as_ref().map(stayed),
            })
        })
        .collect();
    json!({
        "version": 1,
        "dry_run": dry_run,
        "units": units,
        "passed_over": told(passed),
        "put_back": told(put_back),
    })
}

/// One unit in the table of `list`. What is not known is `None`.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// Its name.
    pub unit: String,
    /// How it is reached: `preload`, `run`, …, or `C mptcpize`.
    pub mechanism: String,
    /// `active`, `inactive`, …; empty in an image.
    pub state: String,
    /// What its sockets are. `None` where it does not run.
    pub judgement: Option<Judgement>,
    /// The drop-in.
    pub file: String,
    /// What to know or to do about it, a line each.
    pub hints: Vec<String>,
}

/// The columns of `list`.
const UNITS: [Column; 5] = [
    column("UNIT"),
    column("VIA"),
    column("STATE").spare(1),
    column("IN EFFECT"),
    column("SOCKETS").spare(1),
];

/// The table, below what counts for every program.
pub fn list(rows: &[Row], system: Option<&Standing>, term: &Term) -> String {
    let every = match system.map(|on| on.mechanism) {
        Some(SystemMechanism::Preload) => "every program of this host is on, by /etc/ld.so.preload",
        Some(SystemMechanism::Environment) => {
            "every service and log-in of this host is on, by the environment"
        }
        None => "",
    };
    let mut text = String::new();
    if !every.is_empty() {
        let _ = writeln!(text, "{every} (off: sudo mptcpize disable --system)");
    }
    if let Some(on) = system {
        let _ = writeln!(text, "  its library: {} ({})", plain::words(&on.library), on.release());
        let flaws = on.gone.iter().map(|file| format!("{file} is gone"));
        let flaws = flaws.chain(on.unnamed.iter().map(|file| format!("{file} does not name it")));
        for flaw in flaws {
            let _ = writeln!(text, "  ! {}: sudo {}", plain::words(&flaw), on.again());
        }
    }
    if rows.is_empty() {
        text.push_str(match system {
            Some(_) => "no unit is on besides\n",
            None => "no unit is on (sudo mptcpize enable UNIT)\n",
        });
        return text;
    }
    let cells: Vec<Vec<Cell>> = rows
        .iter()
        .map(|row| {
            let reached = row.judgement.as_ref().map_or("-", |judgement| judgement.verdict.word());
            let sockets = row.judgement.as_ref().map_or("-".to_owned(), sockets);
            let words = [&row.unit, &row.mechanism, &row.state].map(|word| cell(word.as_str()));
            words.into_iter().chain([cell(reached), cell(sockets)]).collect()
        })
        .collect();
    text.push_str(&whole(term, &UNITS, &cells));
    for row in rows {
        for hint in &row.hints {
            let _ = writeln!(text, "! {}: {}", row.unit, plain::words(hint));
        }
    }
    text
}

/// How many sockets there are of either kind.
pub fn sockets(judgement: &Judgement) -> String {
    let Judgement { verdict, listeners, connections, .. } = judgement;
    match (verdict, listeners.all() + connections.all()) {
        (Verdict::Unknown, _) => "?".to_owned(),
        (_, 0) => "none yet".to_owned(),
        _ => format!(
            "{} MPTCP, {} TCP",
            listeners.mptcp + connections.mptcp,
            listeners.tcp + connections.tcp
        ),
    }
}

/// The units of `list -j`, as one JSON object.
pub fn list_json(rows: &[Row], system: Option<&Standing>) -> Value {
    let units: Vec<Value> = rows
        .iter()
        .map(|row| {
            let known = row.judgement.as_ref();
            let known = known.filter(|judgement| judgement.verdict != Verdict::Unknown);
            let sum = |of: fn(Count) -> usize| {
                known.map(|judgement| of(judgement.listeners) + of(judgement.connections))
            };
            let count = |count: Count| json!({ "mptcp": count.mptcp, "tcp": count.tcp });
            json!({
                "unit": row.unit,
                "via": row.mechanism,
                "state": if row.state.is_empty() { Value::Null } else { json!(row.state) },
                "in_effect": match known.map(|judgement| judgement.verdict) {
                    Some(Verdict::Yes) => json!(true),
                    Some(Verdict::Partly | Verdict::No) => json!(false),
                    _ => Value::Null,
                },
                "verdict": known.map(|judgement| judgement.verdict.word()),
                "mptcp_sockets": sum(|count| count.mptcp),
                "tcp_sockets": sum(|count| count.tcp),
                "listeners": known.map(|judgement| count(judgement.listeners)),
                "connections": known.map(|judgement| count(judgement.connections)),
                "stayed_tcp": known.map(stayed),
                "file": row.file,
                "hint": row.hints.first(),
            })
        })
        .collect();
    let mechanism = system.map(|on| on.mechanism);
    json!({ "version": 1, "system": mechanism, "system_details": system, "units": units })
}

fn stayed(judgement: &Judgement) -> Vec<Value> {
    let all = judgement.stayed.iter();
    all.map(|stayed| {
        json!({
            "listen": stayed.listen,
            "addresses": stayed.addresses,
            "program": stayed.program,
            "pid": stayed.pid,
            "why": stayed.cause.words(),
        })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_closed_with_its_service_before_it_is_opened_again() {
        let systemctl = "sudo systemctl";
        assert_eq!(restart(systemctl, &["a.service"]), "sudo systemctl restart a.service");
        assert_eq!(
            restart(systemctl, &["a.socket", "b.service"]),
            "sudo systemctl restart b.service && sudo systemctl stop a.socket a.service && \
             sudo systemctl start a.socket"
        );
    }
}

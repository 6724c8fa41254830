//! How connections go where there are relays, in the screen of `mptcpize status`.

use std::fmt::Write;
use std::time::Duration;

use crate::output::table::{Cell, Column, cell, column, numbers, table};
use crate::output::term::{Term, Tone, clip};
use crate::output::units;
use mptcpize_model::relay::status::{Amounts, Connection, Relay, Relays};
use mptcpize_model::status::relays::{Through, standing, word};

const RELAYS: [Column; 8] = [
    column("RELAY"),
    column("FOR").spare(2),
    column("ADDRESS").spare(1),
    numbers("OPEN"),
    numbers("RTT"),
    numbers("DOWN"),
    numbers("UP").spare(3),
    column("STATE"),
];

const CONNECTIONS: [Column; 6] = [
    column("THROUGH"),
    column("TO"),
    column("FROM").spare(1),
    numbers("DOWN"),
    numbers("UP").spare(3),
    numbers("AGE").spare(2),
];

/// How far the second column of a line is set in, as in the lines of the host.
const COLUMN: usize = 12;

/// Connections that are shown one by one; `status -j` has more.
const SHOWN: usize = 10;

/// Its tables: the relays, and the connections by the way they go.
pub(super) fn tables(all: &[Through], term: &Term) -> String {
    let mut text = String::new();
    let told = || all.iter().filter_map(|one| Some((one, one.told.as_ref()?)));
    let rows: Vec<_> = told().flat_map(|(one, told)| of_agent(one, told)).collect();
    if !rows.is_empty() {
        let _ = write!(text, "\n{}", table(term, &RELAYS, &rows));
    }
    let mut connections: Vec<&Connection> =
        told().flat_map(|(_, told)| &told.connections).collect();
    connections.sort_by_key(|one| std::cmp::Reverse(one.down_bytes.saturating_add(one.up_bytes)));
    if connections.is_empty() {
        return text;
    }
    let rows: Vec<_> = connections.iter().take(SHOWN).map(|one| connection(one)).collect();
    let _ = write!(text, "\n{}", table(term, &CONNECTIONS, &rows));
    if connections.len() > SHOWN {
        let more = units::count(connections.len() - SHOWN);
        let line = format!("and {more} more    (mptcpize status -j)");
        let _ = writeln!(text, "{}", term.paint(Tone::Quiet, &clip(&line, term.width)));
    }
    text
}

/// The relays of an agent, and what went without one.
fn of_agent(one: &Through, told: &Relays) -> Vec<Vec<Cell>> {
    let mut rows: Vec<_> = told.relays.iter().map(|it| relay(one, told, it)).collect();
    for (name, amounts) in [("no relay, MPTCP", &told.multipath), ("no relay, TCP", &told.direct)] {
        if amounts.carried > 0 {
            let mut row = vec![cell(name), cell(one.agent.as_str()), cell("–")];
            row.extend(moved(amounts, None));
            row.push(cell("directly"));
            rows.push(row);
        }
    }
    rows
}

fn relay(one: &Through, told: &Relays, relay: &Relay) -> Vec<Cell> {
    let tone = match (relay.fault.is_empty(), relay.mptcp) {
        (false, _) | (true, Some(false)) => Some(Tone::Warning),
        _ if told.chosen.as_ref() == Some(&relay.name) => Some(Tone::Good),
        _ => None,
    };
    let mut row =
        vec![cell(relay.name.as_str()), cell(one.agent.as_str()), cell(relay.address.as_str())];
    row.extend(moved(&relay.amounts, relay.rtt_us));
    row.push((standing(told, relay), tone));
    row
}

/// Open connections, the round trip, bytes both ways.
fn moved(amounts: &Amounts, rtt_us: Option<u64>) -> [Cell; 4] {
    let rtt = rtt_us.map(|rtt| u32::try_from(rtt).unwrap_or(u32::MAX));
    [
        cell(units::count(amounts.open as usize)),
        cell(rtt.map_or_else(|| "–".into(), |rtt| format!("{} ms", units::milliseconds(rtt)))),
        cell(units::bytes(amounts.down_bytes)),
        cell(units::bytes(amounts.up_bytes)),
    ]
}

fn connection(one: &Connection) -> Vec<Cell> {
    vec![
        cell(word(&one.via)),
        cell(one.to.as_str()),
        cell(one.from.to_string()),
        cell(units::bytes(one.down_bytes)),
        cell(units::bytes(one.up_bytes)),
        cell(units::ago(Duration::from_millis(one.open_ms))),
    ]
}

/// Its lines below those of the host: how new connections go.
pub(super) fn lines(all: &[Through], term: &Term) -> String {
    let mut text = String::new();
    for (index, one) in all.iter().enumerate() {
        let name = if index == 0 { "relays" } else { "" };
        let process = match (one.pid, one.running_s) {
            (Some(pid), Some(seconds)) => {
                format!(" (process {pid}, for {})", units::ago(Duration::from_secs(seconds)))
            }
            _ => String::new(),
        };
        let line = format!("{}: {}{process}", one.agent, one.goes());
        let line = clip(&line, term.width.saturating_sub(COLUMN));
        let warning = one.fallback_in_force || one.why.is_some();
        let line = if warning { term.paint(Tone::Warning, &line) } else { line };
        let _ = writeln!(text, "{name:<COLUMN$}{line}");
        for (reason, count) in one.told.iter().flat_map(|told| &told.refused) {
            let count = units::count(usize::try_from(*count).unwrap_or(usize::MAX));
            let line = format!("not carried: {count} ({reason})");
            let line = clip(&line, term.width.saturating_sub(COLUMN));
            let _ = writeln!(text, "{:<COLUMN$}{line}", "");
        }
    }
    text
}

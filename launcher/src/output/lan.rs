//! The LAN behind a gateway in the screen of `mptcpize status`.

use std::fmt::Write;
use std::time::Duration;

use crate::output::table::{Cell, Column, cell, column, numbers, table};
use crate::output::term::{Term, Tone, clip};
use crate::output::units;
use mptcpize_model::phrase;
use mptcpize_model::status::lan::{ClientRow, Lan, Standing, Told, UplinkRow};

const CLIENTS: [Column; 7] = [
    column("CLIENT"),
    numbers("OPEN"),
    numbers("RATE ↓"),
    numbers("RATE ↑").spare(3),
    numbers("DOWN"),
    numbers("UP").spare(1),
    numbers("MULTIPATH").spare(2),
];

const UPLINKS: [Column; 8] = [
    column("UPLINK"),
    numbers("OPEN"),
    numbers("RATE ↓"),
    numbers("RATE ↑").spare(3),
    numbers("DOWN").spare(1),
    numbers("UP").spare(2),
    numbers("SHARE"),
    column("STATE"),
];

/// How far the second column of a line is set in, as in the lines of the host.
const COLUMN: usize = 12;

/// Clients that are shown one by one; `status -j` has more.
const SHOWN: usize = 10;

/// Its tables: the clients, and the uplinks with what they carried for them.
pub(super) fn tables(lan: &Lan, term: &Term) -> String {
    let mut text = String::new();
    let Some(told) = &lan.told else { return text };
    let measured = told.rates_over_ms.is_some();
    if !told.clients.is_empty() {
        let rows: Vec<_> =
            told.clients.iter().take(SHOWN).map(|row| client(row, measured)).collect();
        let _ = write!(text, "\n{}", table(term, &CLIENTS, &rows));
        let more = told.clients_all.saturating_sub(rows.len());
        if more > 0 {
            let line = format!("and {} more    (mptcpize status -j)", units::count(more));
            let _ = writeln!(text, "{}", term.paint(Tone::Quiet, &clip(&line, term.width)));
        }
    }
    let rows: Vec<_> = told.uplinks.iter().map(|row| uplink(row, measured)).collect();
    if !rows.is_empty() {
        let _ = write!(text, "\n{}", table(term, &UPLINKS, &rows));
    }
    text
}

fn rate(bits: Option<u64>, measured: bool) -> Cell {
    match bits {
        Some(0) => cell("idle"),
        Some(bits) => cell(units::rate(bits)),
        None => cell(if measured { "" } else { "idle" }),
    }
}

fn percent(permille: Option<u32>) -> Cell {
    cell(permille.map_or_else(|| "–".into(), |part| format!("{} %", (part + 5) / 10)))
}

fn client(row: &ClientRow, measured: bool) -> Vec<Cell> {
    vec![
        cell(row.address.to_string()),
        cell(units::count(row.amounts.open as usize)),
        rate(row.down_bit_s, measured),
        rate(row.up_bit_s, measured),
        cell(units::bytes(row.amounts.down_bytes)),
        cell(units::bytes(row.amounts.up_bytes)),
        percent(row.multipath_permille),
    ]
}

fn uplink(row: &UplinkRow, measured: bool) -> Vec<Cell> {
    let uplink = &row.uplink;
    let seconds = |ms: u64| units::ago(Duration::from_millis(ms));
    let mut state = match (uplink.failures, uplink.failing_ms) {
        (0, _) | (_, None) => (if uplink.backup { "backup" } else { "used" }).to_owned(),
        (_, Some(failing)) => format!("no answer for {}", seconds(failing)),
    };
    if let Some(left) = uplink.last_for_ms {
        // Rounded up: what is tried last is not so for no time.
        let _ = write!(state, ", tried last for {} more", seconds(left + 999));
    }
    if uplink.weight > 1 {
        let _ = write!(state, ", weight {}", uplink.weight);
    }
    let tone = (uplink.failures > 0).then_some(Tone::Warning);
    vec![
        cell(uplink.dev.as_str()),
        cell(units::count(uplink.open as usize)),
        rate(row.down_bit_s, measured),
        rate(row.up_bit_s, measured),
        cell(units::bytes(uplink.down_bytes)),
        cell(units::bytes(uplink.up_bytes)),
        percent(row.share_permille),
        (state, tone),
    ]
}

/// Its lines below those of the host.
pub(super) fn lines(lan: &Lan, term: &Term) -> String {
    let mut text = String::new();
    let mut line = |name: &str, tone: Option<Tone>, rest: &str| {
        let rest = clip(rest, term.width.saturating_sub(COLUMN));
        let rest = tone.map_or_else(|| rest.to_string(), |tone| term.paint(tone, &rest));
        let _ = writeln!(text, "{name:<COLUMN$}{rest}");
    };
    let of = match lan.links.as_slice() {
        [] => String::new(),
        links => format!("of {}: ", phrase::list(links)),
    };
    let Some(told) = &lan.told else {
        match lan.relay {
            Standing::Hidden => line("gateway", None, "only root may ask its relay"),
            _ => line("gateway", Some(Tone::Warning), &format!("{of}its relay does not answer")),
        }
        return text;
    };
    let ago = units::ago(Duration::from_secs(told.running_s));
    let doing = match lan.relay {
        Standing::Draining => "ends with its last connection",
        _ => "runs",
    };
    let tone = (lan.relay == Standing::Draining).then_some(Tone::Warning);
    line("gateway", tone, &format!("{of}the relay {doing}, for {ago} (process {})", told.pid));
    let count = |number: u32| units::count(number as usize);
    let at_limit = told.connections >= told.most_connections;
    let open = format!(
        "{} of {} connections open, {} carried so far",
        count(told.connections),
        count(told.most_connections),
        number(told.all.carried)
    );
    line("", at_limit.then_some(Tone::Warning), &open);
    line("", None, &multipath(told));
    let mut others = Vec::new();
    if told.without_mptcp > 0 {
        others.push(phrase::count(told.without_mptcp, "destination") + " without MPTCP");
    }
    if told.beside.carried > 0 {
        others.push(format!("{} by the host's own route", number(told.beside.carried)));
    }
    if !others.is_empty() {
        line("", None, &others.join(" · "));
    }
    for (index, (refused, clause)) in told.refusals().iter().enumerate() {
        let name = if index == 0 { "not carried" } else { "" };
        line(name, None, &format!("{} {clause}", number(*refused)));
    }
    text
}

fn number(count: u64) -> String {
    units::count(usize::try_from(count).unwrap_or(usize::MAX))
}

/// How much was truly multipath.
fn multipath(told: &Told) -> String {
    let all = &told.all;
    match told.multipath_permille {
        None => "nothing carried yet".to_owned(),
        Some(part) => format!(
            "{} % of {} over several uplinks, in {} connection{}",
            (part + 5) / 10,
            units::bytes(all.bytes()),
            number(all.multipath),
            if all.multipath == 1 { "" } else { "s" },
        ),
    }
}

//! The screen of `mptcpize relay test`, and its JSON: the paths, what was measured, and the verdict.

use std::fmt::Write;

use serde_json::json;

use crate::output::table::{Cell, Column, cell, column, numbers, table};
use crate::output::term::{Term, Tone, clip};
use crate::output::units;
use mptcpize_model::phrase;
use mptcpize_model::relay::probe::{Answer, Direction, Moved};
use mptcpize_model::relay::test::{Join, Mptcp, Reach, Row, Tested, Verdict};

const PATHS: [Column; 6] = [
    column("PATH"),
    column("FROM"),
    column("TO").spare(1),
    numbers("RTT"),
    column("MPTCP"),
    column("SUBFLOW"),
];

/// How far the second column of a line is set in.
const COLUMN: usize = 12;

/// What was tried, as one JSON object.
pub fn json(tested: &Tested) -> String {
    let verdict = tested.verdict();
    json!({
        "version": 1,
        "relay": tested.name,
        "address": tested.address,
        "attention": verdict.iter().any(|verdict| verdict.attention),
        "verdict": verdict,
        "paths": tested.rows(),
        "key": tested.key,
        "clock_synchronised": tested.synchronised,
        "target": tested.target,
        "moved": tested.moved,
    })
    .to_string()
}

/// The screen.
pub fn screen(tested: &Tested, term: &Term) -> String {
    let name = term.paint(Tone::Strong, &tested.name);
    let mut text = format!("{name}  {}\n", tested.address);
    let rows: Vec<_> = tested.rows().iter().map(row).collect();
    if !rows.is_empty() {
        let _ = write!(text, "\n{}", table(term, &PATHS, &rows));
    }
    let mut lines = Vec::new();
    lines.extend(key(tested).map(|line| ("key", line)));
    lines.extend(speed(tested, true).map(|line| ("MPTCP", line)));
    lines.extend(speed(tested, false).map(|line| ("plain TCP", line)));
    if !lines.is_empty() {
        text.push('\n');
    }
    for (label, line) in lines {
        let line = clip(&line, term.width.saturating_sub(COLUMN));
        let _ = writeln!(text, "{label:<COLUMN$}{line}");
    }
    text.push('\n');
    tested.verdict().iter().for_each(|it| verdict(it, term, &mut text));
    term.finish(text)
}

fn row(row: &Row) -> Vec<Cell> {
    let warning = |text: &str| (text.to_owned(), Some(Tone::Warning));
    let rtt = match (&row.reach, row.rtt_us) {
        (_, Some(rtt)) => cell(format!("{} ms", units::milliseconds(rtt))),
        (Reach::Refused, _) => warning("refused"),
        (Reach::Silent, _) => warning("no answer"),
        (Reach::Failed(why), _) => warning(why),
        (Reach::Reached | Reach::Untried, _) => cell("–"),
    };
    let mptcp = match row.mptcp {
        Mptcp::Speaks => ("yes".to_owned(), Some(Tone::Good)),
        Mptcp::Tcp => warning("no"),
        Mptcp::Dropped => warning("dropped"),
        Mptcp::LostLater => warning("lost"),
        Mptcp::CarriesNothing => warning("no data"),
        Mptcp::Unknown => cell("–"),
    };
    let join = match row.join {
        Join::First => cell("first"),
        Join::Joined => cell("joined"),
        Join::Refused => warning("refused"),
        Join::Unanswered => warning("no answer"),
        Join::NotAsked => warning("not asked"),
        Join::Unknown => cell("–"),
    };
    let or_none = |text: Option<String>| cell(text.unwrap_or_else(|| "–".into()));
    vec![
        or_none(row.dev.as_ref().map(ToString::to_string)),
        or_none(row.from.map(|from| from.to_string())),
        cell(row.to.ip().to_string()),
        rtt,
        mptcp,
        join,
    ]
}

/// What it said to the key, and how far the clocks are apart.
fn key(tested: &Tested) -> Option<String> {
    let key = tested.key.as_ref()?;
    let taken = match key.answer {
        Answer::Taken => "taken",
        Answer::TakenAtOtherTime => "taken, with another time than this host's",
        Answer::Silent => "no answer",
        Answer::Ended => "the connection was ended",
        Answer::Foreign => "an answer of another protocol",
        Answer::Unreached => "no connection",
    };
    let clocks = match key.clock_s.filter(|_| key.answer == Answer::Taken) {
        Some(0) => " · both clocks agree".to_owned(),
        Some(apart) => format!(" · its clock is {} s {}", apart.abs(), side(apart)),
        None => String::new(),
    };
    Some(format!("{taken}{clocks}"))
}

fn side(apart: i64) -> &'static str {
    if apart < 0 { "behind" } else { "ahead" }
}

/// `▼ 92.1 Mbit/s  ▲ 91.8 Mbit/s  over 10.1.0.1 51 %, 10.2.0.1 49 %`.
fn speed(tested: &Tested, mptcp: bool) -> Option<String> {
    let of = |direction| {
        let wanted = |moved: &&Moved| moved.direction == direction && moved.mptcp == mptcp;
        tested.moved.iter().find(wanted)
    };
    let (down, up) = (of(Direction::Down), of(Direction::Up));
    let (first, rate) = (down.or(up)?, |moved: Option<&Moved>| {
        moved.map_or_else(|| "–".into(), |moved| units::rate(moved.bit_s))
    });
    let mut line = format!("▼ {:>12}   ▲ {:>12}", rate(down), rate(up));
    let all: u64 = first.subflows.iter().map(|(_, bytes)| bytes).sum();
    let part = |(from, bytes): &(std::net::IpAddr, u64)| {
        let rows = tested.rows();
        let row = rows.iter().find(|row| row.from == Some(*from));
        let dev = row.and_then(|row| row.dev.as_ref());
        let name = dev.map_or_else(|| from.to_string(), ToString::to_string);
        let percent = (u128::from(*bytes) * 100 + u128::from(all) / 2).checked_div(all.into());
        format!("{name} {} %", percent.unwrap_or(0))
    };
    let parts: Vec<String> = first.subflows.iter().map(part).collect();
    if !parts.is_empty() {
        let _ = write!(line, "   over {}", phrase::list(&parts));
    }
    Some(line)
}

fn verdict(verdict: &Verdict, term: &Term, text: &mut String) {
    let (symbol, tone) = match (verdict.attention, verdict.code) {
        (true, _) => ("!", Tone::Warning),
        (false, "relay") => ("✓", Tone::Good),
        (false, _) => ("·", Tone::Quiet),
    };
    let _ = writeln!(text, "{} {}", term.paint(tone, symbol), verdict.title);
    // What can be pasted is never cut.
    for (label, line) in [("why", &verdict.why), ("fix", &verdict.fix)] {
        if let Some(line) = line {
            let _ = writeln!(text, "    {label}: {line}");
        }
    }
}

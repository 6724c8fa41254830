//! A frame of `mptcpize top`, as lines of painted pieces: the same for the terminal, for `--once`
//! and for a test. Every line fits the width, and the frame fits the height.

use crate::output::graph::graph;
use crate::output::term::{Piece, Term, Tone, clip};
use crate::output::units;
use crate::output::{status, top_connections, top_lan, top_paths, top_relays, wrap};
use mptcpize_model::checks::Verdict;
use mptcpize_model::phrase;
use mptcpize_model::top::{PathLine, STILL_BIT_S, Snapshot};

/// Events that are shown where there is room for them.
const EVENTS: usize = 5;

/// Findings that are shown; `status` has all.
const FINDINGS: usize = 3;

/// Clients of a gateway's LAN that are shown where there is room for them.
const CLIENTS: usize = 4;

/// Connections of relays' agents that are shown where there is room for them.
const THROUGH: usize = 4;

const HELP: [&str; 10] = [
    "p, space   pause, and go on",
    "↑ ↓, k j   choose a connection",
    "↵          show its subflows, or hide them",
    "s          sort by rate, bytes, age, program",
    "/          only connections with a text in program, peer, token or link",
    "esc        forget that text",
    "q, ctrl-c  quit",
    "",
    "● a subflow that carries data   ○ a backup: only when no other can",
    "Rates are of the link, whoever sends; loss is what MPTCP sent again.",
];

/// The frame of a terminal.
pub fn render(snapshot: &Snapshot, width: usize, height: usize) -> Vec<Vec<Piece>> {
    let mut lines = vec![title(snapshot, width)];
    if snapshot.view.help {
        lines.extend(HELP.iter().map(|line| vec![(format!(" {line}"), None)]));
    } else {
        let (above, events) = body(snapshot, width, height);
        lines.extend(above);
        // What is left blank stands between connections and events.
        lines.resize(lines.len().max(height.saturating_sub(events.len() + 1)), Vec::new());
        lines.extend(events);
    }
    lines.truncate(height.saturating_sub(1));
    while lines.len() + 1 < height {
        lines.push(Vec::new());
    }
    lines.push(keys(snapshot, width));
    lines.truncate(height);
    lines.into_iter().map(|line| fit(line, width)).collect()
}

/// The widest frame of a terminal that is no terminal.
const WIDEST: usize = 400;

/// Lines at most that are printed once, but for remedies: two screens, which a narrow one may need.
const ONCE: usize = 48;

/// What is printed once: no keys, which nobody could press, and nothing blank. What mends a fault is whole,
/// to paste.
pub fn once(snapshot: &Snapshot, term: &Term) -> String {
    let width = term.width.min(WIDEST);
    let (above, mut events) = body(snapshot, width, ONCE);
    if events.len() == 1 {
        // A rule above nothing.
        events.clear();
    }
    let lines = [title(snapshot, width)].into_iter().chain(above).chain(events);
    let is_pasted = |(text, _): &Piece| text.starts_with(FIX) || text.ends_with(MORE);
    let shown = |line: Vec<Piece>| match line.iter().any(is_pasted) {
        true => line,
        false => fit(line, width),
    };
    printed(lines.map(shown), term)
}

/// The frame as text, without the blank lines that fill it.
pub fn text(snapshot: &Snapshot, term: &Term, height: usize) -> String {
    let mut lines = render(snapshot, term.width.min(WIDEST), height);
    let keys = lines.pop();
    while lines.last().is_some_and(Vec::is_empty) {
        lines.pop();
    }
    lines.extend(keys);
    printed(lines, term)
}

fn printed(lines: impl IntoIterator<Item = Vec<Piece>>, term: &Term) -> String {
    let mut text = String::new();
    for line in lines {
        let mut painted: String = line
            .iter()
            .map(|(piece, tone)| tone.map_or_else(|| piece.clone(), |tone| term.paint(tone, piece)))
            .collect();
        painted.truncate(painted.trim_end().len());
        text.push_str(&painted);
        text.push('\n');
    }
    term.finish(text)
}

/// What stands below the title: paths, what is wrong, connections; and the events, with the rule above them.
fn body(snapshot: &Snapshot, width: usize, height: usize) -> (Vec<Vec<Piece>>, Vec<Vec<Piece>>) {
    let mut lines = Vec::new();
    let rule = || vec![("─".repeat(width), Some(Tone::Quiet))];
    let quiet = |text: &str| vec![(text.to_owned(), Some(Tone::Quiet))];
    lines.extend(top_paths::lines(&snapshot.paths, width));
    lines.extend(findings(snapshot, width));
    lines.push(rule());
    if let Some(lan) = &snapshot.lan {
        // Its clients leave room for connections and events.
        let most = (height.saturating_sub(12 + snapshot.paths.len()) / 2).min(CLIENTS);
        lines.extend(top_lan::lines(lan, most, width));
        lines.push(rule());
    }
    if !snapshot.relays.is_empty() {
        let most = (height.saturating_sub(lines.len() + 13) / 2).min(THROUGH);
        lines.extend(top_relays::lines(&snapshot.relays, &snapshot.moved, most, width));
        lines.push(rule());
    }
    let details = details(snapshot);
    // The title, a rule and the keys; the heading of the connections is one of their rows.
    let others = lines.len() + 3 + details.len();
    let room = height.saturating_sub(others);
    let events = snapshot.events.len().min(EVENTS).min(room / 3);
    let rows = room - events;
    lines.push(quiet(&top_connections::heading(width)));
    let selected = snapshot.view.selected;
    let first = selected.saturating_sub(rows.saturating_sub(2));
    let mut shown = 0;
    for (index, one) in
        snapshot.connections.iter().enumerate().skip(first).take(rows.saturating_sub(1))
    {
        lines.push(top_connections::line(one, index == selected, width));
        if index == selected {
            lines.extend(details.iter().cloned());
        }
        shown += 1;
    }
    let hidden = snapshot.connections.len().saturating_sub(shown);
    let remark = match (&snapshot.remark, hidden) {
        (Some(remark), _) => Some(remark.clone()),
        (None, 0) if snapshot.connections.is_empty() => Some("no MPTCP connection".into()),
        (None, 0) => None,
        (None, hidden) => Some(format!("and {} more", units::count(hidden))),
    };
    lines.extend(remark.map(|remark| quiet(&format!(" {remark}"))));
    let skipped = snapshot.events.len() - events;
    let last = snapshot.events[skipped..].iter().map(|event| vec![(format!(" {event}"), None)]);
    (lines, std::iter::once(rule()).chain(last).collect())
}

/// What begins the line that mends a fault, and what shows all of them.
const FIX: &str = "   fix: ";
const MORE: &str = "mptcpize status";

/// What wants attention, the worst first, and what explains the paths: what is the case, and the line that mends
/// it, which is not cut but by the terminal.
fn findings(snapshot: &Snapshot, width: usize) -> Vec<Vec<Piece>> {
    let mut lines = Vec::new();
    let mut all = snapshot.findings.iter().take(FINDINGS).peekable();
    while let Some(finding) = all.next() {
        let verdict = Verdict::by(finding.severity);
        let mut mark = match finding.attention {
            true => (format!(" {} ", verdict.mark()), Some(status::tone(verdict))),
            false => (" – ".to_owned(), Some(Tone::Quiet)),
        };
        // A fault has its remedy below; of what explains the paths the cause is what it is shown for.
        let why = finding.why.as_ref().filter(|_| finding.code == "paths.one");
        let what =
            why.map_or_else(|| finding.what.clone(), |why| format!("{}: {why}", finding.what));
        for line in wrap(&what, width.saturating_sub(3)) {
            let first = std::mem::replace(&mut mark, ("   ".to_owned(), None));
            lines.push(vec![first, (line, None)]);
        }
        let again = all.peek().is_some_and(|next| next.fix == finding.fix);
        let remedy = match (&finding.fix, &finding.advice) {
            (Some(_), _) if again => Vec::new(),
            (Some(fix), _) => vec![format!("{FIX}{fix}")],
            (None, Some(advice)) => {
                let mut label = "   do: ";
                let lines = wrap(advice, width.saturating_sub(label.len()));
                let labelled = |line| format!("{}{line}", std::mem::replace(&mut label, "       "));
                lines.into_iter().map(labelled).collect()
            }
            (None, None) => Vec::new(),
        };
        lines.extend(remedy.into_iter().map(|line| vec![(line, Some(Tone::Strong))]));
    }
    if snapshot.findings.len() > FINDINGS {
        let more = snapshot.findings.len() - FINDINGS;
        lines.push(vec![(format!("   and {more} more: {MORE}"), Some(Tone::Quiet))]);
    }
    lines
}

fn title(snapshot: &Snapshot, width: usize) -> Vec<Piece> {
    let of = |amount: fn(&PathLine) -> u64| snapshot.paths.iter().map(amount).sum::<u64>();
    let plural = |count: usize, noun: &str| {
        format!("{} {noun}{}", units::count(count), phrase::plural(count))
    };
    let paths = plural(snapshot.usable_paths, "path");
    let counts = format!(" {paths}  {}", plural(snapshot.connections_all, "connection"));
    let paused = if snapshot.view.paused { "  paused" } else { "" };
    let mark = format!("  {}", snapshot.verdict.mark());
    // Without room the name of the program goes before what it shows.
    let full = format!("{counts}  {}{paused}", snapshot.clock);
    let length = |text: &str| "mptcpize top".len() + mark.chars().count() + text.chars().count();
    let (name, mark, left) = match width {
        _ if length(&full) <= width => ("mptcpize top", mark, full),
        _ if length(&counts) + paused.len() <= width => {
            ("mptcpize top", mark, format!("{counts}{paused}"))
        }
        _ if counts.chars().count() + paused.len() + 2 <= width => {
            ("", format!(" {}", snapshot.verdict.mark()), format!("{counts}{paused}"))
        }
        _ => ("", format!(" {}", snapshot.verdict.mark()), format!(" {paths}{paused}")),
    };
    let minutes = snapshot.up_s / 60;
    let (sent, received) = (of(|line| line.sent_bit_s), of(|line| line.received_bit_s));
    let up = format!("up {:02}:{:02}", minutes / 60, minutes % 60);
    let rates = format!("▲ {}  ▼ {}", units::megabits(sent), units::megabits(received));
    let all = match sent.saturating_add(received) < STILL_BIT_S {
        true => [format!("{up}  idle"), "idle".to_owned(), String::new()],
        false => [format!("{up}  {rates} Mbit/s"), format!("{rates} Mbit/s"), rates],
    };
    let used = name.len() + mark.chars().count() + left.chars().count();
    let room = width.saturating_sub(used + 2);
    let fitting = all.into_iter().find(|text| text.chars().count() <= room).unwrap_or_default();
    let gap = " ".repeat(width.saturating_sub(used + fitting.chars().count()));
    vec![
        (name.into(), Some(Tone::Strong)),
        (mark, Some(status::tone(snapshot.verdict))),
        (format!("{left}{gap}{fitting}"), None),
    ]
}

/// The subflows of the chosen connection, each with its own graph.
fn details(snapshot: &Snapshot) -> Vec<Vec<Piece>> {
    let chosen = snapshot.connections.get(snapshot.view.selected);
    let Some(chosen) = chosen.filter(|_| snapshot.view.details) else { return Vec::new() };
    let lines = chosen.row.subflows.iter().zip(&chosen.histories).map(|(subflow, history)| {
        let link = subflow.link.as_ref().map_or("?", |link| link.as_str());
        let rate = units::rate(history.last().copied().unwrap_or(0));
        let state = match (subflow.open, subflow.stale, subflow.backup) {
            (false, _, _) if subflow.down => "  link down",
            (false, _, _) => "  not open",
            (_, true, _) => "  no answer",
            (_, _, true) => "  backup",
            _ => "",
        };
        vec![
            (format!("   {:<9}", clip(link, 8)), None),
            (graph(history), Some(Tone::Good)),
            (format!(" {rate:>12}{state}  {} → {}", subflow.local, subflow.remote), None),
        ]
    });
    lines.collect()
}

fn keys(snapshot: &Snapshot, width: usize) -> Vec<Piece> {
    let view = &snapshot.view;
    if view.typing {
        return vec![(
            format!(" only: {}_    ↵ done  esc forget", view.filter),
            Some(Tone::Strong),
        )];
    }
    let filter = match view.filter.is_empty() {
        true => "/ filter".to_owned(),
        false => format!("/ filter: {}", view.filter),
    };
    let sort = format!("s sort: {}", view.sort.word());
    let all = ["q quit", "p pause", "↵ details", &sort, &filter, "? help"];
    // Without room the middle is left out: the help has all keys.
    let length = |kept: &[&str]| kept.iter().map(|key| key.chars().count() + 2).sum::<usize>();
    let mut shown = all.to_vec();
    while shown.len() > 2 && length(&shown) >= width + 2 {
        shown.remove(shown.len() - 2);
    }
    let left = format!(" {}", shown.join("  "));
    let right = match snapshot.every_s {
        0 | 1 => "● active  ○ backup".to_owned(),
        seconds => format!("all every {seconds} s"),
    };
    let has_room = left.chars().count() + right.chars().count() + 2 <= width;
    let right = if has_room { right } else { String::new() };
    let used = left.chars().count() + right.chars().count() + 1;
    let gap = if right.is_empty() { 0 } else { width.saturating_sub(used).max(2) };
    vec![(format!("{left}{:gap$}{right}", ""), Some(Tone::Quiet))]
}

/// Cuts a line off at the width, and says so.
fn fit(line: Vec<Piece>, width: usize) -> Vec<Piece> {
    let clean = |text: &str| text.chars().filter(|letter| !letter.is_control()).collect::<String>();
    let line: Vec<Piece> = line.into_iter().map(|(text, tone)| (clean(&text), tone)).collect();
    let length = |line: &[Piece]| line.iter().map(|(text, _)| text.chars().count()).sum::<usize>();
    if length(&line) <= width {
        return line;
    }
    let mut left = width.saturating_sub(1);
    let mut fitting = Vec::new();
    for (text, tone) in line {
        let cut: String = text.chars().take(left).collect();
        left -= cut.chars().count();
        fitting.push((cut, tone));
    }
    if width > 0 {
        fitting.push(("…".to_owned(), None));
    }
    fitting
}

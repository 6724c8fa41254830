//! A frame of `mptcpize top`, as lines of painted pieces: the same for the terminal, for `--once`
//! and for a test. Every line fits the width, and the frame fits the height.

use crate::output::term::{Piece, Term, Tone, clip};
use crate::output::units;
use crate::output::{status, top_lan, top_relays};
use mptcpize_model::checks::Verdict;
use mptcpize_model::phrase;
use mptcpize_model::top::{ConnectionLine, PathLine, STILL_BIT_S, Snapshot, is_alive, name};

/// The heights of a little graph.
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The longest bar of all that is carried, and what else is on its line.
const BAR: usize = 17;
const BESIDE_BAR: usize = 71;

/// Below this width how much a connection carried is left out.
const NARROW: usize = 70;

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

/// The frame.
pub fn render(snapshot: &Snapshot, width: usize, height: usize) -> Vec<Vec<Piece>> {
    let mut lines = vec![title(snapshot, width)];
    if snapshot.view.help {
        lines.extend(HELP.iter().map(|line| vec![(format!(" {line}"), None)]));
    } else {
        body(snapshot, width, height, &mut lines);
    }
    lines.truncate(height.saturating_sub(1));
    while lines.len() + 1 < height {
        lines.push(Vec::new());
    }
    lines.push(keys(snapshot, width));
    lines.truncate(height);
    lines.into_iter().map(|line| fit(line, width)).collect()
}

/// The frame as text, without the blank lines that fill it.
pub fn text(snapshot: &Snapshot, term: &Term, height: usize) -> String {
    let width = term.width.min(400);
    let mut lines = render(snapshot, width, height);
    let keys = lines.pop();
    while lines.last().is_some_and(Vec::is_empty) {
        lines.pop();
    }
    lines.extend(keys);
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

fn body(snapshot: &Snapshot, width: usize, height: usize, lines: &mut Vec<Vec<Piece>>) {
    let rule = || vec![("─".repeat(width), Some(Tone::Quiet))];
    let quiet = |text: &str| vec![(text.to_owned(), Some(Tone::Quiet))];
    lines.push(quiet(&format!(
        " {:<8}{:>7}{:>7} {:<24}{:>7}  share",
        "path", "rtt", "loss", "▼ Mbit/s", "▲"
    )));
    lines.extend(snapshot.paths.iter().map(|line| path(line, width)));
    lines.extend(findings(snapshot));
    lines.push(rule());
    if let Some(lan) = &snapshot.lan {
        // Its clients leave room for connections and events.
        let most = (height.saturating_sub(12 + snapshot.paths.len()) / 2).min(CLIENTS);
        lines.extend(top_lan::lines(lan, most, width));
        lines.push(rule());
    }
    if !snapshot.relays.is_empty() {
        let most = (height.saturating_sub(lines.len() + 12) / 2).min(THROUGH);
        lines.extend(top_relays::lines(&snapshot.relays, &snapshot.moved, most, width));
        lines.push(rule());
    }
    let details = details(snapshot);
    // A rule and the keys; the heading of the connections is one of their rows.
    let others = lines.len() + 2 + details.len();
    let room = height.saturating_sub(others);
    let events = snapshot.events.len().min(EVENTS).min(room / 3);
    let rows = room - events;
    lines.push(quiet(&columns(
        width,
        "connection",
        "token",
        "subflows, ms",
        "sent",
        "received",
        "age",
    )));
    let selected = snapshot.view.selected;
    let first = selected.saturating_sub(rows.saturating_sub(2));
    let mut shown = 0;
    for (index, one) in
        snapshot.connections.iter().enumerate().skip(first).take(rows.saturating_sub(1))
    {
        lines.push(connection(one, index == selected, width));
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
    // What is left blank stands between connections and events.
    let used = lines.len() + 1 + events + 1;
    for _ in used..height {
        lines.push(Vec::new());
    }
    lines.push(rule());
    let skipped = snapshot.events.len() - events;
    lines.extend(snapshot.events[skipped..].iter().map(|event| vec![(format!(" {event}"), None)]));
}

/// What wants attention, the worst first: what is the case, and the line that mends it, which is not cut but by
/// the terminal.
fn findings(snapshot: &Snapshot) -> Vec<Vec<Piece>> {
    let mut lines = Vec::new();
    let mut all = snapshot.findings.iter().take(FINDINGS).peekable();
    while let Some(finding) = all.next() {
        let verdict = Verdict::by(finding.severity);
        let mark = (format!(" {} ", verdict.mark()), Some(status::tone(verdict)));
        lines.push(vec![mark, (finding.what.clone(), None)]);
        let again = all.peek().is_some_and(|next| next.fix == finding.fix);
        let remedy = match (&finding.fix, &finding.advice) {
            (Some(fix), _) => Some(format!("   fix: {fix}")),
            (None, Some(advice)) => Some(format!("   do: {advice}")),
            (None, None) => None,
        };
        lines.extend(remedy.filter(|_| !again).map(|line| vec![(line, Some(Tone::Strong))]));
    }
    if snapshot.findings.len() > FINDINGS {
        let more = snapshot.findings.len() - FINDINGS;
        lines.push(vec![(format!("   and {more} more: mptcpize status"), Some(Tone::Quiet))]);
    }
    lines
}

fn title(snapshot: &Snapshot, width: usize) -> Vec<Piece> {
    let of = |amount: fn(&PathLine) -> u64| snapshot.paths.iter().map(amount).sum::<u64>();
    let plural = |count: usize, noun: &str| {
        format!("{} {noun}{}", units::count(count), phrase::plural(count))
    };
    let left = format!(
        " {}  {}  {}{}",
        plural(snapshot.usable_paths, "path"),
        plural(snapshot.connections_all, "connection"),
        snapshot.clock,
        if snapshot.view.paused { "  paused" } else { "" }
    );
    let minutes = snapshot.up_s / 60;
    let (sent, received) = (of(|line| line.sent_bit_s), of(|line| line.received_bit_s));
    let up = format!("up {:02}:{:02}", minutes / 60, minutes % 60);
    let rates = format!("▲ {}  ▼ {}", units::megabits(sent), units::megabits(received));
    let all = match sent.saturating_add(received) < STILL_BIT_S {
        true => [format!("{up}  idle"), "idle".to_owned(), String::new()],
        false => [format!("{up}  {rates} Mbit/s"), format!("{rates} Mbit/s"), rates],
    };
    let mark = format!("  {}", snapshot.verdict.mark());
    let used = "mptcpize top".len() + mark.chars().count() + left.chars().count();
    let room = width.saturating_sub(used + 2);
    let fitting = all.into_iter().find(|text| text.chars().count() <= room).unwrap_or_default();
    let gap = " ".repeat(width.saturating_sub(used + fitting.chars().count()));
    vec![
        ("mptcpize top".into(), Some(Tone::Strong)),
        (mark, Some(status::tone(snapshot.verdict))),
        (format!("{left}{gap}{fitting}"), None),
    ]
}

fn path(line: &PathLine, width: usize) -> Vec<Piece> {
    let longest = width.saturating_sub(BESIDE_BAR).min(BAR);
    let rtt =
        line.rtt_us.map_or_else(|| "–".into(), |rtt| format!("{} ms", units::milliseconds(rtt)));
    let loss = line
        .loss_permille
        .map_or_else(|| "–".into(), |loss| format!("{}.{} %", loss / 10, loss % 10));
    let permille = line.share_permille.unwrap_or(0);
    let whole = permille as usize * longest / 1_000;
    // A little is not nothing.
    let bar = if whole == 0 && permille > 0 { "▏".into() } else { "█".repeat(whole) };
    let percent =
        line.share_permille.map_or_else(|| "–  ".into(), |share| format!("{} %", (share + 5) / 10));
    // Without a share the links are idle, whatever a neighbour asked.
    let rate = |bits: u64| match line.share_permille {
        Some(_) => units::megabits(bits),
        None => "–".to_owned(),
    };
    let remark = match (line.cut, line.backup) {
        (true, _) => "  no carrier",
        (false, true) => "  backup",
        (false, false) => "",
    };
    vec![
        (format!(" {:<8}", clip(&line.link, 8)), None),
        (format!("{rtt:>7}{loss:>7} "), None),
        (format!("{:>6}  ", rate(line.received_bit_s)), None),
        (graph(&line.history), Some(Tone::Good)),
        (format!("{:>7}  ", rate(line.sent_bit_s)), None),
        (format!("{bar:<longest$}"), Some(Tone::Good)),
        (format!(" {percent:>5}{remark}"), None),
    ]
}

/// A graph of 16 columns, the latest value at its right end; its own highest value is full.
fn graph(history: &[u64]) -> String {
    let highest = history.iter().copied().max().unwrap_or(0).max(1);
    // A path that never carried anything has no graph: its asking neighbours are not drawn as full.
    if highest < STILL_BIT_S {
        return format!("{:>16}", LEVELS[0].to_string().repeat(history.len()));
    }
    let level = |value: &u64| LEVELS[(u128::from(*value) * 7 / u128::from(highest)) as usize];
    let drawn: String = history.iter().map(level).collect();
    format!("{drawn:>16}")
}

fn connection(line: &ConnectionLine, selected: bool, width: usize) -> Vec<Piece> {
    let row = &line.row;
    let peer = format!(" → {}", row.remote.ip());
    // The peer is told whole as long as a little of the program's name stays.
    let room = shares(width).0.saturating_sub(peer.chars().count()).max(4);
    let who = format!("{}{peer}", clip(&name(row.program.as_ref()), room));
    let token = row.token.as_deref().unwrap_or("TCP");
    let age =
        format!("{}{}:{:02}", if line.older { "≥" } else { "" }, line.age_s / 60, line.age_s % 60);
    let text = columns(
        width,
        &who,
        token,
        &subflows(line),
        &units::bytes(row.sent_bytes),
        &units::bytes(row.received_bytes),
        &age,
    );
    let tone = match (selected, is_alive(row)) {
        (true, _) => Some(Tone::Strong),
        (false, false) => Some(Tone::Quiet),
        (false, true) => None,
    };
    // The mark stands where the columns leave a blank.
    let rest: String = text.chars().skip(1).collect();
    vec![(format!("{}{rest}", if selected { "▸" } else { " " }), tone)]
}

/// A line of the list of connections; names and links share what is left of the width.
fn columns(
    width: usize,
    who: &str,
    token: &str,
    subflows: &str,
    sent: &str,
    received: &str,
    age: &str,
) -> String {
    let amounts = if width < NARROW { String::new() } else { format!("{sent:>9}{received:>9}") };
    let (name, links) = shares(width);
    format!(
        " {:<name$} {token:<8} {:<links$}{amounts}{age:>8}",
        clip(who, name),
        clip(subflows, links)
    )
}

/// The room for the program with its peer, and that for the subflows.
fn shares(width: usize) -> (usize, usize) {
    let amounts = if width < NARROW { 0 } else { 18 };
    let left = width.saturating_sub(1 + 1 + 8 + 1 + 8 + amounts);
    let name = (left / 2).min(40);
    (name, left - name)
}

/// `wlan0 18 ● wwan0 61 ○`.
fn subflows(line: &ConnectionLine) -> String {
    if line.row.fallback.is_some() {
        return "plain TCP".into();
    }
    let open = line.row.subflows.iter().filter(|subflow| subflow.open);
    let each: Vec<String> = open
        .map(|subflow| {
            let link = subflow.link.as_ref().map_or("?", |link| link.as_str());
            let rtt = subflow.rtt_us.map_or_else(|| "?".into(), units::milliseconds);
            format!("{link} {rtt} {}", if subflow.backup { '○' } else { '●' })
        })
        .collect();
    each.join(" ")
}

/// The subflows of the chosen connection, each with its own graph.
fn details(snapshot: &Snapshot) -> Vec<Vec<Piece>> {
    let chosen = snapshot.connections.get(snapshot.view.selected);
    let Some(chosen) = chosen.filter(|_| snapshot.view.details) else { return Vec::new() };
    let lines = chosen.row.subflows.iter().zip(&chosen.histories).map(|(subflow, history)| {
        let link = subflow.link.as_ref().map_or("?", |link| link.as_str());
        let rate = units::rate(history.last().copied().unwrap_or(0));
        let state = match (subflow.open, subflow.stale, subflow.backup) {
            (false, _, _) => "  not open",
            (_, true, _) => "  no answer",
            (_, _, true) => "  backup",
            _ => "",
        };
        vec![
            (format!("   {:<9}", clip(link, 8)), None),
            (graph(history), Some(Tone::Good)),
            (format!(" {rate:>12}  {} → {}{state}", subflow.local, subflow.remote), None),
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
    let mut left = format!(" q quit  p pause  ↵ details  s sort: {}  / filter", view.sort.word());
    if !view.filter.is_empty() {
        left.push_str(&format!(": {}", view.filter));
    }
    left.push_str("  ? help");
    let right = match snapshot.every_s {
        0 | 1 => "● active  ○ backup".to_owned(),
        seconds => format!("all every {seconds} s"),
    };
    let used = left.chars().count() + right.chars().count() + 1;
    let gap = " ".repeat(width.saturating_sub(used).max(2));
    vec![(format!("{left}{gap}{right}"), Some(Tone::Quiet))]
}

/// Cuts a line off at the width.
fn fit(line: Vec<Piece>, width: usize) -> Vec<Piece> {
    let mut left = width;
    let mut fitting = Vec::new();
    for (text, tone) in line {
        let clean: String = text.chars().filter(|letter| !letter.is_control()).take(left).collect();
        left -= clean.chars().count();
        fitting.push((clean, tone));
    }
    fitting
}

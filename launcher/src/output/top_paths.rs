//! The paths in a frame of `mptcpize top`: how each is doing, and what it carries of the whole. Which columns
//! there are goes by the width; what is wrong with a path is always there.

use crate::output::graph::graph;
use crate::output::term::{Piece, Tone, clip};
use crate::output::units;
use mptcpize_model::top::PathLine;

/// The longest bar of all that is carried.
const BAR: usize = 17;

/// The room for a link's name, and that below a width at which each column counts: as much as the names need.
const LINK: usize = 8;
const LINK_LEAST: usize = 4;
const NARROW: usize = 44;

/// The room of each column that may be left out.
const RTT: usize = 7;
const RECEIVED: usize = 9;
const SHARE: usize = 6;
const SENT: usize = 9;
const LOSS: usize = 7;
const GRAPH: usize = 16;

/// The columns for which there is room.
struct Shown {
    link: usize,
    rtt: bool,
    loss: bool,
    received: bool,
    graph: bool,
    sent: bool,
    share: bool,
    bar: usize,
}

impl Shown {
    /// What says most comes first.
    fn of(lines: &[PathLine], width: usize) -> Self {
        let remarks = lines.iter().map(|line| remark(line).len()).max().unwrap_or(0);
        let names = lines.iter().map(|line| line.link.chars().count()).max().unwrap_or(0);
        let link = if width < NARROW { names.clamp(LINK_LEAST, LINK) } else { LINK };
        let mut left = width.saturating_sub(1 + link + remarks);
        let mut full = false;
        let mut has_room = |room: usize| {
            full |= left < room;
            left -= if full { 0 } else { room };
            !full
        };
        let (rtt, received) = (has_room(RTT), has_room(RECEIVED));
        let (share, sent, loss) = (has_room(SHARE), has_room(SENT), has_room(LOSS));
        let graph = has_room(GRAPH);
        let bar = if share { left.min(BAR) } else { 0 };
        Shown { link, rtt, loss, received, graph, sent, share, bar }
    }
}

/// A heading, and a line for each path.
pub(super) fn lines(lines: &[PathLine], width: usize) -> Vec<Vec<Piece>> {
    let shown = Shown::of(lines, width);
    let mut heading = format!(" {:<width$}", "path", width = shown.link);
    for (is_shown, title) in [
        (shown.rtt, format!("{:>RTT$}", "rtt")),
        (shown.loss, format!("{:>LOSS$}", "loss")),
        (shown.received, format!(" {:<width$}", "▼ Mbit/s", width = RECEIVED - 1)),
        (shown.graph, " ".repeat(GRAPH)),
        (shown.sent, format!("{:>7}  ", "▲")),
        (shown.share && shown.bar > 0, if shown.sent { "share" } else { " share" }.to_owned()),
        (shown.share && shown.bar == 0, format!("{:>SHARE$}", "share")),
    ] {
        if is_shown {
            heading.push_str(&title);
        }
    }
    let heading = vec![(heading, Some(Tone::Quiet))];
    std::iter::once(heading).chain(lines.iter().map(|one| line(one, &shown))).collect()
}

/// What is to be known of a path beside its figures.
fn remark(line: &PathLine) -> &'static str {
    match (line.cut, line.stalled, line.backup) {
        (true, _, _) => "  no carrier",
        (false, true, _) => "  passes nothing",
        (false, false, true) => "  backup",
        (false, false, false) => "",
    }
}

fn line(line: &PathLine, shown: &Shown) -> Vec<Piece> {
    let rtt =
        line.rtt_us.map_or_else(|| "–".into(), |rtt| format!("{} ms", units::milliseconds(rtt)));
    let loss = line
        .loss_permille
        .map_or_else(|| "–".into(), |loss| format!("{}.{} %", loss / 10, loss % 10));
    let permille = line.share_permille.unwrap_or(0);
    let whole = permille as usize * shown.bar / 1_000;
    // A little is not nothing.
    let bar = match whole == 0 && permille > 0 && shown.bar > 0 {
        true => "▏".to_owned(),
        false => "█".repeat(whole),
    };
    let percent =
        line.share_permille.map_or_else(|| "–  ".into(), |share| format!("{} %", (share + 5) / 10));
    // Without a share the links are idle, whatever a neighbour asked.
    let rate = |bits: u64| match line.share_permille {
        Some(_) => units::megabits(bits),
        None => "–".to_owned(),
    };
    let figures = [
        (shown.rtt, format!("{rtt:>RTT$}"), None),
        (shown.loss, format!("{loss:>LOSS$}"), None),
        (shown.received, format!(" {:>6}  ", rate(line.received_bit_s)), None),
        (shown.graph, graph(&line.history), Some(Tone::Good)),
        (shown.sent, format!("{:>7}  ", rate(line.sent_bit_s)), None),
        (shown.share, format!("{bar:<width$}", width = shown.bar), Some(Tone::Good)),
        (shown.share, format!(" {percent:>5}"), None),
    ];
    let figures = figures.into_iter().filter(|(is_shown, ..)| *is_shown);
    let mut pieces =
        vec![(format!(" {:<width$}", clip(&line.link, shown.link), width = shown.link), None)];
    pieces.extend(figures.map(|(_, text, tone)| (text, tone)));
    let tone = if line.cut || line.stalled { Some(Tone::Bad) } else { None };
    pieces.push((remark(line).to_owned(), tone));
    pieces
}

//! The LAN behind a gateway in a frame of `mptcpize top`: who moves how much now, and what each uplink
//! carries for them.

use crate::output::term::{Piece, Tone, clip};
use crate::output::units;
use mptcpize_model::status::lan::{ClientRow, Lan, Standing, Told, UplinkRow};

/// The least width at which a column is shown: what a device moved in all, over several uplinks, sent now, and
/// how many connections it has. Its address and what it receives are always there.
const AMOUNTS: usize = 70;
const MULTIPATH: usize = 60;
const SENT: usize = 48;
const OPEN: usize = 36;

/// The room for an address.
const ADDRESS: usize = 26;

/// A line of the list, in the columns for which there is room.
fn columns(width: usize, address: &str, figures: [String; 6]) -> String {
    let [open, down, up, all_down, all_up, multipath] = figures;
    let rest: String = [
        (OPEN, format!("{open:>5}")),
        (0, format!("{down:>9}")),
        (SENT, format!("{up:>7}")),
        (AMOUNTS, format!("{all_down:>11}{all_up:>9}")),
        (MULTIPATH, format!("{multipath:>11}")),
    ]
    .into_iter()
    .filter_map(|(least, text)| (width >= least).then_some(text))
    .collect();
    let room = width.saturating_sub(1 + rest.chars().count()).min(ADDRESS);
    format!(" {:<room$}{rest}", clip(address, room))
}

/// Its lines: a heading, at most `most` clients, and one for the uplinks.
pub(super) fn lines(lan: &Lan, most: usize, width: usize) -> Vec<Vec<Piece>> {
    let quiet = |text: String| vec![(text, Some(Tone::Quiet))];
    let warning = |text: &str| vec![(text.to_owned(), Some(Tone::Warning))];
    let Some(told) = &lan.told else {
        return match lan.relay {
            Standing::Hidden => vec![quiet(" lan: only root may ask the gateway's relay".into())],
            _ => vec![warning(" lan: the gateway's relay does not answer")],
        };
    };
    let titles = ["open", "▼ Mbit/s", "▲", "down", "up", "multipath"].map(str::to_owned);
    let mut lines = vec![quiet(columns(width, "lan", titles))];
    lines.extend(told.clients.iter().take(most).map(|row| client(row, width)));
    let more = told.clients_all.saturating_sub(most.min(told.clients.len()));
    if more > 0 {
        lines.push(quiet(format!(" and {} more", units::count(more))));
    }
    lines.extend(over(told, width));
    if lan.relay == Standing::Draining {
        lines.push(warning(" the relay takes no more connections"));
    }
    lines
}

fn client(row: &ClientRow, width: usize) -> Vec<Piece> {
    let bits = |bits: Option<u64>| bits.map_or_else(|| "–".into(), units::megabits);
    let part =
        row.multipath_permille.map_or_else(|| "–".into(), |part| ((part + 5) / 10).to_string());
    let figures = [
        row.amounts.open.to_string(),
        bits(row.down_bit_s),
        bits(row.up_bit_s),
        units::bytes(row.amounts.down_bytes),
        units::bytes(row.amounts.up_bytes),
        format!("{part} %"),
    ];
    vec![(columns(width, &row.address.to_string(), figures), None)]
}

/// `over  w1 ▼ 9.3 ▲ 0.1  w2 ▼ 9.1 ▲ 0.1`, or an uplink below another where they have no room beside it.
fn over(told: &Told, width: usize) -> Vec<Vec<Piece>> {
    const OVER: &str = " over";
    let mut lines = vec![vec![(OVER.to_owned(), Some(Tone::Quiet))]];
    let mut used = OVER.len();
    for row in &told.uplinks {
        let (text, tone) = uplink(row);
        let length = text.chars().count();
        if used + length > width && used > OVER.len() {
            lines.push(vec![(" ".repeat(OVER.len()), None)]);
            used = OVER.len();
        }
        used += length;
        lines.last_mut().expect("there is one line").push((text, tone));
    }
    lines
}

fn uplink(row: &UplinkRow) -> Piece {
    let bits = |bits: Option<u64>| bits.map_or_else(|| "–".into(), units::megabits);
    let name = row.uplink.dev.as_str();
    let text = format!("  {name} ▼ {} ▲ {}", bits(row.down_bit_s), bits(row.up_bit_s));
    match row.uplink.failures {
        0 => (text, None),
        _ => (format!("{text} (no answer)"), Some(Tone::Warning)),
    }
}

//! The LAN behind a gateway in a frame of `mptcpize top`: who moves how much now, and what each uplink
//! carries for them.

use crate::output::term::{Piece, Tone, clip};
use crate::output::units;
use mptcpize_model::status::lan::{ClientRow, Lan, Standing, Told, UplinkRow};

/// Below this width what a device moved in all is left out.
const NARROW: usize = 70;

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
    let amounts = if width < NARROW { "" } else { "       down       up" };
    let mut lines = vec![quiet(format!(
        " {:<26}{:>5}{:>9}{:>7}{amounts}  multipath",
        "lan", "open", "▼ Mbit/s", "▲"
    ))];
    lines.extend(told.clients.iter().take(most).map(|row| client(row, width)));
    let more = told.clients_all.saturating_sub(most.min(told.clients.len()));
    if more > 0 {
        lines.push(quiet(format!(" and {} more", units::count(more))));
    }
    lines.push(over(told));
    if lan.relay == Standing::Draining {
        lines.push(warning(" the relay takes no more connections"));
    }
    lines
}

fn client(row: &ClientRow, width: usize) -> Vec<Piece> {
    let bits = |bits: Option<u64>| bits.map_or_else(|| "–".into(), units::megabits);
    let amounts = match width < NARROW {
        true => String::new(),
        false => format!(
            "{:>11}{:>9}",
            units::bytes(row.amounts.down_bytes),
            units::bytes(row.amounts.up_bytes)
        ),
    };
    let part =
        row.multipath_permille.map_or_else(|| "–".into(), |part| ((part + 5) / 10).to_string());
    vec![(
        format!(
            " {:<26}{:>5}{:>9}{:>7}{amounts}{:>9} %",
            clip(&row.address.to_string(), 26),
            row.amounts.open,
            bits(row.down_bit_s),
            bits(row.up_bit_s),
            part
        ),
        None,
    )]
}

/// `over  w1 ▼ 9.3 ▲ 0.1  w2 ▼ 9.1 ▲ 0.1`.
fn over(told: &Told) -> Vec<Piece> {
    let mut pieces = vec![(" over".to_owned(), Some(Tone::Quiet))];
    pieces.extend(told.uplinks.iter().map(|row: &UplinkRow| {
        let bits = |bits: Option<u64>| bits.map_or_else(|| "–".into(), units::megabits);
        let name = row.uplink.dev.as_str();
        let text = format!("  {name} ▼ {} ▲ {}", bits(row.down_bit_s), bits(row.up_bit_s));
        match row.uplink.failures {
            0 => (text, None),
            _ => (format!("{text} (no answer)"), Some(Tone::Warning)),
        }
    }));
    pieces
}

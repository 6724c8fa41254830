//! Relays in a frame of `mptcpize top`: how each is doing, and the connections that move most with the
//! way they go.

use std::cmp::Reverse;

use crate::output::term::{Piece, Tone, clip};
use crate::output::units;
use mptcpize_model::relay::status::{Connection, Relay, Relays};
use mptcpize_model::status::relays::{Through, standing, word};
use mptcpize_model::top::{Moved, Rate};

/// The least width at which a column is shown: what is sent and how much was carried, the round trip, how many
/// connections there are, and what is received. Its name and how it is doing are always there.
const CARRIED: usize = 70;
const RTT: usize = 56;
const OPEN: usize = 46;
const RECEIVED: usize = 36;

/// The room for a relay's name, and below a width of [`OPEN`].
const NAME: usize = 20;
const NAME_LEAST: usize = 12;

/// A relay's line up to the rates.
fn begin(width: usize, name: &str, open: &str, rtt: &str) -> String {
    let room = if width < OPEN { NAME_LEAST } else { NAME };
    let mut text = format!(" {:<room$}", clip(name, room));
    if width >= OPEN {
        text.push_str(&format!("{open:>5}"));
    }
    if width >= RTT {
        text.push_str(&format!("{rtt:>9}"));
    }
    text
}

/// Its lines: a heading, the relays, and at most `most` connections.
pub(super) fn lines(all: &[Through], moved: &Moved, most: usize, width: usize) -> Vec<Vec<Piece>> {
    let quiet = |text: String| vec![(text, Some(Tone::Quiet))];
    let rates = rates(width, "▼ Mbit/s", "▲", "carried");
    let first = begin(width, "relay", "open", "rtt");
    let mut lines = vec![quiet(format!("{first}{rates}  state"))];
    let mut connections: Vec<(&Connection, Option<Rate>)> = Vec::new();
    for one in all {
        let Some(told) = &one.told else {
            lines.push(vec![(format!(" {}: {}", one.agent, one.goes()), Some(Tone::Warning))]);
            continue;
        };
        let rated = |it: &Relay| relay(one, told, it, moved.of_relay(&one.agent, &it.name), width);
        lines.extend(told.relays.iter().map(rated));
        if one.fallback_in_force {
            lines.push(vec![(format!(" {}: {}", one.agent, one.goes()), Some(Tone::Warning))]);
        }
        let rated = |it| (it, moved.of_connection(&one.agent, it));
        connections.extend(told.connections.iter().map(rated));
    }
    // As connections are sorted elsewhere in the frame: what moves most now, then what moved most.
    connections.sort_by_key(|(one, rate)| {
        let now = rate.unwrap_or_default();
        let now = now.down_bit_s.saturating_add(now.up_bit_s);
        Reverse((now, one.down_bytes.saturating_add(one.up_bytes)))
    });
    lines.extend(connections.iter().take(most).map(|(one, rate)| connection(one, *rate, width)));
    let more = connections.len().saturating_sub(most);
    if more > 0 {
        lines.push(quiet(format!(" and {} more", units::count(more))));
    }
    lines
}

fn relay(
    one: &Through,
    told: &Relays,
    relay: &Relay,
    rate: Option<Rate>,
    width: usize,
) -> Vec<Piece> {
    let rtt = relay.rtt_us.map(|rtt| u32::try_from(rtt).unwrap_or(u32::MAX));
    let rtt = rtt.map_or_else(|| "–".into(), |rtt| format!("{} ms", units::milliseconds(rtt)));
    let name = format!("{} ({})", relay.name, one.agent);
    let fault = !relay.fault.is_empty() || relay.mptcp == Some(false);
    let text = format!(
        "{}{}  {}",
        begin(width, &name, &relay.amounts.open.to_string(), &rtt),
        moves(rate, relay.amounts.down_bytes, relay.amounts.up_bytes, width),
        standing(told, relay)
    );
    vec![(text, fault.then_some(Tone::Warning))]
}

fn connection(one: &Connection, rate: Option<Rate>, width: usize) -> Vec<Piece> {
    let to = format!("  → {}", one.to);
    let room = begin(width, "", "", "").chars().count() - 1;
    let text = format!(
        " {:<room$}{}  {}",
        clip(&to, room),
        moves(rate, one.down_bytes, one.up_bytes, width),
        word(&one.via)
    );
    vec![(text, None)]
}

fn rates(width: usize, received: &str, sent: &str, carried: &str) -> String {
    match width {
        ..RECEIVED => String::new(),
        RECEIVED..CARRIED => format!("{received:>10}"),
        _ => format!("{received:>10}{sent:>8}{carried:>9}"),
    }
}

/// The columns of the rates, and of all that was carried.
fn moves(rate: Option<Rate>, down: u64, up: u64, width: usize) -> String {
    let of = |side: fn(Rate) -> u64| {
        rate.map_or_else(|| "–".to_owned(), |rate| units::megabits(side(rate)))
    };
    let (received, sent) = (of(|rate| rate.down_bit_s), of(|rate| rate.up_bit_s));
    rates(width, &received, &sent, &units::bytes(down.saturating_add(up)))
}

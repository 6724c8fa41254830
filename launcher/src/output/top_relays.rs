//! Relays in a frame of `mptcpize top`: how each is doing, and the connections that move most with the
//! way they go.

use crate::output::term::{Piece, Tone, clip};
use crate::output::units;
use mptcpize_model::relay::status::{Connection, Relay, Relays};
use mptcpize_model::status::relays::{Through, standing, word};

/// Below this width what was sent is left out.
const NARROW: usize = 70;

/// Its lines: a heading, the relays, and at most `most` connections.
pub(super) fn lines(all: &[Through], most: usize, width: usize) -> Vec<Vec<Piece>> {
    let quiet = |text: String| vec![(text, Some(Tone::Quiet))];
    let up = if width < NARROW { "" } else { "       up" };
    let mut lines =
        vec![quiet(format!(" {:<26}{:>5}{:>9}{:>11}{up}  state", "relay", "open", "rtt", "down"))];
    let mut connections: Vec<&Connection> = Vec::new();
    for one in all {
        let Some(told) = &one.told else {
            lines.push(vec![(format!(" {}: {}", one.agent, one.goes()), Some(Tone::Warning))]);
            continue;
        };
        lines.extend(told.relays.iter().map(|it| relay(one, told, it, width)));
        if one.fallback_in_force {
            lines.push(vec![(format!(" {}: {}", one.agent, one.goes()), Some(Tone::Warning))]);
        }
        connections.extend(&told.connections);
    }
    connections.sort_by_key(|one| std::cmp::Reverse(one.down_bytes.saturating_add(one.up_bytes)));
    lines.extend(connections.iter().take(most).map(|one| connection(one, width)));
    let more = connections.len().saturating_sub(most);
    if more > 0 {
        lines.push(quiet(format!(" and {} more", units::count(more))));
    }
    lines
}

fn relay(one: &Through, told: &Relays, relay: &Relay, width: usize) -> Vec<Piece> {
    let rtt = relay.rtt_us.map(|rtt| u32::try_from(rtt).unwrap_or(u32::MAX));
    let rtt = rtt.map_or_else(|| "–".into(), |rtt| format!("{} ms", units::milliseconds(rtt)));
    let name = format!("{} ({})", relay.name, one.agent);
    let fault = !relay.fault.is_empty() || relay.mptcp == Some(false);
    let text = format!(
        " {:<26}{:>5}{rtt:>9}{}  {}",
        clip(&name, 26),
        relay.amounts.open,
        amounts(relay.amounts.down_bytes, relay.amounts.up_bytes, width),
        standing(told, relay)
    );
    vec![(text, fault.then_some(Tone::Warning))]
}

fn connection(one: &Connection, width: usize) -> Vec<Piece> {
    let to = format!("  → {}", one.to);
    let text = format!(
        " {:<40}{}  {}",
        clip(&to, 40),
        amounts(one.down_bytes, one.up_bytes, width),
        word(&one.via)
    );
    vec![(text, None)]
}

fn amounts(down: u64, up: u64, width: usize) -> String {
    let up = if width < NARROW { String::new() } else { format!("{:>9}", units::bytes(up)) };
    format!("{:>11}{up}", units::bytes(down))
}

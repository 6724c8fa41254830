//! The connections in a frame of `mptcpize top`: program and peer, subflows, and what was carried. Which columns
//! there are goes by the width; program and peer are always there.

use crate::output::status;
use crate::output::term::{Piece, Tone, clip};
use crate::output::units;
use mptcpize_model::top::{ConnectionLine, is_alive, name};

/// The least width at which how much a connection carried is shown.
const AMOUNTS: usize = 70;

/// That for its token, without which no other tool finds the connection.
const TOKEN: usize = 56;

/// That for its age.
const AGE: usize = 44;

/// That for its subflows.
const SUBFLOWS: usize = 30;

/// The heading of the columns.
pub(super) fn heading(width: usize) -> String {
    columns(width, "connection", "token", "subflows, ms", "sent", "received", "age")
}

/// A connection; `selected`: the one that keys act on.
pub(super) fn line(line: &ConnectionLine, selected: bool, width: usize) -> Vec<Piece> {
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
    let (name, links) = shares(width);
    let mut text = format!(" {:<name$}", clip(who, name));
    if width >= TOKEN {
        text.push_str(&format!(" {token:<8}"));
    }
    if links > 0 {
        text.push_str(&format!(" {:<links$}", clip(subflows, links)));
    }
    if width >= AMOUNTS {
        text.push_str(&format!("{sent:>9}{received:>9}"));
    }
    if width >= AGE {
        text.push_str(&format!("{age:>8}"));
    }
    text
}

/// The room for the program with its peer, and that for the subflows.
fn shares(width: usize) -> (usize, usize) {
    let others = [(TOKEN, 9), (AMOUNTS, 18), (AGE, 8)];
    let others: usize =
        others.iter().filter(|(least, _)| width >= *least).map(|(_, room)| room).sum();
    let left = width.saturating_sub(1 + others);
    if width < SUBFLOWS {
        return (left, 0);
    }
    let left = left.saturating_sub(1);
    let name = (left / 2).min(40);
    (name, left - name)
}

/// `wlan0 18 ● wwan0 61 ○`, or `wlan0 18 ● wwan0 down`.
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
    let down = status::down(&line.row).map(|link| format!("{link} down"));
    each.into_iter().chain(down).collect::<Vec<_>>().join(" ")
}

//! The relay that this host is for others, in the screen of `mptcpize status`.

use std::fmt::Write;
use std::time::Duration;

use crate::output::term::{Term, Tone, clip};
use crate::output::units;
use mptcpize_model::phrase;
use mptcpize_model::relay::status::Server;
use mptcpize_model::status::served::{Served, refusals};

/// How far the second column of a line is set in, as in the lines of the host.
const COLUMN: usize = 12;

/// Users that are shown, those that have most open first; `relay user list` has all.
const SHOWN: usize = 5;

/// Its lines below those of the host.
pub(super) fn lines(served: &Served, term: &Term) -> String {
    let mut text = String::new();
    let mut line = |name: &str, tone: Option<Tone>, rest: &str| {
        let rest = clip(rest, term.width.saturating_sub(COLUMN));
        let rest = tone.map_or_else(|| rest.to_string(), |tone| term.paint(tone, &rest));
        let _ = writeln!(text, "{name:<COLUMN$}{rest}");
    };
    let Some(told) = &served.told else {
        match &served.why {
            Some(why) => line("relay", Some(Tone::Warning), &format!("it does not answer: {why}")),
            None => line("relay", None, "only root may ask it"),
        }
        return text;
    };
    let ago = units::ago(Duration::from_millis(told.running_ms));
    let how = if told.mptcp { "over MPTCP and TCP" } else { "over TCP alone" };
    let tone = (!told.mptcp).then_some(Tone::Warning);
    line("relay", tone, &format!("serves {how}, for {ago} (process {})", told.pid));
    let all = &told.all;
    line(
        "",
        None,
        &format!(
            "{} open, {} carried so far, {} of them over MPTCP · {} down, {} up",
            phrase::count(all.open as usize, "connection"),
            number(all.carried),
            number(all.mptcp),
            units::bytes(all.down_bytes),
            units::bytes(all.up_bytes)
        ),
    );
    if let Some(users) = users(told) {
        line("", None, &users);
    }
    if told.strangers > 0 {
        line("", None, &format!("{} not authenticated yet", number(told.strangers.into())));
    }
    for (index, (count, clause)) in refusals(told).into_iter().enumerate() {
        let name = if index == 0 { "turned away" } else { "" };
        line(name, None, &format!("{} {clause}", number(count)));
    }
    text
}

/// The users, where there are some.
fn users(told: &Server) -> Option<String> {
    let mut users: Vec<_> = told.users.iter().filter(|(name, _)| !name.is_empty()).collect();
    users.sort_by_key(|(_, user)| std::cmp::Reverse((user.amounts.open, user.month_bytes)));
    let shown = users.iter().take(SHOWN).map(|(name, user)| {
        format!("{name} {} this month ({} open)", units::bytes(user.month_bytes), user.amounts.open)
    });
    let shown: Vec<String> = shown.collect();
    let more = users.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!shown.is_empty()).then(|| format!("users: {}{more}", shown.join(", ")))
}

fn number(count: u64) -> String {
    units::count(usize::try_from(count).unwrap_or(usize::MAX))
}

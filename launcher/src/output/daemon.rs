//! The daemon in the screen of `mptcpize status`.

use std::time::Duration;

use crate::output::term::{Term, Tone, clip};
use crate::output::units;
use mptcpize_model::daemon;
use mptcpize_model::status::daemon::Daemon;

/// How far the second column is set in, as in the lines above it.
const COLUMN: usize = 12;

/// Its lines: for how long it runs and what is the case, what is held back, its last decisions.
pub(super) fn lines(shown: &Daemon, term: &Term) -> String {
    let ago = |seconds| units::ago(Duration::from_secs(seconds));
    let mut text = String::new();
    let mut line = |name: &str, tone: Option<Tone>, rest: String| {
        let name_of_line = format!("{name:<COLUMN$}");
        let rest = clip(&rest, term.width.saturating_sub(COLUMN));
        let rest = tone.map_or_else(|| rest.to_string(), |tone| term.paint(tone, &rest));
        text.push_str(&format!("{name_of_line}{rest}\n"));
    };
    let running = format!("running for {} (process {})", ago(shown.running_s), shown.pid);
    line("daemon", None, format!("{running}: {}", shown.standing));
    if let Some(command) = &shown.look_again {
        let rest = format!("not seen yet is what is found below; it looks again by: {command}");
        line("", Some(Tone::Warning), rest);
    }
    for held in &shown.held {
        let more = held.for_s.map(|seconds| format!(" for {} more", ago(seconds)));
        let rest = format!("{}{}: {}", held.link, more.unwrap_or_default(), held.why);
        line("held back", Some(Tone::Warning), rest);
    }
    for (index, budgeted) in shown.budgets.iter().enumerate() {
        let name = if index == 0 { "budget" } else { "" };
        let used_up = budgeted.used >= budgeted.of;
        let tone = used_up.then_some(Tone::Warning);
        let day = budgeted.until.map(|day| format!(" until {day}")).unwrap_or_default();
        let backup = if used_up { ": a backup" } else { "" };
        line(name, tone, format!("{} {}{backup}{day}", budgeted.link, daemon::share(budgeted)));
    }
    for (index, told) in shown.events.iter().enumerate() {
        let name = if index == 0 { "events" } else { "" };
        line(name, None, format!("{:>8} ago  {}", ago(told.ago_s), told.text));
    }
    text
}

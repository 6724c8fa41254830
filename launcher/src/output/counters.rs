//! The screen of `mptcpize counters`.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::output::wrap;
use mptcpize_model::counters::{Counters, Kind, known};

/// Columns of an advice, behind its indent.
const ADVICE: usize = 70;

/// What to show.
#[derive(Clone, Copy, Debug)]
pub struct Screen<'a> {
    /// The counters, or what changed.
    pub counters: &'a Counters,
    /// With the advice for each.
    pub explain: bool,
    /// Also those that are 0.
    pub all: bool,
    /// Since when, in seconds; none is since the namespace was made.
    pub since_s: Option<u64>,
    /// How long the machine has been up, in seconds.
    pub up_s: u64,
}

impl Screen<'_> {
    fn shown(&self) -> impl Iterator<Item = &(String, u64)> {
        self.counters.0.iter().filter(|(_, value)| *value > 0 || self.all)
    }

    /// One line a counter: a mark where it is a sign of trouble, name, value, meaning. On a screen too
    /// narrow for that, the meaning stands below.
    pub fn text(&self, width: usize) -> String {
        let mut text = String::new();
        if let Some(seconds) = self.since_s {
            let _ = writeln!(text, "In the last {}:\n", period(seconds));
        }
        let mut shown = 0;
        for (name, value) in self.shown() {
            shown += 1;
            let known = known(name);
            let trouble = known.is_some_and(|known| known.kind == Kind::Trouble) && *value > 0;
            let mark = if trouble { '!' } else { ' ' };
            let means = known.map_or("newer than this mptcpize", |known| known.means);
            let line = format!("{mark} {name:<24}{value:>9}  {means}");
            if line.chars().count() <= width {
                let _ = writeln!(text, "{line}");
            } else {
                let _ = writeln!(text, "{mark} {name}  {value}");
                below(&mut text, means, width);
            }
            if let Some(known) = known.filter(|_| self.explain) {
                below(&mut text, known.advice, width);
            }
        }
        match self.counters.0.len() - shown {
            0 => {}
            hidden if shown == 0 => text.push_str(&self.nothing(hidden, width)),
            hidden => {
                let are = if hidden == 1 { "other is" } else { "others are" };
                let _ = writeln!(text, "\n{hidden} {are} 0    (mptcpize counters --all)");
            }
        }
        text
    }

    /// What is said where every counter is 0.
    fn nothing(&self, count: usize, width: usize) -> String {
        let said = match self.since_s {
            Some(_) => "Nothing was counted.".to_owned(),
            None => format!(
                "Nothing of MPTCP has happened in this network namespace since it began: all {count} \
                 counters are 0."
            ),
        };
        let fits = said.chars().count() <= width;
        let lines = if fits { vec![said] } else { wrap(&said, width) };
        lines.into_iter().map(|line| line + "\n").collect()
    }

    /// The counters of `counters -j`, as one JSON object.
    pub fn json(&self) -> Value {
        let list: Vec<Value> = self
            .shown()
            .map(|(name, value)| {
                let known = known(name);
                json!({
                    "name": name,
                    "value": value,
                    "kind": known.map(|known| known.kind),
                    "means": known.map(|known| known.means),
                    "advice": known.map(|known| known.advice),
                })
            })
            .collect();
        json!({
            "version": 1,
            "since_last_s": self.since_s,
            "uptime_s": self.up_s,
            "counters": list,
        })
    }
}

/// A text below its counter, in lines.
fn below(text: &mut String, said: &str, width: usize) {
    const MARGIN: usize = 6;
    for line in wrap(said, ADVICE.min(width.saturating_sub(MARGIN))) {
        let _ = writeln!(text, "{:MARGIN$}{line}", "");
    }
}

/// `40 s`, `12 min`, `3 h`, `2 days`: the largest unit that leaves no fraction to miss.
fn period(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_a_number_and_a_unit() {
        for (seconds, text) in
            [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7_200, "2 h"), (172_800, "2 days")]
        {
            assert_eq!(period(seconds), text);
        }
    }
}

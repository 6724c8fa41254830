//! The daemon that runs, as `mptcpize status` shows it: times as how long ago.

use serde::Serialize;

use crate::checks::Place;
use crate::daemon::{Budgeted, Code, Judgement, Millis, Status};
use crate::net::IfName;

/// A daemon on the screen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Daemon {
    /// Its process.
    pub pid: u32,
    /// For how long it runs, in seconds.
    pub running_s: u64,
    /// What is the case, in a line.
    pub standing: String,
    /// What it found at its last look; nothing between a change and the look that follows it.
    #[serde(flatten)]
    pub judged: Option<Judgement>,
    /// It has not seen what is found now: no message told of it.
    pub behind: bool,
    /// The command that makes it look again, where it is behind, as who asked is to type it.
    #[serde(skip)]
    pub look_again: Option<String>,
    /// The links that are held back.
    pub held: Vec<Held>,
    /// Links with a budget.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<Budgeted>,
    /// How many subflows were lost and came back; nothing where the kernel opens them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healed: Option<u64>,
    /// The last five decisions, oldest first.
    pub events: Vec<Told>,
}

/// A link that is held back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Held {
    /// The link.
    pub link: IfName,
    /// For how long yet, in seconds; none where that hangs on what happens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub for_s: Option<u64>,
    /// Why, as a clause.
    pub why: String,
}

/// A decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    /// How long ago, in seconds.
    pub ago_s: u64,
    /// Which kind.
    pub kind: Code,
    /// The line that the daemon logged.
    pub text: String,
}

impl Daemon {
    /// What it lets others know, at this moment.
    pub fn of(pid: u32, status: &Status, now: Millis) -> Self {
        let between = |from: Millis, to: Millis| to.0.saturating_sub(from.0) / 1_000;
        let held = status.held.iter().map(|held| Held {
            link: held.link.clone(),
            for_s: held.until.map(|until| between(now, until)),
            why: held.why.clone(),
        });
        let events = status.events.iter().map(|told| Told {
            ago_s: between(told.at, now),
            kind: told.code,
            text: told.text.clone(),
        });
        Daemon {
            pid,
            running_s: between(status.since, now),
            standing: status.standing.clone(),
            judged: status.judged.clone(),
            behind: false,
            look_again: None,
            held: held.collect(),
            budgets: status.budgets.clone(),
            healed: status.healed,
            events: events.collect(),
        }
    }

    /// Beside what is found now, for who asked.
    #[must_use]
    pub fn beside(mut self, now: &Judgement, place: &Place) -> Self {
        self.behind = self.judged.as_ref().is_some_and(|judged| judged != now);
        let command = format!("kill -HUP {}", self.pid);
        self.look_again = place.line(&[command]).filter(|_| self.behind);
        self
    }
}

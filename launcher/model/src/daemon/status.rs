//! What a running daemon lets others know: a file in the run directory that `mptcpize status`
//! reads.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::budgets::Budgeted;
use super::event::{Code, Millis};
use super::verdict::Judgement;
use crate::net::IfName;

/// The daemon, as it wants to be seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// When it started.
    pub since: Millis,
    /// What is the case, in a line.
    pub standing: String,
    /// What the judge said at the last look; nothing between a change and the look that follows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged: Option<Judgement>,
    /// The links that are held back.
    pub held: Vec<Held>,
    /// Those of them that are no paths meanwhile.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub left_out: BTreeSet<IfName>,
    /// Those of them that are up and pass nothing, and how that is known.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub stalled: BTreeMap<IfName, String>,
    /// How many subflows were lost and came back; nothing where the kernel opens them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healed: Option<u64>,
    /// Links with a budget.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<Budgeted>,
    /// How many reports there were of each kind since it started.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub decisions: BTreeMap<Code, u64>,
    /// The last five reports, oldest first.
    pub events: Vec<Told>,
}

impl Status {
    /// How many reports there were since it started.
    pub fn told(&self) -> u64 {
        self.events.last().map_or(0, |last| last.number)
    }

    /// The reports after the one of this number: how many of them are no longer remembered, and those
    /// that are.
    pub fn after(&self, number: u64) -> (u64, &[Told]) {
        let new = self.events.iter().position(|told| told.number > number);
        let new = new.map_or(&[][..], |first| &self.events[first..]);
        let next = new.first().map_or(0, |first| first.number);
        (next.saturating_sub(number.saturating_add(1)), new)
    }
}

/// A link that is not used for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The link.
    pub link: IfName,
    /// Why, as a clause.
    pub why: String,
    /// Until when; none where that hangs on what happens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Millis>,
}

/// A report and its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The how manieth it is since the daemon started, from 1; who has seen fewer has missed some.
    #[serde(default)]
    pub number: u64,
    /// When.
    pub at: Millis,
    /// Which kind.
    pub code: Code,
    /// The link that it is about, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<IfName>,
    /// The line that a person reads.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_looks_late_knows_how_many_reports_are_forgotten() {
        let told = |number| Told {
            number,
            at: Millis(0),
            code: Code::Lost,
            link: None,
            text: String::new(),
        };
        let status = Status { events: (4..=6).map(told).collect(), ..Status::default() };
        let after = |number| {
            let (missed, new) = status.after(number);
            (missed, new.iter().map(|told| told.number).collect::<Vec<_>>())
        };
        assert_eq!(after(0), (3, vec![4, 5, 6]));
        assert_eq!(after(3), (0, vec![4, 5, 6]));
        assert_eq!(after(5), (0, vec![6]));
        assert_eq!(after(6), (0, vec![]));
        assert_eq!(after(u64::MAX), (0, vec![]));
        assert_eq!((status.told(), Status::default().told()), (6, 0));
    }
}

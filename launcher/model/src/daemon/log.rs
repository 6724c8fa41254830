//! What was told: the last reports, and how many there were of each kind.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;

use super::event::{Code, Millis, Report};
use super::status::Told;

/// So many reports are remembered for `mptcpize status`.
const REMEMBERED: usize = 5;

/// What was told since the daemon began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Log {
    /// The last reports, oldest first.
    last: VecDeque<Told>,
    /// How many there were of each kind.
    counts: BTreeMap<Code, u64>,
}

impl Log {
    /// Numbers a report, counts it and remembers it.
    pub(super) fn add(&mut self, now: Millis, report: &Report) {
        *self.counts.entry(report.code).or_default() += 1;
        if self.last.len() == REMEMBERED {
            self.last.pop_front();
        }
        self.last.push_back(Told {
            number: self.counts.values().sum(),
            at: now,
            code: report.code,
            link: report.link.clone(),
            text: report.text.clone(),
        });
    }

    /// Those that are remembered.
    pub(super) fn last(&self) -> Vec<Told> {
        self.last.iter().cloned().collect()
    }

    /// How many there were of each kind.
    pub(super) fn counts(&self) -> &BTreeMap<Code, u64> {
        &self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_that_is_forgotten_is_still_counted() {
        let mut log = Log::default();
        for at in 1..=7 {
            log.add(Millis(at), &Report::new(if at < 3 { Code::SetUp } else { Code::Lost }, "x"));
        }
        let numbers: Vec<u64> = log.last().iter().map(|told| told.number).collect();
        assert_eq!(numbers, [3, 4, 5, 6, 7]);
        assert_eq!(log.counts(), &BTreeMap::from([(Code::SetUp, 2), (Code::Lost, 5)]));
    }
}

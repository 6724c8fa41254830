//! What was told, as far as it is remembered.

use std::collections::VecDeque;

use serde::Serialize;

use super::event::{Millis, Report};
use super::status::Told;

/// So many reports are remembered for `mptcpize status`.
const REMEMBERED: usize = 5;

/// The last reports, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Log(VecDeque<Told>);

impl Log {
    /// Remembers a report.
    pub(super) fn add(&mut self, now: Millis, report: &Report) {
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(Told { at: now, code: report.code, text: report.text.clone() });
    }

    /// Those that are remembered.
    pub(super) fn last(&self) -> Vec<Told> {
        self.0.iter().cloned().collect()
    }
}

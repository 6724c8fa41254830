//! Whoever needs samples of how connections get on: how often one is to be made, and what follows.

use std::time::Duration;

use super::Daemon;
use super::debounce::Debounce;
use super::event::{Action, Millis, Report};
use super::sample::Sample;

impl Daemon {
    /// How often somebody needs a sample.
    pub(super) fn sample_period(&self, now: Millis) -> Option<Duration> {
        let periods = [self.stall.period(), self.budgets.period(now), self.heal.sample_period()];
        periods.into_iter().flatten().min()
    }

    /// Hands a sample to all that go by it.
    pub(super) fn sampled(&mut self, now: Millis, sample: &Sample, actions: &mut Vec<Action>) {
        self.heal.sampled(now, &sample.flows);
        if self.resets.sampled(now, &sample.flows) {
            self.debounce = Debounce::due(now);
        }
        let reports = self.lossy.sampled(now, &sample.flows);
        self.judged(now, reports, actions);
        let reports = self.stall.sampled(now, sample);
        self.judged(now, reports, actions);
        let reports = self.blocking.sampled(now, sample, &self.stall.links());
        self.judged(now, reports, actions);
        if self.stall.is_back() {
            self.debounce = Debounce::due(now);
        }
        let reports = self.budgets.sampled(now, sample.local_s, &sample.links);
        self.save(now, !reports.is_empty(), actions);
        self.judged(now, reports, actions);
    }

    /// Has written down what was counted and is to be kept; with `all`, whatever has not been.
    pub(super) fn save(&mut self, now: Millis, all: bool, actions: &mut Vec<Action>) {
        actions.extend(self.budgets.save(now, all).map(|usage| Action::Save(Box::new(usage))));
    }

    /// Tells what follows from samples, and has the host set up accordingly.
    pub(super) fn judged(&mut self, now: Millis, reports: Vec<Report>, actions: &mut Vec<Action>) {
        if !reports.is_empty() {
            self.debounce = Debounce::due(now);
        }
        for report in reports {
            self.tell(now, report, actions);
        }
    }
}

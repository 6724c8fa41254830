//! When to look at how connections get on. Nothing tells of a path that passes nothing, so there is
//! no other way than to ask again and again; whoever needs a sample says how often, and while
//! nobody does nothing is asked.

use std::time::Duration;

use serde::Serialize;

use super::event::Millis;

/// The next sample.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Sampling {
    /// When the last one was asked for.
    last: Option<Millis>,
    /// When the next one is.
    due: Option<Millis>,
}

impl Sampling {
    /// Plans the next sample by the shortest period that somebody needs, and says whether it is due.
    pub(super) fn is_due(&mut self, now: Millis, period: Option<Duration>) -> bool {
        self.due = period.map(|period| self.last.map_or(now, |last| last + period));
        let due = self.due.is_some_and(|due| due <= now);
        if due {
            self.last = Some(now);
            self.due = period.map(|period| now + period);
        }
        due
    }

    /// When the next sample is due.
    pub(super) fn deadline(&self) -> Option<Millis> {
        self.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_first_sample_is_due_at_once_and_each_further_one_a_period_later() {
        let mut sampling = Sampling::default();
        assert!(!sampling.is_due(Millis(5), None));
        assert_eq!(sampling.deadline(), None);
        assert!(sampling.is_due(Millis(5), Some(SECOND)));
        assert!(!sampling.is_due(Millis(900), Some(SECOND)));
        assert_eq!(sampling.deadline(), Some(Millis(1_005)));
        assert!(!sampling.is_due(Millis(901), Some(SECOND * 2)));
        assert_eq!(sampling.deadline(), Some(Millis(2_005)), "a longer period");
        assert!(sampling.is_due(Millis(902), Some(SECOND / 2)), "a shorter one, which has passed");
        assert!(!sampling.is_due(Millis(903), None));
        assert_eq!(sampling.deadline(), None);
    }
}

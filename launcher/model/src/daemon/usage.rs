//! What links with a budget have carried, counted across restarts, reboots and replugs.
//!
//! The kernel's counters go on while no daemon runs, and begin anew with a boot or when a link is made
//! anew. So what is kept is how far they were when they were last seen, and of which boot that was is the
//! launcher's to know (`daemon/usage.rs` there).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::budget::Period;
use crate::calendar::Day;
use crate::net::{Bytes, IfName};

/// Before this day, 2020-01-01, no clock was ever right that this program saw: the host has no battery,
/// and nobody has told it the time yet.
const CLOCK_IS_SET: Day = Day(18_262);

/// So many links are remembered.
const MOST_LINKS: usize = 64;

/// What is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Usage(pub BTreeMap<IfName, Used>);

/// What a link has carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Used {
    /// The first day of the period; none before the clock was set.
    pub since: Option<Day>,
    /// How much in it, in bytes.
    pub bytes: u64,
    /// The period before and what was carried in it, for a clock that is set back to it.
    pub before: Option<(Day, u64)>,
    /// How far the link's counters were.
    pub seen: Bytes,
}

impl Usage {
    /// What a boot means: all counters begin anew.
    pub fn booted(&mut self) {
        self.0.values_mut().for_each(|used| used.seen = Bytes::default());
    }

    /// Counts what each of these links has carried since it was last seen, and returns it. A link that
    /// is new here begins with 0 and not with its counters.
    pub(super) fn count(
        &mut self,
        today: Day,
        periods: &BTreeMap<IfName, Period>,
        links: &BTreeMap<IfName, Bytes>,
    ) -> BTreeMap<IfName, u64> {
        self.0.retain(|link, _| periods.contains_key(link));
        let mut moved = BTreeMap::new();
        for (link, period) in periods {
            let Some(now) = links.get(link).copied() else {
                // When it is made anew its counters begin anew.
                self.0.entry(link.clone()).and_modify(|used| used.seen = Bytes::default());
                continue;
            };
            if !self.0.contains_key(link) && self.0.len() >= MOST_LINKS {
                continue;
            }
            let used = self.0.entry(link.clone()).or_insert(Used { seen: now, ..Used::default() });
            let more = beyond(used.seen.received, now.received) + beyond(used.seen.sent, now.sent);
            used.seen = now;
            if today >= CLOCK_IS_SET {
                used.turn(period.begin(today));
            }
            used.bytes = used.bytes.saturating_add(more);
            moved.insert(link.clone(), more);
        }
        moved
    }
}

/// How far a counter has gone; one that is lower than before has begun anew.
fn beyond(before: u64, now: u64) -> u64 {
    now.checked_sub(before).unwrap_or(now)
}

impl Used {
    /// Takes the period of today. A clock that is set back goes on with the period that it was in: what
    /// has been carried is not forgotten.
    fn turn(&mut self, begin: Day) {
        match self.since {
            None => self.since = Some(begin),
            Some(since) if since < begin => {
                *self = Used {
                    since: Some(begin),
                    bytes: 0,
                    before: Some((since, self.bytes)),
                    seen: self.seen,
                };
            }
            Some(since) if since > begin => {
                // The clock had been ahead, or is behind. Only the first leads to a known period.
                if let Some((_, bytes)) = self.before.take_if(|(before, _)| *before == begin) {
                    self.since = Some(begin);
                    self.bytes = self.bytes.saturating_add(bytes);
                }
            }
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Lab {
        usage: Usage,
        periods: BTreeMap<IfName, Period>,
    }

    fn link() -> IfName {
        IfName::new("wwan0").expect("a literal name")
    }

    impl Lab {
        fn new() -> Lab {
            let periods = BTreeMap::from([(link(), Period::Month(1))]);
            Lab { usage: Usage::default(), periods }
        }

        /// Counts on this day, and says how much the period has.
        fn count(&mut self, day: (i64, u8, u8), received: u64) -> u64 {
            let links = BTreeMap::from([(link(), Bytes { received, sent: 0 })]);
            self.usage.count(Day::of(day), &self.periods, &links);
            self.usage.0[&link()].bytes
        }
    }

    const NOVEMBER: (i64, u8, u8) = (2026, 11, 27);
    const DECEMBER: (i64, u8, u8) = (2026, 12, 1);

    #[test]
    fn counting_begins_with_what_moves_from_now_on() {
        let mut lab = Lab::new();
        assert_eq!(lab.count(NOVEMBER, 5_000), 0);
        assert_eq!(lab.count(NOVEMBER, 5_700), 700);
        assert_eq!(lab.count(DECEMBER, 5_800), 100, "a new period");
    }

    #[test]
    fn counters_that_begin_anew_lose_nothing() {
        let mut lab = Lab::new();
        lab.count(NOVEMBER, 5_000);
        assert_eq!(lab.count(NOVEMBER, 300), 300, "the link was made anew");
        lab.usage.booted();
        assert_eq!(lab.count(NOVEMBER, 400), 700, "the host was booted");
        lab.usage.count(Day::of(NOVEMBER), &lab.periods, &BTreeMap::new());
        assert_eq!(lab.count(NOVEMBER, 900), 1_600, "the link was away");
    }

    #[test]
    fn a_clock_that_is_wrong_for_a_while_loses_no_count() {
        let mut lab = Lab::new();
        lab.count((1970, 1, 1), 0);
        assert_eq!(lab.count((1970, 1, 1), 10), 10, "no battery");
        assert_eq!(lab.count(NOVEMBER, 30), 30, "the time is known now");
        assert_eq!(lab.count((2026, 10, 3), 60), 60, "set back");
        assert_eq!(lab.count(NOVEMBER, 100), 100);
        assert_eq!(lab.count((2031, 1, 1), 110), 10, "set ahead");
        assert_eq!(lab.count(NOVEMBER, 150), 150, "and back");
        assert_eq!(lab.count(DECEMBER, 151), 1);
    }

    #[test]
    fn links_without_a_budget_are_forgotten() {
        let mut lab = Lab::new();
        lab.count(NOVEMBER, 5);
        lab.periods.clear();
        lab.usage.count(Day::of(NOVEMBER), &lab.periods, &BTreeMap::new());
        assert_eq!(lab.usage, Usage::default());
    }
}

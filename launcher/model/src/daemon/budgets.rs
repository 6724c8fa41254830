//! Links that may carry so much in a period and are backups once they have: when to count, what to
//! keep, what to tell.
//!
//! The kernel tells nobody that bytes move. So it is asked while they do, the oftener the nearer the
//! limit is, and otherwise when something else wakes the daemon: on an idle host nothing is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::event::{Code, Millis, Report};
use super::interest::Interest;
use super::usage::Usage;
use crate::budget::{self, Budget};
use crate::calendar::Day;
use crate::net::{Bytes, IfName};

/// A link that carries more than this between two looks is in use. What less adds up to is counted all
/// the same, when something wakes the daemon.
const LITTLE: u64 = 65_536;

/// The period of looks while a link is in use and far from its limit.
const LONGEST: Duration = Duration::from_secs(30);

/// The period of looks next to the limit.
const SHORTEST: Duration = Duration::from_secs(1);

/// What is counted is written down after so many bytes: a power failure costs no more of a budget than
/// this, and a flash memory has 20 writes for a GB.
const UNSAVED: u64 = 50_000_000;

/// Or after so long.
const SAVED: Duration = Duration::from_secs(300);

/// What is known of links with a budget.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Budgets {
    limits: BTreeMap<IfName, Budget>,
    usage: Usage,
    /// The last count, and the local time then, in seconds since 1970.
    last: Option<(Millis, u64)>,
    /// When to count.
    interest: Interest,
    /// When the usage was written down, and what has been counted since.
    saved: Millis,
    unsaved: u64,
    /// Links that have used all of it.
    spent: BTreeSet<IfName>,
}

/// A link with a budget, as it wants to be seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budgeted {
    /// The link.
    pub link: IfName,
    /// What it may carry in the period, in bytes.
    pub of: u64,
    /// What it has carried, in bytes.
    pub used: u64,
    /// The first day of the next period; none before the clock is set.
    pub until: Option<Day>,
}

impl Budgets {
    /// Takes over the settings.
    pub(super) fn set(&mut self, limits: &BTreeMap<IfName, Budget>) {
        if self.limits != *limits {
            self.limits.clone_from(limits);
            self.last = None;
            self.interest = Interest::default();
        }
    }

    /// Something has happened, after which bytes may move.
    pub(super) fn wake(&mut self) {
        self.interest.wake();
    }

    /// What was kept from before, where there is anything.
    pub(super) fn remember(&mut self, usage: Usage) {
        self.usage = usage;
    }

    /// Counts, and says what is to be told of it.
    pub(super) fn sampled(
        &mut self,
        now: Millis,
        local_s: u64,
        links: &BTreeMap<IfName, Bytes>,
    ) -> Vec<Report> {
        if self.limits.is_empty() {
            return Vec::new();
        }
        let periods = self.limits.iter().map(|(link, budget)| (link.clone(), budget.period));
        let moved = self.usage.count(Day::at(local_s), &periods.collect(), links);
        self.unsaved = self.unsaved.saturating_add(moved.values().sum());
        let before = self.last.replace((now, local_s));
        let passed = before.map_or(0, |(before, _)| now.0.saturating_sub(before.0)).max(1);
        let pace = |(link, moved): (&IfName, &u64)| self.pace_of(link, *moved, passed);
        let pace = moved.iter().filter_map(pace).min();
        self.interest.looked(now, pace);
        self.judge()
    }

    /// When to look again at a link that has carried so much in so many milliseconds: when at the
    /// latest half of what is left has gone.
    fn pace_of(&self, link: &IfName, moved: u64, passed: u64) -> Option<Duration> {
        if moved < LITTLE || self.spent.contains(link) {
            return None;
        }
        let left = self.limits.get(link)?.bytes.saturating_sub(self.used(link));
        let half = u128::from(left / 2) * u128::from(passed) / u128::from(moved);
        let half = Duration::from_millis(u64::try_from(half).unwrap_or(u64::MAX));
        Some(half.clamp(SHORTEST, LONGEST))
    }

    /// Which links have used all of it now, and which have a new period.
    fn judge(&mut self) -> Vec<Report> {
        let over = |(link, budget): (&IfName, &Budget)| {
            (self.used(link) >= budget.bytes).then(|| link.clone())
        };
        let spent: BTreeSet<IfName> = self.limits.iter().filter_map(over).collect();
        let mut reports = Vec::new();
        for link in spent.difference(&self.spent) {
            let Some(budget) = self.limits.get(link) else { continue };
            let until = self.until(link).map_or(String::new(), |day| format!(" until {day}"));
            let text = format!("{link} has used its {budget}: it is a backup{until}");
            reports.push(Report::about(Code::Spent, link, text));
        }
        for link in self.spent.difference(&spent) {
            let text = format!("{link} may be used again: its budget is not used up");
            reports.push(Report::about(Code::Unspent, link, text));
        }
        self.spent = spent;
        reports
    }

    fn used(&self, link: &IfName) -> u64 {
        self.usage.0.get(link).map_or(0, |used| used.bytes)
    }

    fn until(&self, link: &IfName) -> Option<Day> {
        let since = self.usage.0.get(link)?.since?;
        Some(self.limits.get(link)?.period.next(since))
    }

    /// The links that are backups now.
    pub(super) fn spent(&self) -> &BTreeSet<IfName> {
        &self.spent
    }

    /// How long after the last sample the next one is to be; at once where something woke the daemon
    /// and the last one is old.
    pub(super) fn period(&self, now: Millis) -> Option<Duration> {
        if self.limits.is_empty() {
            return None;
        }
        let Some((_, local_s)) = self.last else { return Some(Duration::ZERO) };
        // Nothing but the clock ends a period.
        let ends = self.spent.iter().filter_map(|link| self.until(link)).min();
        let ends = ends.map(|day| Duration::from_secs(day.unix_s().saturating_sub(local_s)));
        let ends = ends.map(|end| end.max(SHORTEST));
        [self.interest.period(now), ends].into_iter().flatten().min()
    }

    /// What is to be written down now; with `all`, whatever has not been.
    pub(super) fn save(&mut self, now: Millis, all: bool) -> Option<Usage> {
        let due = self.unsaved >= UNSAVED || self.saved + SAVED <= now || all;
        if self.unsaved == 0 || !due {
            return None;
        }
        (self.unsaved, self.saved) = (0, now);
        Some(self.usage.clone())
    }

    /// What `mptcpize status` shows.
    pub(super) fn shown(&self) -> Vec<Budgeted> {
        let shown = |(link, budget): (&IfName, &Budget)| Budgeted {
            link: link.clone(),
            of: budget.bytes,
            used: self.used(link),
            until: self.until(link),
        };
        self.limits.iter().map(shown).collect()
    }
}

/// Of links with a budget those that have used all of it by what was kept, on this day: for a set-up
/// beside the daemon.
pub fn spent(limits: &BTreeMap<IfName, Budget>, usage: &Usage, today: Day) -> BTreeSet<IfName> {
    let over = |(link, budget): (&IfName, &Budget)| {
        let used = usage.0.get(link)?;
        let over = used.since.is_some_and(|since| budget.period.next(since) <= today);
        (used.bytes >= budget.bytes && !over).then(|| link.clone())
    };
    limits.iter().filter_map(over).collect()
}

/// A report's sizes, for texts elsewhere: `3.2 GB of 20 GB`.
pub fn share(budgeted: &Budgeted) -> String {
    format!("{} of {}", budget::shown(budgeted.used), budget::shown(budgeted.of))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Lab {
        budgets: Budgets,
        now: Millis,
        carried: u64,
    }

    /// 2026-11-27 at noon.
    const NOON: u64 = 1_795_737_600 + 43_200;
    const MB: u64 = 1_000_000;

    fn link() -> IfName {
        IfName::new("wwan0").expect("a literal name")
    }

    impl Lab {
        fn new(budget: &str) -> Lab {
            let mut budgets = Budgets::default();
            budgets.set(&BTreeMap::from([(link(), budget.parse().expect("a budget"))]));
            let mut lab = Lab { budgets, now: Millis(1_000), carried: 0 };
            assert_eq!(lab.budgets.period(lab.now), Some(Duration::ZERO));
            lab.moves(0, 0);
            lab
        }

        /// So much moves in so many seconds; what is told.
        fn moves(&mut self, seconds: u64, bytes: u64) -> Vec<String> {
            self.now = Millis(self.now.0 + seconds * 1_000);
            self.carried += bytes;
            let counters = Bytes { received: self.carried, sent: 0 };
            let links = BTreeMap::from([(link(), counters)]);
            let local_s = NOON + self.now.0 / 1_000;
            let reports = self.budgets.sampled(self.now, local_s, &links);
            reports.into_iter().map(|report| report.text).collect()
        }
    }

    #[test]
    fn a_host_without_budgets_or_traffic_is_not_asked() {
        assert_eq!(Budgets::default().period(Millis(9)), None);
        let mut lab = Lab::new("1 GB/month");
        assert_eq!(lab.budgets.period(lab.now), None);
        lab.moves(10, LITTLE - 1);
        assert_eq!(lab.budgets.period(lab.now), None);
        let woken = lab.now + LONGEST;
        assert_eq!(lab.budgets.period(woken), Some(LONGEST), "that is at once");
    }

    #[test]
    fn looks_come_oftener_towards_the_limit() {
        let mut lab = Lab::new("1 GB/month");
        lab.moves(1, 2 * MB);
        assert_eq!(lab.budgets.period(lab.now), Some(LONGEST));
        lab.moves(2, 958 * MB);
        assert_eq!(lab.budgets.period(lab.now), Some(SHORTEST));
        lab.moves(10, 10 * MB);
        assert_eq!(lab.budgets.period(lab.now), Some(Duration::from_secs(15)));
    }

    #[test]
    fn the_limit_makes_it_a_backup_until_the_next_period() {
        let mut lab = Lab::new("100 MB/day");
        assert_eq!(lab.moves(10, 99 * MB), Vec::<String>::new());
        let said = lab.moves(10, MB);
        assert_eq!(said, ["wwan0 has used its 100 MB/day: it is a backup until 2026-11-28"]);
        assert_eq!(lab.budgets.spent(), &BTreeSet::from([link()]));
        assert_eq!(lab.moves(10, 5 * MB), Vec::<String>::new());
        let next = |lab: &Lab| lab.budgets.period(lab.now).expect("the period ends");
        let mut midnight = next(&lab);
        while midnight <= LONGEST {
            lab.moves(midnight.as_secs(), 0);
            midnight = next(&lab);
        }
        assert_eq!(midnight.as_secs(), 43_200 - lab.now.0 / 1_000);
        let said = lab.moves(midnight.as_secs(), 0);
        assert_eq!(said, ["wwan0 may be used again: its budget is not used up"]);
        assert_eq!(lab.budgets.period(lab.now), None);
    }

    #[test]
    fn counts_are_written_down_rarely() {
        let mut lab = Lab::new("1 GB/month");
        lab.moves(1, MB);
        assert_eq!(lab.budgets.save(lab.now, false), None);
        lab.moves(1, UNSAVED);
        assert!(lab.budgets.save(lab.now, false).is_some());
        lab.moves(1, MB);
        assert_eq!(lab.budgets.save(lab.now, false), None);
        lab.moves(300, MB);
        assert!(lab.budgets.save(lab.now, false).is_some());
        assert_eq!(lab.budgets.save(lab.now, true), None, "all of it is");
        lab.moves(1, 1);
        assert!(lab.budgets.save(lab.now, true).is_some());
    }

    #[test]
    fn a_set_up_beside_the_daemon_knows_from_what_was_kept() {
        let mut lab = Lab::new("100 MB/day");
        lab.moves(10, 100 * MB);
        let usage = lab.budgets.save(lab.now, true).expect("it was not written");
        let limits = BTreeMap::from([(link(), "100 MB/day".parse().expect("a budget"))]);
        let today = Day::at(NOON);
        assert_eq!(spent(&limits, &usage, today), BTreeSet::from([link()]));
        assert_eq!(spent(&limits, &usage, Day(today.0 + 1)), BTreeSet::new());
    }
}

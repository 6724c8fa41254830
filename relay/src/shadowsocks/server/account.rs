//! A user of the server: what it carried, what it may, and when its connections end.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mptcpize_model::relay::server::UserLimits;
use mptcpize_model::relay::status::UserState;
use tokio::sync::watch;
use tokio::time::Instant;

use super::amounts::Counters;

/// Bytes that a user with a limited rate may have ahead of it, as the time that they take.
const BURST: Duration = Duration::from_millis(100);

/// A user.
#[derive(Debug)]
pub struct Account {
    /// Its name; empty where the server has no users.
    pub name: String,
    /// What it carried.
    pub counters: Counters,
    /// Bytes both ways in this month.
    month: AtomicU64,
    most_connections: AtomicU32,
    most_month: AtomicU64,
    /// Bytes a second; 0 is no limit.
    rate: AtomicU64,
    pace: Mutex<Pace>,
    /// Changes when all of its connections end.
    ends: watch::Sender<()>,
}

impl Account {
    /// It has carried nothing.
    pub fn new(name: String, limits: UserLimits) -> Self {
        let account = Account {
            name,
            counters: Counters::default(),
            month: AtomicU64::new(0),
            most_connections: AtomicU32::new(0),
            most_month: AtomicU64::new(0),
            rate: AtomicU64::new(0),
            pace: Mutex::new(Pace { free: Instant::now() }),
            ends: watch::Sender::new(()),
        };
        account.limit(limits);
        account
    }

    /// Other limits from now on.
    pub fn limit(&self, limits: UserLimits) {
        let rate = limits.rate_mbit.map_or(0, |mbit| u64::from(mbit.max(1)) * 125_000);
        self.most_connections.store(limits.connections.unwrap_or(u32::MAX), Ordering::Relaxed);
        self.most_month.store(limits.month_bytes.unwrap_or(u64::MAX), Ordering::Relaxed);
        self.rate.store(rate, Ordering::Relaxed);
        if self.is_over() {
            self.end();
        }
    }

    /// Connections that it may have.
    pub fn most_connections(&self) -> u32 {
        self.most_connections.load(Ordering::Relaxed)
    }

    /// Has it used up its month?
    pub fn is_over(&self) -> bool {
        self.month.load(Ordering::Relaxed) >= self.most_month.load(Ordering::Relaxed)
    }

    /// Its connections end.
    pub fn end(&self) {
        self.ends.send_replace(());
    }

    /// Tells when they do, from now on.
    pub fn ends(&self) -> watch::Receiver<()> {
        self.ends.subscribe()
    }

    /// So many bytes came from the client, and went to it.
    pub fn moved(&self, up: usize, down: usize) {
        self.counters.moved(up, down);
        let bytes = (up as u64).saturating_add(down as u64);
        let before = self.month.fetch_add(bytes, Ordering::Relaxed);
        let most = self.most_month.load(Ordering::Relaxed);
        if before < most && before.saturating_add(bytes) >= most {
            self.end();
        }
        let rate = self.rate.load(Ordering::Relaxed);
        if rate > 0 {
            self.pace().spend(Instant::now(), rate, bytes);
        }
    }

    /// When the next bytes may move, where that is not now.
    pub fn waits_until(&self) -> Option<Instant> {
        if self.rate.load(Ordering::Relaxed) == 0 {
            return None;
        }
        Some(self.pace().free).filter(|free| *free > Instant::now())
    }

    fn pace(&self) -> std::sync::MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is told of it.
    pub fn state(&self) -> UserState {
        UserState {
            amounts: self.counters.amounts(),
            month_bytes: self.month.load(Ordering::Relaxed),
        }
    }

    /// Goes on from what was counted before.
    pub fn restore(&self, before: UserState) {
        self.counters.add(before.amounts);
        self.month.fetch_add(before.month_bytes, Ordering::Relaxed);
    }

    /// A month begins.
    pub fn begin_month(&self) {
        self.month.store(0, Ordering::Relaxed);
    }
}

/// A rate, as the time at which what has moved is paid for.
#[derive(Debug)]
struct Pace {
    free: Instant,
}

impl Pace {
    fn spend(&mut self, now: Instant, rate: u64, bytes: u64) {
        let start = now.checked_sub(BURST).map_or(self.free, |earliest| self.free.max(earliest));
        let takes = bytes.saturating_mul(1_000_000_000).checked_div(rate).unwrap_or(0);
        self.free = start + Duration::from_nanos(takes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_kept_over_time_and_lets_a_burst_through() {
        let start = Instant::now() + Duration::from_secs(60);
        let mut pace = Pace { free: start - Duration::from_secs(30) };
        let (mut now, mut moved) = (start, 0);
        while now < start + Duration::from_secs(10) {
            if pace.free <= now {
                pace.spend(now, 125_000, 10_000);
                moved += 10_000;
            }
            now += Duration::from_millis(1);
        }
        let most = 1_250_000 + 12_500 + 10_000;
        assert!((1_240_000..=most).contains(&moved), "{moved} bytes in ten seconds at 1 Mbit/s");
    }

    #[test]
    fn connections_end_when_the_month_is_used_up_and_not_before() {
        let limits = UserLimits { month_bytes: Some(100), ..UserLimits::default() };
        let account = Account::new("a".to_owned(), limits);
        let ends = account.ends();
        account.moved(60, 39);
        assert!(!account.is_over() && !ends.has_changed().expect("the account is there"));
        account.moved(0, 1);
        assert!(account.is_over() && ends.has_changed().expect("likewise"));
        account.begin_month();
        assert!(!account.is_over());
        assert_eq!(account.state().amounts.down_bytes, 40);
    }
}

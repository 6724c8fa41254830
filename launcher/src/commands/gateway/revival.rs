//! When a child that ended is started again: at once, and later each time that it does not last.

use std::time::{Duration, Instant};

/// A child that lasted so long ended for a reason of its own.
const STEADY: Duration = Duration::from_secs(10);
/// The first pause, doubled each time up to the longest.
const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

/// The starts of one child.
#[derive(Clone, Copy, Debug, Default)]
pub struct Revival {
    started: Option<Instant>,
    pause: Option<Duration>,
    next: Option<Instant>,
}

impl Revival {
    /// It was started.
    pub fn started(&mut self, now: Instant) {
        self.started = Some(now);
        self.next = None;
    }

    /// How long it has run, if it was started.
    pub fn lived(&self, now: Instant) -> Duration {
        self.started.map_or(Duration::ZERO, |started| now - started)
    }

    /// It has ended.
    pub fn ended(&mut self, now: Instant) {
        let steady = self.lived(now) >= STEADY;
        let pause = if steady { Duration::ZERO } else { self.pause.unwrap_or(Duration::ZERO) };
        self.pause = Some(match pause {
            Duration::ZERO => FIRST,
            pause => (pause * 2).min(LONGEST),
        });
        self.next = Some(now + pause);
    }

    /// When it is started next, if it is to be.
    pub fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Is it to be started now?
    pub fn is_due(&self, now: Instant) -> bool {
        self.next.is_some_and(|next| next <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_does_not_last_is_started_later_each_time() {
        let mut revival = Revival::default();
        let mut now = Instant::now();
        let mut pauses = Vec::new();
        for lived in [1, 1, 1, 1, 1, 1, 1, 1, 20_000, 1] {
            revival.started(now);
            now += Duration::from_millis(lived);
            revival.ended(now);
            let next = revival.next().expect("it is to be started");
            pauses.push((next - now).as_millis());
            assert!(revival.is_due(next) && (next == now || !revival.is_due(now)));
            now = next;
        }
        assert_eq!(pauses, [0, 100, 200, 400, 800, 1600, 3200, 5000, 0, 100]);
    }
}

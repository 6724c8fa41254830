//! How busy an uplink is: from the byte counters of its link, and from the connections that the relay
//! placed there.

use std::time::Duration;

/// What a link can carry is at least what was seen in the last minutes: a peak loses half of its
/// weight in this time, because radio links change.
const HALF_LIFE: Duration = Duration::from_secs(300);
/// Rates are of at least this time: below it a burst of a queue looks like a fast link.
const WINDOW: Duration = Duration::from_millis(200);

/// The load of an uplink. Rates are in bytes a second, of the busier direction.
#[derive(Clone, Debug, Default)]
pub struct Load {
    /// When the counters were last read, and what they said (received, sent).
    last: Option<(Duration, u64, u64)>,
    /// The rate between the last two readings.
    rate: f64,
    /// The highest rate that was seen, with [`HALF_LIFE`].
    peak: f64,
    /// Connections that moved bytes between the last two readings.
    busy: u32,
    /// Connections that were placed here since the last reading.
    placed: u32,
}

impl Load {
    /// Takes the counters of the link into account (bytes received and sent), and how many connections
    /// of the relay moved bytes over it since the last time.
    pub fn sample(&mut self, now: Duration, received: u64, sent: u64, busy: u32) {
        if let Some((then, rx, tx)) = self.last {
            let passed = now.saturating_sub(then);
            if passed < WINDOW {
                return;
            }
            let seconds = passed.as_secs_f64();
            // A link that was taken away and came back counts from 0.
            let moved = received.saturating_sub(rx).max(sent.saturating_sub(tx));
            self.rate = moved as f64 / seconds;
            let fade = 0.5f64.powf(seconds / HALF_LIFE.as_secs_f64());
            self.peak = (self.peak * fade).max(self.rate);
        }
        self.last = Some((now, received, sent));
        // What was placed since the last time may not have moved anything yet.
        self.busy = busy.max(self.placed);
        self.placed = 0;
    }

    /// A connection was placed here.
    pub fn place(&mut self) {
        self.placed += 1;
    }

    /// One that was placed here uses all uplinks.
    pub fn unplace(&mut self) {
        self.placed = self.placed.saturating_sub(1);
    }

    /// One of the busy connections has ended.
    pub fn ended(&mut self) {
        self.busy = self.busy.saturating_sub(1);
    }

    /// The highest rate that was seen.
    pub fn peak(&self) -> f64 {
        self.peak
    }

    /// The rate that one more connection could have here: what is free, and at least its share beside
    /// the busy ones. `capacity` is what the link carries, in bytes a second.
    pub fn expected(&self, capacity: f64) -> f64 {
        let share = capacity / f64::from(1 + self.busy + self.placed);
        // What was placed since the last reading is not in its rate yet.
        let free = if self.placed == 0 { capacity - self.rate } else { 0.0 };
        free.max(share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn milliseconds(number: u64) -> Duration {
        Duration::from_millis(number)
    }

    #[test]
    fn the_peak_stays_and_the_rate_goes() {
        let mut load = Load::default();
        load.sample(milliseconds(0), 0, 0, 0);
        load.sample(milliseconds(1_000), 1_000_000, 10, 1);
        load.sample(milliseconds(2_000), 1_000_000, 20, 0);
        assert!(load.rate < 100.0 && load.peak > 990_000.0, "{load:?}");
        assert!(load.expected(1_000_000.0) > 990_000.0);
    }

    #[test]
    fn a_link_that_counts_from_nothing_again_is_not_fast() {
        let mut load = Load::default();
        load.sample(milliseconds(0), u64::MAX, u64::MAX, 0);
        load.sample(milliseconds(1_000), 5, 5, 0);
        assert!(load.peak < 10.0, "{load:?}");
    }

    #[test]
    fn readings_that_follow_at_once_are_no_rate() {
        let mut load = Load::default();
        load.sample(milliseconds(0), 0, 0, 0);
        load.sample(milliseconds(1), 100_000, 0, 0);
        assert!(load.peak.abs() < f64::EPSILON, "{load:?}");
    }
}

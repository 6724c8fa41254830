//! One look for a burst of messages: a manager that configures a link sends dozens within
//! milliseconds, and a look in their midst would see half of it.

use std::time::Duration;

use serde::Serialize;

use super::event::Millis;

/// So long nothing must have come: managers take 20 to 90 ms between taking an address and giving
/// it back, in messages that are closer together than this.
const QUIET: Duration = Duration::from_millis(50);

/// A look is made after so long even if messages do not stop.
const LONGEST: Duration = Duration::from_millis(500);

/// Messages that wait for a look.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Debounce {
    /// When the look for them is due at the latest, and when it is due.
    waiting: Option<(Millis, Millis)>,
}

impl Debounce {
    /// A look is due at once, whatever else comes.
    pub(super) fn due(now: Millis) -> Self {
        Debounce { waiting: Some((now, now)) }
    }

    /// A message came.
    pub(super) fn wake(&mut self, now: Millis) {
        let latest = self.waiting.map_or(now + LONGEST, |(latest, _)| latest);
        self.waiting = Some((latest, latest.min(now + QUIET)));
    }

    /// A look is being made.
    pub(super) fn clear(&mut self) {
        self.waiting = None;
    }

    /// When a look is due.
    pub(super) fn deadline(&self) -> Option<Millis> {
        self.waiting.map(|(_, due)| due)
    }
}

//! What happens too often is waited out, each time for longer: links that flap, and a host that
//! somebody else changes as fast as it is mended.

use std::time::Duration;

use serde::Serialize;

use super::event::Millis;

/// In which period events are counted.
const MINUTE: Duration = Duration::from_secs(60);

/// The first pause: longer than a modem takes to register anew, and short enough to be waited for.
const FIRST: Duration = Duration::from_secs(30);

/// The longest: whoever mends a cable finds the link in use before the coffee is cold.
const LONGEST: Duration = Duration::from_secs(600);

/// After so long without a pause the next one is the first again.
const CALM: Duration = Duration::from_secs(600);

/// Counts events and says when to pause.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Pace {
    /// The events of the last minute.
    recent: Vec<Millis>,
    /// The pause that is on.
    until: Option<Millis>,
    /// The next pause, and the end of the last one.
    next: Option<(Duration, Millis)>,
}

impl Pace {
    /// Counts an event. The `most + 1`st of a minute begins a pause, whose length is returned.
    /// Events within a pause are not counted.
    pub(super) fn strike(&mut self, now: Millis, most: usize) -> Option<Duration> {
        if self.until.is_some() {
            return None;
        }
        self.recent.retain(|at| *at + MINUTE > now);
        self.recent.push(now);
        if self.recent.len() <= most {
            return None;
        }
        let grown = self.next.filter(|(_, ended)| *ended + CALM > now);
        let pause = grown.map_or(FIRST, |(pause, _)| pause);
        let end = now + pause;
        self.recent.clear();
        self.until = Some(end);
        self.next = Some(((pause * 2).min(LONGEST), end));
        Some(pause)
    }

    /// The end of the pause that is on.
    pub(super) fn until(&self) -> Option<Millis> {
        self.until
    }

    /// Ends the pause when its time has come, and says whether it did.
    pub(super) fn end(&mut self, now: Millis) -> bool {
        let over = self.until.is_some_and(|until| until <= now);
        if over {
            self.until = None;
        }
        over
    }

    /// Is there nothing to remember?
    pub(super) fn is_calm(&self, now: Millis) -> bool {
        let old = self.recent.iter().all(|at| *at + MINUTE <= now);
        let long_ago = self.next.is_none_or(|(_, ended)| ended + CALM <= now);
        self.until.is_none() && old && long_ago
    }
}

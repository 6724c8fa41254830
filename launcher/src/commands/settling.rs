//! When a host that changes is looked at again: once it has come to rest.

use std::time::{Duration, Instant};

/// How long nothing more must have changed before the host is looked at again: a link that comes brings
/// several messages.
const QUIET: Duration = Duration::from_millis(200);
/// When it is looked at though messages do not end.
const LATEST: Duration = Duration::from_secs(2);

/// The changes that nobody has looked at yet: since when there are some, and when the last one came.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settling(Option<(Instant, Instant)>);

impl Settling {
    /// Something has changed.
    pub fn changed(&mut self, now: Instant) {
        let since = self.0.map_or(now, |(since, _)| since);
        self.0 = Some((since, now));
    }

    /// When the host is to be looked at, if it is.
    pub fn next(&self) -> Option<Instant> {
        self.0.map(|(since, last)| (last + QUIET).min(since + LATEST))
    }

    /// Has something changed, and come to rest? Then it is taken note of.
    pub fn is_due(&mut self, now: Instant) -> bool {
        let due = self.next().is_some_and(|next| next <= now);
        if due {
            self.0 = None;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_looked_at_once_they_rest_and_no_later_than_two_seconds_after_the_first() {
        let begun = Instant::now();
        let mut settling = Settling::default();
        assert!(settling.next().is_none() && !settling.is_due(begun));
        settling.changed(begun);
        settling.changed(begun + Duration::from_millis(100));
        assert_eq!(settling.next(), Some(begun + Duration::from_millis(300)));
        assert!(!settling.is_due(begun + Duration::from_millis(299)));
        for step in 1..40 {
            settling.changed(begun + Duration::from_millis(100 * step));
        }
        assert_eq!(settling.next(), Some(begun + LATEST));
        assert!(settling.is_due(begun + LATEST));
        assert!(settling.next().is_none());
    }
}

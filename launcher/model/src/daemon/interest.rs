//! How long something is looked at that tells nobody when it happens. Whatever wakes the daemon may be
//! its beginning: so a look follows at once, and others ever later. Where one finds something the looks
//! go on, and where none does they end: nothing is asked on an idle host.

use std::time::Duration;

use serde::Serialize;

use super::event::Millis;

/// The pause after a look that was caused by something else; each further one is twice as long.
const FIRST: Duration = Duration::from_secs(1);

/// After a pause so long in which nothing was found there are no more looks.
const LAST: Duration = Duration::from_secs(30);

/// The looks at one thing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Interest {
    /// Something has happened since the last look.
    woken: bool,
    /// The last look.
    last: Option<Millis>,
    /// How long after it the next one is.
    pause: Option<Duration>,
}

impl Interest {
    /// Something has happened.
    pub(super) fn wake(&mut self) {
        self.woken = true;
    }

    /// A look has been made. Where it found something, `next` says how long after it the next one is.
    pub(super) fn looked(&mut self, now: Millis, next: Option<Duration>) {
        self.last = Some(now);
        let fading = match (self.pause, std::mem::take(&mut self.woken)) {
            (None, true) => Some(FIRST),
            (None, false) => None,
            (Some(pause), _) => Some(pause * 2).filter(|pause| *pause <= LAST),
        };
        self.pause = next.or(fading);
    }

    /// How long after the last look the next one is due, if one is; it is due at once where the last one
    /// is old, whatever woke the daemon.
    pub(super) fn period(&self, now: Millis) -> Option<Duration> {
        let Some(last) = self.last else { return Some(Duration::ZERO) };
        let passed = |pause: Duration| (last + pause <= now).then_some(pause);
        let woken = if self.woken { Some(FIRST) } else { None };
        [passed(LAST), woken, self.pause].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many looks there are in so many seconds, when the core is called for each.
    fn looks(interest: &mut Interest, begin: u64, seconds: u64) -> usize {
        let mut looks = 0;
        for second in begin..begin + seconds {
            let now = Millis(second * 1_000);
            let due = |interest: &Interest| {
                let last = interest.last.unwrap_or_default();
                interest.pause.is_some_and(|pause| last + pause <= now)
            };
            if due(interest) {
                interest.looked(now, None);
                looks += 1;
            }
        }
        looks
    }

    #[test]
    fn looks_follow_something_and_fade() {
        let mut interest = Interest::default();
        assert_eq!(interest.period(Millis(0)), Some(Duration::ZERO));
        interest.looked(Millis(0), None);
        assert_eq!(interest.period(Millis(10)), None);
        interest.wake();
        assert_eq!(interest.period(Millis(10)), Some(FIRST));
        interest.looked(Millis(1_000), None);
        assert_eq!(looks(&mut interest, 1, 1_000), 5, "after 1, 2, 4, 8 and 16 s");
        assert_eq!(interest.pause, None);
    }

    #[test]
    fn a_look_that_finds_something_says_when_the_next_one_is() {
        let mut interest = Interest::default();
        interest.looked(Millis(0), Some(LAST));
        assert_eq!(interest.period(Millis(5)), Some(LAST));
        interest.looked(Millis(30_000), None);
        assert_eq!(interest.period(Millis(30_000)), None);
        assert_eq!(interest.period(Millis(90_000)), Some(LAST), "that is at once");
    }
}

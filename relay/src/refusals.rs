//! Connections that were not carried, by reason: the first of each is told at once, those that follow
//! as a number once in a while, so that a flood does not fill the log.
//!
//! Not here: what the reasons are.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::Hash;
use std::time::Duration;

/// Between two lines of one reason.
const QUIET: Duration = Duration::from_secs(60);

/// Why a connection was not carried; shows itself as a clause.
pub trait Reason: Copy + Eq + Hash + fmt::Display {
    /// As the state that is told calls it.
    fn code(self) -> &'static str;
}

/// What was refused, by reason.
#[derive(Debug)]
pub struct Refusals<R> {
    told: HashMap<R, Counted>,
    all: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Default)]
struct Counted {
    untold: u64,
    told: Option<Duration>,
}

impl<R> Default for Refusals<R> {
    fn default() -> Self {
        Refusals { told: HashMap::new(), all: BTreeMap::new() }
    }
}

impl<R: Reason> Refusals<R> {
    /// One more that is not worth a line.
    pub fn count(&mut self, code: &'static str) {
        let number = self.all.entry(code).or_default();
        *number = number.saturating_add(1);
    }

    /// All since the start, by [`Reason::code`].
    pub fn all(&self) -> BTreeMap<String, u64> {
        self.all.iter().map(|(code, number)| ((*code).to_owned(), *number)).collect()
    }

    /// One more, `now` after the relay's start; the line to write, if it is time for one. `client` is the
    /// one that it came from.
    pub fn note(&mut self, now: Duration, reason: R, client: &impl fmt::Display) -> Option<String> {
        self.count(reason.code());
        let counted = self.told.entry(reason).or_default();
        counted.untold += 1;
        if counted.told.is_some_and(|told| now.saturating_sub(told) < QUIET) {
            return None;
        }
        counted.told = Some(now);
        Some(match std::mem::take(&mut counted.untold) {
            1 => format!("refused a connection of {client}: {reason}"),
            number => format!("refused {number} connections, the last of {client}: {reason}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, PartialEq, Eq, Hash)]
    struct Own;

    impl Reason for Own {
        fn code(self) -> &'static str {
            "own"
        }
    }

    impl fmt::Display for Own {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("it was for the router itself")
        }
    }

    #[test]
    fn a_flood_is_told_as_a_number() {
        let mut refusals = Refusals::default();
        let mut note = |seconds| refusals.note(Duration::from_secs(seconds), Own, &"them");
        assert_eq!(
            note(0).as_deref(),
            Some("refused a connection of them: it was for the router itself")
        );
        assert!((0..50).all(|_| note(1).is_none()));
        let later = note(60).expect("a minute has passed");
        assert!(later.starts_with("refused 51 connections, the last of them"), "{later}");
    }
}

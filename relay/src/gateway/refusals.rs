//! Connections that were not carried, by reason: the first of each is told at once, those that follow
//! as a number once in a while, so that a flood does not fill the log.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io;
use std::time::Duration;

use mptcpize_model::gateway_status::reason;

use super::admission::Refusal;

/// Between two lines of one reason.
const QUIET: Duration = Duration::from_secs(60);

/// Why a connection of a client was not carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A limit of the settings.
    Limit(Refusal),
    /// It was for the router itself.
    Own,
    /// It was for no address that is beyond the router.
    NotElsewhere,
    /// No route leads there, or one forbids it.
    NoRoute,
    /// No descriptor was left.
    Descriptors,
}

impl Reason {
    /// As the state that is told calls it.
    pub fn code(self) -> &'static str {
        match self {
            Reason::Limit(Refusal::Connections) => reason::CONNECTIONS,
            Reason::Limit(Refusal::PerClient) => reason::PER_CLIENT,
            Reason::Limit(Refusal::Handshakes) => reason::HANDSHAKES,
            Reason::Own => reason::OWN,
            Reason::NotElsewhere => reason::NOT_ELSEWHERE,
            Reason::NoRoute => reason::NO_ROUTE,
            Reason::Descriptors => reason::DESCRIPTORS,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::Limit(Refusal::Connections) => "there are as many as limits.connections",
            Reason::Limit(Refusal::PerClient) => "the client has as many as limits.per_client",
            Reason::Limit(Refusal::Handshakes) => "more came in a second than limits.handshakes_s",
            Reason::Own => "it was for the router itself",
            Reason::NotElsewhere => "it was for loopback, link-local or multicast",
            Reason::NoRoute => "no route leads there",
            Reason::Descriptors => "no descriptor is left",
        })
    }
}

/// What was refused, by reason.
#[derive(Debug, Default)]
pub struct Refusals {
    told: HashMap<Reason, Counted>,
    all: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Default)]
struct Counted {
    untold: u64,
    told: Option<Duration>,
}

impl Refusals {
    /// One more that came to nothing because of its destination, or of its client, which gave up.
    pub fn failed(&mut self, error: &io::Error) {
        self.count(match error.kind() {
            io::ErrorKind::ConnectionAborted => reason::CLIENT,
            _ => reason::DESTINATION,
        });
    }

    fn count(&mut self, code: &'static str) {
        let number = self.all.entry(code).or_default();
        *number = number.saturating_add(1);
    }

    /// All since the start, by the names of [`mptcpize_model::gateway_status::reason`].
    pub fn all(&self) -> BTreeMap<String, u64> {
        self.all.iter().map(|(code, number)| ((*code).to_owned(), *number)).collect()
    }

    /// One more, `now` after the relay's start; the line to write, if it is time for one. `client` is the
    /// one that it came from.
    pub fn note(
        &mut self,
        now: Duration,
        reason: Reason,
        client: &impl fmt::Display,
    ) -> Option<String> {
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

    #[test]
    fn a_flood_is_told_as_a_number() {
        let mut refusals = Refusals::default();
        let mut note = |seconds| refusals.note(Duration::from_secs(seconds), Reason::Own, &"them");
        assert_eq!(
            note(0).as_deref(),
            Some("refused a connection of them: it was for the router itself")
        );
        assert!((0..50).all(|_| note(1).is_none()));
        let later = note(60).expect("a minute has passed");
        assert!(later.starts_with("refused 51 connections, the last of them"), "{later}");
    }
}

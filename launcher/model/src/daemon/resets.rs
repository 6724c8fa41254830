//! Subflows that the network ended while their path is up, where the kernel opens subflows: it opens
//! each once. An endpoint that is deleted and added again gets a subflow in every connection, and
//! closes those that it has; so that is done where no connection has any.
//!
//! Not here: connections whose subflows the daemon opens one by one ([`super::heal`]), which disturbs
//! nobody; links that were away ([`super::returns`]).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use serde::Serialize;

use super::event::Millis;
use super::pace::Pace;
use super::sample::Flow;
use crate::event::{Event, Kind};

/// More often in a minute the network does not mean it by chance: there is a firewall on the way.
const MOST: usize = 5;

/// So long after a subflow ended its connection is looked at: the subflows of one that a peer aborts
/// end one by one, within a millisecond or two.
const SETTLED: Duration = Duration::from_millis(15);

/// So many addresses are remembered between two samples.
const MOST_ADDRESSES: usize = 64;

/// Addresses that lost subflows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Resets {
    /// A connection that lost the subflow that it had from each of these.
    ended: BTreeMap<IpAddr, u32>,
    /// When to look at them.
    at: Option<Millis>,
    /// Those whose endpoints are to be made anew.
    due: BTreeSet<IpAddr>,
    /// How often that was needed.
    pace: Pace,
}

impl Resets {
    /// Takes a message of the path manager into account.
    pub(super) fn told(&mut self, now: Millis, event: &Event) {
        if event.kind == Kind::Closed {
            self.ended.retain(|_, token| event.token != Some(*token));
        }
        let ended = event.kind == Kind::SubflowClosed && event.error.unwrap_or(0) != 0;
        if let (true, Some(local), Some(token)) = (ended, event.local, event.token)
            && self.ended.len() < MOST_ADDRESSES
        {
            self.ended.insert(local.to_canonical(), token);
            self.at = self.at.or(Some(now + SETTLED));
        }
    }

    /// When a sample is needed.
    pub(super) fn deadline(&self) -> Option<Millis> {
        self.at
    }

    /// Is it needed now? It is asked for once.
    pub(super) fn is_due(&mut self, now: Millis) -> bool {
        let due = self.at.is_some_and(|at| at <= now);
        if due {
            self.at = None;
        }
        due && !self.ended.is_empty()
    }

    /// Judges what ended by the connections that there are, and says whether a look is due.
    pub(super) fn sampled(&mut self, now: Millis, flows: &[Flow]) -> bool {
        self.pace.end(now);
        if self.at.is_some() {
            // A sample that somebody else needed comes too early.
            return false;
        }
        for (address, token) in std::mem::take(&mut self.ended) {
            let lives = flows.iter().any(|flow| flow.open && flow.token == Some(token));
            let used = flows.iter().any(|flow| flow.token.is_some() && flow.local_ip() == address);
            if lives && !used && self.pace.until().is_none() {
                self.pace.strike(now, MOST);
                self.due.insert(address);
            }
        }
        !self.due.is_empty()
    }

    /// Those whose endpoints are to be made anew.
    pub(super) fn take(&mut self) -> BTreeSet<IpAddr> {
        std::mem::take(&mut self.due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_000);

    fn flow(local: &str, token: u32) -> Flow {
        Flow { token: Some(token), ..Flow::between(&format!("{local}:40000"), "10.9.0.1:443") }
    }

    fn ended(local: &str, token: u32, error: u8) -> Event {
        Event {
            token: Some(token),
            local: Some(local.parse().expect("a literal address")),
            error: Some(error),
            ..Event::new(Kind::SubflowClosed)
        }
    }

    #[test]
    fn an_endpoint_is_made_anew_where_its_subflow_was_reset_and_nobody_has_another() {
        let first = flow("10.1.0.1", 7);
        let table = [
            ("reset, and the connection lives", 104, vec![first], true),
            ("closed by one of its ends", 0, vec![first], false),
            ("the connection ended too", 104, vec![], false),
            ("another connection is on it", 104, vec![first, flow("10.2.0.1", 8)], false),
        ];
        for (what, error, flows, expected) in table {
            let mut resets = Resets::default();
            resets.told(NOW, &ended("10.2.0.1", 7, error));
            assert_eq!(resets.deadline().is_some(), error != 0, "{what}");
            assert!(!resets.sampled(NOW, &flows), "{what}: its connection may end too");
            let settled = NOW + SETTLED;
            assert_eq!(resets.is_due(settled), error != 0, "{what}");
            assert_eq!(resets.sampled(settled, &flows), expected, "{what}");
            assert_eq!(resets.take().len(), usize::from(expected), "{what}");
        }
    }

    #[test]
    fn a_network_that_resets_again_and_again_is_let_alone() {
        let mut resets = Resets::default();
        let mut made = 0;
        for second in 0..600 {
            let at = Millis(second * 1_000);
            resets.told(at, &ended("10.2.0.1", 7, 104));
            assert!(resets.is_due(at + SETTLED));
            resets.sampled(at + SETTLED, &[flow("10.1.0.1", 7)]);
            made += resets.take().len();
        }
        assert!((6..50).contains(&made), "{made} in ten minutes");
    }

    #[test]
    fn a_connection_that_is_aborted_is_no_reason() {
        let mut resets = Resets::default();
        resets.told(NOW, &ended("10.2.0.1", 7, 104));
        resets.told(NOW, &Event { token: Some(7), ..Event::new(Kind::Closed) });
        assert!(!resets.is_due(NOW + SETTLED));
        assert_eq!(resets.deadline(), None);
    }
}

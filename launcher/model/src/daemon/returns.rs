//! Subflows of a link that was away for long. Its addresses come back, but the end that sends has
//! backed off meanwhile: its next attempt comes after as long again as the link was away (RFC 6298
//! section 5.5), up to two minutes. Deleting an endpoint and adding it again opens its subflows
//! anew, which takes a round trip.
//!
//! Measured on Linux 6.18, a download over two links of 50 Mbit/s, the second off for 8 s under
//! systemd-networkd: the link carries bytes again after 1.6 to 5.7 s without this, and after 0.1 s
//! with it (scripts/managers).
//!
//! Where no other address can be used, nothing is deleted: a connection always keeps a subflow. One
//! that fell back to TCP is left alone by the kernel, and one whose first or only subflow is deleted
//! gets another (tried on Linux 6.1, 6.12 and 6.18).
//!
//! Connections whose subflows the daemon opens itself keep their endpoint; of each the one subflow is
//! closed and opened again ([`super::heal`]).
//!
//! Not here: endpoints of others, which others make again; addresses that are replaced, whose
//! endpoints are new.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use serde::Serialize;

use super::event::Millis;
use crate::HostState;
use crate::net::IfName;

/// An absence that is shorter ends before the second retransmission (RFC 6298 section 2; Linux
/// begins with 0.2 s, then 0.4 s), which makes good what was lost.
const SHORT: Duration = Duration::from_millis(500);

/// The addresses of our endpoints that cannot be used, and those that can be again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Returns {
    /// Since when each is away.
    away: BTreeMap<IpAddr, Millis>,
    /// Those whose endpoints are to be made anew.
    due: BTreeSet<IpAddr>,
}

impl Returns {
    /// Takes note of what is away and what is back. `is_path` says of a link whether it can be used.
    pub(super) fn look(
        &mut self,
        now: Millis,
        state: &HostState,
        is_path: impl Fn(&IfName) -> bool,
    ) {
        let there = |address: &IpAddr| {
            state.addresses.iter().any(|it| it.address == *address && is_path(&it.dev))
        };
        let (there, away): (BTreeSet<IpAddr>, BTreeSet<IpAddr>) =
            state.ours.iter().partition(|address| there(address));
        self.due.retain(|address| there.contains(address));
        let others = there.iter().any(|address| !self.away.contains_key(address));
        let long = |address: &&IpAddr| self.away.get(address).is_some_and(|it| *it + SHORT <= now);
        self.due.extend(there.iter().filter(|_| others).filter(long));
        self.away.retain(|address, _| away.contains(address));
        for address in away {
            self.away.entry(address).or_insert(now);
        }
    }

    /// Those whose endpoints are to be made anew, until [`Returns::take`].
    pub(super) fn due(&self) -> &BTreeSet<IpAddr> {
        &self.due
    }

    /// Adds addresses of links that pass again, where the daemon opens the subflows itself. It makes no
    /// endpoint anew: the kernel opens no subflow from an address by another id than that which the
    /// connection knows.
    pub(super) fn add(&mut self, addresses: &mut BTreeSet<IpAddr>) {
        self.due.append(addresses);
    }

    /// The host was set up: these are done, or, where the daemon opens the subflows, are to be
    /// opened anew now that the flags of their endpoints are known.
    pub(super) fn take(&mut self) -> BTreeSet<IpAddr> {
        std::mem::take(&mut self.due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Address;

    const FIRST: &str = "10.1.0.1";
    const SECOND: &str = "10.2.0.1";

    /// A host that has these of its two addresses, for each of which there is an endpoint of ours.
    fn host(there: &[&str]) -> HostState {
        let mut state = HostState::default();
        for (link, address) in [("w1", FIRST), ("w2", SECOND)] {
            state.ours.push(address.parse().expect("a literal address"));
            if there.contains(&address) {
                let text = format!(r#"{{"dev":"{link}","address":"{address}","length":24}}"#);
                state.addresses.push(serde_json::from_str::<Address>(&text).expect("an address"));
            }
        }
        state
    }

    /// The addresses whose endpoints are made anew at the end of these looks.
    fn due(looks: &[(u64, &[&str])]) -> Vec<String> {
        let mut returns = Returns::default();
        for (at, there) in looks {
            returns.look(Millis(*at), &host(there), |_| true);
        }
        returns.due().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_address_that_was_away_for_long_begins_anew_while_another_was_there() {
        let both: &[&str] = &[FIRST, SECOND];
        assert_eq!(due(&[(0, both), (100, &[FIRST]), (600, both)]), [SECOND]);
        assert_eq!(due(&[(0, both), (100, &[FIRST]), (599, both)]), [""; 0], "a moment");
        assert_eq!(due(&[(0, both), (100, &[]), (9_000, both)]), [""; 0], "all were away");
        assert_eq!(due(&[(0, both), (100, &[]), (5_000, &[FIRST]), (9_000, both)]), [SECOND]);
        assert_eq!(due(&[(0, both), (100, &[FIRST]), (600, both), (700, &[FIRST])]), [""; 0]);
    }

    #[test]
    fn a_link_that_is_no_path_is_away_and_an_address_may_come_back_on_another_one() {
        let (both, second) = (host(&[FIRST, SECOND]), IfName::new("w2").expect("a literal name"));
        let mut returns = Returns::default();
        returns.look(Millis(0), &both, |_| true);
        returns.look(Millis(100), &both, |dev| *dev != second);
        let mut other = both.clone();
        other.addresses[1].dev = IfName::new("x2").expect("a literal name");
        returns.look(Millis(8_100), &other, |dev| *dev != second);
        assert_eq!(returns.due().len(), 1, "until it was done");
        assert_eq!((returns.take().len(), returns.due().len()), (1, 0));
        returns.look(Millis(8_200), &both, |_| true);
        assert_eq!(returns.due().len(), 0);
    }
}

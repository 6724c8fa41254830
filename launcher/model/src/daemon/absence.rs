//! Addresses that are away for a moment. Managers take an address from a link that loses its
//! carrier or is configured anew and give it back: systemd-networkd after 20 to 90 ms,
//! NetworkManager after 0.2 s, dhcpcd after 5 to 7.5 s. The subflows of an endpoint that stays go
//! on when its address is back; deleting the endpoint would close them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use serde::Serialize;

use super::event::Millis;
use crate::HostState;
use crate::net::{Address, Family, IfName};

/// So long an address may be away: longer than dhcpcd takes.
const GRACE: Duration = Duration::from_secs(10);

/// The addresses of our endpoints that no link has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Absences {
    /// Since when each is away.
    since: BTreeMap<IpAddr, Millis>,
    /// The link that had each when it was last seen.
    homes: BTreeMap<IpAddr, IfName>,
    /// When the host was last observed.
    looked: Millis,
}

impl Absences {
    /// Takes note of what is away and what is back.
    pub(super) fn look(&mut self, now: Millis, state: &HostState) {
        self.looked = now;
        self.homes.retain(|address, _| state.ours.contains(address));
        let mut away = BTreeSet::new();
        for address in &state.ours {
            match state.addresses.iter().find(|other| other.address == *address) {
                Some(there) => drop(self.homes.insert(*address, there.dev.clone())),
                None if self.is_replaced(state, *address) => {}
                None => drop(away.insert(*address)),
            }
        }
        self.since.retain(|address, _| away.contains(address));
        for address in away {
            self.since.entry(address).or_insert(now);
        }
    }

    /// Has the link of an address that is away another one of its family?
    fn is_replaced(&self, state: &HostState, address: IpAddr) -> bool {
        let Some(home) = self.homes.get(&address) else { return false };
        let in_its_place = |other: &Address| {
            other.global
                && !other.deprecated
                && other.dev == *home
                && Family::of(other.address) == Family::of(address)
        };
        state.addresses.iter().any(in_its_place)
    }

    /// Those that are still waited for.
    pub(super) fn kept(&self, now: Millis) -> BTreeSet<IpAddr> {
        let kept = self.since.iter().filter(|(_, since)| **since + GRACE > now);
        kept.map(|(address, _)| *address).collect()
    }

    /// When the first of them is waited for no longer.
    pub(super) fn deadline(&self) -> Option<Millis> {
        self.since.values().map(|since| *since + GRACE).filter(|end| *end > self.looked).min()
    }
}

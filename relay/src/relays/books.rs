//! What connections carried, by how they went, and which are open: for the state that is told.
//!
//! A connection only stores how much it has moved; sums are made when somebody asks or when it ends.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mptcpize_model::relay::name::Name;
use mptcpize_model::relay::status::{Amounts, Connection, MOST_CONNECTIONS, Via};

use crate::session::Watch;

/// Relays whose sums are kept though the settings have them no more: settings that change for ever name
/// relays for ever.
const MOST_NAMES: usize = 64;

/// A connection that is open.
#[derive(Debug)]
pub struct Open {
    from: SocketAddr,
    to: String,
    via: Via,
    mptcp: bool,
    begun: Instant,
    up: AtomicU64,
    down: AtomicU64,
}

impl Open {
    /// It has moved so many bytes since its start.
    pub fn note(&self, up: u64, down: u64) {
        self.up.store(up, Ordering::Relaxed);
        self.down.store(down, Ordering::Relaxed);
    }

    /// How it goes.
    pub fn via(&self) -> &Via {
        &self.via
    }

    fn moved(&self) -> (u64, u64) {
        (self.up.load(Ordering::Relaxed), self.down.load(Ordering::Relaxed))
    }

    fn add_to(&self, sum: &mut Amounts) {
        let (up, down) = self.moved();
        sum.carried = sum.carried.saturating_add(1);
        sum.mptcp = sum.mptcp.saturating_add(u64::from(self.mptcp));
        sum.up_bytes = sum.up_bytes.saturating_add(up);
        sum.down_bytes = sum.down_bytes.saturating_add(down);
    }
}

/// The open connections, and the sums of those that ended.
#[derive(Debug, Default)]
pub struct Books(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    next: u64,
    open: HashMap<u64, Arc<Open>>,
    sums: Sums,
}

/// Sums by how connections went.
#[derive(Clone, Debug, Default)]
pub struct Sums {
    /// Through relays.
    pub relays: HashMap<Name, Amounts>,
    /// Directly, over MPTCP.
    pub multipath: Amounts,
    /// Directly, in plain TCP.
    pub direct: Amounts,
    /// Not at all, by reason.
    pub refused: BTreeMap<String, u64>,
}

impl Sums {
    fn of(&mut self, via: &Via) -> &mut Amounts {
        match via {
            Via::Relay(name) => {
                if self.relays.len() >= MOST_NAMES && !self.relays.contains_key(name) {
                    self.relays.clear();
                }
                self.relays.entry(name.clone()).or_default()
            }
            Via::Multipath => &mut self.multipath,
            Via::Direct => &mut self.direct,
        }
    }
}

/// A connection in the books until this is dropped.
#[derive(Debug)]
pub struct Entry<'a> {
    books: &'a Books,
    number: u64,
    open: Arc<Open>,
}

impl Watch for Entry<'_> {
    fn moved(&mut self, up: u64, down: u64) {
        self.open.note(up, down);
    }
}

impl Entry<'_> {
    /// The connection.
    pub fn open(&self) -> &Open {
        &self.open
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        let mut inner = self.books.inner();
        inner.open.remove(&self.number);
        self.open.add_to(inner.sums.of(&self.open.via));
    }
}

impl Books {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection begins. `mptcp`: its outward end speaks MPTCP.
    pub fn begin(&self, from: SocketAddr, to: String, via: Via, mptcp: bool) -> Entry<'_> {
        let (up, down) = (AtomicU64::new(0), AtomicU64::new(0));
        let open = Arc::new(Open { from, to, via, mptcp, begun: Instant::now(), up, down });
        let mut inner = self.inner();
        let number = inner.next;
        inner.next = inner.next.wrapping_add(1);
        inner.open.insert(number, Arc::clone(&open));
        Entry { books: self, number, open }
    }

    /// One more that was not carried.
    pub fn refuse(&self, reason: &str) {
        let mut inner = self.inner();
        let number = inner.sums.refused.entry(reason.to_owned()).or_default();
        *number = number.saturating_add(1);
    }

    /// All sums at this moment, and the connections that moved most.
    pub fn read(&self) -> (Sums, Vec<Connection>) {
        let (mut sums, open) = {
            let inner = self.inner();
            (inner.sums.clone(), inner.open.values().cloned().collect::<Vec<_>>())
        };
        let mut connections: Vec<_> = open
            .iter()
            .map(|one| {
                let sum = sums.of(&one.via);
                one.add_to(sum);
                sum.open = sum.open.saturating_add(1);
                let (up_bytes, down_bytes) = one.moved();
                (one, up_bytes, down_bytes)
            })
            .collect();
        connections
            .sort_by_key(|(one, up, down)| (std::cmp::Reverse(up.saturating_add(*down)), one.from));
        let told = connections.into_iter().take(MOST_CONNECTIONS);
        let told = told.map(|(one, up_bytes, down_bytes)| Connection {
            from: one.from,
            to: one.to.clone(),
            via: one.via.clone(),
            open_ms: milliseconds(one.begun.elapsed()),
            up_bytes,
            down_bytes,
        });
        (sums, told.collect())
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], port))
    }

    #[test]
    fn open_ones_are_in_the_sums_and_ended_ones_stay_there() {
        let books = Books::default();
        let home = || Via::Relay("home".parse().expect("a name"));
        let mut one = books.begin(from(1), "198.51.100.1:80".to_owned(), home(), true);
        let mut other = books.begin(from(2), "a.example:443".to_owned(), Via::Direct, false);
        one.moved(5, 100);
        other.moved(7, 7);
        let (sums, open) = books.read();
        assert_eq!(open.iter().map(|one| one.down_bytes).collect::<Vec<_>>(), [100, 7]);
        let of_relay = sums.relays.values().next().expect("one relay");
        assert_eq!((of_relay.open, of_relay.mptcp, of_relay.down_bytes), (1, 1, 100));
        drop(one);
        let (sums, open) = books.read();
        let of_relay = sums.relays.values().next().expect("one relay");
        assert_eq!((of_relay.open, of_relay.carried, of_relay.up_bytes), (0, 1, 5));
        assert_eq!((sums.direct.open, open.len()), (1, 1));
    }

    #[test]
    fn what_settings_named_once_does_not_fill_the_memory() {
        let books = Books::default();
        for number in 0..500 {
            let name = format!("relay-{number}").parse().expect("a name");
            drop(books.begin(from(1), String::new(), Via::Relay(name), false));
            assert!(books.read().0.relays.len() <= MOST_NAMES);
        }
    }
}

//! A relay of the settings while the process runs: its keys, and the addresses that its name has.
//!
//! Names are resolved by the host's resolver (getaddrinfo(3)), beside the event loops, for it may take
//! its time. A name that cannot be resolved keeps the addresses that it had.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mptcpize_model::relay::agent;
use tokio::sync::Notify;

use crate::shadowsocks::client::Access;

/// How long addresses are believed: as long as most names say so themselves.
const LIFETIME: Duration = Duration::from_secs(300);
/// After a failure.
const AGAIN: Duration = Duration::from_secs(5);
/// Addresses of one name that are tried.
const MOST: usize = 4;

/// One relay.
#[derive(Debug)]
pub struct Known {
    /// As the settings have it.
    pub relay: agent::Relay,
    /// The keys to it.
    pub access: Access,
    addresses: Mutex<Addresses>,
    resolved: Notify,
    answers: AtomicU64,
}

#[derive(Debug, Default)]
struct Addresses {
    all: Vec<IpAddr>,
    /// When the name is to be resolved again.
    next: Option<Instant>,
    running: bool,
}

impl Known {
    /// Of the settings.
    ///
    /// # Errors
    /// A clause, without the key.
    pub fn new(relay: &agent::Relay) -> Result<Self, String> {
        let access = Access::new(relay)?;
        let own: Option<IpAddr> = relay.host.parse().ok();
        let addresses = Addresses { all: own.into_iter().collect(), next: None, running: false };
        Ok(Known {
            relay: relay.clone(),
            access,
            addresses: Mutex::new(addresses),
            resolved: Notify::new(),
            answers: AtomicU64::new(0),
        })
    }

    /// A connection has had an answer that could be read with the key.
    pub fn has_answered(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
    }

    /// How many have had one.
    pub fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    /// Is it one of its addresses?
    pub fn is_at(&self, address: IpAddr) -> bool {
        self.addresses().all.contains(&address)
    }

    /// Where it is, as far as is known now.
    pub fn places(&self) -> Vec<SocketAddr> {
        let place = |address: &IpAddr| SocketAddr::new(*address, self.relay.port);
        self.addresses().all.iter().map(place).collect()
    }

    /// Has its name no address, by the last answer?
    pub fn is_nowhere(&self) -> bool {
        let known = self.addresses();
        known.all.is_empty() && !known.running
    }

    /// Where it is; waits for the answer of the resolver that it has been asked for.
    pub async fn resolved(&self, until: tokio::time::Instant) -> Vec<SocketAddr> {
        loop {
            let resolved = self.resolved.notified();
            let waits = {
                let known = self.addresses();
                known.all.is_empty() && known.running
            };
            if !waits || tokio::time::timeout_at(until, resolved).await.is_err() {
                return self.places();
            }
        }
    }

    /// Resolves the name beside the event loop, where that is due.
    pub fn refresh(self: &Arc<Self>) {
        if self.relay.host.parse::<IpAddr>().is_ok() {
            return;
        }
        {
            let mut known = self.addresses();
            let due = known.next.is_none_or(|next| Instant::now() >= next);
            if known.running || !due {
                return;
            }
            known.running = true;
        }
        let known = Arc::clone(self);
        let resolve = move || {
            let found = (known.relay.host.as_str(), known.relay.port).to_socket_addrs();
            let mut all: Vec<IpAddr> = Vec::new();
            for address in found.into_iter().flatten().map(|found| found.ip()) {
                if all.len() < MOST && !all.contains(&address) {
                    all.push(address);
                }
            }
            let mut addresses = known.addresses();
            addresses.running = false;
            let lifetime = if all.is_empty() { AGAIN } else { LIFETIME };
            addresses.next = Instant::now().checked_add(lifetime);
            if !all.is_empty() {
                addresses.all = all;
            }
            drop(addresses);
            known.resolved.notify_waiters();
        };
        if std::thread::Builder::new().name("resolve".to_owned()).spawn(resolve).is_err() {
            self.addresses().running = false;
        }
    }

    fn addresses(&self) -> MutexGuard<'_, Addresses> {
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

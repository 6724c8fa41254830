//! What all connections of the agent share.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mptcpize_model::net::Prefix;
use mptcpize_model::relay::agent::Settings;
use tokio::sync::Notify;

use super::names::Lookups;
use super::refusal::Refusal;
use crate::gateway::pipes::Pipes;
use crate::log;
use crate::placement::bounded::Bounded;
use crate::refusals::{Reason, Refusals};
use crate::relays::Relays;

/// Destinations that are remembered as not speaking MPTCP, and for how long: as a gateway does.
const MOST_PLAIN: usize = 4_096;
const PLAIN_LIFETIME: Duration = Duration::from_secs(3_600);

/// The state of the agent. Each lock is held for some microseconds and never across a wait.
#[derive(Debug)]
pub struct Shared {
    start: Instant,
    settings: Mutex<Arc<Settings>>,
    /// The relays, and what connections carried.
    pub relays: Arc<Relays>,
    plain: Mutex<Bounded<SocketAddr, ()>>,
    refusals: Mutex<Refusals<Refusal>>,
    /// Names that are being resolved.
    pub lookups: Lookups,
    /// Empty pipes for connections that go directly.
    pub pipes: Pipes,
    connections: AtomicU32,
    /// No more connections are taken.
    pub draining: AtomicBool,
    changed: Notify,
}

impl Shared {
    /// There is no connection.
    ///
    /// # Errors
    /// A clause that names the relay that cannot be used.
    pub fn new(settings: Settings) -> Result<Self, String> {
        Ok(Shared {
            start: Instant::now(),
            relays: Arc::new(Relays::new(settings.terms.clone())?),
            plain: Mutex::new(Bounded::new(MOST_PLAIN, PLAIN_LIFETIME)),
            refusals: Mutex::default(),
            lookups: Lookups::default(),
            pipes: Pipes::default(),
            connections: AtomicU32::new(0),
            draining: AtomicBool::new(false),
            changed: Notify::new(),
            settings: Mutex::new(Arc::new(settings)),
        })
    }

    /// Goes by other settings from now on.
    ///
    /// # Errors
    /// As [`Shared::new`]; those in force stay in force.
    pub fn reload(&self, settings: Settings) -> Result<(), String> {
        self.relays.reload(settings.terms.clone())?;
        *locked(&self.settings) = Arc::new(settings);
        Ok(())
    }

    /// The settings as they are now.
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&locked(&self.settings))
    }

    /// The time since the start.
    pub fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Does what leaves from this address leave by an uplink? In IPv6 a link has addresses that come and
    /// go (RFC 8981), all in one network of 64 bits. Where no uplinks are named everything does.
    pub fn is_uplink(&self, source: IpAddr) -> bool {
        let settings = self.settings();
        let bits = if source.is_ipv6() { 64 } else { 32 };
        let same = |known: &IpAddr| Prefix::network(*known, bits).contains(source);
        settings.uplinks.is_empty() || settings.uplinks.iter().any(same)
    }

    /// Is it remembered that a destination does not speak MPTCP?
    pub fn is_plain(&self, to: SocketAddr) -> bool {
        locked(&self.plain).peek(self.now(), &to).is_some()
    }

    /// A destination was found to speak MPTCP, or not to.
    pub fn found(&self, to: SocketAddr, multipath: bool) {
        let mut plain = locked(&self.plain);
        if multipath {
            plain.forget(&to);
        } else if plain.peek(self.now(), &to).is_none() {
            plain.put(self.now(), to, ());
        }
    }

    /// Takes a connection, as long as the result lives; none where there are as many as the settings allow.
    pub fn admit(self: &Arc<Self>) -> Option<Admitted> {
        let most = self.settings().connections;
        let more = |number: u32| (number < most).then(|| number + 1);
        let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
        self.connections.fetch_update(set, fetch, more).ok()?;
        Some(Admitted(Arc::clone(self)))
    }

    /// Waits until there is no connection.
    pub async fn drained(&self) {
        loop {
            let changed = self.changed.notified();
            if self.connections.load(Ordering::Relaxed) == 0 {
                return;
            }
            changed.await;
        }
    }

    /// Counts a connection that is not carried, and tells it now and then.
    pub fn refuse(&self, reason: Refusal, from: &SocketAddr) {
        self.relays.books.refuse(reason.code());
        if let Some(line) = locked(&self.refusals).note(self.now(), reason, from) {
            log::line(line);
        }
    }
}

/// A connection that counts against the limit until this is dropped.
#[derive(Debug)]
pub struct Admitted(Arc<Shared>);

impl Admitted {
    /// What all connections share.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.0
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
        self.0.changed.notify_waiters();
    }
}

/// Whoever panicked with the lock has ended the process.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! What all connections of the server share.

use std::collections::VecDeque;
use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mptcpize_model::relay::server::Settings;
use shadowsocks::config::ServerType;
use shadowsocks::context::{Context, SharedContext};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::AbortHandle;

use super::account::Account;
use super::amounts::Counters;
use super::keys::Keys;
use super::month::{Month, this_month};
use super::reason::Reason;
use super::strangers::Strangers;
use crate::log;
use crate::refusals::Refusals;

/// Look-ups of names at a time. Each holds a thread for as long as the resolver of the host takes, which
/// is ten seconds and more where its servers are gone.
const MOST_LOOKUPS: usize = 64;
/// Clients with a wrong clock that are remembered.
const CLOCKS: usize = 16;

/// The state of the server. Each lock is held for some microseconds and never across a wait.
#[derive(Debug)]
pub struct Shared {
    start: Instant,
    settings: Mutex<Arc<Settings>>,
    keys: Mutex<Arc<Keys>>,
    strangers: Mutex<Strangers<AbortHandle>>,
    refusals: Mutex<Refusals<Reason>>,
    clocks: Mutex<VecDeque<(IpAddr, i64)>>,
    month: Mutex<Month>,
    /// What all users together carried.
    pub all: Counters,
    /// What the crate remembers of requests, so that none is taken twice.
    pub context: SharedContext,
    /// Look-ups of names that may run at a time.
    pub lookups: Arc<Semaphore>,
    /// The listener speaks MPTCP.
    pub mptcp: AtomicBool,
    /// Told when a connection begins or ends.
    pub changed: Notify,
}

impl Shared {
    /// There is no connection.
    pub fn new(settings: Settings) -> Self {
        Shared {
            start: Instant::now(),
            keys: Mutex::new(Arc::new(Keys::new(&settings, None))),
            strangers: Mutex::new(Strangers::new(settings.limits)),
            refusals: Mutex::default(),
            clocks: Mutex::default(),
            month: Mutex::new(this_month()),
            all: Counters::default(),
            context: Context::new_shared(ServerType::Server),
            lookups: Arc::new(Semaphore::new(MOST_LOOKUPS)),
            mptcp: AtomicBool::new(false),
            changed: Notify::new(),
            settings: Mutex::new(Arc::new(settings)),
        }
    }

    /// Goes by other settings from now on.
    pub fn reload(&self, settings: Settings) {
        locked(&self.strangers).reload(settings.limits);
        let before = {
            let mut keys = locked(&self.keys);
            let new = Arc::new(Keys::new(&settings, Some(&keys)));
            std::mem::replace(&mut *keys, new)
        };
        self.keys().end_others(&before);
        *locked(&self.settings) = Arc::new(settings);
    }

    /// The settings as they are now.
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&locked(&self.settings))
    }

    /// The keys as they are now.
    pub fn keys(&self) -> Arc<Keys> {
        Arc::clone(&locked(&self.keys))
    }

    /// The time since the start.
    pub fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Connections that have not authenticated.
    pub fn strangers(&self) -> u32 {
        locked(&self.strangers).number()
    }

    /// What was not carried, by reason.
    pub fn refusals(&self) -> MutexGuard<'_, Refusals<Reason>> {
        locked(&self.refusals)
    }

    /// Counts a connection that is not carried, and tells it now and then.
    pub fn refuse(&self, reason: Reason, client: &impl fmt::Display) {
        let line = self.refusals().note(self.now(), reason, client);
        if let Some(line) = line {
            log::line(line);
        }
    }

    /// A client's clock is so many seconds ahead.
    pub fn note_clock(&self, client: IpAddr, ahead: i64) {
        let mut clocks = locked(&self.clocks);
        clocks.retain(|(other, _)| *other != client);
        clocks.push_back((client, ahead));
        if clocks.len() > CLOCKS {
            clocks.pop_front();
        }
    }

    /// The clients whose clocks are off, the last one last.
    pub fn clocks(&self) -> Vec<(IpAddr, i64)> {
        locked(&self.clocks).iter().copied().collect()
    }

    /// The month that `month_bytes` are of.
    pub fn month(&self) -> Month {
        *locked(&self.month)
    }

    /// Begins the month, where another one has passed.
    pub fn turn_month(&self) {
        let now = this_month();
        if std::mem::replace(&mut *locked(&self.month), now) != now {
            self.keys().accounts().for_each(|account| account.begin_month());
        }
    }

    /// Takes a connection that has not authenticated, as long as the result lives. Nothing where its
    /// address has too many; the oldest of all goes where there are too many in all.
    pub fn meet(self: &Arc<Self>, client: IpAddr) -> Option<Stranger> {
        let (number, evicted) = locked(&self.strangers).enter(client)?;
        if let Some(evicted) = evicted {
            evicted.abort();
            self.refuse(Reason::Crowd, &"the oldest");
        }
        Some(Stranger { shared: Arc::clone(self), number })
    }

    /// The task of a stranger, which ends when it becomes the oldest of too many.
    pub fn attach(&self, number: u64, task: AbortHandle) {
        // One that is none any more has authenticated or ended by itself.
        let _ = locked(&self.strangers).attach(number, task);
    }

    /// Begins a connection of the one whose key authenticated a stream, as long as the result lives.
    ///
    /// # Errors
    /// The key is not in force any more, or a limit would be exceeded.
    pub fn begin(self: &Arc<Self>, key: Option<&[u8]>, mptcp: bool) -> Result<Guest, Reason> {
        let (account, ends) = {
            // Whoever ends the connections of an account takes its key out of here first.
            let keys = locked(&self.keys);
            let account = keys.account(key).ok_or(Reason::Key)?;
            (Arc::clone(account), account.ends())
        };
        let most = self.settings().limits.connections;
        if account.is_over() {
            self.turn_month();
        }
        if account.is_over() || !account.counters.begin(account.most_connections(), mptcp) {
            return Err(Reason::Limit);
        }
        if !self.all.begin(most, mptcp) {
            account.counters.end();
            return Err(Reason::Limit);
        }
        self.changed.notify_waiters();
        Ok(Guest { shared: Arc::clone(self), account, ends })
    }
}

/// A connection that has not authenticated, until this is dropped.
#[derive(Debug)]
pub struct Stranger {
    shared: Arc<Shared>,
    number: u64,
}

impl Stranger {
    /// What all connections share.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Its number.
    pub fn number(&self) -> u64 {
        self.number
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        locked(&self.shared.strangers).leave(self.number);
    }
}

/// An authenticated connection, until this is dropped.
#[derive(Debug)]
pub struct Guest {
    shared: Arc<Shared>,
    /// Whose it is.
    pub account: Arc<Account>,
    /// Changes when it has to end.
    pub ends: watch::Receiver<()>,
}

impl Guest {
    /// What all connections share.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// So many bytes came from the client, and went to it.
    pub fn moved(&self, up: usize, down: usize) {
        self.shared.all.moved(up, down);
        self.account.moved(up, down);
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.account.counters.end();
        self.shared.all.end();
        self.shared.changed.notify_waiters();
    }
}

/// Whoever panicked with the lock has ended the process.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

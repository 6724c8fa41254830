//! What all connections of the gateway share.

use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mptcpize_model::gateway::{Limits, MOST_UPLINKS, Settings};
use tokio::sync::Notify;

use super::activity::Activity;
use super::admission::{Admission, Refusal};
use super::budget;
use super::pipes::Pipes;
use super::refusals::{Reason, Refusals};
use super::tally::Tally;
use crate::log;
use crate::placement::Placement;
use crate::relays::Relays;

/// The state of the gateway. Each lock is held for some microseconds and never across a wait.
#[derive(Debug)]
pub struct Shared {
    start: Instant,
    settings: Mutex<Arc<Settings>>,
    admission: Mutex<Admission>,
    placement: Mutex<Placement>,
    refusals: Mutex<Refusals>,
    /// The relays on rented servers, where the settings have some.
    relays: Mutex<Option<Arc<Relays>>>,
    /// What connections carried.
    pub tally: Tally,
    /// By the uplink's place.
    activities: [Activity; MOST_UPLINKS],
    /// Of connections that were placed on no uplink.
    unplaced: Activity,
    /// Empty pipes.
    pub pipes: Pipes,
    /// No more connections are taken.
    pub draining: AtomicBool,
    /// Told when a connection begins or ends.
    pub changed: Notify,
}

impl Shared {
    /// There is no connection.
    ///
    /// # Errors
    /// A clause that names the relay on a rented server that cannot be used.
    pub fn new(settings: Settings) -> Result<Self, String> {
        let relays = settings.relays.clone().map(Relays::new).transpose()?;
        Ok(Shared {
            relays: Mutex::new(relays.map(Arc::new)),
            start: Instant::now(),
            admission: Mutex::new(Admission::new(budget::within(settings.limits))),
            placement: Mutex::new(Placement::new(&settings.uplinks)),
            refusals: Mutex::default(),
            tally: Tally::new(),
            activities: Default::default(),
            unplaced: Activity::default(),
            pipes: Pipes::default(),
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
        let before = self.relays();
        let relays = match (before, settings.relays.clone()) {
            (Some(before), Some(terms)) => before.reload(terms).map(|()| Some(before))?,
            (_, terms) => terms.map(Relays::new).transpose()?.map(Arc::new),
        };
        *locked(&self.relays) = relays;
        locked(&self.admission).reload(budget::within(settings.limits));
        self.placement().reload(&settings.uplinks);
        *locked(&self.settings) = Arc::new(settings);
        Ok(())
    }

    /// The relays on rented servers, where connections go through them.
    pub fn relays(&self) -> Option<Arc<Relays>> {
        locked(&self.relays).clone()
    }

    /// The settings as they are now.
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&locked(&self.settings))
    }

    /// The time since the start.
    pub fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Where connections are placed.
    pub fn placement(&self) -> MutexGuard<'_, Placement> {
        locked(&self.placement)
    }

    /// Who is busy on an uplink, or on none.
    pub fn activity(&self, uplink: Option<usize>) -> &Activity {
        uplink.and_then(|place| self.activities.get(place)).unwrap_or(&self.unplaced)
    }

    /// Connections that there are.
    pub fn connections(&self) -> u32 {
        locked(&self.admission).connections()
    }

    /// Takes a connection of a client, as long as the result lives.
    ///
    /// # Errors
    /// The limit that it would exceed.
    pub fn admit(self: &Arc<Self>, client: IpAddr) -> Result<Admitted, Refusal> {
        locked(&self.admission).enter(self.now(), client)?;
        self.changed.notify_waiters();
        Ok(Admitted { shared: Arc::clone(self), client })
    }

    /// What was not carried, by reason.
    pub fn refusals(&self) -> MutexGuard<'_, Refusals> {
        locked(&self.refusals)
    }

    /// The limits in force, with no more connections than descriptors are enough for.
    pub fn limits(&self) -> Limits {
        locked(&self.admission).limits()
    }

    /// Counts a connection that is not carried, and tells it now and then.
    pub fn refuse(&self, reason: Reason, client: &impl fmt::Display) {
        if let Some(line) = locked(&self.refusals).note(self.now(), reason, client) {
            log::line(line);
        }
    }
}

/// A connection that counts against the limits until this is dropped.
#[derive(Debug)]
pub struct Admitted {
    shared: Arc<Shared>,
    client: IpAddr,
}

impl Admitted {
    /// What all connections share.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        locked(&self.shared.admission).leave(self.client);
        self.shared.changed.notify_waiters();
    }
}

/// Whoever panicked with the lock has ended the process.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

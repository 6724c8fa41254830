//! `mptcpize-relay gateway`: its life from the settings to the last connection.

pub mod activity;
pub mod admission;
pub mod budget;
pub mod counters;
pub mod dial;
pub mod listener;
pub mod listeners;
pub mod pace;
pub mod pipes;
pub mod refusals;
pub mod relayed;
pub mod serve;
pub mod shared;
pub mod socket;
pub mod splice;
pub mod state;
pub mod tally;
pub mod urgent;
pub mod watch;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mptcpize_model::gateway::Settings;

use self::listeners::Listeners;
use self::shared::Shared;
use crate::error::Error;
use crate::log;
use crate::notify::Notify;
use crate::settings;
use crate::signals::{Asked, Signals};
use crate::workers::{self, Workers};

/// Runs the gateway until it is told to end.
///
/// # Errors
/// The settings cannot be used, or nothing can be listened at.
pub fn run(file: &Path) -> Result<(), Error> {
    let settings = settings::read(file, Settings::check)?;
    budget::raise(settings.limits);
    let asked = settings.limits.connections;
    let most = budget::within(settings.limits).connections;
    if most < asked {
        log::line(format_args!(
            "mptcpize: takes {most} connections, not {asked}: descriptors are enough for no more: {}",
            budget::advice(settings.limits)
        ));
    }
    let shared = Arc::new(Shared::new(settings).map_err(|why| settings::unusable(file, why))?);
    let unable = |error| Error::failed("cannot start the event loop", error);
    let runtime = workers::event_loop().map_err(unable)?;
    let workers = Arc::new(Workers::start(runtime.handle()).map_err(unable)?);
    runtime.block_on(live(file, shared, workers))
}

async fn live(file: &Path, shared: Arc<Shared>, workers: Arc<Workers>) -> Result<(), Error> {
    let unable = |error| Error::failed("cannot wait for signals", error);
    let mut signals = Signals::open().map_err(unable)?;
    let mut listeners = Listeners::open(&shared, workers)?;
    tokio::spawn(counters::watch(Arc::clone(&shared)));
    let _told = state::tell(file, &shared);
    let notify = Notify::from_env();
    notify.ready();
    while signals.next().await == Asked::Reload {
        notify.reloading();
        match settings::read(file, Settings::check).and_then(|told| listeners.reload(told)) {
            Ok(()) => log::line(format_args!("mptcpize: read {} again", file.display())),
            // What is in force stays in force.
            Err(error) => log::line(error),
        }
        notify.ready();
    }
    notify.stopping();
    shared.draining.store(true, Ordering::Relaxed);
    listeners.close();
    let limit = Duration::from_secs(shared.settings().drain_s.into());
    signals.drain(limit, empty(&shared)).await;
    Ok(())
}

/// Waits until there is no connection.
async fn empty(shared: &Shared) {
    loop {
        let changed = shared.changed.notified();
        if shared.connections() == 0 {
            return;
        }
        changed.await;
    }
}

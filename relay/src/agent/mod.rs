//! `mptcpize-relay agent`: its life from the settings to the last connection. It takes connections of
//! programs of this host at sockets that the launcher hands over, and sends them through a relay or
//! directly.
//!
//! It makes no rule, no namespace and no listener; those are the launcher's.

pub mod dns;
pub mod listeners;
pub mod names;
pub mod proxy;
pub mod redirect;
pub mod refusal;
pub mod serve;
pub mod shared;
pub mod state;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mptcpize_model::relay::agent::Settings;

use self::listeners::Listeners;
use self::shared::Shared;
use crate::error::Error;
use crate::gateway::budget;
use crate::log;
use crate::notify::Notify;
use crate::settings;
use crate::signals::{Asked, Signals};
use crate::told;
use crate::workers::{self, Workers};

/// Runs the agent until it is told to end.
///
/// # Errors
/// The settings or the sockets cannot be used.
pub fn run(file: &Path) -> Result<(), Error> {
    let settings = settings::read(file, Settings::check)?;
    // Two sockets for each, and a pipe in each direction for those that go directly.
    budget::raise_to(u64::from(settings.connections) * 6 + 512);
    let shared = Arc::new(Shared::new(settings).map_err(|why| settings::unusable(file, why))?);
    let unable = |error| Error::failed("cannot start the event loop", error);
    let runtime = workers::event_loop().map_err(unable)?;
    let workers = Arc::new(Workers::start(runtime.handle()).map_err(unable)?);
    runtime.block_on(live(file, shared, workers))
}

async fn live(file: &Path, shared: Arc<Shared>, workers: Arc<Workers>) -> Result<(), Error> {
    let unable = |error| Error::failed("cannot wait for signals", error);
    let mut signals = Signals::open().map_err(unable)?;
    let listeners = Listeners::take(&shared, &workers)?;
    let asked = Arc::clone(&shared);
    let own = |uid| uid == rustix::process::getuid().as_raw();
    let look = move || std::future::ready(state::text(&asked));
    let _told = told::tell(file, own, look);
    let notify = Notify::from_env();
    notify.ready();
    while signals.next().await == Asked::Reload {
        notify.reloading();
        let reload =
            |settings| shared.reload(settings).map_err(|why| settings::unusable(file, why));
        match settings::read(file, Settings::check).and_then(reload) {
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
    signals.drain(limit, shared.drained()).await;
    Ok(())
}

//! `mptcpize-relay server`: its life from the settings to the last connection.

pub mod account;
pub mod amounts;
pub mod budget;
pub mod counts;
pub mod destination;
pub mod holder;
pub mod keys;
pub mod listener;
pub mod month;
pub mod names;
pub mod reason;
pub mod serve;
pub mod shared;
pub mod speed;
pub mod state;
pub mod strangers;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mptcpize_model::relay::server::Settings;
use tokio::task::JoinHandle;

use self::listener::Listener;
use self::reason::Reason;
use self::serve::serve;
use self::shared::Shared;
use crate::accept::accept;
use crate::error::Error;
use crate::gateway::socket;
use crate::log;
use crate::notify::Notify;
use crate::settings;
use crate::signals::{Asked, Signals};
use crate::workers::{self, Workers};

/// Runs the server until it is told to end.
///
/// # Errors
/// The settings cannot be used, or the port cannot.
pub fn run(file: &Path) -> Result<(), Error> {
    // Before anything else is opened, which would have one of their numbers where there is none.
    let given = listener::handed_over()?;
    let shared = Arc::new(Shared::new(read(file)?));
    counts::restore(&shared);
    let unable = |error| Error::failed("cannot start the event loop", error);
    let runtime = workers::event_loop().map_err(unable)?;
    let workers = Arc::new(Workers::start(runtime.handle()).map_err(unable)?);
    runtime.block_on(live(file, shared, workers, given))
}

/// Reads the settings.
fn read(file: &Path) -> Result<Settings, Error> {
    let settings = settings::read(file, Settings::check)?;
    let asked = settings.limits;
    budget::raise(asked);
    let limits = budget::within(asked);
    if limits != asked {
        log::line(format_args!(
            "mptcpize: takes {} connections and {} handshakes: descriptors are enough for no more: {}",
            limits.connections,
            limits.strangers,
            budget::advice(asked),
        ));
    }
    Ok(Settings { limits, ..settings })
}

async fn live(
    file: &Path,
    shared: Arc<Shared>,
    workers: Arc<Workers>,
    mut given: Vec<Listener>,
) -> Result<(), Error> {
    let unable = |error| Error::failed("cannot wait for signals", error);
    let mut signals = Signals::open().map_err(unable)?;
    let mut listeners = Vec::new();
    let own = given.is_empty();
    let mut port = shared.settings().port;
    if own {
        given.push(listener::open(port)?);
    }
    for one in given {
        listeners.push(take(one, &shared, &workers));
    }
    tokio::spawn(counts::keep(Arc::clone(&shared)));
    let _told = state::tell(file, &shared);
    let notify = Notify::from_env();
    notify.ready();
    while signals.next().await == Asked::Reload {
        notify.reloading();
        let mut reload = || -> Result<(), Error> {
            let settings = read(file)?;
            if own && settings.port != port {
                let listener = listener::open(settings.port)?;
                listeners.drain(..).for_each(|task: JoinHandle<()>| task.abort());
                listeners.push(take(listener, &shared, &workers));
                port = settings.port;
            }
            shared.reload(settings);
            Ok(())
        };
        match reload() {
            Ok(()) => log::line(format_args!("mptcpize: read {} again", file.display())),
            // What is in force stays in force.
            Err(error) => log::line(error),
        }
        notify.ready();
    }
    notify.stopping();
    listeners.drain(..).for_each(|task| task.abort());
    let limit = Duration::from_secs(shared.settings().drain_s.into());
    signals.drain(limit, empty(&shared)).await;
    counts::finish(&shared);
    Ok(())
}

/// Takes the connections of a listener from now on.
fn take(listener: Listener, shared: &Arc<Shared>, workers: &Arc<Workers>) -> JoinHandle<()> {
    if !listener.mptcp {
        log::line(
            "mptcpize: the listener speaks TCP alone: clients use one path (net.mptcp.enabled)",
        );
    }
    shared.mptcp.store(listener.mptcp, Ordering::Relaxed);
    socket::set_remote_options(&listener.socket);
    let (shared, workers) = (Arc::clone(shared), Arc::clone(workers));
    tokio::spawn(accept(listener.socket, move |socket, client| {
        // A listener of IPv6 tells an address of IPv4 as one within IPv6.
        let client = SocketAddr::new(client.ip().to_canonical(), client.port());
        let Some(stranger) = shared.meet(client.ip()) else {
            return shared.refuse(Reason::Crowd, &client);
        };
        if let Some(worker) = workers.next() {
            let number = stranger.number();
            let task = worker.spawn(serve(stranger, socket, client));
            shared.attach(number, task.abort_handle());
        }
    }))
}

/// Waits until there is no connection.
async fn empty(shared: &Shared) {
    loop {
        let changed = shared.changed.notified();
        if shared.all.open() == 0 {
            return;
        }
        changed.await;
    }
}

//! Tells its state to whoever may know it: a socket in the file system, which writes one JSON object to
//! each who connects and closes (unix(7)).
//!
//! Nothing is written and nothing wakes until somebody asks. Only root is answered: the text has the
//! addresses of all clients. Nobody of the LAN can reach such a socket; other users of the host are kept
//! out by its mode, and by who the kernel says they are, for modes are easily changed.
//!
//! The launcher hands the socket over as standard input, made by root in a directory of root's, so that
//! whoever asks there is answered by the relay and by nobody who took its place. A relay that was started
//! by hand makes its own beside its settings.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::linux::fs::MetadataExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener as Listener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mptcpize_model::gateway_status::{Client, MOST_CLIENTS, State, Uplink, VERSION};
use rustix::net::{AddressFamily, sockopt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

use super::shared::Shared;
use super::tally::Sums;
use crate::log;
use crate::sys;

/// The name of the socket, beside the settings.
const NAME: &str = "state";
/// For how long one who asks may leave the answer unread: the next one waits for that.
const PATIENCE: Duration = Duration::from_millis(500);
/// After an error of accept(2) that does not go away by itself.
const PAUSE: Duration = Duration::from_millis(50);

/// The state is told until this is dropped.
#[derive(Debug)]
pub struct Told {
    task: JoinHandle<()>,
    /// The socket that this process made: where, and its inode.
    own: Option<(PathBuf, u64)>,
}

impl Drop for Told {
    fn drop(&mut self) {
        self.task.abort();
        if let Some((path, inode)) = &self.own {
            // A relay that follows has put its own there.
            if fs::symlink_metadata(path).is_ok_and(|found| found.st_ino() == *inode) {
                let _ = fs::remove_file(path);
            }
        }
    }
}

/// Tells the state from now on, on the event loop of the calling task. Where that cannot be, a line says
/// so, and connections are carried all the same.
pub fn tell(settings: &Path, shared: &Arc<Shared>) -> Option<Told> {
    let beside = settings.with_file_name(NAME);
    let open = || -> io::Result<Told> {
        let (listener, own) = match handed_over()? {
            Some(listener) => (listener, None),
            None => {
                let (listener, inode) = make(&beside)?;
                (listener, Some((beside.clone(), inode)))
            }
        };
        listener.set_nonblocking(true)?;
        let listener = UnixListener::from_std(listener)?;
        Ok(Told { task: tokio::spawn(serve(listener, Arc::clone(shared))), own })
    };
    let told = open().map_err(|error| {
        log::line(format_args!("tells its state to nobody: {}: {error}", beside.display()));
    });
    told.ok()
}

/// Standard input, if it is a listening socket of the file system.
fn handed_over() -> io::Result<Option<Listener>> {
    let input = io::stdin();
    let listens = sockopt::socket_acceptconn(&input).unwrap_or(false);
    if !listens || sockopt::socket_domain(&input)? != AddressFamily::UNIX {
        return Ok(None);
    }
    Ok(Some(Listener::from(input.as_fd().try_clone_to_owned()?)))
}

/// Makes the socket, in the place of one that was left over or that another process will give up.
fn make(path: &Path) -> io::Result<(Listener, u64)> {
    let new = path.with_extension(std::process::id().to_string());
    let _ = fs::remove_file(&new);
    let made = || {
        let listener = Listener::bind(&new)?;
        fs::set_permissions(&new, fs::Permissions::from_mode(0o600))?;
        let inode = fs::symlink_metadata(&new)?.st_ino();
        fs::rename(&new, path)?;
        Ok((listener, inode))
    };
    made().inspect_err(|_| drop(fs::remove_file(&new)))
}

async fn serve(listener: UnixListener, shared: Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) if stream.peer_cred().is_ok_and(|peer| peer.uid() == 0) => {
                let state = look(&shared).await;
                let text = serde_json::to_vec(&state).unwrap_or_default();
                let _ = tokio::time::timeout(PATIENCE, write(&stream, &text)).await;
            }
            Ok(_) => {}
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

async fn write(stream: &UnixStream, mut text: &[u8]) -> io::Result<()> {
    while !text.is_empty() {
        stream.writable().await?;
        match stream.try_write(text) {
            Ok(written) => text = text.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The state at this moment.
async fn look(shared: &Shared) -> State {
    let settings = shared.settings();
    let now = shared.now();
    let sums = shared.tally.sums(now, &settings.uplinks).await;
    let standings: Vec<_> = shared.placement().standings().collect();
    let uplinks = standings.into_iter().map(|standing| {
        let dev = &standing.uplink.dev;
        let sum = sums.uplinks.get(dev).copied().unwrap_or_default();
        let missed_bytes = sums.missed.get(dev).copied().unwrap_or_default();
        let failing = standing.failures > 0;
        let left = standing.paused.saturating_sub(now);
        Uplink {
            dev: standing.uplink.dev,
            weight: standing.uplink.weight,
            backup: standing.uplink.backup,
            open: sum.open,
            carried: sum.carried,
            up_bytes: sum.up_bytes,
            down_bytes: sum.down_bytes,
            missed_bytes,
            failures: standing.failures,
            failing_ms: failing.then(|| milliseconds(now.saturating_sub(standing.failing))),
            last_for_ms: (!left.is_zero()).then(|| milliseconds(left)),
        }
    });
    State {
        version: VERSION,
        pid: std::process::id(),
        netns: sys::netns(),
        running_ms: milliseconds(now),
        draining: shared.draining.load(Ordering::Relaxed),
        lan: settings.lan.clone(),
        connections: shared.connections(),
        most_connections: shared.limits().connections,
        uplinks: uplinks.collect(),
        clients_all: sums.clients.len(),
        refused: shared.refusals().all(),
        without_mptcp: shared.placement().without_mptcp(now),
        all: sums.all,
        beside: sums.beside,
        relays: None,
        clients: busiest(&sums),
    }
}

/// Those that moved most, by address where that is the same.
fn busiest(sums: &Sums) -> Vec<Client> {
    let mut clients: Vec<Client> = sums
        .clients
        .iter()
        .map(|(address, amounts)| Client { address: *address, amounts: *amounts })
        .collect();
    clients.sort_by_key(|one| (std::cmp::Reverse(one.amounts.bytes()), one.address));
    clients.truncate(MOST_CLIENTS);
    clients
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

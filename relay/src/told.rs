//! Tells its state to whoever may know it: a socket in the file system, which writes one JSON object to
//! each who connects and closes (unix(7)).
//!
//! Nothing is written and nothing wakes until somebody asks. Only root is answered, and whoever the
//! caller allows besides: the text has the addresses of all clients. Nobody of a network can reach such a
//! socket; other users of the host are kept out by its mode, and by who the kernel says they are, for
//! modes are easily changed.
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
use std::time::Duration;

use rustix::net::{AddressFamily, sockopt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

use crate::log;

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

/// Tells the state from now on, on the event loop of the calling task: what `look` finds, to root and to
/// the users that `may` names. Where that cannot be, a line says so, and connections are carried all the
/// same.
pub fn tell<F: Future<Output = Vec<u8>> + Send + 'static>(
    settings: &Path,
    may: fn(u32) -> bool,
    look: impl Fn() -> F + Send + Sync + 'static,
) -> Option<Told> {
    let path = settings.with_file_name(NAME);
    let beside = path.clone();
    let open = move || -> io::Result<Told> {
        let (listener, own) = match handed_over()? {
            Some(listener) => (listener, None),
            None => {
                let (listener, inode) = make(&beside)?;
                (listener, Some((beside, inode)))
            }
        };
        listener.set_nonblocking(true)?;
        let listener = UnixListener::from_std(listener)?;
        Ok(Told { task: tokio::spawn(serve(listener, may, look)), own })
    };
    let told = open().map_err(|error| {
        log::line(format_args!("tells its state to nobody: {}: {error}", path.display()));
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

async fn serve<F: Future<Output = Vec<u8>>>(
    listener: UnixListener,
    may: fn(u32) -> bool,
    look: impl Fn() -> F,
) {
    let answers = |uid| uid == 0 || may(uid);
    loop {
        match listener.accept().await {
            Ok((stream, _)) if stream.peer_cred().is_ok_and(|peer| answers(peer.uid())) => {
                let text = look().await;
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

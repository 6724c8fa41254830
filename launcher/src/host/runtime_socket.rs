//! The socket at which runtimes hand over the listeners of containers' filters: for root alone.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use rustix::fs::{Mode, chmod};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, connect, listen,
    socket_with, sockopt,
};

use crate::error::{Error, Exit, reason};
use mptcpize_model::shell;

/// Runtimes that may wait to be taken up.
const BACKLOG: i32 = 128;

/// Listens at this path. A socket that nobody listens at any more is replaced.
///
/// # Errors
/// 1: somebody listens there, or it cannot be made.
pub fn listen_at(path: &Path) -> Result<OwnedFd, Error> {
    let shown = &path.display().to_string();
    let failed = &|error: &io::Error| {
        Error::new(Exit::Failed, format!("cannot listen at {shown}"))
            .why(reason(error))
            .fix(format!("ls -ld {}    # what is there", shell::word(shown)))
    };
    if let Some(directory) = path.parent() {
        let made = DirBuilder::new().recursive(true).mode(0o755).create(directory);
        made.map_err(|error| failed(&error))?;
    }
    let address = SocketAddrUnix::new(path).map_err(|error| failed(&error.into()))?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let make = || socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None);
    let socket = make().map_err(|error| failed(&error.into()))?;
    if connect(&socket, &address).is_ok() {
        return Err(Error::new(Exit::Failed, "containers are supervised already")
            .why(format!("somebody listens at {shown}"))
            .fix(format!("ss -xlp src {}    # shows who", shell::word(shown))));
    }
    let _ = fs::remove_file(path);
    let socket = make().map_err(|error| failed(&error.into()))?;
    // The mode before anybody can connect: that takes listen(2).
    bind(&socket, &address)
        .and_then(|()| chmod(path, Mode::RUSR | Mode::WUSR))
        .and_then(|()| listen(&socket, BACKLOG))
        .map_err(|error| failed(&error.into()))?;
    Ok(socket)
}

/// Takes the next runtime up; `None` when there is none, or it is not root's.
///
/// # Errors
/// No descriptor is left.
pub fn accept(listening: BorrowedFd<'_>) -> io::Result<Option<OwnedFd>> {
    use rustix::io::Errno;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    match accept_with(listening, flags) {
        Ok(line) => {
            // The mode of the socket says it too; that of a directory above it may not.
            let is_root = sockopt::socket_peercred(&line).is_ok_and(|peer| peer.uid.is_root());
            Ok(is_root.then_some(line))
        }
        Err(Errno::AGAIN | Errno::CONNABORTED | Errno::INTR) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

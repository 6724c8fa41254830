//! The TCP and MPTCP sockets that listen in a process, with their addresses: how the sockets are told
//! that systemd has opened for its units, which are all its own.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

use rustix::net::{getsockname, sockopt};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

use crate::host::procfs::processes::{Protocol, protocol};

/// A socket that listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The address that it listens at.
    pub address: SocketAddr,
    /// Of MPTCP, and not of TCP alone.
    pub mptcp: bool,
}

/// The sockets that listen in a process.
///
/// # Errors
/// They may not be looked at: only root may, and those who trace it.
pub fn listeners(pid: u32) -> io::Result<Vec<Held>> {
    let process = Pid::from_raw(pid.cast_signed()).ok_or(io::ErrorKind::InvalidInput)?;
    let handle = pidfd_open(process, PidfdFlags::empty())?;
    let mut found = Vec::new();
    for entry in fs::read_dir(Path::new("/proc").join(pid.to_string()).join("fd"))?.flatten() {
        let Some(protocol) = protocol(&entry.path()) else { continue };
        let number = entry.file_name().to_str().and_then(|name| name.parse().ok());
        let Some(number) = number else { continue };
        // It may be closed meanwhile, and another file have its number: ask of the copy alone.
        let socket = match pidfd_getfd(&handle, number, PidfdGetfdFlags::empty()) {
            Ok(socket) => socket,
            Err(rustix::io::Errno::BADF) => continue,
            Err(error) => return Err(error.into()),
        };
        if sockopt::socket_acceptconn(&socket) != Ok(true) {
            continue;
        }
        let address = getsockname(&socket).ok().and_then(|address| address.try_into().ok());
        if let Some(address) = address {
            found.push(Held { address, mptcp: protocol == Protocol::Mptcp });
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_of_this_process_is_found_by_its_address() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let held = listeners(std::process::id()).expect("our own descriptors");
        assert!(held.iter().any(|one| one.address == address), "{held:?}");
        drop(listener);
    }
}

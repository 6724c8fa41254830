//! The socket at which a relay's clients arrive. The launcher opens it, for it may have the right to a port
//! below 1024, which the relay's process has not; and it is there while that process is started again.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, Protocol, SocketFlags, SocketType, bind, listen, socket_with, sockopt,
};

use crate::error::{Error, Exit, reason};
use crate::host::observe::socket_table::Table;
use crate::host::process::privilege;
use mptcpize_model::{phrase, plain};

/// `IPPROTO_MPTCP` (linux/in.h).
const MPTCP: u32 = 262;

/// Connections whose handshake is complete and that nobody has taken yet: what Linux allows at most unless
/// net.core.somaxconn is raised.
const BACKLOG: i32 = 4096;

/// Above it ports are everybody's, unless net.ipv4.ip_unprivileged_port_start says otherwise.
const PRIVILEGED: u16 = 1023;

/// A listener.
#[derive(Debug)]
pub struct Listener {
    /// The socket.
    pub socket: OwnedFd,
    /// It speaks MPTCP.
    pub mptcp: bool,
}

/// Listens at a port of every address of both families.
///
/// # Errors
/// 4 where the port is not allowed; 1 where another program has it.
pub fn open(port: u16) -> Result<Listener, Error> {
    let mptcp = NonZeroU32::new(MPTCP).map(Protocol::from_raw);
    let made = match make(port, mptcp) {
        Ok(socket) => Ok(Listener { socket, mptcp: true }),
        // No MPTCP in this kernel, switched off, or forbidden.
        Err(Errno::PROTONOSUPPORT | Errno::NOPROTOOPT | Errno::INVAL | Errno::PERM) => {
            make(port, None).map(|socket| Listener { socket, mptcp: false })
        }
        Err(error) => Err(error),
    };
    made.map_err(|error| refusal(port, error))
}

fn make(port: u16, protocol: Option<Protocol>) -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let open = |family| socket_with(family, SocketType::STREAM, flags, protocol);
    // Not where IPv6 was switched off at boot.
    let (socket, any) = match open(AddressFamily::INET6) {
        Err(Errno::AFNOSUPPORT) => (open(AddressFamily::INET)?, IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        socket => {
            let socket = socket?;
            sockopt::set_ipv6_v6only(&socket, false)?;
            (socket, IpAddr::V6(Ipv6Addr::UNSPECIFIED))
        }
    };
    sockopt::set_socket_reuseaddr(&socket, true)?;
    bind(&socket, &SocketAddr::new(any, port))?;
    listen(&socket, BACKLOG)?;
    Ok(socket)
}

fn refusal(port: u16, error: Errno) -> Error {
    let what = format!("cannot listen at port {port}");
    match error {
        Errno::ADDRINUSE => {
            let holders = holders(port);
            let why = match holders.as_slice() {
                [] => "another program listens there".to_owned(),
                holders => format!("{} listens there", phrase::list(holders)),
            };
            Error::new(Exit::Failed, what).why(why).fix(format!(
                "sudo mptcpize relay serve --port {}    # or end the other one; ss -tlnp 'sport = \
                 :{port}' shows it",
                port.checked_add(1).unwrap_or(port - 1)
            ))
        }
        Errno::ACCESS | Errno::PERM if port <= PRIVILEGED => Error::new(Exit::NotPermitted, what)
            .why(format!("ports up to {PRIVILEGED} are root's"))
            .fix("sudo mptcpize relay serve --port …    # or a port above it"),
        Errno::ACCESS | Errno::PERM => {
            Error::new(Exit::NotPermitted, what).why(reason(&error.into())).fix(privilege::advice())
        }
        error => Error::new(Exit::Failed, what).why(reason(&io::Error::from(error))),
    }
}

/// Who listens at a port, as `NAME (process PID)`.
fn holders(port: u16) -> Vec<String> {
    let table = Table::read().unwrap_or_default();
    let listens = table.entries.iter().filter(|(_, it)| it.listens && it.local.port() == port);
    let links: BTreeSet<String> = listens.map(|(inode, _)| format!("socket:[{inode}]")).collect();
    let mut found = Vec::new();
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let number = process.file_name().to_string_lossy().into_owned();
        if !number.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let open = fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten();
        let mut names = open.filter_map(|entry| fs::read_link(entry.path()).ok());
        if names.any(|name| links.contains(&*name.to_string_lossy())) {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            found.push(format!("{} (process {number})", plain::words(name.trim_end())));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_at_a_port_is_named() {
        let listener = std::net::TcpListener::bind("[::]:0").expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let said = open(port).expect_err("it is taken").to_string();
        // A program that another test starts has it open too until it executes.
        let own = format!("(process {})", std::process::id());
        assert!(said.contains(&own) && said.contains(" listens there"), "{said}");
        assert!(said.contains(&format!("--port {}", port + 1)), "{said}");
    }
}

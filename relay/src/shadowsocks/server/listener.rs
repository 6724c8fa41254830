//! The socket at which clients arrive: one for both families, that speaks MPTCP where the kernel does.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, Protocol, SocketFlags, SocketType, bind, listen, socket_with, sockopt,
};

use super::holder;
use crate::error::Error;
use crate::notify;
use crate::sys;

/// `IPPROTO_MPTCP` (linux/in.h).
const MPTCP: u32 = 262;
/// Connections whose handshake is complete and that nobody has taken yet: what Linux allows at most
/// unless net.core.somaxconn is raised.
const BACKLOG: i32 = 4096;
/// The first descriptor of those that systemd hands over (sd_listen_fds(3)).
const FIRST: i32 = 3;

/// A listener.
#[derive(Debug)]
pub struct Listener {
    /// The socket.
    pub socket: OwnedFd,
    /// It speaks MPTCP.
    pub mptcp: bool,
}

/// Listens at a port of every address.
///
/// # Errors
/// 4 where a port below 1024 is not allowed; 1 where another program listens there.
pub fn open(port: u16) -> Result<Listener, Error> {
    let what = || format!("cannot listen at port {port}");
    let mptcp = NonZeroU32::new(MPTCP).map(Protocol::from_raw);
    let made = match make(port, mptcp) {
        Ok(socket) => Ok(Listener { socket, mptcp: true }),
        // No MPTCP in this kernel, switched off, or forbidden.
        Err(Errno::PROTONOSUPPORT | Errno::NOPROTOOPT | Errno::INVAL | Errno::PERM) => {
            make(port, None).map(|socket| Listener { socket, mptcp: false })
        }
        Err(error) => Err(error),
    };
    made.map_err(|error| match error {
        Errno::ADDRINUSE => {
            let who = holder::of(port).unwrap_or_else(|| "another program".to_owned());
            Error::failed(what(), format!("{who} listens there"))
                .fix(format!("ss -tlnp sport = :{port}    # which one it is; or another port"))
        }
        Errno::ACCESS | Errno::PERM => {
            Error::failed(what(), "ports below net.ipv4.ip_unprivileged_port_start are root's")
                .exit(4)
                .fix("another port, or CAP_NET_BIND_SERVICE")
        }
        error => Error::failed(what(), io::Error::from(error)),
    })
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

/// The listeners that the service manager holds for every process of the service. None where it holds
/// none.
///
/// # Errors
/// One of them does not listen.
pub fn handed_over() -> Result<Vec<Listener>, Error> {
    let number = i32::try_from(notify::handed_over()).unwrap_or(0);
    let mut listeners = Vec::new();
    for place in 0..number {
        let what = || format!("cannot use socket {place} of those that were handed over");
        let failed = |error| Error::failed(what(), error);
        let socket = sys::inherited(FIRST + place).map_err(failed)?;
        if !sockopt::socket_acceptconn(&socket).unwrap_or(false) {
            let why = "it does not listen";
            return Err(Error::failed(what(), why).fix("in the .socket unit: ListenStream="));
        }
        rustix::io::ioctl_fionbio(&socket, true).map_err(|error| failed(error.into()))?;
        let protocol = sockopt::socket_protocol(&socket).ok().flatten();
        let mptcp = protocol.is_some_and(|protocol| protocol.as_raw().get() == MPTCP);
        listeners.push(Listener { socket, mptcp });
    }
    Ok(listeners)
}

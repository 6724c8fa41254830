//! The sockets that an agent is handed: listeners for connections, and sockets for questions to a name
//! server, on the loopback interface of this thread's network namespace.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketFlags, SocketType, bind, getsockname, listen, socket_with, sockopt,
};

use mptcpize_model::relay::rules::Ports;

/// Connections that wait to be taken: as many as the kernel lets (`net.core.somaxconn`).
const BACKLOG: i32 = 4_096;

/// A socket and the name that the agent knows it by (`LISTEN_FDNAMES`, sd_listen_fds(3)).
#[derive(Debug)]
pub struct Named {
    /// The name.
    pub name: &'static str,
    /// The socket.
    pub socket: OwnedFd,
}

/// Sockets of both families, as far as there are both.
#[derive(Debug, Default)]
pub struct Both {
    /// The sockets.
    pub sockets: Vec<Named>,
    /// Their ports.
    pub ports: Ports,
}

/// Listeners to which the packet filter redirects.
///
/// # Errors
/// There is no socket to be had.
pub fn redirect() -> io::Result<Both> {
    both("redirect", SocketType::STREAM, false)
}

/// Listeners that take connections to any address (TPROXY).
///
/// # Errors
/// There is no socket to be had, or no CAP_NET_ADMIN.
pub fn transparent() -> io::Result<Both> {
    both("redirect", SocketType::STREAM, true)
}

/// Sockets for questions to a name server.
///
/// # Errors
/// There is no socket to be had.
pub fn names() -> io::Result<Both> {
    both("dns", SocketType::DGRAM, false)
}

/// A listener for clients that speak SOCKS5 or HTTP CONNECT.
///
/// # Errors
/// The port is taken.
pub fn proxy(at: SocketAddr) -> io::Result<Named> {
    Ok(Named { name: "proxy", socket: one(at, SocketType::STREAM, false)? })
}

fn both(name: &'static str, kind: SocketType, transparent: bool) -> io::Result<Both> {
    let mut all = Both::default();
    let v4 = one((Ipv4Addr::LOCALHOST, 0).into(), kind, transparent);
    let v6 = one((Ipv6Addr::LOCALHOST, 0).into(), kind, transparent);
    for (made, port) in [(v4, &mut all.ports.v4), (v6, &mut all.ports.v6)] {
        let socket = match made {
            Ok(socket) => socket,
            // A kernel without the family, or a namespace in which it is switched off.
            Err(error) if is_without_family(&error) => continue,
            Err(error) => return Err(error),
        };
        *port = Some(address(&socket)?.port());
        all.sockets.push(Named { name, socket });
    }
    match all.sockets.is_empty() {
        true => Err(Errno::ADDRNOTAVAIL.into()),
        false => Ok(all),
    }
}

fn is_without_family(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL))
}

fn one(at: SocketAddr, kind: SocketType, transparent: bool) -> io::Result<OwnedFd> {
    let family = if at.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC, None)?;
    if at.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    if kind == SocketType::STREAM {
        sockopt::set_socket_reuseaddr(&socket, true)?;
    }
    if transparent {
        sys::set_transparent(&socket, at.is_ipv6())?;
    }
    bind(&socket, &at)?;
    if kind == SocketType::STREAM {
        listen(&socket, BACKLOG)?;
    }
    Ok(socket)
}

/// The address that a socket is bound to.
///
/// # Errors
/// It is no socket of IP.
pub fn address(socket: &OwnedFd) -> io::Result<SocketAddr> {
    Ok(SocketAddr::try_from(getsockname(socket)?)?)
}

/// What rustix has no name for.
#[allow(unsafe_code)]
mod sys {
    use std::io;
    use std::mem;
    use std::os::fd::{AsRawFd, OwnedFd};

    /// Lets a socket stand for addresses that are none of this host's (`IP_TRANSPARENT`).
    pub(super) fn set_transparent(socket: &OwnedFd, v6: bool) -> io::Result<()> {
        let on: libc::c_int = 1;
        let (level, name) = match v6 {
            true => (libc::SOL_IPV6, libc::IPV6_TRANSPARENT),
            false => (libc::SOL_IP, libc::IP_TRANSPARENT),
        };
        let size = mem::size_of_val(&on) as libc::socklen_t;
        // SAFETY: the option is an int, which outlives the call.
        let result = unsafe {
            libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const on).cast(), size)
        };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_family_has_a_socket_of_its_own() {
        let both = redirect().expect("loopback is up");
        assert!(both.ports.v4.is_some());
        for Named { socket, .. } in &both.sockets {
            assert!(address(socket).expect("it is bound").ip().is_loopback());
        }
    }
}

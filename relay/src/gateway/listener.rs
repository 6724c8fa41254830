//! The sockets at which the packet filter's connections arrive: one for each LAN interface and family.
//!
//! Each is bound to an address of the loopback interface *and* to the LAN interface. TPROXY looks for a
//! listener by the address in its rule and by the interface that a packet came over, so it finds them;
//! a packet that only came over a link cannot: one for the router's own address and this port meets no
//! listener and is reset by the kernel, one for 127.0.0.1 is a martian and dropped, and one over another
//! interface is not theirs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use mptcpize_model::net::{Family, IfName};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with, sockopt};

use crate::error::Error;
use crate::notify;
use crate::sys;

/// Connections whose handshake is complete and that nobody has taken yet: what Linux allows at most
/// unless net.core.somaxconn is raised.
const BACKLOG: i32 = 4096;
/// The first descriptor of those that systemd hands over (sd_listen_fds(3)).
const FIRST: i32 = 3;

/// Makes a listener.
///
/// # Errors
/// 4 without CAP_NET_ADMIN; 1 where the interface is not there or another listener is.
pub fn open(lan: &IfName, family: Family, port: u16) -> Result<OwnedFd, Error> {
    let (domain, address) = match family {
        Family::V4 => (AddressFamily::INET, IpAddr::V4(Ipv4Addr::LOCALHOST)),
        Family::V6 => (AddressFamily::INET6, IpAddr::V6(Ipv6Addr::LOCALHOST)),
    };
    let what = || format!("cannot listen for {lan} at {}", SocketAddr::new(address, port));
    let failed = |error: std::io::Error| match error.raw_os_error() {
        Some(libc::EPERM) => Error::failed(what(), "IP_TRANSPARENT wants CAP_NET_ADMIN")
            .exit(4)
            .fix("start it by mptcpize gateway"),
        Some(libc::EADDRINUSE) => Error::failed(what(), "another program listens there")
            .fix("ss -tlnp    # which one it is"),
        Some(libc::ENODEV) => {
            Error::failed(what(), "there is no such interface").fix("ip -br link")
        }
        _ => Error::failed(what(), error),
    };
    let make = || -> std::io::Result<OwnedFd> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(domain, SocketType::STREAM, flags, None)?;
        sockopt::set_socket_reuseaddr(&socket, true)?;
        if family == Family::V6 {
            sockopt::set_ipv6_v6only(&socket, true)?;
        }
        sys::bind_to_device(&socket, lan.as_str())?;
        sys::set_transparent(&socket)?;
        bind(&socket, &SocketAddr::new(address, port))?;
        listen(&socket, BACKLOG)?;
        Ok(socket)
    };
    make().map_err(failed)
}

/// Does this host have IPv6 at all? Not where it was switched off at boot.
pub fn has_ipv6() -> bool {
    let open = socket_with(AddressFamily::INET6, SocketType::STREAM, SocketFlags::CLOEXEC, None);
    !matches!(open, Err(Errno::AFNOSUPPORT))
}

/// The listeners that the service manager holds for every process of the service, so that none of them
/// is missing while one process follows another. None where it holds none.
///
/// # Errors
/// One of them would take what it shall not: it does not listen, is not transparent, or is bound to no
/// LAN interface.
pub fn handed_over(lan: &[IfName]) -> Result<Vec<OwnedFd>, Error> {
    let number = i32::try_from(notify::handed_over()).unwrap_or(0);
    let mut listeners = Vec::new();
    for place in 0..number {
        let what = format!("cannot use socket {place} of those that were handed over");
        let socket =
            sys::inherited(FIRST + place).map_err(|error| Error::failed(what.clone(), error))?;
        let unit =
            "in the .socket unit: Transparent=yes, BindToDevice=, one unit for each interface";
        if !sockopt::socket_acceptconn(&socket).unwrap_or(false) {
            return Err(Error::failed(what, "it does not listen").fix(unit));
        }
        if !sys::is_transparent(&socket) {
            return Err(Error::failed(what, "it is not transparent (IP_TRANSPARENT)").fix(unit));
        }
        let device = sys::device(&socket).unwrap_or_default();
        if !lan.iter().any(|one| one.as_str() == device) {
            let why = format!("it is bound to {device:?}, which is no interface of the LAN");
            return Err(Error::failed(what, why).fix(unit));
        }
        rustix::io::ioctl_fionbio(&socket, true)
            .map_err(|error| Error::failed(what, std::io::Error::from(error)))?;
        listeners.push(socket);
    }
    Ok(listeners)
}

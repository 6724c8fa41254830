//! Makes a TCP socket like an MPTCP socket that somebody else has set up: whatever differs from a fresh
//! MPTCP socket was set, and is set on the new one too.
//!
//! Not seen, because MPTCP takes them and does not tell: SO_DONTROUTE, SO_BROADCAST,
//! SO_BUSY_POLL_BUDGET. Not here: whether it may be replaced (`option.rs`).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::net::{
    AddressFamily, Protocol, SocketAddrAny, SocketFlags, SocketType, bind, getsockname, ipproto,
    socket_with, sockopt,
};

use crate::inject::seccomp::sockets;
use crate::syscall::MPTCP;

/// include/uapi/asm-generic/socket.h
const SO_BUF_LOCK: i32 = 72;

/// A fresh socket of this family.
pub(super) fn fresh(family: i32, protocol: Protocol) -> Option<OwnedFd> {
    let family = AddressFamily::from_raw(family as u16);
    socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, Some(protocol)).ok()
}

/// The one that TCP has.
pub(super) fn fresh_tcp(family: i32) -> Option<OwnedFd> {
    fresh(family, ipproto::TCP)
}

/// Does to `new` what was done to `old`, as far as `options` tells; false when something of it cannot be
/// done again.
pub(super) fn onto(
    old: BorrowedFd<'_>,
    new: BorrowedFd<'_>,
    family: i32,
    options: &[(i32, i32)],
) -> bool {
    let Some(usual) = fresh(family, MPTCP) else { return false };
    let of_family = |level: i32| level != libc::IPPROTO_IPV6 || family == libc::AF_INET6;
    // IP_TOS changes SO_PRIORITY, so that the socket's own level comes last.
    for last in [false, true] {
        for (level, name) in options.iter().copied() {
            if (level == libc::SOL_SOCKET) == last
                && of_family(level)
                && !option(level, name, (old, usual.as_fd(), new))
            {
                return false;
            }
        }
    }
    // O_ASYNC has an owner, of another process.
    let flags = fcntl_getfl(old).unwrap_or(OFlags::all());
    let settable = OFlags::NONBLOCK | OFlags::APPEND | OFlags::RDWR;
    settable.contains(flags & !OFlags::LARGEFILE)
        && fcntl_setfl(new, flags).is_ok()
        && address(old, new)
}

/// One option; true when `new` has it as `old` has it, or TCP has nothing of the kind.
fn option(
    level: i32,
    name: i32,
    (old, usual, new): (BorrowedFd<'_>, BorrowedFd<'_>, BorrowedFd<'_>),
) -> bool {
    let is_buffer = level == libc::SOL_SOCKET && matches!(name, libc::SO_SNDBUF | libc::SO_RCVBUF);
    let Ok(value) = sockets::get(old, level, name) else { return true };
    if is_buffer {
        return buffer(name, &value, old, new);
    }
    if sockets::get(usual, level, name).as_ref() == Ok(&value)
        || sockets::get(new, level, name).as_ref() == Ok(&value)
    {
        return true;
    }
    match sockets::set(new, level, name, &value) {
        Err(_) => false,
        Ok(()) => sockets::get(new, level, name).as_ref() == Ok(&value),
    }
}

/// The kernel doubles what is asked for, and grows a buffer that nobody has asked for.
fn buffer(name: i32, value: &[u8], old: BorrowedFd<'_>, new: BorrowedFd<'_>) -> bool {
    // SOCK_SNDBUF_LOCK and SOCK_RCVBUF_LOCK (include/uapi/linux/socket.h).
    let lock = if name == libc::SO_SNDBUF { 1 } else { 2 };
    let locks = sockets::number(old, libc::SOL_SOCKET, SO_BUF_LOCK);
    if locks.is_some_and(|locks| locks & lock == 0) {
        return true;
    }
    let Some(size) = value.first_chunk().map(|size| i32::from_ne_bytes(*size)) else {
        return false;
    };
    let _ = sockets::set(new, libc::SOL_SOCKET, name, &(size / 2).to_ne_bytes());
    sockets::number(new, libc::SOL_SOCKET, name) == Some(size)
}

/// Gives `new` the address that `old` is bound to, which `old` holds until it is closed: SO_REUSEADDR
/// on both lets them share it for that moment.
fn address(old: BorrowedFd<'_>, new: BorrowedFd<'_>) -> bool {
    let Ok(address) = getsockname(old).and_then(std::net::SocketAddr::try_from) else {
        return false;
    };
    if address.port() == 0 && address.ip().is_unspecified() {
        return true;
    }
    let before = sockopt::socket_reuseaddr(old).unwrap_or(false);
    let reuse = |on| {
        let _ = sockopt::set_socket_reuseaddr(old, on);
        let _ = sockopt::set_socket_reuseaddr(new, on);
    };
    reuse(true);
    let bound = bind(new, &SocketAddrAny::from(address)).is_ok();
    reuse(before);
    bound
}

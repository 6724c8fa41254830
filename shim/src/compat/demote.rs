//! Replaces an MPTCP socket by a TCP socket under the same descriptor.
//!
//! Order: the program's own call is made on the new socket first, so what TCP refuses too changes
//! nothing; then everything that the program did to the old socket is done to the new one; then
//! dup3(2), which is the one step that cannot be taken back. Whatever fails before it leaves the
//! old socket as it was.
//!
//! Not here: which refusals lead here (`setsockopt.rs`).

use core::ffi::c_int;

use super::table::{self, BOUND, MOVING, OTHER, OURS, POLLED, SHARED, TRIED};
use super::{epoll, options, process};
use crate::sys;
use crate::sys::net::{self, Address};
use crate::sys::option_call::Set;
use crate::sys::own_fd::Own;
use crate::verdict::Stays;

/// Puts a TCP socket in the place of `fd`. `call` is the program's own, to be made on the new socket;
/// `made` is a new socket on which it has been made already.
///
/// `Ok` is the result of `call` (0 without one): at -1, with its errno, `fd` stays MPTCP. `Err` says why
/// `fd` stays MPTCP where it is not for the call.
#[inline(never)]
pub(crate) fn to_tcp(fd: c_int, call: Option<&Set>, mut made: Option<Own>) -> Result<c_int, Stays> {
    // Another thread that sets options meanwhile makes this start again; not for ever.
    for _ in 0..1000 {
        let state = table::get(fd);
        check(fd, state)?;
        let mut called = made.is_some() || call.is_none();
        let new = made.take().or_else(|| Own::like(fd)).ok_or(Stays::Busy)?;
        if let Some(call) = call
            && !called
        {
            called = call.on(new.fd()) == 0;
            // Some values are good only once others are set (SO_ATTACH_REUSEPORT_CBPF).
            if !called && sys::errno() != libc::EINVAL {
                return Ok(-1);
            }
        }
        let registration = match state & POLLED {
            0 => epoll::Found::Nothing,
            _ => epoll::find(fd),
        };
        if matches!(registration, epoll::Found::Unknown) {
            return Err(Stays::Polled);
        }
        let address = net::local(fd);
        let bound = address.port() != 0 || !address.is_any();
        if bound && state & BOUND == 0 {
            if table::get(fd) == state {
                // The kernel bound it, for a connection that we know nothing of, or the program did by
                // a system call of its own.
                return Err(Stays::Unrepeatable);
            }
            continue;
        }
        if !options::replay(fd, new.fd(), state)
            || !copy_flags(fd, new.fd())
            || (bound && !rebind(fd, new.fd(), &address))
        {
            return Err(Stays::Unrepeatable);
        }
        if let Some(call) = call
            && !called
            && call.on(new.fd()) != 0
        {
            return Ok(-1);
        }
        if !table::take(fd, state) {
            continue;
        }
        let cloexec = net::control(fd, libc::F_GETFD, 0) & libc::FD_CLOEXEC != 0;
        if !new.replace(fd, cloexec) {
            table::give_back(fd);
            return Err(Stays::Busy);
        }
        table::forget(fd);
        if let epoll::Found::This(registration) = registration {
            registration.repeat(fd);
        }
        return Ok(0);
    }
    Err(Stays::Busy)
}

/// Why a socket in this state cannot become TCP, if anything forbids it.
fn check(fd: c_int, state: u64) -> Result<(), Stays> {
    if table::is_beyond(fd) {
        return Err(Stays::Beyond);
    }
    if state & (OURS | MOVING) != OURS || !net::is_mptcp(fd) {
        return Err(Stays::NotOurs);
    }
    if net::number(fd, libc::SOL_SOCKET, libc::SO_ACCEPTCONN) == Some(1) {
        return Err(Stays::Listening);
    }
    if net::is_connected(fd) {
        return Err(Stays::Connected);
    }
    if state & TRIED != 0 {
        return Err(Stays::Tried);
    }
    if state & SHARED != 0 || process::is_other_process() {
        return Err(Stays::Shared);
    }
    if state & OTHER != 0 {
        return Err(Stays::Unrepeatable);
    }
    Ok(())
}

/// Copies the file status flags and who gets which signal; the flags last, because O_ASYNC needs the
/// owner. False when one of them could not be set.
#[inline(never)]
fn copy_flags(from: c_int, to: c_int) -> bool {
    /// include/uapi/asm-generic/fcntl.h
    const F_SETSIG: c_int = 10;
    const F_GETSIG: c_int = 11;
    if let Some(owner) = net::owner(from)
        && owner[1] != 0
        && !net::set_owner(to, &owner)
    {
        return false;
    }
    let signal = net::control(from, F_GETSIG, 0);
    if signal > 0 && net::control(to, F_SETSIG, signal) != 0 {
        return false;
    }
    let flags = net::control(from, libc::F_GETFL, 0);
    flags == libc::O_RDWR || net::control(to, libc::F_SETFL, flags) == 0
}

/// Binds `new` to the address of `old`, which holds it until it is closed: SO_REUSEADDR on both lets
/// them share it for that moment. False with errno.
#[inline(never)]
fn rebind(old: c_int, new: c_int, address: &Address) -> bool {
    let before = net::number(old, libc::SOL_SOCKET, libc::SO_REUSEADDR).unwrap_or(0);
    reuse(old, 1);
    reuse(new, 1);
    let bound = net::bind(new, address);
    reuse(old, before);
    reuse(new, before);
    bound
}

/// Sets SO_REUSEADDR.
#[inline(never)]
fn reuse(fd: c_int, value: c_int) {
    net::set_number(fd, libc::SOL_SOCKET, libc::SO_REUSEADDR, value);
}

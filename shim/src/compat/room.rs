//! A wide receive window for connections over loopback.
//!
//! A receiver that has closed its MPTCP window and read what was there does not always say that
//! the window is open again. The sender has nothing in flight that could be repeated, waits 200 ms
//! for MPTCP's own timer, and then repeats what the receiver has long got (MPTCPRetrans and
//! DuplicateData count one each). Over loopback, where the sender is faster than the window grows,
//! most transfers of a megabyte or more stall so. A window that never closes never has to be opened.
//!
//! SO_RCVLOWAT makes the kernel widen the window of a connection to that size (from Linux 6.9 on),
//! and it stays wide when the option is set back; unlike SO_RCVBUF it keeps the kernel's own
//! adjustment going, and has no limit in net.core. Without such a kernel nothing happens.
//! `scripts/bench loopback` measures it.

use core::ffi::c_int;
use core::sync::atomic::{AtomicI32, Ordering::Relaxed};

use super::{options, table};
use crate::sys;
use crate::sys::aside;
use crate::sys::net;
use crate::sys::own_fd::Own;
use crate::sys::seal;

/// Bytes: none of 200 transfers of up to 4 MB stalls with this, one of ten of 16 MB does; with a
/// quarter of it one of ten of 16 MB as well, and with the kernel's own every second of 4 MB.
const ROOM: c_int = 4 << 20;

/// What SO_RCVBUF reads with such a window, in bytes. It depends on the kernel's limits, so it is read
/// back from the first socket; 0 before that.
static READS: AtomicI32 = AtomicI32::new(0);

/// Before a socket of ours connects to this host: widens its window.
pub(crate) fn connecting(fd: c_int) {
    let state = table::get(fd);
    if state & (table::OURS | options::RECEIVE_BUFFER) != table::OURS || seal::is_sealed() {
        return;
    }
    // SO_RCVLOWAT widens the window of the first subflow, which a new socket does not have yet. Setting
    // an option that only a subflow has makes one. This one is off on every new socket, and a program
    // that has set it has a subflow.
    /// include/uapi/linux/tcp.h
    const TCP_FASTOPEN_NO_COOKIE: c_int = 34;
    if state & options::bit(libc::IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE) == 0 {
        net::set_number(fd, libc::IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 0);
    }
    widen(fd, state);
}

/// After a socket began to listen. One with a loopback address gets the window, which its connections
/// inherit; to one with another address of its own no connection comes over loopback. The connections
/// of neither need to be looked at.
pub(crate) fn listening(fd: c_int) {
    let state = table::get(fd);
    if state & (table::OURS | options::RECEIVE_BUFFER) != table::OURS || seal::is_sealed() {
        return;
    }
    let errno = sys::errno();
    let own = net::local(fd);
    if !own.is_any() && net::is_mptcp(fd) {
        if own.loops() {
            widen(fd, state);
        }
        table::add(fd, table::ROOMY);
    }
    sys::set_errno(errno);
}

/// Are the connections of a listener in this state to be looked at, because it serves this host and
/// others?
#[inline(always)]
pub(crate) fn is_looked_for(listener: u64) -> bool {
    listener & (table::OURS | table::ROOMY | options::RECEIVE_BUFFER) == table::OURS
}

/// After `new` was accepted on such a listener: widens its window if the peer is on this host.
pub(crate) fn accepted(listener: c_int, new: c_int) {
    if seal::is_sealed() {
        return;
    }
    let errno = sys::errno();
    if net::peer(new).loops() && net::is_mptcp(new) {
        widen(new, table::get(listener));
    }
    sys::set_errno(errno);
}

/// Widens the window by setting SO_RCVLOWAT, and sets that back to what the program has.
fn widen(fd: c_int, state: u64) {
    let (level, name) = (libc::SOL_SOCKET, libc::SO_RCVLOWAT);
    let before = match state & options::bit(level, name) {
        0 => 1,
        _ => net::number(fd, level, name).unwrap_or(1),
    };
    if net::set_number(fd, level, name, ROOM) {
        net::set_number(fd, level, name, before);
    }
    if READS.load(Relaxed) == 0 {
        READS.store(net::number(fd, level, libc::SO_RCVBUF).unwrap_or(0), Relaxed);
    }
}

/// What the program is to see where SO_RCVBUF reads `size`, in bytes: what a fresh TCP socket reads.
/// `None` where the window was not widened.
pub(crate) fn shown(fd: c_int, size: c_int) -> Option<c_int> {
    if size == 0 || seal::is_sealed() || size != READS.load(Relaxed) || !net::is_mptcp(fd) {
        return None;
    }
    let fresh = || net::number(Own::like(fd)?.fd(), libc::SOL_SOCKET, libc::SO_RCVBUF);
    aside::ask(fd, fresh)
}

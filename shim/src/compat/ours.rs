//! Is this descriptor ours: an MPTCP socket that the program takes for TCP? And what the program does
//! to such a one, noted for the case that it becomes TCP.

use core::ffi::c_int;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::process;
use super::table::{self, OURS, SHARED};
use crate::sys::net;

/// The program itself asked for MPTCP once: then its accepted sockets may be meant to be that.
static KNOWS_MPTCP: AtomicBool = AtomicBool::new(false);

/// The program has a new MPTCP socket that it takes for TCP.
#[inline(always)]
pub(crate) fn upgraded(fd: c_int) {
    process::makes_one();
    table::upgraded(fd);
}

pub(crate) fn program_knows_mptcp() {
    KNOWS_MPTCP.store(true, Relaxed);
}

/// Is it an MPTCP socket that the program takes for TCP: ours, or accepted on one of ours?
pub(crate) fn is_mptcp_for_tcp(fd: c_int, state: u64) -> bool {
    (state & OURS != 0 || !KNOWS_MPTCP.load(Relaxed)) && net::is_mptcp(fd)
}

#[inline]
pub(crate) fn is_ours(fd: c_int) -> bool {
    table::get(fd) & OURS != 0
}

/// Was ever a socket ours?
#[inline(always)]
pub(crate) fn has_sockets() -> bool {
    table::is_used()
}

/// Notes what was done to a socket of ours. When another thread is just replacing it: once that is
/// over. False when the socket is no longer ours, and maybe did not see what was done.
#[inline(never)]
pub(crate) fn remember(fd: c_int, bits: u64) -> bool {
    table::add(fd, bits) || {
        table::settle(fd);
        // It is still ours when dup3 failed.
        table::add(fd, bits)
    }
}

/// The file of `fd` has another descriptor now: `new`, or one of another process.
pub(crate) fn shared(fd: c_int, new: Option<c_int>) {
    table::add(fd, SHARED);
    if let Some(new) = new
        && new != fd
    {
        table::forget(new);
    }
}

/// Did the program itself ask for MPTCP once?
pub(crate) fn knows_mptcp() -> bool {
    KNOWS_MPTCP.load(Relaxed)
}

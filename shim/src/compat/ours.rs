//! Is this descriptor ours: an MPTCP socket that the program takes for TCP? And what the program does
//! to such a one, noted for the case that it becomes TCP.

use core::ffi::c_int;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::process;
use super::table::{self, OURS, SHARED};
use crate::sys::net;

/// The program itself asked for MPTCP once: then the sockets that it accepts may be meant to be MPTCP.
static KNOWS_MPTCP: AtomicBool = AtomicBool::new(false);

/// Enters a new MPTCP socket that the program takes for TCP.
#[inline(always)]
pub(crate) fn upgraded(fd: c_int) {
    process::makes_one();
    table::upgraded(fd);
}

/// Notes that the program itself asked for MPTCP.
pub(crate) fn program_knows_mptcp() {
    KNOWS_MPTCP.store(true, Relaxed);
}

/// Did the program itself ask for MPTCP once?
pub(crate) fn knows_mptcp() -> bool {
    KNOWS_MPTCP.load(Relaxed)
}

/// Is it an MPTCP socket that the program takes for TCP: ours, or accepted on one of ours? `state` is
/// the descriptor's in the table.
pub(crate) fn is_mptcp_for_tcp(fd: c_int, state: u64) -> bool {
    (state & OURS != 0 || !knows_mptcp()) && net::is_mptcp(fd)
}

/// Was this descriptor upgraded? What the table says may be of an earlier socket (`table.rs`).
#[inline]
pub(crate) fn is_ours(fd: c_int) -> bool {
    table::get(fd) & OURS != 0
}

/// Was any descriptor of this process ever ours?
#[inline(always)]
pub(crate) fn has_sockets() -> bool {
    table::is_used()
}

/// Notes what was done to a socket of ours, as bits of the table. When another thread is just replacing
/// the socket, this waits until that is over. False when the socket is no longer ours: what was done may
/// have been done to the old one.
#[inline(never)]
pub(crate) fn remember(fd: c_int, bits: u64) -> bool {
    table::add(fd, bits) || {
        table::settle(fd);
        // Where dup3(2) failed the socket is still the old one, and ours.
        table::add(fd, bits)
    }
}

/// Notes that the file of `fd` has another descriptor now: `new`, or one of another process.
pub(crate) fn shared(fd: c_int, new: Option<c_int>) {
    table::add(fd, SHARED);
    if let Some(new) = new
        && new != fd
    {
        table::forget(new);
    }
}

//! A small receive buffer: an MPTCP socket drops what does not fit, and the peer sends it again
//! after 200 ms or more, so that a transfer that takes TCP a millisecond takes seconds.
//!
//! A socket without a connection becomes TCP, which gives what was asked for. One that listens or
//! is connected gets a larger buffer than the program asked for, which then reads what TCP would
//! have shown it. `scripts/bench rcvbuf` measures both, over loopback and over two links.

use core::ffi::c_int;

use super::ours::is_mptcp_for_tcp;
use super::{buffer_size, demote};
use crate::sys;
use crate::sys::net;
use crate::sys::option_call::Set;
use crate::trace;
use crate::verdict::Verdict;

/// Bytes, as the program sets them: with less, real TCP is the better answer. 400 KB over links of
/// 50 + 50 Mbit/s: 249 ms at 16 KB (TCP 62), 39 at 64 KB; over loopback 200 to 400 ms below this
/// one (TCP 1).
const SMALL: u32 = 262_144;

/// Bytes: with this, no transfer of 30 stalled on any of those paths.
const ENOUGH: u32 = 1_048_576;

/// Does this option set the receive buffer?
pub(crate) fn is_one(level: c_int, name: c_int) -> bool {
    level == libc::SOL_SOCKET && matches!(name, libc::SO_RCVBUF | libc::SO_RCVBUFFORCE)
}

/// After a program has set a receive buffer: where it is too small for MPTCP, makes the socket TCP, or
/// the buffer larger. `state` is the socket's in the table, `errno` what the program had before its call.
#[cold]
#[inline(never)]
pub(crate) fn was_set(set: &Set, state: u64, errno: c_int) {
    if !is_mptcp_for_tcp(set.fd, state) {
        return;
    }
    // The kernel takes it as unsigned (net/core/sock.c), so a negative number is a large one.
    let Some(bytes) = set.number().map(c_int::cast_unsigned) else { return };
    // The size that the program asked for earlier does not count any more.
    buffer_size::forget(set.fd);
    if bytes < ENOUGH {
        let mut verdict = Verdict::Demoted;
        if bytes >= SMALL || demote::to_tcp(set.fd, Some(set), None) != Ok(0) {
            let size = net::number(set.fd, set.level, libc::SO_RCVBUF).unwrap_or(0);
            buffer_size::keep(set.fd, size);
            net::set_number(set.fd, set.level, set.name, ENOUGH as c_int);
            verdict = Verdict::Raised;
        }
        trace::option(set, 0, verdict);
    }
    sys::set_errno(errno);
}

//! A small receive buffer: an MPTCP socket drops what does not fit, and the peer sends it again
//! after 200 ms or more, so that a transfer that takes TCP a millisecond takes seconds.
//!
//! A socket without a connection becomes TCP, which gives what was asked for. One that listens or
//! is connected gets a larger buffer than the program asked for, which then reads what TCP would
//! have shown it. `scripts/bench rcvbuf` measures both, over loopback and over two links.

use core::ffi::c_int;

use super::table::{self, OURS};
use super::{demote, hints, is_mptcp_for_tcp, noted, tell};
use crate::sys;
use crate::sys::net::{self, Get, Own, Set};
use crate::trace::Verdict;

/// Bytes, as the program sets them: with less, real TCP is the better answer. 400 KB over links of
/// 50 + 50 Mbit/s: 249 ms at 16 KB (TCP 62), 39 at 64 KB; over loopback 200 to 400 ms below this
/// one (TCP 1).
const SMALL: u32 = 262_144;

/// Bytes: with this, no transfer of 30 stalled on any of those paths.
const ENOUGH: u32 = 1_048_576;

pub(crate) fn is_one(level: c_int, name: c_int) -> bool {
    level == libc::SOL_SOCKET && matches!(name, libc::SO_RCVBUF | libc::SO_RCVBUFFORCE)
}

/// `setsockopt` of a receive buffer.
#[cold]
#[inline(never)]
pub(crate) fn set(set: &Set, state: u64, errno: c_int) -> c_int {
    let asked = is_mptcp_for_tcp(set.fd, state).then(|| as_tcp(set)).flatten();
    let Some((result, shown)) = asked else { return set.on(set.fd) };
    if result != 0 {
        return result;
    }
    // As the kernel takes it.
    let bytes = set.number().cast_unsigned();
    if bytes < SMALL && demote::to_tcp(set.fd, Some(set)) == Ok(0) {
        tell(set, 0, Verdict::Demoted);
        sys::set_errno(errno);
        return 0;
    }
    let mut kept = 0;
    if bytes >= ENOUGH {
        set.on(set.fd);
    } else if net::set_number(set.fd, set.level, set.name, ENOUGH as c_int) {
        kept = hints::net_cookie(set.fd).map_or(0, |cookie| u64::from(cookie) << 32)
            | u64::from(shown.cast_unsigned());
    }
    table::set_buffer(set.fd, kept);
    if state & OURS != 0 {
        noted(set, errno);
    }
    if kept != 0 {
        tell(set, 0, Verdict::Raised);
    }
    sys::set_errno(errno);
    0
}

/// What the call gives on a TCP socket, and the size that it then shows.
fn as_tcp(set: &Set) -> Option<(c_int, c_int)> {
    let scratch = Own::tcp(libc::AF_INET)?;
    let result = set.on(scratch.fd());
    Some((result, net::number(scratch.fd(), libc::SOL_SOCKET, libc::SO_RCVBUF)?))
}

/// The size that the program is to see, if it is another than the socket has.
pub(crate) fn shown(fd: c_int) -> Option<c_int> {
    let kept = table::buffer(fd);
    (kept != 0 && hints::net_cookie(fd) == Some((kept >> 32) as u32)).then_some(kept as c_int)
}

/// After a `getsockopt`: puts that size in the place of the kernel's.
pub(crate) fn recall(get: &Get) {
    if get.level == libc::SOL_SOCKET
        && get.name == libc::SO_RCVBUF
        && let Some(size) = shown(get.fd)
    {
        get.answer(size);
    }
}

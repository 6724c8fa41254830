//! A listener with SO_RCVTIMEO: `accept` on TCP ends after that time with EAGAIN. MPTCP takes the
//! option and waits for ever, because the kernel waits on a subflow, which has no limit.
//!
//! The hook polls the listener that long, and accepts what is there then. Of two threads that wake
//! for one connection the slower one must not wait in `accept`: one at a time looks again and takes.
//! Processes that share a listener are not kept apart so.

use core::ffi::c_int;
use core::sync::atomic::{AtomicBool, Ordering::Acquire, Ordering::Release};

use super::options;
use crate::sys::net;
use crate::sys::seal;
use crate::sys::spin;

/// A thread has polled the listener and is about to accept.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// May a listener in this state have a limit?
#[inline(always)]
pub(crate) fn may_be(state: u64) -> bool {
    state & options::RECEIVE_LIMIT != 0
}

/// The limit of a blocking MPTCP listener, in milliseconds, above 0; `None` without one.
pub(crate) fn of(fd: c_int) -> Option<u64> {
    if seal::is_sealed() {
        return None;
    }
    let [seconds, microseconds] = net::time(fd, libc::SOL_SOCKET, libc::SO_RCVTIMEO)?;
    let blocks = net::control(fd, libc::F_GETFL, 0) & libc::O_NONBLOCK == 0;
    if !blocks || !net::is_listening(fd) || !net::is_mptcp(fd) {
        return None;
    }
    // Rounded up: 0 would be no limit.
    let limit = seconds.saturating_mul(1000).saturating_add(microseconds.div_ceil(1000));
    (limit != 0).then_some(limit)
}

/// After the listener was polled: true when there is a connection and this thread is the one to accept
/// it, which then calls [`give_back`].
///
/// A thread that was cancelled in `accept`, or left it from a signal handler, gives nothing back:
/// after a while the next one goes on without.
pub(crate) fn take(fd: c_int) -> bool {
    spin::until(|| !TAKEN.swap(true, Acquire));
    let ready = net::ready(fd, libc::POLLIN) != 0;
    if !ready {
        give_back();
    }
    ready
}

/// After `accept`: lets the next thread look.
pub(crate) fn give_back() {
    TAKEN.store(false, Release);
}

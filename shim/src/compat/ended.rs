//! Connections that ended with an error: refused, reset, timed out.
//!
//! The kernel says of such a TCP socket that there is something to read, the error and then the end
//! of the stream. Of an MPTCP socket whose peer speaks plain TCP it forgets the end: poll says POLLERR
//! and POLLHUP and no POLLIN, for ever, and the second recv ENOTCONN in place of 0. A loop that asks
//! for POLLIN alone never ends.
//!
//! After shutdown(2) the kernel knows. That changes nothing else: the connection is over already. It is
//! done as soon as an answer shows the error, before the program sees it.

use core::ffi::c_int;

use super::ours::is_mptcp_for_tcp;
use super::{epoll, table};
use crate::sys;
use crate::sys::aside;
use crate::sys::events;
use crate::sys::net;
use crate::sys::own_fd::Own;
use crate::sys::seal;

/// The events that an ended connection has. Numbers of poll(2) and epoll_wait(2) alike.
const OVER: u32 = (libc::EPOLLERR | libc::EPOLLHUP) as u32;
/// The events of which TCP would have one then.
const READABLE: u32 = (libc::EPOLLIN | libc::EPOLLRDNORM | libc::EPOLLRDHUP) as u32;

/// Do these events show an error and nothing to be read?
fn looks_over(events: u32) -> bool {
    events & OVER == OVER && events & READABLE == 0
}

/// Looks at the answers of poll(2), an array of `count` at this address, and corrects them.
pub(crate) fn polled(answers: usize, count: usize) {
    events::each_polled(answers, count, OVER as i16, |one| {
        if looks_over(u32::from(one.revents.cast_unsigned())) && tell(one.fd) {
            one.revents = net::ready(one.fd, one.events);
        }
    });
}

/// Looks at the events of epoll_wait(2), an array of `count` at this address, and corrects them. Which
/// descriptor an event is about only the program knows; most keep the number in it. Where a program keeps
/// something else, the kernel itself reports the end once the program has asked for the error.
pub(crate) fn waited(epoll: c_int, events: usize, count: usize) {
    events::each_event(events, count, |events, data| {
        let fd = data as c_int;
        if looks_over(*events) && tell(fd) {
            *events |= epoll::reading(epoll, fd);
        }
    });
}

/// After recv(2) or read(2) has failed: if the connection ended so, tells the kernel. `errno` stays.
#[cold]
#[inline(never)]
pub(crate) fn failed(fd: c_int) {
    if is_end(sys::errno()) {
        tell(fd);
    }
}

/// Is it an errno that ends a connection (tcp(7))?
pub(crate) fn is_end(errno: c_int) -> bool {
    matches!(
        errno,
        libc::ECONNREFUSED
            | libc::ECONNRESET
            | libc::ETIMEDOUT
            | libc::EPIPE
            | libc::EHOSTUNREACH
            | libc::ENETUNREACH
            | libc::EHOSTDOWN
            | libc::ENETDOWN
            | libc::ENOPROTOOPT
            | libc::EPROTO
            | libc::EACCES
    )
}

/// Tells the kernel that a connection which had an error is over, where it is an MPTCP one that the
/// program takes for TCP and the kernel does not know. True when it was told. `errno` stays.
#[cold]
#[inline(never)]
pub(crate) fn tell(fd: c_int) -> bool {
    let errno = sys::errno();
    // By a copy of the descriptor: another thread may give the number to another socket at any time.
    let tell = || {
        let copy = Own::copy(fd)?;
        let ready = net::ready(copy.fd(), libc::POLLRDHUP);
        let over = is_mptcp_for_tcp(copy.fd(), table::get(fd))
            && ready & (libc::POLLHUP | libc::POLLRDHUP) == libc::POLLHUP;
        if over {
            net::shut(copy.fd());
        }
        Some(over)
    };
    let told = !seal::is_sealed() && net::is_mptcp(fd) && aside::ask(fd, tell) == Some(true);
    sys::set_errno(errno);
    told
}

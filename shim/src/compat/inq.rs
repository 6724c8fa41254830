//! What waits to be read: FIONREAD and SIOCATMARK.
//!
//! MPTCP counts the end of the stream as one byte (and a socket without a connection as at its
//! end), where TCP counts what read(2) gives. It does not know SIOCATMARK, for it delivers urgent
//! data in its place.

use core::ffi::c_int;

use crate::sys;
use crate::sys::aside;
use crate::sys::net;
use crate::sys::own_fd::Own;

/// The answer TCP would give where the kernel's, about an MPTCP socket, was `answer`, above 0.
pub(crate) fn corrected(fd: c_int, answer: c_int) -> c_int {
    let ready = net::ready(fd, libc::POLLRDHUP);
    if ready & (libc::POLLRDHUP | libc::POLLHUP) == 0 {
        // Nothing has ended, so there is nothing to count but bytes.
        return answer;
    }
    // Was the end counted? Not when the program itself shut the stream down, or after a reset.
    // A look at the bytes tells; but one that finds none takes the error that is waiting.
    if answer == 1 && ready & libc::POLLERR != 0 { 0 } else { net::peek(fd, answer) }
}

/// include/uapi/asm-generic/sockios.h, include/uapi/linux/sockios.h
const SIOCATMARK: u32 = 0x8905;
const SIOCOUTQNSD: u32 = 0x894b;

/// After a refusal: SIOCATMARK of a TCP socket. It has no urgent data either, so it says no, or what
/// it says to a bad pointer. `None`, with the refusal's errno, where that is no answer.
pub(crate) fn mark(fd: c_int, request: u32, ask: impl Fn(c_int) -> c_int) -> Option<c_int> {
    if request != SIOCATMARK {
        return None;
    }
    let refusal = sys::errno();
    let result = net::is_mptcp(fd)
        .then(|| aside::ask(fd, || Own::like(fd).map(|tcp| ask(tcp.fd()))))
        .flatten();
    if result.is_none() {
        sys::set_errno(refusal);
    }
    result
}

/// Is the request about what has not been sent or acknowledged? A listener of MPTCP answers such a
/// one with a negative number, which is the errno that TCP gives.
pub(crate) fn is_about_output(request: u32) -> bool {
    matches!(request, SIOCOUTQNSD) || request == libc::TIOCOUTQ as u32
}

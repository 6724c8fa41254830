//! FIONREAD: MPTCP counts the end of the stream as one byte (and a socket without a connection as
//! at its end), where TCP counts what read(2) gives.

use core::ffi::c_int;

use crate::sys::net;

/// The answer TCP would give where the kernel's was `answer`, above 0.
pub(crate) fn corrected(fd: c_int, answer: c_int) -> c_int {
    if net::number(fd, libc::SOL_SOCKET, libc::SO_PROTOCOL) != Some(libc::IPPROTO_MPTCP) {
        return answer;
    }
    // The end is asked for and not tried by a peek, which would eat an error that is to come.
    let ready = net::ready(fd, libc::POLLRDHUP);
    if ready & libc::POLLRDHUP != 0 {
        // Again: the end may have come between the program's question and ours.
        return net::readable(fd).map_or(answer, |again| (again - 1).max(0));
    }
    if ready & libc::POLLHUP != 0 && answer == 1 { 0 } else { answer }
}

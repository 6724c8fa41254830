//! Questions of ioctl(2) about what waits in a socket: FIONREAD, SIOCATMARK, SIOCOUTQ, SIOCOUTQNSD.
//!
//! MPTCP counts the end of the stream as one byte to be read (and a socket without a connection is at
//! its end), where TCP counts what read(2) gives. It does not know SIOCATMARK, because it delivers
//! urgent data among the other bytes.

use core::ffi::c_int;

use crate::sys;
use crate::sys::aside;
use crate::sys::net;
use crate::sys::own_fd::Own;

/// FIONREAD of an MPTCP socket, in bytes, as TCP would answer it; `answer` is the kernel's, above 0.
pub(crate) fn corrected(fd: c_int, answer: c_int) -> c_int {
    let ready = net::ready(fd, libc::POLLRDHUP);
    if ready & (libc::POLLRDHUP | libc::POLLHUP) == 0 {
        // Nothing has ended, so there is nothing to count but bytes.
        return answer;
    }
    // Was the end counted? Not when the program itself shut the stream down, or after a reset.
    // MSG_PEEK tells; but where there are no bytes, it takes the error that is waiting.
    if answer == 1 && ready & libc::POLLERR != 0 { 0 } else { net::peek(fd, answer) }
}

/// Is the next byte the urgent one (include/uapi/asm-generic/sockios.h)?
const SIOCATMARK: u32 = 0x8905;
/// Bytes that were not sent yet (include/uapi/linux/sockios.h).
const SIOCOUTQNSD: u32 = 0x894b;

/// Answers a refused SIOCATMARK by asking a fresh TCP socket with `ask`: it has no urgent data, so it says
/// no, or refuses a bad pointer. `None`, with the errno of the refusal, for another request or socket.
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

/// Is the request about bytes that were not sent or acknowledged yet? A listener of MPTCP answers it with
/// a negative number, which is the errno that TCP gives.
pub(crate) fn is_about_output(request: u32) -> bool {
    matches!(request, SIOCOUTQNSD) || request == libc::TIOCOUTQ as u32
}

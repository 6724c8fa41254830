//! What waits to be read: FIONREAD and SIOCATMARK.
//!
//! MPTCP counts the end of the stream as one byte (and a socket without a connection as at its
//! end), where TCP counts what read(2) gives. It does not know SIOCATMARK, for it delivers urgent
//! data in its place.

use core::ffi::c_int;

use crate::sys;
use crate::sys::net::{self, Own};

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

/// After a refusal: a TCP socket to be asked for SIOCATMARK instead. It has no urgent data either,
/// so it says no, or what it says to a bad pointer. Where there is none, errno is the refusal's.
pub(crate) fn without_marks(fd: c_int, request: u32) -> Option<Own> {
    /// include/uapi/asm-generic/sockios.h
    const SIOCATMARK: u32 = 0x8905;
    if request != SIOCATMARK {
        return None;
    }
    let refusal = sys::errno();
    let tcp = net::is_mptcp(fd).then(|| Own::like(fd)).flatten();
    if tcp.is_none() {
        sys::set_errno(refusal);
    }
    tcp
}

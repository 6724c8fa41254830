//! MSG_FASTOPEN, a send that connects: MPTCP takes it since Linux 6.2 and refuses it before, where TCP
//! connects and sends. There the socket becomes TCP first.
//!
//! The kernel is asked once, with sockets and an address that lead nowhere. Where TCP refuses it too
//! (net.ipv4.tcp_fastopen without its bit for clients) the answer says nothing about MPTCP, and the
//! kernel is asked again.

use core::ffi::c_int;
use core::sync::atomic::{AtomicU8, Ordering::Relaxed};

use super::demote;
use super::ours::is_ours;
use crate::sys;
use crate::sys::net;
use crate::sys::own_fd::Own;
use crate::trace;
use crate::verdict::Cause;

/// Whether this kernel's MPTCP takes it: one of the constants below.
static MPTCP: AtomicU8 = AtomicU8::new(UNKNOWN);
/// It was not asked yet, or TCP refused MSG_FASTOPEN too.
const UNKNOWN: u8 = 0;
/// It takes MSG_FASTOPEN.
const TAKES: u8 = 1;
/// It refuses MSG_FASTOPEN, and TCP takes it.
const REFUSES: u8 = 2;

/// Before `fd` sends with MSG_FASTOPEN: makes it TCP where MPTCP would refuse that. `errno` stays.
#[cold]
#[inline(never)]
pub(crate) fn sends(fd: c_int) {
    if MPTCP.load(Relaxed) == TAKES || !is_ours(fd) {
        return;
    }
    let errno = sys::errno();
    if MPTCP.load(Relaxed) == UNKNOWN {
        if is_taken_by(libc::IPPROTO_MPTCP) {
            MPTCP.store(TAKES, Relaxed);
        } else if is_taken_by(libc::IPPROTO_TCP) {
            MPTCP.store(REFUSES, Relaxed);
        }
    }
    if MPTCP.load(Relaxed) == REFUSES {
        let done = demote::to_tcp(fd, None, None);
        trace::demoted(Cause::FastOpen, fd, done);
    }
    sys::set_errno(errno);
}

/// Do sockets of this protocol take MSG_FASTOPEN on this kernel?
fn is_taken_by(protocol: c_int) -> bool {
    Own::new(libc::AF_INET, libc::SOCK_STREAM, protocol)
        .is_some_and(|scratch| net::takes_fastopen(scratch.fd()))
}

//! What a socket is: SO_PROTOCOL, for a program that wants to know what a descriptor is.
//!
//! Two kinds of programs ask. One knows its socket and wants to know whether it got MPTCP: it asks
//! for the protocol alone, and gets the truth. The other has a descriptor from elsewhere (inherited,
//! passed) and finds out what it is: it asks for the type or the family first, as CPython's
//! `socket(fileno=…)` does, and goes by the answers; it asks for TCP's sake and gets TCP's number.
//! Told 262, asyncio leaves out TCP_NODELAY, and others take the socket for none of theirs.
//!
//! Not here: programs that ask for MPTCP themselves; they always get the truth.

use core::ffi::c_int;
use core::sync::atomic::{AtomicI32, Ordering::Relaxed};

use super::ours::is_mptcp_for_tcp;
use super::table;
use crate::sys;
use crate::sys::option_call::Get;

/// The descriptors, plus one, of which type or family was asked last. Some share a place: threads
/// that ask about such two within a microsecond may get the truth instead.
static ASKED: [AtomicI32; 64] = [const { AtomicI32::new(0) }; 64];

/// Is the question about what the socket is: its type, family or protocol?
#[inline(always)]
pub(crate) fn is_asked(get: &Get) -> bool {
    get.level == libc::SOL_SOCKET
        && matches!(get.name, libc::SO_TYPE | libc::SO_DOMAIN | libc::SO_PROTOCOL)
}

/// After the kernel has answered such a question: puts TCP's number in the place of MPTCP's where the
/// type or the family was asked before. `errno` is what the program had.
#[cold]
#[inline(never)]
pub(crate) fn asked(get: &Get, errno: c_int) {
    let Some(place) = ASKED.get(get.fd as usize % ASKED.len()) else { return };
    let this = get.fd.wrapping_add(1);
    if get.name != libc::SO_PROTOCOL {
        place.store(this, Relaxed);
    } else if place.load(Relaxed) == this {
        place.store(0, Relaxed);
        if is_mptcp_for_tcp(get.fd, table::get(get.fd)) {
            get.answer(libc::IPPROTO_TCP);
        }
        sys::set_errno(errno);
    }
}

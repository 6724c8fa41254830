//! Which process the table of sockets is about: what a child of fork(2) has is its parent's too, and
//! what it makes itself is its own.
//!
//! fork(3) tells us (`sys/next.rs`). A child of clone(2), as runtimes and sandboxes make it past libc,
//! finds out at its first socket: a byte that is 1 in the parent is 0 in it, because the kernel
//! empties its page in every child that has memory of its own (madvise(2), MADV_WIPEONFORK).
//! Children that share their parent's memory (vfork(2)) share its table and own nothing of it.

use core::sync::atomic::{AtomicBool, AtomicI32, Ordering::Relaxed};

use super::table;
use crate::sys;
use crate::sys::{process, seal};
use crate::trace;

/// The process whose descriptors the table is about; 0 before the library was loaded.
static PROCESS: AtomicI32 = AtomicI32::new(0);

/// For load time.
#[cfg_attr(test, allow(dead_code))]
pub(crate) fn load() {
    PROCESS.store(process::pid(), Relaxed);
}

/// Around fork(3), in parent and child. The child is then the process of its own table.
///
/// Before it: what another thread is just replacing would be the old socket in the child and the
/// new one in the parent.
#[cfg_attr(test, allow(dead_code))]
pub(crate) fn forking() {
    let child = is_other_process();
    table::share_all(|fd| {
        if !child {
            table::settle(fd);
        }
    });
    if child {
        trace::forget();
    }
    PROCESS.store(process::pid(), Relaxed);
}

/// Are we the child of a fork that nobody told us of (clone(2))?
pub(crate) fn is_other_process() -> bool {
    PROCESS.load(Relaxed) != process::pid()
}

/// A socket was made. Before it is in the table: are we where we were at the last one?
#[inline(always)]
pub(crate) fn makes_one() {
    if !here().load(Relaxed) {
        first();
    }
}

#[cold]
#[inline(never)]
fn first() {
    if seal::is_sealed() {
        return;
    }
    let errno = sys::errno();
    if table::is_used() && is_other_process() {
        forking();
    }
    process::empty_in_children(here());
    here().store(true, Relaxed);
    sys::set_errno(errno);
}

/// Has this process made a socket? In the page that the kernel empties.
#[inline(always)]
fn here() -> &'static AtomicBool {
    #[cfg(test)]
    {
        static HERE: AtomicBool = AtomicBool::new(false);
        &HERE
    }
    #[cfg(not(test))]
    process::emptied_in_children()
}

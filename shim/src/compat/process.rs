//! Which process the table of sockets is about: what a child of fork(2) has is its parent's too, and
//! what it makes itself is its own.
//!
//! libc tells of a fork(3) (`lifecycle.rs`). A child of clone(2), as runtimes and sandboxes make it
//! without libc, finds out at its first socket: a byte that is 1 in the parent is 0 in it, because the kernel
//! empties its page in every child that has memory of its own (madvise(2), MADV_WIPEONFORK).
//! Children that share their parent's memory (vfork(2)) share its table and own nothing of it.

use core::sync::atomic::{AtomicBool, AtomicI32, Ordering::Relaxed};

use super::table;
use crate::sys;
use crate::sys::{process, seal};
use crate::trace;

/// The process whose descriptors the table is about; 0 before the library was loaded.
static PROCESS: AtomicI32 = AtomicI32::new(0);

/// Notes which process this is. For load time.
#[cfg_attr(test, allow(dead_code))]
pub(crate) fn load() {
    PROCESS.store(process::pid(), Relaxed);
}

/// To be called before a fork(3), and after it in the child, which is then the process of its own table.
///
/// Before the fork this waits for sockets that another thread is just replacing: the child would have the
/// old one and the parent the new one.
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

/// Is this the child of a fork that libc knows nothing of (clone(2)), so that the table is its parent's?
pub(crate) fn is_other_process() -> bool {
    PROCESS.load(Relaxed) != process::pid()
}

/// Before a new socket comes into the table: finds out whether this is still the process of the last one.
#[inline(always)]
pub(crate) fn makes_one() {
    if !here().load(Relaxed) {
        first();
    }
}

/// The first socket of this process: what the table has is its parent's.
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

/// Has this process made a socket? The byte is in the page that the kernel empties.
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

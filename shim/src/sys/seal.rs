//! Has the program limited itself with a filter of system calls (seccomp(2))? Such a filter often kills
//! for every call that its author did not think of, and authors think of TCP: sshd's, for the time before
//! a login, knows read and poll, and neither getsockopt nor fcntl.
//!
//! From then on the library asks the kernel nothing on its own account where it would only make an
//! answer better: the program lives, and has what MPTCP says.
//!
//! Seen is prctl(2), by which sshd and vsftpd do it. Not here: filters from outside (systemd,
//! containers), which are made for whole programs.

use core::ffi::c_int;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// The program has called prctl(2) for such a filter.
static SEALED: AtomicBool = AtomicBool::new(false);

/// Before prctl(2) with these arguments: notes a filter. The call without an address of a filter only asks
/// whether the kernel has filters; any other is taken to succeed.
#[inline(always)]
pub(crate) fn comes(option: c_int, mode: usize, filter: usize) {
    const STRICT: usize = libc::SECCOMP_MODE_STRICT as usize;
    if option == libc::PR_SET_SECCOMP && (mode == STRICT || filter != 0) {
        SEALED.store(true, Relaxed);
    }
}

/// May the program have a filter that it made itself?
#[inline(always)]
pub(crate) fn is_sealed() -> bool {
    SEALED.load(Relaxed)
}

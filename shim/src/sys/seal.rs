//! Has the program shut itself in with a filter of system calls (seccomp(2))? Such a filter often kills
//! for every call that its author did not think of, and he thought of TCP: sshd's for the time before
//! a login knows read and poll, and neither getsockopt nor fcntl.
//!
//! From then on the library asks the kernel nothing on its own account where it would only make an
//! answer better: the program lives, and has what MPTCP says.
//!
//! Seen is prctl(2), by which sshd and vsftpd do it. Not here: filters from outside (systemd,
//! containers), which are made for whole programs.

use core::ffi::c_int;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

static SEALED: AtomicBool = AtomicBool::new(false);

/// Before prctl(2) with these arguments. A mode of filters without a filter is a question, whether there
/// is such a thing; all else is taken to succeed, as it does but for mistakes.
#[inline(always)]
pub(crate) fn comes(option: c_int, mode: usize, filter: usize) {
    const STRICT: usize = libc::SECCOMP_MODE_STRICT as usize;
    if option == libc::PR_SET_SECCOMP && (mode == STRICT || filter != 0) {
        SEALED.store(true, Relaxed);
    }
}

#[inline(always)]
pub(crate) fn is_sealed() -> bool {
    SEALED.load(Relaxed)
}

//! Installing the filter: how the supervisor's own and the probe's are made alike.

use std::io;
use std::os::fd::OwnedFd;

use crate::inject::seccomp::sys;

/// Puts this thread under the filter and returns its listener (seccomp(2),
/// `SECCOMP_FILTER_FLAG_NEW_LISTENER`). `wait_killable`: only fatal signals interrupt a call that
/// was taken up.
///
/// # Errors
/// The kernel's refusal.
pub(super) fn install(program: &[libc::sock_filter], wait_killable: bool) -> io::Result<OwnedFd> {
    let killable = if wait_killable { libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV } else { 0 };
    // Kernels before 5.16 take a program with a filter for a sandbox and slow it down against
    // itself (speculation); this one is as trusted as it was without.
    sys::install(program, killable | libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW)
}

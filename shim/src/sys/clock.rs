//! The clock by which a wait is limited.

#![allow(unsafe_code)]

use super::syscall;

/// The time since the boot (CLOCK_MONOTONIC), in milliseconds.
pub(crate) fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: one timespec, which the kernel fills.
    unsafe { syscall(libc::SYS_clock_gettime, libc::CLOCK_MONOTONIC, &raw mut time) };
    (time.tv_sec as u64).wrapping_mul(1000).wrapping_add(time.tv_nsec as u64 / 1_000_000)
}

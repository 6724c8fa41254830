//! Waiting for another thread of the program, without a lock.

#![allow(unsafe_code)]

use core::ptr;

use super::syscall;

/// Waits until `over`, for what another thread does in a microsecond while it has a processor.
///
/// It may be off the processor for as long as the machine is busy with others; a second bounds what
/// a thread that died meanwhile costs. At first without sleeping; afterwards threads of a lower
/// priority run too.
pub(crate) fn until(over: impl Fn() -> bool) {
    const YIELDS: u32 = 100;
    const SLEEPS: u32 = 5000;
    let pause = libc::timespec { tv_sec: 0, tv_nsec: 200_000 };
    let null: *const libc::timespec = ptr::null();
    for round in 0..YIELDS + SLEEPS {
        if over() {
            return;
        }
        // SAFETY: sched_yield(2) takes nothing; nanosleep(2) reads a timespec, and writes none to
        // null.
        unsafe {
            match round < YIELDS {
                true => syscall(libc::SYS_sched_yield),
                false => syscall(libc::SYS_nanosleep, &raw const pause, null),
            }
        };
    }
}

//! The events of poll(2) and epoll(7) in the program's memory, looked at after the kernel has read or
//! written them.

#![allow(unsafe_code)]

use core::ffi::c_void;
use core::mem::size_of;
use core::ptr;

use super::memory;

/// What poll(2) is asked about one descriptor, and answers.
pub(crate) type Polled = libc::pollfd;

/// Bytes of one [`Polled`].
pub(crate) const SIZE_OF_POLLED: usize = size_of::<Polled>();

/// Calls `look`, which may change the answer, for each of `count` descriptors that poll(2) has answered
/// about with all of the events in `all`. `from` is the address of the program's array.
#[inline(always)]
pub(crate) fn each_polled(from: usize, count: usize, all: i16, look: fn(&mut Polled)) {
    // The kernel takes the lower half, whatever is in the other one.
    for at in 0..count as u32 as usize {
        let place = (from as *mut Polled).wrapping_add(at);
        // SAFETY: the kernel has just written its answer there.
        let answer = unsafe { (&raw const (*place).revents).read_unaligned() };
        if answer & all == all {
            // SAFETY: the program's own array, of which the kernel has just read this entry.
            let mut one = unsafe { ptr::read_unaligned(place) };
            look(&mut one);
            // SAFETY: the kernel has just written its answer there.
            unsafe { (&raw mut (*place).revents).write_unaligned(one.revents) };
        }
    }
}

/// Calls `look`, which may change the events, with the events and the data of each of `count` entries
/// that epoll_wait(2) has given. `from` is the address of the program's array.
pub(crate) fn each_event(from: usize, count: usize, look: impl Fn(&mut u32, u64)) {
    for at in 0..count {
        let place = (from as *mut libc::epoll_event).wrapping_add(at);
        // SAFETY: the kernel has just written it.
        let event = unsafe { ptr::read_unaligned(place) };
        let (before, data) = (event.events, event.u64);
        let mut now = before;
        look(&mut now, data);
        if now != before {
            // SAFETY: the kernel has just written the event there.
            unsafe { (&raw mut (*place).events).write_unaligned(now) };
        }
    }
}

/// The events of an epoll_ctl(2) that the kernel has accepted; `event` is the program's argument.
pub(crate) fn registered_events(event: *const c_void) -> u32 {
    // SAFETY: the kernel has just read it.
    unsafe { memory::copy::<libc::epoll_event>(event) }.events
}

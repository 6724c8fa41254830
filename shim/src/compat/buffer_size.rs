//! The size of a receive buffer as the program is to see it, where the kernel has a larger one
//! (`buffer.rs`).

use core::ffi::c_int;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::sys::net;

/// Sizes in bytes, each with the cookie of its socket in the upper half; 0 for none. Few: descriptors
/// that are 1,024 apart share a place, and the later one has it. Another table of the full size costs
/// 1 µs at each exec.
static BUFFERS: [AtomicU64; 1024] = [const { AtomicU64::new(0) }; 1024];

/// Where the size of this descriptor is kept.
fn place(fd: c_int) -> &'static AtomicU64 {
    &BUFFERS[fd as usize % BUFFERS.len()]
}

/// Is a size kept for this descriptor, or for another that shares its place?
#[inline]
pub(crate) fn may_be(fd: c_int) -> bool {
    place(fd).load(Relaxed) != 0
}

/// From now on the program is to see the size that the kernel has.
pub(crate) fn forget(fd: c_int) {
    place(fd).store(0, Relaxed);
}

/// From now on the program is to see `size`, in bytes as the kernel counts them (socket(7)).
pub(crate) fn keep(fd: c_int, size: c_int) {
    let cookie = net::cookie(fd);
    place(fd).store((u64::from(cookie) << 32) | u64::from(size.cast_unsigned()), Relaxed);
}

/// The size that the program is to see, in bytes, if it is another than the kernel has.
pub(crate) fn shown(fd: c_int) -> Option<c_int> {
    let kept = place(fd).load(Relaxed);
    (kept != 0 && net::cookie(fd) == (kept >> 32) as u32).then_some(kept as c_int)
}

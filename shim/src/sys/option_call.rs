//! The program's `setsockopt` and `getsockopt` as values: each holds the program's pointers, can be
//! made again on another descriptor, and is built only by the hooks, which have them from the program.

#![allow(unsafe_code)]

use core::ffi::{c_int, c_uint, c_void};
use core::mem::size_of;
use core::ptr;

use super::{memory, next};

/// The program's `setsockopt`.
#[derive(Clone, Copy)]
pub(crate) struct Set {
    /// The program's descriptor.
    pub(crate) fd: c_int,
    /// The option's level (SOL_SOCKET and so on).
    pub(crate) level: c_int,
    /// The option, of that level.
    pub(crate) name: c_int,
    value: *const c_void,
    size: c_uint,
}

impl Set {
    /// The call with the program's arguments.
    ///
    /// # Safety
    /// `value` and `size` are the program's, and it waits for us: they stay valid, or as invalid
    /// as they are.
    pub(crate) unsafe fn new(
        fd: c_int,
        level: c_int,
        name: c_int,
        value: *const c_void,
        size: c_uint,
    ) -> Self {
        Set { fd, level, name, value, size }
    }

    /// Makes the call on `fd`.
    pub(crate) fn on(&self, fd: c_int) -> c_int {
        // SAFETY: the program's own pointers, see `new`; the kernel checks them.
        unsafe { next::setsockopt(fd, self.level, self.name, self.value, self.size) }
    }

    /// The number that is set; `None` when the program's pointer leads to none, which is possible even
    /// after a call that the kernel has accepted: MPTCP takes some options without reading their values.
    pub(crate) fn number(&self) -> Option<c_int> {
        let there = self.size.cast_signed() >= size_of::<c_int>() as c_int
            && memory::is_readable(self.value, size_of::<c_int>());
        // SAFETY: the kernel has just said so.
        there.then(|| unsafe { memory::copy(self.value) })
    }
}

/// The program's `getsockopt`.
#[derive(Clone, Copy)]
pub(crate) struct Get {
    /// The program's descriptor.
    pub(crate) fd: c_int,
    /// The option's level (SOL_SOCKET and so on).
    pub(crate) level: c_int,
    /// The option, of that level.
    pub(crate) name: c_int,
    value: *mut c_void,
    size: *mut c_uint,
}

impl Get {
    /// The call with the program's arguments.
    ///
    /// # Safety
    /// `value` and `size` are the program's, and it waits for us: they stay valid, or as invalid as
    /// they are.
    pub(crate) unsafe fn new(
        fd: c_int,
        level: c_int,
        name: c_int,
        value: *mut c_void,
        size: *mut c_uint,
    ) -> Self {
        Get { fd, level, name, value, size }
    }

    /// Makes the call on `fd`.
    pub(crate) fn on(&self, fd: c_int) -> c_int {
        // SAFETY: the program's own pointers, see `new`; the kernel checks them.
        unsafe { next::getsockopt(fd, self.level, self.name, self.value, self.size) }
    }

    /// The number that the kernel has answered with; 0 for an answer that is shorter than a number.
    pub(crate) fn answered(&self) -> c_int {
        // SAFETY: as in `answer`.
        unsafe {
            if *self.size as usize >= size_of::<c_int>() { memory::copy(self.value) } else { 0 }
        }
    }

    /// Answers with a number, after a call that the kernel answered with one.
    pub(crate) fn answer(&self, number: c_int) {
        // SAFETY: the kernel has just written there: `size` bytes, which it left in `size`.
        unsafe {
            if *self.size as usize >= size_of::<c_int>() {
                ptr::write_unaligned(self.value.cast(), number);
            } else if *self.size > 0 {
                // To a program that offers less than an int, options of IPPROTO_IP give a byte (ip(7)).
                ptr::write_unaligned(self.value.cast(), number as u8);
            }
        }
    }

    /// The size of the program's buffer as it gives it; `None` when it cannot be read.
    pub(crate) fn room(&self) -> Option<c_int> {
        let there = memory::is_readable(self.size.cast(), size_of::<c_int>());
        // SAFETY: the kernel has just said so.
        there.then(|| unsafe { memory::copy(self.size.cast()) })
    }

    /// Writes these bytes, for which there is room, where the kernel has no answer; false when they
    /// cannot be written.
    pub(crate) fn give(&self, bytes: &[u8]) -> bool {
        let writable = memory::is_writable(self.value, bytes.len());
        if writable {
            // SAFETY: the kernel has just written to all of them.
            unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.value.cast(), bytes.len()) };
        }
        writable
    }
}

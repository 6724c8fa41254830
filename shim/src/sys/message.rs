//! The program's messages (sendmsg(2)), as far as a hook wants to know them: where they go, and
//! which descriptors they carry.
//!
//! Not here: the memory that they lie in (`memory.rs`).

#![allow(unsafe_code)]

use core::ffi::{c_int, c_uint, c_void};
use core::mem::size_of;

use super::memory;

/// The parts of a `struct msghdr` that a hook wants to know.
#[derive(Clone, Copy)]
pub(crate) struct Message {
    /// The address that it goes to, or null.
    pub(crate) name: *const c_void,
    /// The address's length, in bytes.
    pub(crate) name_size: c_uint,
    control: *const c_void,
    control_size: usize,
}

impl Message {
    /// Reads the program's; `None` for one that the kernel refuses to read.
    #[inline(never)]
    pub(crate) fn of(message: *const c_void) -> Option<Self> {
        if !memory::is_readable(message, size_of::<libc::msghdr>()) {
            return None;
        }
        // SAFETY: the kernel has just said that it can be read; it is numbers and pointers.
        let header: libc::msghdr = unsafe { memory::copy(message) };
        Some(Message {
            name: header.msg_name,
            name_size: header.msg_namelen,
            control: header.msg_control,
            // The lower half: musl has an int here, with undefined padding behind it.
            control_size: header.msg_controllen as u32 as usize,
        })
    }

    /// Calls `each` with every descriptor that it carries (SCM_RIGHTS, unix(7)).
    #[inline(never)]
    pub(crate) fn passes(&self, each: impl Fn(c_int)) {
        /// Bytes. The kernel takes 128 KiB at most, unless net.core.optmem_max was raised.
        const MOST: usize = 1 << 20;
        let head = size_of::<libc::cmsghdr>();
        let (mut part, mut left) = (self.control, self.control_size);
        if !(head..=MOST).contains(&left) || !memory::is_readable(part, left) {
            return;
        }
        while left >= head {
            // SAFETY: `left` bytes behind `part` can be read, and they are numbers.
            let this: libc::cmsghdr = unsafe { memory::copy(part) };
            let size = (this.cmsg_len as u32 as usize).min(left);
            if this.cmsg_level == libc::SOL_SOCKET && this.cmsg_type == libc::SCM_RIGHTS {
                let mut at = head;
                while at + size_of::<c_int>() <= size {
                    // SAFETY: as above; `size` is at most `left`.
                    each(unsafe { memory::copy(part.wrapping_byte_add(at)) });
                    at += size_of::<c_int>();
                }
            }
            // Parts begin at multiples of a word (cmsg(3)).
            let next = size.max(head).next_multiple_of(size_of::<usize>()).min(left);
            part = part.wrapping_byte_add(next);
            left -= next;
        }
    }
}

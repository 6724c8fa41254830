//! The program's memory, looked at only where the kernel has said that it can be.
//!
//! A pointer that the program passes may lead anywhere: to nothing, behind the end of a mapped
//! file, to a page that may not be read. The call that it is for then fails with EFAULT, and must
//! not kill the program in a function of ours instead.
//!
//! The kernel is asked with rt_sigprocmask(2) and a `how` that does not exist: it copies eight
//! bytes first (EFAULT) and refuses second (EINVAL), so nothing is changed. Every sandbox lets that
//! call pass, which is not so of process_vm_readv(2): a filter that kills for it would kill a
//! program for our question. A thread that unmaps the memory between question and look races
//! with its own program.

#![allow(unsafe_code)]

use core::ffi::{c_int, c_void};
use core::ptr;

use super::{errno, set_errno, syscall};

/// What one question covers: the size of the kernel's signal set.
const UNIT: usize = 8;

/// Bytes of the smallest page of all processors that the library runs on.
const PAGE: usize = 4096;

/// May these bytes, one at least, be read?
///
/// The kernel is asked about a word in each page, in the last page about the last one.
#[inline(never)]
pub(crate) fn is_readable(from: *const c_void, size: usize) -> bool {
    let start = from as usize;
    let Some(end) = start.checked_add(size).filter(|end| *end > start) else { return false };
    let last = (end - 1) & !(UNIT - 1);
    let mut at = start & !(UNIT - 1);
    while at | (PAGE - 1) < last {
        if !ask(at) {
            return false;
        }
        at = (at | (PAGE - 1)) + 1;
    }
    ask(last)
}

/// May the word at this address be read?
fn ask(at: usize) -> bool {
    let before = errno();
    let nothing: *mut c_void = ptr::null_mut();
    // SAFETY: the kernel reads there, if it can, and writes nothing; no `how` is -1.
    unsafe { syscall(libc::SYS_rt_sigprocmask, -1 as c_int, at, nothing, UNIT) };
    let readable = at != 0 && errno() == libc::EINVAL;
    set_errno(before);
    readable
}

/// May these bytes, [`UNIT`] at least, be written? They are overwritten by the question: rt_sigprocmask(2)
/// writes the blocked signals there.
pub(crate) fn is_writable(to: *mut c_void, size: usize) -> bool {
    let Some(last) = size.checked_sub(UNIT) else { return false };
    let before = errno();
    let nothing: *const c_void = ptr::null();
    let written = (0..last).step_by(UNIT).chain([last]).all(|at| {
        let at = to.wrapping_byte_add(at);
        // SAFETY: no set is given, so nothing is changed but the memory, if the kernel can.
        unsafe { syscall(libc::SYS_rt_sigprocmask, libc::SIG_BLOCK, nothing, at, UNIT) == 0 }
    });
    set_errno(before);
    written && !to.is_null()
}

/// A copy of a part of the program's memory.
///
/// # Safety
/// The kernel has just said that the bytes are there ([`is_readable`]), or has just read or
/// written them; and every bit pattern is a valid `T`.
#[inline(always)]
pub(crate) unsafe fn copy<T: Copy>(from: *const c_void) -> T {
    // SAFETY: the caller's promise; alignment is not asked for.
    unsafe { ptr::read_unaligned(from.cast()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_can_be_written_is_written_to_its_end_and_not_beyond() {
        let mut bytes = [0xaau8; 64];
        let at = bytes.as_mut_ptr().cast::<c_void>();
        for size in [8, 9, 16, 28] {
            assert!(is_writable(at, size), "{size}");
            assert!(bytes[..size].iter().all(|byte| *byte != 0xaa), "{size}: {bytes:?}");
            assert!(bytes[size..].iter().all(|byte| *byte == 0xaa), "{size}: {bytes:?}");
        }
        assert!(!is_writable(at, 7) && !is_writable(ptr::null_mut(), 16));
        static CONSTANT: [u64; 4] = [1; 4];
        assert!(!is_writable(CONSTANT.as_ptr().cast_mut().cast(), 16));
    }

    #[test]
    fn memory_is_what_the_kernel_says_it_is() {
        let bytes = [0u8; 3 * PAGE];
        let start = bytes.as_ptr().cast::<c_void>();
        assert!(is_readable(start, bytes.len()) && is_readable(start, UNIT));
        assert!(is_readable(start, 1) && !is_readable(start, 0));
        assert!(!is_readable(ptr::null(), 16));
        for wild in [1usize, PAGE - 4, 1 << 63, usize::MAX - 3, usize::MAX - PAGE] {
            assert!(!is_readable(wild as *const c_void, 16), "{wild:x}");
        }
        assert!(!is_readable(start, usize::MAX), "around the end");
        // The kernel's own pages, which may be larger.
        // SAFETY: it only tells a number.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        let page = usize::try_from(page).expect("pages have a size");
        // SAFETY: a mapping of our own, of which the second page is closed again.
        let pages = unsafe {
            let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let pages = libc::mmap(ptr::null_mut(), 3 * page, libc::PROT_READ, kind, -1, 0);
            assert_eq!(libc::mprotect(pages.byte_add(page), page, libc::PROT_NONE), 0);
            pages
        };
        let at = |offset| pages.wrapping_byte_add(offset);
        assert!(is_readable(at(0), page) && is_readable(at(2 * page), page));
        assert!(!is_readable(at(0), 3 * page), "a hole in the middle");
        assert!(is_readable(at(page - 3), 3) && !is_readable(at(page - 3), 4));
        assert!(!is_readable(at(2 * page - 1), 1) && is_readable(at(2 * page), 1));
    }
}

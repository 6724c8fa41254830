//! The process that the library is loaded into: its environment, its id, its name, and the byte by which
//! a child knows that it is one.

#![allow(unsafe_code)]

use core::ffi::{CStr, c_int};
use core::sync::atomic::AtomicBool;

use super::{environ, syscall};

/// The value of an environment variable, where it lies. For load time: later the program may change
/// its environment.
pub(crate) fn getenv(name: &[u8]) -> Option<&'static CStr> {
    // SAFETY: libc set `environ` before it runs constructors: null, or an array of pointers that
    // ends with null.
    let mut entry = unsafe { environ };
    if entry.is_null() {
        return None;
    }
    loop {
        // SAFETY: `entry` is inside that array, at most at its final null.
        let mut text: *const u8 = unsafe { *entry }.cast();
        if text.is_null() {
            return None;
        }
        // Byte by byte, and no further than they agree: most entries differ in the first one.
        let mut differ = false;
        for byte in name.iter().chain(b"=") {
            // SAFETY: every entry is a NUL-terminated string; NUL agrees with none of the bytes.
            if unsafe { *text } != *byte {
                differ = true;
                break;
            }
            // SAFETY: as above, so there is one more byte.
            text = unsafe { text.add(1) };
        }
        if !differ {
            // SAFETY: the rest of that string; the process keeps the initial ones for its
            // lifetime.
            return Some(unsafe { CStr::from_ptr(text.cast()) });
        }
        // SAFETY: the entry was not the final null, so there is a next one.
        entry = unsafe { entry.add(1) };
    }
}

/// This process's id, from the kernel each time: a forked child is another process.
pub(crate) fn pid() -> c_int {
    // SAFETY: getpid(2) takes nothing and cannot fail.
    unsafe { syscall(libc::SYS_getpid) as c_int }
}

/// The byte that is 0 in every child; link.ld gives it a page of its own.
#[cfg(not(test))]
#[inline(always)]
pub(crate) fn emptied_in_children() -> &'static AtomicBool {
    unsafe extern "C" {
        static mptcpize_emptied: AtomicBool;
    }
    // SAFETY: link.ld defines it, with a page of zeros.
    unsafe { &mptcpize_emptied }
}

#[cfg(not(test))]
core::arch::global_asm!(".hidden mptcpize_emptied");

/// Has the kernel empty the page that this byte begins in every child with memory of its own.
pub(crate) fn empty_in_children(page: &AtomicBool) {
    // SAFETY: the page is of the library's own data, and nothing else is in it. Where it is no whole
    // page the kernel refuses, and nothing is lost but what `compat/process.rs` says.
    unsafe {
        let page: *const AtomicBool = page;
        syscall(libc::SYS_madvise, page, 1usize, libc::MADV_WIPEONFORK);
    }
}

/// The name of the calling thread (prctl(2), PR_GET_NAME), NUL-terminated.
pub(crate) fn program_name(into: &mut [u8; 16]) {
    // SAFETY: PR_GET_NAME writes at most 16 bytes, the size of the buffer.
    unsafe { syscall(libc::SYS_prctl, libc::PR_GET_NAME, into.as_mut_ptr()) };
}

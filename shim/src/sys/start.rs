//! What the system-wide library asks about the program it is loaded into.
//!
//! Not here: what is made of it (`system.rs`).

#![allow(unsafe_code)]

use core::ffi::{CStr, c_char, c_int, c_ulong};
use core::ptr;

use super::{errno, set_errno, syscall};

#[cfg(not(test))]
core::arch::global_asm!(".weak getauxval");

unsafe extern "C" {
    fn getauxval(kind: c_ulong) -> c_ulong;
}

/// `getauxval` as data, so that its address is what the loader wrote here: null where libc has
/// none (glibc has it since 2.16, musl since 1.1).
static GETAUXVAL: unsafe extern "C" fn(c_ulong) -> c_ulong = getauxval;

/// A value that the kernel gave the program at its start (getauxval(3)): 0 where it gave none, `None`
/// where libc cannot tell.
fn auxiliary(kind: c_ulong) -> Option<c_ulong> {
    // SAFETY: a volatile read of an initialised static; volatile because the compiler takes the
    // address of a function to be non-null, which a weak one is not.
    let address = unsafe { ptr::read_volatile((&raw const GETAUXVAL).cast::<usize>()) };
    if address == 0 {
        return None;
    }
    // SAFETY: GETAUXVAL is not null; getauxval takes any number, and finds none for unknown ones.
    Some(unsafe { GETAUXVAL(kind) })
}

/// Has the program gained privilege when it was executed (AT_SECURE)? True also where libc cannot tell.
pub(crate) fn is_secure() -> bool {
    auxiliary(libc::AT_SECURE) != Some(0)
}

/// The name that was executed; of a script, the script's (AT_EXECFN). Empty where it is not known.
pub(crate) fn executed() -> &'static [u8] {
    match auxiliary(libc::AT_EXECFN) {
        None | Some(0) => &[],
        // SAFETY: the kernel put a NUL-terminated string at the top of the stack, for good.
        Some(name) => unsafe { CStr::from_ptr(name as *const c_char) }.to_bytes(),
    }
}

/// The file that is being executed, all links followed; empty where /proc is not mounted.
pub(crate) fn executable(into: &mut [u8]) -> &[u8] {
    let errno_before = errno();
    // SAFETY: the name is terminated, and the pointer and the length are those of one slice.
    let got = unsafe {
        let name = c"/proc/self/exe".as_ptr();
        syscall(libc::SYS_readlinkat, libc::AT_FDCWD, name, into.as_mut_ptr(), into.len())
    };
    set_errno(errno_before);
    usize::try_from(got).ok().and_then(|got| into.get(..got)).unwrap_or(&[])
}

/// The start of `/proc/self/cgroup`; empty where /proc is not mounted.
pub(crate) fn cgroup(into: &mut [u8]) -> &[u8] {
    let errno_before = errno();
    let flags = libc::O_RDONLY | libc::O_CLOEXEC;
    let name = c"/proc/self/cgroup".as_ptr();
    // SAFETY: the name is terminated, the pointer and the length are those of one slice, and the
    // descriptor is ours alone.
    let got = unsafe {
        let fd = syscall(libc::SYS_openat, libc::AT_FDCWD, name, flags);
        let got = syscall(libc::SYS_read, fd, into.as_mut_ptr(), into.len());
        if fd >= 0 {
            syscall(libc::SYS_close, fd);
        }
        got
    };
    set_errno(errno_before);
    usize::try_from(got).ok().and_then(|got| into.get(..got)).unwrap_or(&[])
}

/// The real user of this process.
pub(crate) fn user() -> c_int {
    // SAFETY: getuid(2) takes nothing and cannot fail.
    unsafe { syscall(libc::SYS_getuid) as c_int }
}

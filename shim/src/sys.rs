//! The kernel and libc as the rest of the library sees them; here libc's symbols, `errno` and the
//! system call.
//!
//! Every `unsafe` block is in this folder, but for those of the functions that others call (`hooks`,
//! `lifecycle`, `mem`, `sanitizer`). Nothing in it knows of anything outside it.
//!
//! libc is reached by weak, unversioned names, declared weak to the assembler because stable
//! Rust cannot say it. So the library needs no other library, loads under every glibc since 2.17
//! and under musl, and a name that is missing is a null address and not a failed start.

#![allow(unsafe_code)]

use core::ffi::{c_char, c_int, c_long, c_void};

mod address;
pub(crate) mod aside;
pub(crate) mod at_load;
mod chain;
pub(crate) mod clock;
pub(crate) mod conntrack;
pub(crate) mod events;
pub(crate) mod file;
pub(crate) mod landlock;
pub(crate) mod memory;
pub(crate) mod message;
pub(crate) mod net;
pub(crate) mod next;
pub(crate) mod option_call;
pub(crate) mod own_fd;
pub(crate) mod process;
mod raw;
pub(crate) mod seal;
#[cfg(any(test, feature = "system"))]
pub(crate) mod settings;
pub(crate) mod spin;
#[cfg(any(test, feature = "system"))]
pub(crate) mod start;
pub(crate) mod wait;

#[cfg(not(test))]
core::arch::global_asm!(
    ".weak dlsym",
    ".weak syscall",
    ".weak __register_atfork",
    ".weak environ",
    ".weak __errno_location",
);

unsafe extern "C" {
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
    fn syscall(number: c_long, ...) -> c_long;
    fn __errno_location() -> *mut c_int;
    fn __register_atfork(
        prepare: extern "C" fn(),
        parent: Option<extern "C" fn()>,
        child: extern "C" fn(),
        library: *const c_void,
    ) -> c_int;
    static environ: *const *const c_char;
}

/// This thread's `errno`.
#[inline(always)]
pub(crate) fn errno() -> c_int {
    // SAFETY: libc returns the valid address of this thread's errno.
    unsafe { *__errno_location() }
}

/// Sets this thread's `errno`.
pub(crate) fn set_errno(value: c_int) {
    // SAFETY: as in `errno`; the address is this thread's own.
    unsafe { *__errno_location() = value }
}

/// What a panic would call. No optimised build holds a panic path, so this symbol, which nobody
/// defines, must not appear among the library's undefined ones: a test looks.
#[cfg(not(test))]
pub(crate) fn panic_path_is_linked() -> ! {
    unsafe extern "C" {
        fn mptcpize_shim_has_a_panic_path() -> !;
    }
    // SAFETY: never reached; see above.
    unsafe { mptcpize_shim_has_a_panic_path() }
}

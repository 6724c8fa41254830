//! `libmptcpize.so`: preloaded into a program, it turns `socket(…, TCP)` into
//! `socket(…, MPTCP)` and otherwise stays out of the way.
//!
//! # Goals
//! * Every TCP socket that the program asks for through libc is an MPTCP socket where the
//!   kernel grants one, and the TCP socket it asked for where the kernel does not.
//! * The program sees what plain TCP would have shown it: the same results and the same `errno`.
//!
//! # Non-goals
//! * Programs that do not call libc's `socket()`: static ones, Go, raw system calls.
//! * Setting up the host, choosing paths, deciding which program is upgraded: the launcher's work.
//!
//! # The laws, each with a test
//! 1. No allocation, no lock, no stdio, no panic path.
//! 2. Async-signal-safe, and safe right after `fork` in a threaded program: the look-up of the
//!    next `socket` and the reading of the environment happen once, at load.
//! 3. `errno` is untouched on success and exactly plain TCP's on failure.
//! 4. Exports its hooks and nothing else, needs no other library, and refers to libc by weak
//!    unversioned names only: one file loads under old and new glibc and under musl.
//!
//! Layout: [`upgrade`] decides (pure), [`config`] is what the environment asked for,
//! [`mem`] is what the compiler wants of libc, [`system`] what was asked for the whole host, [`trace`] writes the debug records, [`sys`] holds every `unsafe` block.

#![cfg_attr(not(test), no_std)]

mod config;
#[cfg(not(test))]
mod mem;
mod sys;
#[cfg_attr(test, allow(dead_code))]
mod system;
#[cfg_attr(test, allow(dead_code))]
mod trace;
mod upgrade;

#[cfg(not(test))]
use core::ffi::c_int;

/// `socket(2)` as the program sees it.
///
/// Returns a descriptor, or -1 with `errno` as plain TCP would have left it.
///
/// # Safety
/// Takes no pointers, so any arguments are sound; `unsafe` only because the symbol replaces
/// libc's own.
#[cfg(not(test))]
#[allow(unsafe_code)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int {
    upgrade::socket(domain, kind, protocol)
}

#[cfg(not(test))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    sys::panic_path_is_linked()
}

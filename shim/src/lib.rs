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
//!    next functions and the reading of the environment happen once, at load.
//! 3. `errno` is untouched on success and exactly plain TCP's on failure.
//! 4. Exports its hooks and nothing else, needs no other library, and refers to libc by weak
//!    unversioned names only: one file loads under old and new glibc and under musl.
//!
//! # Layout
//! From the top; nothing uses what stands above it.
//!
//! | module | |
//! |---|---|
//! | `hooks`, `lifecycle` | what others call: the exported functions; load, fork and exit |
//! | [`upgrade`] | which sockets become MPTCP |
//! | [`compat`] | what MPTCP refuses or does otherwise, bridged |
//! | [`policy`] | which sockets are to stay TCP |
//! | [`trace`] | the debug records |
//! | [`config`], `system` | what the environment asked for; with the feature `system`, the library for the whole host, what its own file says |
//! | `line`, [`words`], [`verdict`] | text, the words for numbers, what became of a call |
//! | [`sys`] | the kernel and libc: every `unsafe` block but those of the functions that others call |
//! | `mem`, `sanitizer` | what the compiler and AddressSanitizer call |

#![cfg_attr(not(test), no_std)]

#[cfg_attr(test, allow(dead_code))]
mod compat;
mod config;
#[cfg(not(test))]
mod hooks;
#[cfg(not(test))]
mod lifecycle;
#[cfg_attr(test, allow(dead_code))]
mod line;
#[cfg(not(test))]
mod mem;
#[cfg_attr(test, allow(dead_code))]
mod policy;
#[cfg(not(test))]
mod sanitizer;
#[cfg_attr(test, allow(dead_code))]
mod sys;
#[cfg(any(test, feature = "system"))]
#[cfg_attr(test, allow(dead_code))]
mod system;
#[cfg_attr(test, allow(dead_code))]
mod trace;
mod upgrade;
#[cfg_attr(test, allow(dead_code))]
mod verdict;
#[cfg_attr(test, allow(dead_code))]
mod words;

#[cfg(not(test))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    sys::panic_path_is_linked()
}

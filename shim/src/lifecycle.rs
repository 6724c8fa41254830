//! What the library does when it is loaded, around a fork, and when the process exits: the one place
//! that starts the others, in their order.
//!
//! No other module uses it. What libc is to call around fork(3) is handed down as a function.

#![allow(unsafe_code)]

use crate::compat::process;
use crate::config;
use crate::policy;
use crate::sys::next;
use crate::trace;

ctor::declarative::ctor! {
    /// Runs when the library is loaded, before the program's `main`.
    #[ctor(unsafe)]
    fn load() {
        next::find(forking);
        process::load();
        configure();
    }
}

/// Reads what was asked of this process, and opens the trace and reads the policy accordingly.
fn configure() {
    let mut config = config::read();
    if !config.off() {
        if let Some(wanted) = config::setting(b"MPTCPIZE_DEBUG")
            && trace::open(wanted)
        {
            config = config.with_trace();
        }
        if policy::load(config::setting(b"MPTCPIZE_POLICY")) {
            if config.trace() {
                trace::named();
            }
            config = config.turned_off();
        }
    }
    config.keep();
}

/// Called by libc around fork(3), in parent and child.
extern "C" fn forking() {
    process::forking();
}

/// The processor's word for a jump. A macro, because an attribute within `global_asm!` wants Rust 1.93.
#[cfg(target_arch = "x86_64")]
macro_rules! jump {
    () => {
        "jmp"
    };
}
#[cfg(not(target_arch = "x86_64"))]
macro_rules! jump {
    () => {
        "b"
    };
}

/// Run by libc at exit(3): build.rs has the linker make it the library's `DT_FINI`, by this name.
/// (A table of such functions, as for the constructor, takes 120 bytes more.)
extern "C" fn at_exit() {
    trace::at_exit(process::is_other_process);
}

core::arch::global_asm!(
    ".globl mptcpize_at_exit",
    ".hidden mptcpize_at_exit",
    "mptcpize_at_exit:",
    concat!(jump!(), " {}"),
    sym at_exit
);

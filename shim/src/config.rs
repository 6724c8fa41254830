//! What the environment asked of this process, read once at load.
//!
//! | variable | meaning |
//! |---|---|
//! | `MPTCPIZE=off` (or `0`) | leave every socket of this process and its children alone |
//! | `MPTCPIZE_DEBUG=1` | trace every decision to the standard error of load time |
//! | `MPTCPIZE_DEBUG=/PATH` | trace to the end of that file |
//! | `MPTCPIZE_NOT_PROGRAMS`, `_NOT_USERS`, `_NOT_UNITS` | leave those alone: lists with colons |
//!
//! Where the environment is silent, the copy of the library that `enable --system` installs says
//! it ([`system`]).
//!
//! Not here: checking the values for the user. The launcher does that; the shim takes what it
//! does not know as "not asked for", because a program must never fail over our environment.

use core::ffi::CStr;
use core::sync::atomic::{AtomicU32, Ordering};

use crate::system;
use crate::trace;

/// A set of bits; see the constants of this module.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Config(u32);

/// The environment was read; without it the word still says "nobody looked yet".
const READ: u32 = 1;
/// `MPTCPIZE=off`, or left out.
const OFF: u32 = 2;
/// A trace descriptor is open.
const TRACE: u32 = 4;

static CONFIG: AtomicU32 = AtomicU32::new(0);

impl Config {
    pub(crate) fn off(self) -> bool {
        self.0 & OFF != 0
    }

    pub(crate) fn trace(self) -> bool {
        self.0 & TRACE != 0
    }
}

/// The configuration of this process: one relaxed load.
///
/// A constructor of another library may call `socket()` before ours has run; then the
/// environment is read on the spot (without trace: that opens a descriptor), which is a walk
/// over memory and as signal-safe as the load.
#[inline(always)]
pub(crate) fn get() -> Config {
    match CONFIG.load(Ordering::Relaxed) {
        0 => early(),
        bits => Config(bits),
    }
}

#[cold]
fn early() -> Config {
    Config(READ | off_bit())
}

/// Reads the environment and opens the trace. Called once, by the constructor.
#[cfg_attr(test, allow(dead_code))]
pub(crate) fn load() {
    let mut bits = READ | off_bit();
    if bits & OFF == 0
        && let Some(wanted) = system::setting(b"MPTCPIZE_DEBUG")
        && trace::open(wanted)
    {
        bits |= TRACE;
    }
    CONFIG.store(bits, Ordering::Relaxed);
}

fn off_bit() -> u32 {
    match system::setting(b"MPTCPIZE").map(CStr::to_bytes) {
        Some(b"off" | b"0") => OFF,
        _ if system::is_excluded() => OFF,
        _ => 0,
    }
}

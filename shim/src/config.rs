//! What the environment asked of this process: read once at load, and kept in one word.
//!
//! | variable | meaning |
//! |---|---|
//! | `MPTCPIZE=off` (or `0`) | leave every socket of this process and its children alone |
//! | `MPTCPIZE_DEBUG=1` | trace every decision to the standard error of load time |
//! | `MPTCPIZE_DEBUG=/PATH` | trace to the end of that file, if it is the user's own |
//! | `MPTCPIZE_POLICY=…` | which sockets stay TCP: `policy.rs` |
//!
//! The library for the whole system takes the first two and has settings of its own for the rest;
//! it leaves programs, users and units out (`system.rs`).
//!
//! Not here: what follows from it at load (`lifecycle.rs`); checking the values for the user. The launcher does that; the shim takes what it
//! does not know as "not asked for", because a program must never fail over our environment.

use core::ffi::CStr;
use core::sync::atomic::{AtomicU32, Ordering};

#[cfg(not(feature = "system"))]
pub(crate) use crate::sys::process::getenv as setting;
#[cfg(feature = "system")]
use crate::system;
#[cfg(feature = "system")]
pub(crate) use crate::system::setting;

/// What was asked of this process: a set of the bits below.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Config(u32);

/// The environment was read; without it the word still says "nobody looked yet".
const READ: u32 = 1;
/// `MPTCPIZE=off`.
const OFF: u32 = 2;
/// A trace descriptor is open.
const TRACE: u32 = 4;

/// A [`Config`]; 0 until it is [kept](Config::keep).
static CONFIG: AtomicU32 = AtomicU32::new(0);

impl Config {
    /// Are all sockets to be left alone?
    pub(crate) fn off(self) -> bool {
        self.0 & OFF != 0
    }

    /// Is there a trace to write to?
    pub(crate) fn trace(self) -> bool {
        self.0 & TRACE != 0
    }

    /// With a trace that is open.
    #[cfg_attr(test, allow(dead_code))]
    pub(crate) fn with_trace(self) -> Self {
        Config(self.0 | TRACE)
    }

    /// As with `MPTCPIZE=off`.
    #[cfg_attr(test, allow(dead_code))]
    pub(crate) fn turned_off(self) -> Self {
        Config(self.0 | OFF)
    }

    /// Makes it what [`get`] returns from now on.
    #[cfg_attr(test, allow(dead_code))]
    pub(crate) fn keep(self) {
        CONFIG.store(self.0, Ordering::Relaxed);
    }
}

/// The configuration of this process: one relaxed load.
///
/// A constructor of another library may call `socket()` before ours has run; then the
/// environment is read on the spot (without trace: that opens a descriptor), which is a walk
/// over memory and as signal-safe as the load.
#[inline(never)]
pub(crate) fn get() -> Config {
    match CONFIG.load(Ordering::Relaxed) {
        0 => Config(READ | off_bit()),
        bits => Config(bits),
    }
}

/// What the environment says of this process, without a trace yet. For load time; it counts once it
/// is [kept](Config::keep).
#[cfg_attr(test, allow(dead_code))]
pub(crate) fn read() -> Config {
    Config(READ | off_bit())
}

/// [`OFF`] where this process is to be left alone, else 0.
fn off_bit() -> u32 {
    match setting(b"MPTCPIZE").map(CStr::to_bytes) {
        Some(b"off" | b"0") => OFF,
        #[cfg(feature = "system")]
        _ if system::is_excluded() => OFF,
        _ => 0,
    }
}

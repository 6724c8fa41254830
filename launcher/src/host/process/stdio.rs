//! Standard descriptors that the caller has closed: something stands in their places, so that no file or
//! socket of ours becomes one and is written to when a line is printed.

use std::os::fd::AsRawFd;

use rustix::fs::{Mode, OFlags};

/// Puts /dev/null in their places. With `until_exec` a program that is executed later finds them closed, as
/// its caller left them; without, what is printed goes nowhere, as with `>/dev/null`.
pub fn fill(until_exec: bool) {
    let flags = if until_exec { OFlags::RDWR | OFlags::CLOEXEC } else { OFlags::RDWR };
    // The lowest number that is free is given (open(2)). Without /dev/null they stay closed.
    while let Ok(null) = rustix::fs::open("/dev/null", flags, Mode::empty()) {
        if null.as_raw_fd() > 2 {
            return;
        }
        std::mem::forget(null);
    }
}

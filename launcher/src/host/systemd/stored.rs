//! Descriptors that systemd hands to a service when it starts (sd_listen_fds(3)): those that it kept in
//! its store ([`Notify::keep`](super::notify::Notify::keep)) while the service was away.

#![allow(unsafe_code)]

use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use rustix::io::{FdFlags, fcntl_setfd};

/// `SD_LISTEN_FDS_START`.
const FIRST: RawFd = 3;

/// Takes them; none where systemd did not start this process, or has none. Called once, before this
/// process has opened anything: the numbers would be taken twice.
pub fn take() -> Vec<OwnedFd> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u32>().ok();
    if number("LISTEN_PID") != Some(std::process::id()) {
        return Vec::new();
    }
    let count = number("LISTEN_FDS").and_then(|count| RawFd::try_from(count).ok()).unwrap_or(0);
    let own = |fd| {
        // SAFETY: systemd has opened it for us, and its number is told to nobody else (LISTEN_PID).
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        // One that is not there is not taken, and not closed either.
        match fcntl_setfd(&fd, FdFlags::CLOEXEC) {
            Ok(()) => Some(fd),
            Err(_) => {
                std::mem::forget(fd);
                None
            }
        }
    };
    (FIRST..FIRST.saturating_add(count)).map_while(own).collect()
}

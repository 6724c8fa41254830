//! Signals as a descriptor for epoll(7) (signalfd(2)): they come when the loop asks for them, and
//! interrupt no change of the host.

#![allow(unsafe_code)]

use std::io;
use std::mem;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// SIGTERM, SIGINT: end.
    Stop,
    /// SIGHUP: read the settings again.
    Reload,
}

/// The signals of this process that a loop takes one by one.
#[derive(Debug)]
pub struct Signals(OwnedFd);

impl Signals {
    /// From now on SIGTERM, SIGINT and SIGHUP do nothing but wait here. Before any thread is started:
    /// each has a mask of its own. Programs that are started inherit it; one that is to hear of
    /// these signals has to get an empty mask.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn open() -> io::Result<Self> {
        // SAFETY: all zeroes is a value of sigset_t, sigemptyset and sigaddset write to it alone,
        // and the calls that follow read it and keep no pointer.
        let descriptor = unsafe {
            let mut set: libc::sigset_t = mem::zeroed();
            libc::sigemptyset(&raw mut set);
            for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
                libc::sigaddset(&raw mut set, signal);
            }
            let failed =
                libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
            if failed != 0 {
                return Err(io::Error::from_raw_os_error(failed));
            }
            libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK)
        };
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just made this descriptor, and nobody else knows it.
        Ok(Signals(unsafe { OwnedFd::from_raw_fd(descriptor) }))
    }

    /// The next signal that waits, if one does.
    pub fn next(&self) -> Option<Asked> {
        // The number of the signal is the first field of struct signalfd_siginfo (128 bytes).
        let mut bytes = [0u8; mem::size_of::<libc::signalfd_siginfo>()];
        rustix::io::read(&self.0, &mut bytes).ok()?;
        let number = u32::from_ne_bytes(*bytes.first_chunk()?);
        let reload = number == libc::SIGHUP.unsigned_abs();
        Some(if reload { Asked::Reload } else { Asked::Stop })
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

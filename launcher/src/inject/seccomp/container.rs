//! The supervisor of a container: the runtime has installed the filter and hands over its listener. It lives
//! as long as the container; whoever started it may end meanwhile.
//!
//! Not here: how the listener comes (`commands/containers/supervisor.rs`), where the supervisor works
//! ([`place`](super::place)), and what it answers.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::fs::{CWD, readlinkat};

pub use crate::inject::seccomp::place::Container;
use crate::inject::seccomp::refused::Refused;
use crate::inject::seccomp::supervisor::{self, Orders};
use crate::inject::seccomp::sys::{self, End, Reply, SLOTS, Slots};
use crate::syscall::message;

/// Starts a supervisor for a container, with its standby; both live as long as the container does. The
/// caller must have one thread.
///
/// # Errors
/// There is none, and the listener is still to be answered ([`Pass`]).
pub fn supervise(
    listener: BorrowedFd<'_>,
    container: Container,
    refused: &Refused,
) -> io::Result<()> {
    let (control, theirs) = message::pair()?;
    // Twice, so that whoever calls this has no child to bury.
    let Some(between) = sys::fork()? else {
        drop(control);
        let orders = Orders {
            // The filter is the runtime's, which asks for no such calls (seccomp_unotify(2),
            // SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV).
            in_two_steps: false,
            trace: None,
            refused: refused.clone(),
            container: Some(container),
        };
        sys::exit(match sys::fork() {
            Ok(Some(_)) => 0,
            Ok(None) => supervisor::run(theirs, orders).unwrap_or(1),
            Err(error) => error.raw_os_error().unwrap_or(1),
        });
    };
    drop(theirs);
    match sys::wait(between)? {
        End::Code(0) => {}
        End::Code(errno) => return Err(io::Error::from_raw_os_error(errno)),
        End::Signal(signal) => return Err(io::Error::other(format!("killed by signal {signal}"))),
    }
    let lost = |_| io::Error::other("its namespace or control group cannot be entered");
    message::receive_word(control.as_fd()).map_err(lost)?;
    message::send_listener(control.as_fd(), listener)?;
    message::receive_word(control.as_fd()).map(drop)
}

/// Is this a listener of a seccomp filter? By the name that the kernel gives to what has no file, before
/// anything is asked of it.
pub fn is_listener(descriptor: BorrowedFd<'_>) -> bool {
    let path = format!("/proc/self/fd/{}", descriptor.as_raw_fd());
    readlinkat(CWD, path, Vec::new())
        .is_ok_and(|name| name.to_bytes() == b"anon_inode:seccomp notify")
}

/// Calls that nobody supervises: each is left to the kernel, and its socket is TCP.
#[derive(Debug)]
pub struct Pass(Slots);

impl Pass {
    /// Room for one call.
    ///
    /// # Errors
    /// No memory is left.
    pub fn new() -> io::Result<Self> {
        Slots::new().map(Pass)
    }

    /// Lets the calls go on that wait at this listener now. Each was waited for with poll(2), so this does
    /// not wait for others.
    pub fn let_go_on(&self, listener: BorrowedFd<'_>) {
        self.0.clear(SLOTS - 1);
        // ENOENT: the caller is gone meanwhile.
        if self.0.receive(listener, SLOTS - 1).is_ok() {
            let _ = sys::reply(listener, self.0.read(SLOTS - 1).call.id, Reply::Continue);
        }
    }
}

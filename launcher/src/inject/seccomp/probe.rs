//! Can a filter be installed here, and what does it cost? Tried out in a child, which a sandbox may
//! kill for it, together with everything that a supervisor does: what kills it must kill it
//! before the program depends on it.

use std::fmt;
use std::os::fd::{AsFd, AsRawFd};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with, sockopt};

use crate::inject::seccomp::caller::{Callers, Expected};
use crate::inject::seccomp::refused::Refused;
use crate::inject::seccomp::sys::{self, End, Shared};
use crate::inject::seccomp::{abi, filter, install, message};
use mptcpize_model::mptcp::IPPROTO_MPTCP;

/// How the filter is installed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// `no_new_privs` must be set first, so that set-user-ID programs below gain nothing.
    pub gives_up_privilege: bool,
    /// The kernel (5.19 and later) lets no signal but a fatal one interrupt a call that the
    /// supervisor has taken up.
    pub wait_killable: bool,
}

/// Why there can be no filter, or no supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// An outer one covers us already: that is no obstacle to MPTCP.
    Covered,
    /// Another program's filter with a listener stands above us; the kernel takes one only.
    Listener,
    /// A sandbox kills whoever tries, with this signal.
    Killed(i32),
    /// A sandbox says no, with this errno.
    Forbidden(i32),
    /// The kernel has no `SECCOMP_ADDFD_FLAG_SEND` (5.14).
    OldKernel,
    /// No process for the supervisor, with this errno.
    NoProcess(i32),
    /// /proc is not mounted, or not that of our PID namespace.
    NoProc,
    /// No table for this processor.
    Processor,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Obstacle::Covered => f.write_str("an outer mptcpize covers it"),
            Obstacle::Listener => {
                f.write_str("another program's seccomp filter has taken the only listener")
            }
            Obstacle::Killed(signal) => {
                write!(f, "a sandbox forbids seccomp filters (it kills with signal {signal})")
            }
            Obstacle::Forbidden(errno) => {
                let text = Errno::from_raw_os_error(*errno);
                let text = crate::error::reason(&text.into());
                write!(f, "a seccomp filter cannot be installed: {text}")
            }
            Obstacle::OldKernel => {
                f.write_str("the kernel is too old for seccomp notifications (5.14 has them)")
            }
            Obstacle::NoProcess(errno) => {
                let text = Errno::from_raw_os_error(*errno);
                let text = crate::error::reason(&text.into());
                write!(f, "the supervisor cannot be started: {text}")
            }
            Obstacle::NoProc => f.write_str("/proc of this PID namespace is not mounted"),
            Obstacle::Processor => f.write_str("there is no seccomp filter for this processor"),
        }
    }
}

/// What the child leaves: a kind, and an errno beneath it.
mod word {
    pub(super) const INSTALLED: u64 = 1 << 32;
    pub(super) const GAVE_UP: u64 = 1 << 33;
    pub(super) const KILLABLE: u64 = 1 << 34;
    pub(super) const REFUSED: u64 = 1 << 35;
    pub(super) const OLD: u64 = 1 << 36;
    pub(super) const NO_PROC: u64 = 1 << 37;
    pub(super) const ERRNO: u64 = 0xffff_ffff;
}

/// Tries it.
///
/// # Errors
/// What stands in the way.
pub fn probe() -> Result<Terms, Obstacle> {
    if abi::HERE.is_empty() {
        return Err(Obstacle::Processor);
    }
    let code = |error: &std::io::Error| error.raw_os_error().unwrap_or(0);
    let no_process = |error: std::io::Error| Obstacle::NoProcess(code(&error));
    let left = Shared::new().map_err(no_process)?;
    let Some(child) = sys::fork().map_err(no_process)? else {
        left.set(rehearse());
        sys::exit(0);
    };
    let end = sys::wait(child).map_err(no_process)?;
    if let End::Signal(signal) = end {
        return Err(Obstacle::Killed(signal));
    }
    let word = left.get();
    let errno = (word & word::ERRNO) as i32;
    match word {
        _ if word & word::INSTALLED != 0 => Ok(Terms {
            gives_up_privilege: word & word::GAVE_UP != 0,
            wait_killable: word & word::KILLABLE != 0,
        }),
        _ if word & word::OLD != 0 => Err(Obstacle::OldKernel),
        _ if word & word::NO_PROC != 0 => Err(Obstacle::NoProc),
        _ if errno == libc::EBUSY && is_covered() => Err(Obstacle::Covered),
        _ if errno == libc::EBUSY => Err(Obstacle::Listener),
        _ if errno == libc::EINVAL => Err(Obstacle::OldKernel),
        _ => Err(Obstacle::Forbidden(errno)),
    }
}

/// Does a plain TCP socket come back as MPTCP? Then a supervisor further up is ours. The system
/// call itself (rustix makes it without libc), so that no preloaded library answers.
fn is_covered() -> bool {
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None);
    let protocol = socket.and_then(sockopt::socket_protocol);
    protocol.is_ok_and(|protocol| protocol.is_some_and(|it| it.as_raw().get() == IPPROTO_MPTCP))
}

/// Everything that launcher and supervisor will do, in the child.
fn rehearse() -> u64 {
    sys::no_core();
    sys::block_signals();
    let _ = rustix::process::setsid();
    sys::close_range(i32::MAX - 1, i32::MAX);
    sys::set_name(c"mptcpize-probe");
    sys::allow_reading_by(0);
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let _ = rustix::process::setrlimit(rustix::process::Resource::Nofile, limit);
    let Some(callers) = Callers::look(Expected::default()) else { return word::NO_PROC };
    let us = callers.us();
    sys::act_as(us.user, us.group);
    if let Ok((ours, theirs)) = crate::syscall::message::pair() {
        let _ = message::send_listener(ours.as_fd(), ours.as_fd());
        let _ = message::receive_listener(theirs.as_fd());
        drop(ours);
        let _ = message::receive_word(theirs.as_fd());
    }
    let own = rustix::process::getpid().as_raw_nonzero().get().cast_unsigned();
    let _ = sys::bytes_of(own, 0, 4);
    sys::let_alarms_interrupt();
    sys::alarm(0);
    let _ = rustix::process::test_kill_process(rustix::process::getpid());
    // Without options, about which the kernel is not asked twice.
    let program = filter::build(abi::HERE, &Refused::default());
    let mut found = word::INSTALLED | word::KILLABLE;
    let mut installed = install::install(&program, true);
    // Without CAP_SYS_ADMIN the kernel wants the promise; it looks at that before the flags.
    if is(&installed, libc::EACCES) {
        found |= word::GAVE_UP;
        installed = sys::set_no_new_privs().and_then(|()| install::install(&program, true));
    }
    if is(&installed, libc::EINVAL) {
        found &= !word::KILLABLE;
        installed = install::install(&program, false);
        if is(&installed, libc::EACCES) {
            found |= word::GAVE_UP;
            installed = sys::set_no_new_privs().and_then(|()| install::install(&program, false));
        }
    }
    let listener = match installed {
        Ok(listener) => listener,
        Err(error) => return word::REFUSED | error.raw_os_error().unwrap_or(0) as u64,
    };
    sys::wake_in_step(listener.as_fd());
    // There is no notification 0. A kernel that knows the request says ENOENT.
    match sys::add_fd(listener.as_fd(), 0, listener.as_raw_fd(), true, true) {
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => found,
        _ => word::OLD,
    }
}

fn is<T>(result: &std::io::Result<T>, errno: i32) -> bool {
    result.as_ref().is_err_and(|error| error.raw_os_error() == Some(errno))
}

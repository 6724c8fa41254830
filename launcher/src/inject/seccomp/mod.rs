//! The way into programs that no preload reaches: a seccomp filter hands each socket(2) for TCP
//! to a supervisor, which makes an MPTCP socket and puts it into the program (seccomp_unotify(2)); and
//! each setsockopt(2) and getsockopt(2) that MPTCP refuses, so that it can do what the library does.
//!
//! ```text
//!   launcher ── probe: a child tries all of it, and may be killed for it
//!      │ fork, fork ──► supervisor ── fork ──► standby
//!      │ ◄── ready ────────┘
//!      │ filter installed; its listener ──► supervisor ──► standby
//!      │ ◄── taken over ───┘
//!      ▼ execve: the program is this process, and everything that it starts is under the filter
//! ```
//!
//! [`abi`], [`filter`] and [`profile`] are pure; [`sys`] and [`sockets`] hold every `unsafe`. What is not reached: calls made
//! through io_uring, and threads that are in another network namespace or may not be looked at; a
//! thread that is traced, or has put a filter of its own below ours, is left to the kernel, because
//! our answer would stand before the word of whoever confines it.
//!
//! Whoever answers waits for nobody: memory of others is read by a process that can be killed
//! ([`memory`]), records are written by another ([`writer`]).
//!
//! A signal can end a call with EINTR, which socket(2) does not know, if its handler was installed
//! without SA_RESTART and it arrives before the supervisor takes the call up. The kernel leaves no
//! way around that; hence the preload first.

pub mod abi;
mod answer;
mod arguments;
mod call;
mod caller;
pub mod container;
pub mod deviations;
pub mod filter;
mod holders;
mod install;
mod mappings;
mod memory;
mod option;
mod outcome;
mod place;
mod probe;
pub mod profile;
pub mod refused;
mod replay;
mod sockets;
mod steps;
mod supervisor;
mod sys;
mod trace;
mod writer;

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use crate::syscall::message;
pub use probe::{Obstacle, Terms, probe};
use refused::Refused;
use supervisor::Orders;

/// Puts this process, and so the program that it becomes, under a supervisor. `trace` is the value
/// of `MPTCPIZE_DEBUG`.
///
/// # Errors
/// Before the filter is installed: what stands in the way, and nothing has changed. After it:
/// [`Lost`], and this process must not become the program.
pub fn supervise(terms: Terms, trace: Option<&OsStr>) -> Result<Result<(), Lost>, Obstacle> {
    let no_process = |error: io::Error| Obstacle::NoProcess(error.raw_os_error().unwrap_or(0));
    let (control, theirs) = message::pair().map_err(no_process)?;
    let trace = trace.and_then(trace::destination);
    let refused = Refused::ask();
    // Twice, so that the program has no child that it does not know of.
    let Some(between) = sys::fork().map_err(no_process)? else {
        drop(control);
        sys::exit(match sys::fork() {
            Ok(Some(_)) => 0,
            Ok(None) => {
                let in_two_steps = terms.wait_killable;
                let orders = Orders { in_two_steps, trace, refused, container: None };
                supervisor::run(theirs, orders).unwrap_or(1)
            }
            Err(error) => error.raw_os_error().unwrap_or(1),
        });
    };
    drop((theirs, trace));
    match sys::wait(between).map_err(no_process)? {
        sys::End::Code(0) => {}
        sys::End::Code(errno) => return Err(Obstacle::NoProcess(errno)),
        sys::End::Signal(signal) => return Err(Obstacle::Killed(signal)),
    }
    let supervisor =
        message::receive_word(control.as_fd()).map_err(|_| Obstacle::NoProcess(libc::EAGAIN))?;
    sys::allow_reading_by(supervisor);
    if terms.gives_up_privilege {
        sys::set_no_new_privs().map_err(no_process)?;
    }
    let program = filter::build(abi::HERE, &refused);
    let listener = install::install(&program, terms.wait_killable)
        .map_err(|error| Obstacle::Forbidden(error.raw_os_error().unwrap_or(0)))?;
    Ok(hand_over(control, listener))
}

/// The supervisor was lost between its start and its taking over: every socket() under the filter
/// would fail.
#[derive(Debug)]
pub struct Lost(pub io::Error);

fn hand_over(control: OwnedFd, listener: OwnedFd) -> Result<(), Lost> {
    message::send_listener(control.as_fd(), listener.as_fd()).map_err(Lost)?;
    message::receive_word(control.as_fd()).map_err(Lost)?;
    Ok(())
}

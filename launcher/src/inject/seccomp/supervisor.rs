//! The supervisor: a process beside the program that makes its sockets; and the standby, a second
//! one that takes over when the first is killed.
//!
//! Both hold the listener, because once nobody does every socket() of the program is ENOSYS. They
//! hold nothing else of the program's: no descriptor, no terminal, no directory. Each ends when
//! the last process under the filter has ended (POLLHUP). When one of the two is killed the other
//! sees it at once, serves, and starts a new one; only both at the same instant would be too much.

use std::collections::VecDeque;
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::inject::seccomp::answer::Clerk;
use crate::inject::seccomp::message;
use crate::inject::seccomp::surroundings::Surroundings;
use crate::inject::seccomp::sys::{self, Desk, SLOTS};
use crate::inject::seccomp::trace::Trace;

/// The names of the two, as ps(1) shows them; the kernel keeps 15 bytes.
const WORKING: &CStr = c"mptcpize-socket";
const WAITING: &CStr = c"mptcpize-spare";

/// How long to do without a standby before trying again to start one.
const RETRY: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };
const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
/// The same, in answers, for a supervisor that always has one to give.
const RETRY_ANSWERS: u32 = 1000;

/// The life of the supervisor, in a process of its own: gets ready, says so over `control`, gets
/// the listener from there, and serves. Returns the exit code of the process.
///
/// # Errors
/// It cannot get ready. The launcher reads that from the end of `control`.
pub(super) fn run(control: OwnedFd, in_two_steps: bool, trace: Option<Trace>) -> io::Result<i32> {
    let control = leave(control, trace.as_ref())?;
    let surroundings = Surroundings::look().ok_or(io::ErrorKind::NotFound)?;
    let desk = Desk::new()?;
    let (ours, theirs) = pair()?;
    // The standby first: what cannot be had is to be known while there is no filter yet.
    if sys::fork()?.is_none() {
        drop((control, ours));
        let listener = message::receive_listener(theirs.as_fd())?;
        message::send_word(theirs.as_fd(), 0)?;
        return Ok(stand_by(&Clerk { listener, desk, surroundings, trace, in_two_steps }, theirs));
    }
    drop(theirs);
    sys::set_name(WORKING);
    message::send_word(control.as_fd(), rustix::process::getpid().as_raw_nonzero().get())?;

    let listener = message::receive_listener(control.as_fd())?;
    sys::wake_in_step(listener.as_fd());
    message::send_listener(ours.as_fd(), listener.as_fd())?;
    message::receive_word(ours.as_fd())?;
    message::send_word(control.as_fd(), 0)?;
    drop(control);
    Ok(serve(&Clerk { listener, desk, surroundings, trace, in_two_steps }, Some(ours)))
}

/// Leaves everything that the program may want to close, end or unmount.
fn leave(control: OwnedFd, trace: Option<&Trace>) -> io::Result<OwnedFd> {
    sys::block_signals();
    let _ = rustix::process::setsid();
    rustix::process::chdir("/")?;
    // Above the standard ones, wherever the program's caller had left a gap.
    let control = rustix::io::fcntl_dupfd_cloexec(control, 3)?;
    let mut kept: Vec<RawFd> = vec![control.as_raw_fd()];
    kept.extend(trace.map(|trace| trace.file().as_raw_fd()));
    kept.sort_unstable();
    let mut from = 0;
    for fd in kept {
        sys::close_range(from, fd - 1);
        from = fd + 1;
    }
    sys::close_range(from, RawFd::MAX);
    // In their places, so that no socket of ours becomes a standard descriptor. Without /dev/null
    // they stay closed, which harms nobody: nothing here reads or writes them.
    for _ in 0..3 {
        let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty());
        std::mem::forget(null);
    }
    // The program's limit may leave no room for what stands above its own descriptors.
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    Ok(control)
}

/// Answers calls until the last process under the filter has ended.
fn serve(clerk: &Clerk, mut standby: Option<OwnedFd>) -> i32 {
    // What an earlier supervisor had taken up comes first.
    let mut taken: VecDeque<usize> = VecDeque::with_capacity(SLOTS);
    let mut free: Vec<usize> = Vec::with_capacity(SLOTS);
    let mut alone_for = 0;
    for number in (0..SLOTS).rev() {
        match clerk.desk.read(number).call.id {
            0 => {
                clerk.desk.clear(number);
                free.push(number);
            }
            _ => taken.push_front(number),
        }
    }
    loop {
        let timeout = match (taken.is_empty(), standby.is_some()) {
            (false, _) => Some(&AT_ONCE),
            (true, false) => Some(&RETRY),
            (true, true) => None,
        };
        // Wanted only while there is room, else a full desk would keep us from answering.
        let interest = if free.is_empty() { PollFlags::empty() } else { PollFlags::IN };
        let (calls, peer) = look(clerk.listener(), interest, standby.as_ref(), timeout);
        // Before the calls: a busy program may leave no moment without one. But a program that has
        // ended needs no new standby, and its end takes ours along.
        let lost = !peer.is_empty() || alone_for > RETRY_ANSWERS;
        if lost && !calls.contains(PollFlags::HUP) {
            standby = recruit(clerk, standby);
            alone_for = 0;
        }
        if let Some(number) = free.last().copied().filter(|_| calls.contains(PollFlags::IN)) {
            // ENOENT: it was called away by a signal meanwhile.
            if clerk.desk.receive(clerk.listener(), number).is_ok() {
                free.pop();
                taken.push_back(number);
            }
            // All that wait are taken up before the first is answered: a call that is taken up
            // can no longer be interrupted.
            continue;
        }
        if let Some(number) = taken.pop_front() {
            clerk.answer(number);
            free.push(number);
            alone_for += u32::from(standby.is_none());
            continue;
        }
        if calls.contains(PollFlags::HUP) {
            // It sees the same, and ends; whoever inherits us need not bury it too.
            sys::reap(true);
            return 0;
        }
        if standby.is_none() {
            standby = recruit(clerk, standby);
        }
    }
}

/// Waits until the supervisor is gone, and takes its place; or until the program is.
fn stand_by(clerk: &Clerk, supervisor: OwnedFd) -> i32 {
    sys::set_name(WAITING);
    loop {
        let nothing = PollFlags::empty();
        let (calls, peer) = look(clerk.listener(), nothing, Some(&supervisor), None);
        if calls.contains(PollFlags::HUP) {
            return 0;
        }
        if !peer.is_empty() {
            break;
        }
    }
    // Two again, before anything else.
    let standby = recruit(clerk, Some(supervisor));
    sys::set_name(WORKING);
    serve(clerk, standby)
}

/// Starts a standby in the place of the one at the other end of `old`; returns our end of what
/// connects us to it.
fn recruit(clerk: &Clerk, old: Option<OwnedFd>) -> Option<OwnedFd> {
    drop(old);
    sys::reap(false);
    let (ours, theirs) = pair().ok()?;
    if sys::fork().ok()?.is_none() {
        drop(ours);
        sys::exit(stand_by(clerk, theirs));
    }
    Some(ours)
}

/// What happened on the listener and on the line to the other process, if there is one.
fn look(
    listener: BorrowedFd<'_>,
    interest: PollFlags,
    other: Option<&OwnedFd>,
    timeout: Option<&Timespec>,
) -> (PollFlags, PollFlags) {
    let nothing = PollFlags::empty();
    let mut calls = PollFd::from_borrowed_fd(listener, interest);
    match other {
        None => {
            // Signals are blocked; anything else that went wrong is asked again.
            let _ = poll(std::slice::from_mut(&mut calls), timeout);
            (calls.revents(), nothing)
        }
        Some(other) => {
            // Nothing is ever sent: the end is all that can happen.
            let mut both = [calls, PollFd::new(other, PollFlags::RDHUP)];
            let _ = poll(&mut both, timeout);
            (both[0].revents(), both[1].revents())
        }
    }
}

/// Two ends that keep messages apart.
pub(super) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let kind = SocketType::SEQPACKET;
    Ok(socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?)
}

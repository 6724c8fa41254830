//! The supervisor: a process beside the program that makes its sockets; and the standby, a second
//! one that takes over when the first is killed.
//!
//! Both hold the listener, because once nobody does every socket() of the program is ENOSYS. They
//! hold nothing else of the program's: no descriptor, no terminal, no directory. Each ends when
//! the last process under the filter has ended (POLLHUP). When one of the two is killed the other
//! sees it at once, serves, and starts a new one; only both at the same instant would be too much.

use std::collections::VecDeque;
use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::inject::seccomp::answer::Responder;
use crate::inject::seccomp::caller::{Callers, Expected};
use crate::inject::seccomp::memory::Memory;
use crate::inject::seccomp::place::Container;
use crate::inject::seccomp::refused::Refused;
use crate::inject::seccomp::steps::{Progress, Step};
use crate::inject::seccomp::sys::{self, SLOTS, Slots};
use crate::inject::seccomp::trace::Trace;
use crate::syscall::fork::detach;
use crate::syscall::message;
use crate::syscall::timespec;

/// The names of the two, as ps(1) shows them; the kernel keeps 15 bytes.
const WORKING: &CStr = c"mptcpize-socket";
const WAITING: &CStr = c"mptcpize-spare";

/// How long to do without a standby before trying again to start one.
const RETRY: Duration = Duration::from_secs(1);
/// After so many answers without a standby another start is tried, by a supervisor that is never idle
/// for [`RETRY`].
const RETRY_ANSWERS: u32 = 1000;

/// How long to wait at the end for processes of our own: a writer may have records left.
const BURIAL: Duration = Duration::from_secs(2);

/// What a supervisor is told before it begins.
#[derive(Debug)]
pub(super) struct Orders {
    /// See [`Responder::in_two_steps`].
    pub(super) in_two_steps: bool,
    pub(super) trace: Option<File>,
    pub(super) refused: Refused,
    /// Whose calls it answers, where that is not the program that this process was.
    pub(super) container: Option<Container>,
}

/// The life of the supervisor, in a process of its own: gets ready, says so over `control`, gets
/// the listener from there, and serves. Returns the exit code of the process.
///
/// # Errors
/// It cannot get ready. The launcher reads that from the end of `control`.
pub(super) fn run(control: OwnedFd, orders: Orders) -> io::Result<i32> {
    let Orders { in_two_steps, trace, refused, container } = orders;
    raise_limit();
    let expected = match container {
        Some(container) => container.enter()?,
        None => Expected::default(),
    };
    let kept: Vec<_> = trace.iter().map(AsRawFd::as_raw_fd).collect();
    let control = detach(control, kept)?;
    let trace = trace.map(Trace::start).transpose()?;
    let callers = Callers::look(expected).ok_or(io::ErrorKind::NotFound)?;
    let slots = Slots::new()?;
    let (ours, theirs) = message::pair()?;
    // The standby first: what cannot be had is to be known while there is no filter yet.
    if sys::fork()?.is_none() {
        drop((control, ours));
        let listener = message::receive_listener(theirs.as_fd())?;
        message::send_word(theirs.as_fd(), 0)?;
        let responder = Responder { listener, slots, callers, trace, refused, in_two_steps };
        return Ok(stand_by(&responder, theirs));
    }
    drop(theirs);
    message::send_word(control.as_fd(), rustix::process::getpid().as_raw_nonzero().get())?;

    let listener = message::receive_listener(control.as_fd())?;
    sys::wake_in_step(listener.as_fd());
    message::send_listener(ours.as_fd(), listener.as_fd())?;
    message::receive_word(ours.as_fd())?;
    message::send_word(control.as_fd(), 0)?;
    drop(control);
    // From here on the standby can do without us.
    sys::set_name(WORKING);
    let responder = Responder { listener, slots, callers, trace, refused, in_two_steps };
    Ok(serve(&responder, Some(ours)))
}

/// The program's limit of descriptors may leave no room for what stands above its own.
fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// Answers calls until the last process under the filter has ended.
fn serve(responder: &Responder, mut standby: Option<OwnedFd>) -> i32 {
    // What an earlier supervisor had taken up comes first.
    let mut taken: VecDeque<usize> = VecDeque::with_capacity(SLOTS);
    let mut free: Vec<usize> = Vec::with_capacity(SLOTS);
    let mut alone_for = 0;
    for number in (0..SLOTS).rev() {
        match responder.slots.read(number).call.id {
            0 => {
                responder.slots.clear(number);
                free.push(number);
            }
            _ => taken.push_front(number),
        }
    }
    let mut memory = Memory::new(responder);
    let mut progress: Vec<Progress> = (0..SLOTS).map(|_| Progress::New).collect();
    loop {
        // Wanted only while there is room, else full slots would keep us from answering.
        let interest = if free.is_empty() { PollFlags::empty() } else { PollFlags::IN };
        let retry = standby.is_none().then_some(RETRY);
        let awaited = memory.awaited();
        let late = awaited.map(|(_, patience)| patience);
        let wait = match !taken.is_empty() || memory.is_ready() {
            true => Some(Duration::ZERO),
            false => retry.into_iter().chain(late).min(),
        };
        let words = awaited.map(|(line, _)| line);
        let (calls, peer, spoke) =
            look(responder.listener(), interest, standby.as_ref(), words, wait);
        // Before the calls: a busy program may leave no moment without one. But a program that has
        // ended needs no new standby, and its end takes ours along.
        let lost = !peer.is_empty() || alone_for > RETRY_ANSWERS;
        if lost && !calls.contains(PollFlags::HUP) {
            standby = respawn(responder, standby);
            alone_for = 0;
        }
        if let Some(number) = free.last().copied().filter(|_| calls.contains(PollFlags::IN)) {
            // ENOENT: it a signal interrupted it (EINTR) meanwhile.
            if responder.slots.receive(responder.listener(), number).is_ok() {
                free.pop();
                taken.push_back(number);
            }
            // All that wait are taken up before the first is answered: a call that is taken up
            // can no longer be interrupted.
            continue;
        }
        let mut ready = memory.step(spoke);
        if ready.is_none() {
            ready = taken.pop_front().map(|number| (number, None));
        }
        if let Some((number, got)) = ready {
            let Some(progress) = progress.get_mut(number) else { continue };
            match responder.go_on(number, progress, got) {
                Step::Ask(question) => memory.add(number, question),
                Step::Done => {
                    free.push(number);
                    alone_for += u32::from(standby.is_none());
                }
            }
            continue;
        }
        if calls.contains(PollFlags::HUP) {
            drop(memory);
            if let Some(trace) = &responder.trace {
                trace.end();
            }
            // The standby sees the same, and ends, and so does the writer; whoever inherits us
            // need not bury them too.
            sys::reap(BURIAL);
            return 0;
        }
        if standby.is_none() && taken.is_empty() {
            standby = respawn(responder, standby);
        }
    }
}

/// Waits until the supervisor is gone, and takes its place; or until the program is.
fn stand_by(responder: &Responder, supervisor: OwnedFd) -> i32 {
    sys::set_name(WAITING);
    loop {
        let nothing = PollFlags::empty();
        let (calls, peer, _) = look(responder.listener(), nothing, Some(&supervisor), None, None);
        if calls.contains(PollFlags::HUP) {
            return 0;
        }
        if !peer.is_empty() {
            break;
        }
    }
    // Two again, before anything else.
    let standby = respawn(responder, Some(supervisor));
    sys::set_name(WORKING);
    serve(responder, standby)
}

/// Starts a standby in the place of the one at the other end of `old`; returns our end of what
/// connects us to it.
fn respawn(responder: &Responder, old: Option<OwnedFd>) -> Option<OwnedFd> {
    drop(old);
    sys::reap(Duration::ZERO);
    let (ours, theirs) = message::pair().ok()?;
    if sys::fork().ok()?.is_none() {
        drop(ours);
        sys::exit(stand_by(responder, theirs));
    }
    Some(ours)
}

/// What happened on the listener and on the line to the other process, if there is one; and whether
/// there are words to be read.
fn look(
    listener: BorrowedFd<'_>,
    interest: PollFlags,
    other: Option<&OwnedFd>,
    words: Option<BorrowedFd<'_>>,
    wait: Option<Duration>,
) -> (PollFlags, PollFlags, bool) {
    // A descriptor that nothing is asked of stands for one that is not there.
    let nothing = PollFlags::empty();
    let other_interest = if other.is_some() { PollFlags::RDHUP } else { nothing };
    let words_interest = if words.is_some() { PollFlags::IN } else { nothing };
    let mut all = [
        PollFd::from_borrowed_fd(listener, interest),
        // Nothing is ever sent: the end is all that can happen.
        PollFd::from_borrowed_fd(other.map_or(listener, AsFd::as_fd), other_interest),
        PollFd::from_borrowed_fd(words.unwrap_or(listener), words_interest),
    ];
    let wait = wait.map(timespec);
    // Signals are blocked; anything else that went wrong is asked again.
    let _ = poll(&mut all, wait.as_ref());
    let of = |at: usize, is_there: bool| if is_there { all[at].revents() } else { nothing };
    (all[0].revents(), of(1, other.is_some()), !of(2, words.is_some()).is_empty())
}

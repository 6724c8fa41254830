//! Signals, as far as the verbs other than `run` choose for themselves.

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicI32, Ordering};

/// Makes a write to a pipe without a reader an error (`EPIPE`) instead of the end of the process,
/// so that every verb ends well when its reader goes. Not for `run`: what it executes would inherit
/// it.
pub fn ignore_broken_pipes() {
    // SAFETY: no handler is installed, so nothing of ours runs when the signal comes.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
}

/// The signal that asked for the end; 0 as long as none has.
static ENDING: AtomicI32 = AtomicI32::new(0);

/// The signals that end a program which does not expect them, and that somebody sends on purpose.
const ENDINGS: [i32; 4] = [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT];

extern "C" fn note(signal: libc::c_int) {
    ENDING.store(signal, Ordering::Relaxed);
}

/// From now on such a signal is only noted, and interrupts waiting.
pub fn note_endings() {
    ENDINGS.into_iter().for_each(|signal| interrupt(signal, note));
}

/// Has a signal interrupt waiting and call this, which must be async-signal-safe (signal-safety(7)).
fn interrupt(signal: i32, handler: extern "C" fn(libc::c_int)) {
    // SAFETY: all zeroes is a valid sigaction with no flags and an empty mask; the handlers of this file store
    // to an atomic or do nothing at all. Without SA_RESTART poll(2) returns, which is the point.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as usize;
        libc::sigaction(signal, &raw const action, std::ptr::null_mut());
    }
}

extern "C" fn pass(_: libc::c_int) {}

/// From now on a change of the terminal's size interrupts waiting (`SIGWINCH`, signal(7)).
pub fn wake_by_size() {
    interrupt(libc::SIGWINCH, pass);
}

/// The signal that was noted, if any.
pub fn ending() -> Option<i32> {
    Some(ENDING.load(Ordering::Relaxed)).filter(|signal| *signal != 0)
}

/// Ends this process by the signal, so that its parent sees what ended it.
pub fn end_by(signal: i32) {
    // SAFETY: the default disposition runs nothing of ours.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}

//! Signals, as far as the verbs other than `run` choose for themselves.

/// Makes a write to a pipe without a reader an error (`EPIPE`) instead of the end of the process,
/// so that every verb ends well when its reader goes. Not for `run`: what it executes would inherit
/// it.
#[allow(unsafe_code)]
pub fn ignore_broken_pipes() {
    // SAFETY: no handler is installed, so nothing of ours runs when the signal comes.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
}

//! What takes so long: a line on a terminal's standard error.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use crate::output;
use crate::output::term::can_move_cursor;

/// A wait shorter than this needs no word.
const QUIET: Duration = Duration::from_secs(1);

/// A line on standard error about what takes so long; for people, and gone when it is done.
pub(in crate::commands) struct Progress {
    start: Instant,
    terminal: bool,
    shown: String,
}

impl Progress {
    /// Nothing is told as yet.
    pub(in crate::commands) fn new(start: Instant) -> Self {
        Progress {
            start,
            terminal: stderr().is_terminal() && can_move_cursor(),
            shown: String::new(),
        }
    }

    /// What is being done now.
    pub(in crate::commands) fn tell(&mut self, doing: &str) {
        if self.terminal && self.start.elapsed() >= QUIET && self.shown != doing {
            output::progress(&format!("{doing} ..."));
            doing.clone_into(&mut self.shown);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if !self.shown.is_empty() {
            output::progress("");
        }
    }
}

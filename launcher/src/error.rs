//! The error that a person reads: what is wrong, why, and the line that mends it.
//!
//! Inside, `anyhow` carries context; whoever knows the fix builds an [`Error`], and
//! `output::finish` prints it. Messages are lower case, without a full stop, and the fix can be
//! pasted.

use std::fmt;
use std::io;

use mptcpize_model::plain;
use serde_json::{Value, json};

/// How far the lines of a cause are set in, under its first.
const INDENT: &str = "       ";

/// Exit codes of every verb, as `--help` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, healthy, or nothing to do.
    Done = 0,
    /// It failed; the host is as it was.
    Failed = 1,
    /// Wrong usage.
    Usage = 2,
    /// Attention needed.
    Attention = 3,
    /// Not permitted.
    NotPermitted = 4,
    /// Something is missing: kernel without MPTCP, a library, a unit.
    Missing = 5,
    /// Applied in part; the command that undoes it is printed.
    Partial = 6,
    /// `run`: found, but it cannot be executed (as env(1)).
    NotExecutable = 126,
    /// `run`: not found (as env(1)).
    NotFound = 127,
}

/// What went wrong, why, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    what: String,
    why: Option<String>,
    fix: Option<String>,
    exit: Exit,
    group: &'static str,
}

impl Error {
    /// An error with its exit code; `what` is a short clause such as `cannot run curl`.
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Error { what: what.into(), why: None, fix: None, exit, group: "for other reasons" }
    }

    /// Adds the cause.
    #[must_use]
    pub fn why(mut self, why: impl fmt::Display) -> Self {
        self.why = Some(why.to_string());
        self
    }

    /// Adds the remedy, best as a command that can be pasted.
    #[must_use]
    pub fn fix(mut self, fix: impl fmt::Display) -> Self {
        self.fix = Some(fix.to_string());
        self
    }

    /// Replaces the exit code.
    #[must_use]
    pub fn with_exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// Says which reasons it belongs to, where many are counted in one line: `masked`.
    #[must_use]
    pub fn group(mut self, group: &'static str) -> Self {
        self.group = group;
        self
    }

    /// The reasons that it belongs to.
    pub fn of_group(&self) -> &'static str {
        self.group
    }

    /// What is wrong and why, without the remedy: a clause, in one line.
    pub fn clause(&self) -> String {
        let why = self.why.as_deref().map(one_line);
        let why = why.map(|why| format!(": {why}")).unwrap_or_default();
        format!("{}{why}", self.what)
    }

    /// What else is wrong because of this: the same cause, remedy and exit code, under another name.
    #[must_use]
    pub fn of(self, what: impl Into<String>) -> Self {
        let why = self.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        Error { why: Some(format!("{}{why}", self.what)), what: what.into(), ..self }
    }

    /// Adds the remedy where there is none yet.
    #[must_use]
    pub fn or_fix(self, fix: impl fmt::Display) -> Self {
        if self.fix.is_some() { self } else { self.fix(fix) }
    }

    /// It as an object, for `-j`: `what`, `why` and `fix` as they are printed, null where there is none.
    pub fn json(&self) -> Value {
        json!({ "what": self.what, "why": self.why, "fix": self.fix, "exit": self.exit as i32 })
    }

    /// The exit code that belongs to it.
    pub fn exit(&self) -> Exit {
        self.exit
    }
}

/// The text without the picture of a line that the TOML reader draws (`2 | key = 3`), its lines joined: a line of
/// the journal is one.
fn one_line(text: &str) -> String {
    let is_drawn = |line: &&str| {
        let line = line.trim_start();
        line.trim_start_matches(|letter: char| letter.is_ascii_digit())
            .trim_start()
            .starts_with('|')
    };
    let lines = text.lines().filter(|line| !is_drawn(line)).map(str::trim);
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(": ")
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", plain::words(&self.what))?;
        if let Some(why) = &self.why {
            f.write_str("\n  why: ")?;
            for (index, line) in why.lines().enumerate() {
                // A line of somebody else must not look like one of ours.
                let indent = match (index, line.starts_with(INDENT)) {
                    (0, _) => "",
                    (_, true) => "\n",
                    (_, false) => "\n       ",
                };
                write!(f, "{indent}{}", plain::words(line))?;
            }
        }
        if let Some(fix) = &self.fix {
            write!(f, "\n  fix: {}", plain::words(fix))?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// The text of a system error as perror(3) gives it, without Rust's ` (os error 2)`.
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error ") {
        Some(end) => text[..end].to_lowercase(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reads_what_why_fix() {
        let error = Error::new(Exit::Missing, "cannot do it").why("no kernel").fix("get one");
        assert_eq!(error.to_string(), "error: cannot do it\n  why: no kernel\n  fix: get one");
        assert_eq!(error.exit() as i32, 5);
    }

    #[test]
    fn a_clause_is_one_line_also_where_the_reason_has_a_picture() {
        let why = "error at line 2, column 10\n  |\n2 | backup = 3\n  |          ^\nno list\n";
        let error = Error::new(Exit::Usage, "a mistake").why(why);
        assert_eq!(error.clause(), "a mistake: error at line 2, column 10: no list");
        assert!(error.of("cannot start").clause().ends_with("2, column 10: no list"));
    }
}

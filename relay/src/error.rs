//! The error that ends the relay: what is wrong, why, and how to mend it, in the three lines of
//! mptcpize's own.

use std::fmt;

/// Why the relay cannot start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    code: u8,
    what: String,
    why: String,
    fix: String,
}

impl Error {
    /// It cannot be done: exit status 1.
    pub fn failed(what: impl Into<String>, why: impl fmt::Display) -> Self {
        Error { code: 1, what: what.into(), why: why.to_string(), fix: String::new() }
    }

    /// The command line is not one of ours: exit status 2.
    pub fn usage() -> Self {
        Error::failed("unknown arguments", "").exit(2).fix("mptcpize-relay --help")
    }

    /// Another exit status.
    #[must_use]
    pub fn exit(self, code: u8) -> Self {
        Error { code, ..self }
    }

    /// Adds what mends it; a line that can be pasted where there is one.
    #[must_use]
    pub fn fix(self, fix: impl Into<String>) -> Self {
        Error { fix: fix.into(), ..self }
    }

    /// The exit status.
    pub fn code(&self) -> u8 {
        self.code
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.what)?;
        for (name, text) in [("why", &self.why), ("fix", &self.fix)] {
            if !text.is_empty() {
                write!(f, "\n  {name}: {text}")?;
            }
        }
        Ok(())
    }
}

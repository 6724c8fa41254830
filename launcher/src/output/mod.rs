//! Everything that the tool itself says: results on standard output, narration on standard error.
//!
//! Not here: the debug lines of the shim, which come from inside the program.

pub mod check;
pub mod completion;
pub mod counters;
pub mod diff;
pub mod man;
pub mod monitor;
pub mod pm;
pub mod services;
pub mod status;
pub mod system;
pub mod table;
pub mod term;
pub mod top;
pub mod units;

use std::io::{self, Write};

use crate::error::{Error, Exit, reason};

/// Prints `text` and a line feed to standard output. A reader that went away is not an error of
/// ours.
///
/// # Errors
/// Any other failure to write.
pub fn line(text: &str) -> anyhow::Result<()> {
    match writeln!(io::stdout().lock(), "{text}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|error| {
            Error::new(Exit::Failed, "cannot write to standard output").why(reason(&error)).into()
        }),
    }
}

/// Prints text that ends its own lines to standard output.
///
/// # Errors
/// As [`line()`].
pub fn text(text: &str) -> anyhow::Result<()> {
    text.strip_suffix('\n').map_or_else(|| line(text), line)
}

/// One line about what is being done, to standard error. Lost when nobody listens.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "mptcpize: {text}");
}

/// Turns the outcome of a verb into the exit code of the process, and prints an error.
pub fn finish(outcome: anyhow::Result<Exit>) -> i32 {
    let error = match outcome {
        Ok(exit) => return exit as i32,
        Err(error) => error,
    };
    if let Some(usage) = error.downcast_ref::<clap::Error>() {
        // clap tells help (standard output, 0) from mistakes (standard error, 2).
        let _ = usage.print();
        return usage.exit_code();
    }
    let (text, exit) = match error.downcast_ref::<Error>() {
        Some(known) => (known.to_string(), known.exit()),
        None => (format!("error: {error:#}"), Exit::Failed),
    };
    let _ = writeln!(io::stderr().lock(), "{text}");
    exit as i32
}

/// Lines of at most `width` characters, broken at blanks; a longer word has a line of its own.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_not_broken() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("unbreakable it is", 5), ["unbreakable", "it is"]);
        assert!(wrap(" ", 9).is_empty());
    }
}

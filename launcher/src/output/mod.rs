//! Everything that the tool itself says: results on standard output, narration on standard error.
//!
//! Not here: the debug lines of the shim, which come from inside the program.

pub mod check;
pub mod completion;
pub mod containers;
pub mod counters;
mod daemon;
pub mod decision;
pub mod diff;
mod help;
pub mod judged;
mod lan;
pub mod man;
pub mod monitor;
pub mod pm;
pub mod qr;
pub mod relay_test;
mod relays;
mod served;
pub mod services;
pub mod status;
pub mod system;
pub mod table;
pub mod term;
pub mod top;
mod top_lan;
mod top_relays;
pub mod units;

use std::io::{self, Write};

use clap::error::ContextValue;

use crate::error::{Error, Exit, reason};
use mptcpize_model::plain;

/// What leaves: whatever the text was made of, a terminal obeys nothing in it but our own colours.
fn shown(text: &str) -> std::borrow::Cow<'_, str> {
    plain::screen(text, term::sequences())
}

/// Empties the terminal's screen before the next picture of it.
///
/// # Errors
/// As [`line()`].
pub fn clear() -> anyhow::Result<()> {
    match write!(io::stdout().lock(), "\x1b[H\x1b[2J") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Replaces the last line on a terminal's standard error; an empty text takes it away.
pub fn progress(text: &str) {
    let _ = write!(io::stderr().lock(), "\r\x1b[K{}", plain::words(text));
}

/// Prints `text` and a line feed to standard output. A reader that went away is not an error of
/// ours.
///
/// # Errors
/// Any other failure to write.
pub fn line(text: &str) -> anyhow::Result<()> {
    match writeln!(io::stdout().lock(), "{}", shown(text)) {
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
    let _ = writeln!(io::stderr().lock(), "mptcpize: {}", plain::words(text));
}

/// One line about what was not done, and the error that kept it from being done below it.
pub fn note_error(text: &str, error: &Error) {
    note(text);
    let _ = writeln!(io::stderr().lock(), "{}", plain::screen(&error.to_string(), &[]));
}

/// Turns the outcome of a verb into the exit code of the process, and prints an error.
pub fn finish(outcome: anyhow::Result<Exit>) -> i32 {
    let error = match outcome {
        Ok(exit) => return exit as i32,
        Err(error) => error,
    };
    if let Some(usage) = error.downcast_ref::<clap::Error>() {
        // clap tells help (standard output, 0) from mistakes (standard error, 2).
        let text = usage_text(usage);
        let _ = match usage.use_stderr() {
            true => write!(io::stderr().lock(), "{}", plain::screen(&text, &[])),
            false => {
                write!(io::stdout().lock(), "{}", plain::screen(&help::shown(&text), &[]))
            }
        };
        return usage.exit_code();
    }
    let (text, exit) = match error.downcast_ref::<Error>() {
        Some(known) => (known.to_string(), known.exit()),
        None => (format!("error: {error:#}"), Exit::Failed),
    };
    let _ = writeln!(io::stderr().lock(), "{}", plain::screen(&text, &[]));
    exit as i32
}

/// What clap says, with the arguments that it repeats made plain: a file's name may be one.
fn usage_text(usage: &clap::Error) -> String {
    let mut text = usage.render().to_string();
    for (_, value) in usage.context() {
        let repeated: &[String] = match value {
            ContextValue::String(one) => std::slice::from_ref(one),
            ContextValue::Strings(all) => all,
            _ => &[],
        };
        for one in repeated.iter().filter(|one| one.contains('\n')) {
            text = text.replace(one.as_str(), &plain::words(one));
        }
    }
    text
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

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
mod graph;
mod help;
pub mod json;
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
mod top_connections;
mod top_lan;
mod top_paths;
mod top_relays;
pub mod units;

use std::io::{self, Write};

use crate::error::{Error, Exit, reason};
use mptcpize_model::plain;

/// What leaves: whatever the text was made of, a terminal obeys nothing in it but our own colours.
fn shown(text: &str) -> String {
    term::prose(&plain::screen(text, term::sequences())).into_owned()
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
    let _ = write!(io::stderr().lock(), "\r\x1b[K{}", term::prose(&plain::words(text)));
}

/// Prints `text` and a line feed to standard output. A reader that went away is not an error of
/// ours.
///
/// # Errors
/// Any other failure to write.
pub fn line(text: &str) -> anyhow::Result<()> {
    if !json::passes(text) {
        return Ok(());
    }
    match json::is_wanted() {
        true => write(&plain::screen(text, &[])),
        false => write(&shown(text)),
    }
}

/// Prints text that other programs read, in UTF-8 whatever the locale is: names stay what they are.
///
/// # Errors
/// As [`line()`].
pub fn data(text: &str) -> anyhow::Result<()> {
    match json::passes(text) {
        true => write(&plain::screen(text.strip_suffix('\n').unwrap_or(text), &[])),
        false => Ok(()),
    }
}

/// Writes a line to standard output as it is.
fn write(text: &str) -> anyhow::Result<()> {
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

/// Writes to standard error at once: what others write there, as a program and its children do, stands
/// before or behind it and not within.
fn to_stderr(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// One line about what is being done, to standard error. Lost when nobody listens.
pub fn note(text: &str) {
    to_stderr(&format!("mptcpize: {}\n", term::prose(&plain::words(text))));
}

/// A question at the end of which the cursor waits, on standard error.
pub fn ask(question: &str) {
    to_stderr(&format!("mptcpize: {}", term::prose(&plain::words(question))));
}

/// One line about what was not done, and the error that kept it from being done below it.
pub fn note_error(text: &str, error: &Error) {
    note(text);
    told(error);
}

/// An error on standard error. Lost when nobody listens.
fn told(error: &impl std::fmt::Display) {
    let text = error.to_string();
    to_stderr(&format!("{}\n", term::prose(&plain::screen(&text, &[]))));
}

/// Turns the outcome of a verb into the exit code of the process, and prints an error.
pub fn finish(outcome: anyhow::Result<Exit>) -> i32 {
    let error = match outcome {
        Ok(exit) => return last(json::done(exit).as_ref(), exit),
        Err(error) => error,
    };
    let known = match error.downcast::<clap::Error>() {
        Ok(help) => return self::help(&help),
        Err(error) => error.downcast::<Error>(),
    };
    let known = known.unwrap_or_else(|error| Error::new(Exit::Failed, format!("{error:#}")));
    told(&known);
    last(json::failed(&known).as_ref(), known.exit())
}

/// Prints the object that ends the process, if one is wanted. A full disk is a failure, too.
fn last(object: Option<&serde_json::Value>, exit: Exit) -> i32 {
    let written = object.map_or(Ok(()), |object| write(&object.to_string()));
    match written {
        Err(error) if exit == Exit::Done => {
            told(&error);
            Exit::Failed as i32
        }
        _ => exit as i32,
    }
}

/// Prints help: what was asked for to standard output, what stands in for a missing verb to standard
/// error; where JSON is wanted, it is the text of an object.
fn help(help: &clap::Error) -> i32 {
    if json::is_wanted() && !help.use_stderr() {
        // Not in the width of a terminal, nor in its letters: a program reads it.
        let raw = help.render().to_string();
        let _ = json::passes(&plain::screen(&raw, &[]));
        return last(json::done(Exit::Done).as_ref(), Exit::Done);
    }
    let text = help::shown(&help.render().to_string());
    let text = plain::screen(&text, &[]);
    if help.use_stderr() {
        let _ = write!(io::stderr().lock(), "{text}");
        return help.exit_code();
    }
    match write(text.trim_end_matches('\n')) {
        Ok(()) => help.exit_code(),
        Err(error) => {
            told(&error);
            Exit::Failed as i32
        }
    }
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

/// A sentence in lines of at most `width` characters, each with its line feed.
pub fn paragraph(sentence: &str, width: usize) -> String {
    wrap(sentence, width).join("\n") + "\n"
}

/// The room for a row's name, with the blanks behind it.
const ROW: usize = 9;

/// A row of a name and what is said of it, without a line feed at its end; what has no room goes on below,
/// and on a narrow screen further left. A single word stays whole.
pub fn row(name: &str, said: &str, width: usize) -> String {
    let margin = if width < NARROW { 2 } else { ROW };
    let line = format!("{name:<ROW$}{said}");
    if line.chars().count() <= width {
        return line;
    }
    let mut lines = wrap(said, width.saturating_sub(margin)).into_iter();
    let first = lines.next().unwrap_or_default();
    let beside = format!("{name:<ROW$}{first}");
    let first = match beside.chars().count() <= width {
        true => beside,
        false => format!("{name}\n{:margin$}{first}", ""),
    };
    lines.fold(first, |text, line| format!("{text}\n{:margin$}{line}", ""))
}

/// The parts of a line, which a dot stands between; on a narrow screen a line ends behind a part where one
/// does, and goes on set in by `margin`.
fn parts(line: &str, width: usize, margin: usize) -> String {
    const BETWEEN: &str = " · ";
    if width >= NARROW || line.chars().count() <= width {
        return fitted(line, width, margin);
    }
    let mut lines: Vec<String> = Vec::new();
    for part in line.split(BETWEEN) {
        let room = width.saturating_sub(if lines.len() > 1 { margin } else { 0 });
        let with = |last: &String| format!("{last}{BETWEEN}{part}");
        match lines.last_mut() {
            Some(last) if with(last).chars().count() <= room => *last = with(last),
            _ => lines.extend(wrap(part, width.saturating_sub(margin))),
        }
    }
    lines.join(&format!("\n{:margin$}", ""))
}

/// Below so many columns lines are broken rather than cut: so little is left of them otherwise.
const NARROW: usize = 60;

/// A line for the screen: what is too long is cut, and on a narrow screen goes on below, set in by `margin`
/// or less.
fn fitted(line: &str, width: usize, margin: usize) -> String {
    let line = term::clip(line, usize::MAX);
    if line.chars().count() <= width {
        return line;
    }
    if width >= NARROW {
        return term::clip(&line, width);
    }
    let margin = margin.min(width / 8);
    let begin = line.chars().take_while(|letter| *letter == ' ').count().min(margin);
    let lines = wrap(&line, width.saturating_sub(margin));
    let set_in = lines.iter().enumerate().map(|(index, line)| {
        let by = if index == 0 { begin } else { margin };
        format!("{:by$}{line}", "")
    });
    set_in.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_parts_is_broken_between_them() {
        let line = "MPTCP is on · 2 paths · 13 connections";
        assert_eq!(parts(line, 80, 2), line);
        assert_eq!(parts(line, 18, 2), "MPTCP is on\n  2 paths\n  13 connections");
        assert_eq!(parts(line, 24, 2), "MPTCP is on · 2 paths\n  13 connections");
        assert_eq!(parts("one · two", 2, 1), "one\n two");
    }

    #[test]
    fn a_row_without_room_goes_on_below() {
        assert_eq!(row("why", "it is static", 80), "why      it is static");
        assert_eq!(row("why", "it is static", 12), "why\n  it is\n  static");
        assert_eq!(row("why", "a bc def ghi", 16), "why\n  a bc def ghi");
        let long = "a".repeat(30);
        let said = format!("{long} {long} {long}");
        assert_eq!(row("why", &said, 75), format!("why      {long} {long}\n         {long}"));
    }

    #[test]
    fn words_are_not_broken() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("unbreakable it is", 5), ["unbreakable", "it is"]);
        assert!(wrap(" ", 9).is_empty());
    }

    #[test]
    fn a_narrow_screen_breaks_what_a_wide_one_cuts() {
        let line = "limits      subflows 8, add_addr_accepted 8";
        assert_eq!(fitted(line, 60, 12), line);
        assert_eq!(fitted(line, 24, 12), "limits subflows 8,\n   add_addr_accepted 8");
        assert_eq!(fitted(&line.repeat(2), 60, 12).chars().count(), 60);
    }
}

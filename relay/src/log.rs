//! Lines on standard error, which systemd's journal takes.

use std::fmt;
use std::io::Write;

/// Writes a line. `eprintln!` would end the process where nobody reads any more.
pub fn line(text: impl fmt::Display) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

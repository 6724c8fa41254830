//! The file that debug records go to: a regular one of this user's own, or none.
//!
//! The library opens it by the same rules in each program (`shim/src/trace.rs`), silently; here a
//! mistake is told. Not here: what is written.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::error::reason;

/// Opens it for appending, and makes it if it is not there.
///
/// It is no link, lest somebody who can write to its directory choose the file; it waits for
/// nobody (a FIFO); and it belongs to the effective user, lest records that tell of the user's
/// programs reach another one.
///
/// # Errors
/// Why not, in words.
pub fn open(path: &Path) -> Result<File, String> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o600).custom_flags(flags);
    let file = options.open(path).map_err(|error| match error.raw_os_error() {
        Some(libc::ELOOP) => "it is a symbolic link".to_owned(),
        // A FIFO without a reader, a socket.
        Some(libc::ENXIO) => "it is no regular file".to_owned(),
        _ => reason(&error),
    })?;
    let found = file.metadata().map_err(|error: io::Error| reason(&error))?;
    if !found.is_file() {
        return Err("it is no regular file".to_owned());
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err("it belongs to another user".to_owned());
    }
    Ok(file)
}

//! Counters as they were at the last `counters --since-last`: a file for each network namespace and
//! user. It says of which boot it is, and one of another boot counts for nothing.
//!
//! A user's directory may hold anything that this user, or whoever came before, put there: what is no
//! regular file, or is too long, is as if it were not there, and nothing waits for it.

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::{Error, Exit, reason};
use crate::host::apply::run_directory::{again, made};
use crate::host::apply::{journal, lock};
use crate::host::process::privilege;
use crate::host::procfs::network;
use mptcpize_model::counters::{Counters, Kept};

/// What every error of writing begins with.
const WHAT: &str = "cannot keep the counters for the next --since-last";

/// Many times what the counters of any kernel come to.
const MOST: u64 = 1 << 20;

fn file(directory: &Path, netns: u64) -> PathBuf {
    directory.join(format!("netns-{netns}.counters"))
}

/// What was kept for this namespace in the first of the directories that has anything. What cannot
/// be read, or is of another boot, is as if it were not there.
pub fn read(directories: &[PathBuf], netns: u64) -> Option<Kept> {
    directories.iter().find_map(|directory| {
        lock::check(directory).ok()?;
        let text = content(&file(directory, netns))?;
        let kept: Kept = serde_json::from_slice(&text).ok()?;
        (kept.boot == journal::boot_id()).then_some(kept)
    })
}

fn content(file: &Path) -> Option<Vec<u8>> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    let open = OpenOptions::new().read(true).custom_flags(flags).open(file).ok()?;
    let mut text = Vec::new();
    open.metadata().ok().filter(fs::Metadata::is_file)?;
    open.take(MOST).read_to_end(&mut text).ok()?;
    Some(text)
}

/// What there is to keep now.
pub fn now(counters: Counters, reverse_path: u64) -> Kept {
    Kept { boot: journal::boot_id(), at_s: network::uptime_s(), counters, reverse_path }
}

/// Keeps it in the first of the directories that can be written: a temporary file, renamed into place,
/// so that a reader finds the old or the new.
///
/// # Errors
/// 4 or 1: none of them can be written; what stands in the way is that of the first.
pub fn write(directories: &[PathBuf], netns: u64, kept: &Kept) -> Result<(), Error> {
    let mut first = None;
    for directory in directories {
        match write_in(directory, netns, kept) {
            Ok(()) => return Ok(()),
            Err(error) => {
                first.get_or_insert(error);
            }
        }
    }
    Err(first.unwrap_or_else(|| {
        Error::new(Exit::Failed, WHAT)
            .why("XDG_RUNTIME_DIR, XDG_CACHE_HOME and HOME name no directory")
            .fix(fix())
    }))
}

fn fix() -> String {
    format!("set XDG_RUNTIME_DIR to a directory of your own, or {}", privilege::advice())
}

fn write_in(directory: &Path, netns: u64, kept: &Kept) -> Result<(), Error> {
    let path = file(directory, netns);
    let failed = |error: std::io::Error| {
        let exit = match error.kind() {
            std::io::ErrorKind::PermissionDenied => Exit::NotPermitted,
            _ => Exit::Failed,
        };
        Error::new(exit, WHAT).why(format!("{}: {}", path.display(), reason(&error))).fix(fix())
    };
    // What cannot be trusted is told as such, and how that is mended.
    if fs::symlink_metadata(directory).is_ok() {
        lock::check(directory)?;
    }
    lock::make(directory)
        .map_err(|error| Error::new(error.exit(), WHAT).why(error.clause()).fix(fix()))?;
    let text = serde_json::to_vec(kept).unwrap_or_default();
    // Another mptcpize may have let go of the last lock in the directory, and removed it.
    again(|| {
        made(directory)?;
        let mut temporary = tempfile::Builder::new()
            .prefix(".counters-")
            .permissions(fs::Permissions::from_mode(0o644))
            .tempfile_in(directory)?;
        temporary.write_all(&text)?;
        temporary.persist(&path).map_err(|error| error.error)?;
        Ok(())
    })
    .map_err(failed)
}

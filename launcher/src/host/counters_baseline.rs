//! Counters as they were at the last `counters --since-last`: a file for each network namespace and
//! user. It says of which boot it is, and one of another boot counts for nothing.
//!
//! A user's directory may hold anything that this user, or whoever came before, put there: what is no
//! regular file, or is too long, is as if it were not there, and nothing waits for it. The last of the
//! directories is in /var/tmp, where anybody may have made one of that name before: nothing is read from
//! it and nothing written to it unless it is this user's own and closed to others. In a sticky directory
//! nobody else can put another in its place afterwards.

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
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

/// What was kept last for this namespace in any of the directories: where it could be kept may have changed.
/// What cannot be read, or is of another boot, is as if it were not there.
pub fn read(directories: &[PathBuf], netns: u64) -> Option<Kept> {
    let boot = journal::boot_id();
    let kept = directories.iter().filter_map(|directory| {
        lock::check(directory).ok()?;
        let text = content(&file(directory, netns))?;
        let kept: Kept = serde_json::from_slice(&text).ok()?;
        (kept.boot == boot).then_some(kept)
    });
    kept.max_by_key(|kept| kept.at_s)
}

fn content(file: &Path) -> Option<Vec<u8>> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    let open = OpenOptions::new().read(true).custom_flags(flags).open(file).ok()?;
    let mut text = Vec::new();
    // A home that is another's, as su(1) leaves it, has that one's last look.
    let is_own = |found: &fs::Metadata| found.uid() == rustix::process::geteuid().as_raw();
    open.metadata().ok().filter(|found| found.is_file() && is_own(found))?;
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
    Err(first.unwrap_or_else(|| Error::new(Exit::Failed, WHAT).fix(fix())))
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
        // A user has other directories; root can mend this one.
        let own_way = |error: Error| match rustix::process::geteuid().is_root() {
            true => error.of(WHAT),
            false => error.of(WHAT).fix(fix()),
        };
        lock::check(directory).map_err(own_way)?;
    }
    lock::make(directory).map_err(|error| match error.exit() {
        // Another directory is as good.
        Exit::NotPermitted => error.of(WHAT).fix(fix()),
        _ => error.of(WHAT).or_fix(fix()),
    })?;
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

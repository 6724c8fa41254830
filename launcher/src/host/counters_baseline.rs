//! Counters as they were at the last `counters --since-last`: a file for each network namespace in
//! the run directory, which ends with the boot as the counters do.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Exit, reason};
use crate::host::apply::{journal, lock};
use crate::host::process::privilege;
use crate::host::procfs::network;
use mptcpize_model::counters::{Counters, Kept};

fn file(directory: &Path, netns: u64) -> PathBuf {
    directory.join(format!("netns-{netns}.counters"))
}

/// What was kept for this namespace in the first of the directories that has anything. What cannot
/// be read, or is of another boot, is as if it were not there.
pub fn read(directories: &[PathBuf], netns: u64) -> Option<Kept> {
    directories.iter().find_map(|directory| {
        lock::check(directory).ok()?;
        let text = fs::read(file(directory, netns)).ok()?;
        let kept: Kept = serde_json::from_slice(&text).ok()?;
        (kept.boot == journal::boot_id()).then_some(kept)
    })
}

/// What there is to keep now.
pub fn now(counters: Counters, reverse_path: u64) -> Kept {
    Kept { boot: journal::boot_id(), at_s: network::uptime_s(), counters, reverse_path }
}

/// Keeps it: a temporary file, renamed into place, so that a reader finds the old or the new.
///
/// # Errors
/// 4 or 1: the directory cannot be written.
pub fn write(directory: &Path, netns: u64, kept: &Kept) -> Result<(), Error> {
    let path = file(directory, netns);
    let failed = |error: std::io::Error| {
        let exit = match error.kind() {
            std::io::ErrorKind::PermissionDenied => Exit::NotPermitted,
            _ => Exit::Failed,
        };
        Error::new(exit, "cannot keep the counters for the next --since-last")
            .why(format!("{}: {}", path.display(), reason(&error)))
            .fix(format!(
                "set XDG_RUNTIME_DIR to a directory of your own, or {}",
                privilege::advice()
            ))
    };
    lock::make(directory)?;
    let mut temporary = tempfile::Builder::new()
        .prefix(".counters-")
        .permissions(fs::Permissions::from_mode(0o644))
        .tempfile_in(directory)
        .map_err(failed)?;
    let text = serde_json::to_vec(kept).unwrap_or_default();
    temporary.write_all(&text).map_err(failed)?;
    temporary.persist(&path).map_err(|error| failed(error.error))?;
    Ok(())
}

//! Files that programs of the host depend on: replaced whole or not at all, and on the medium
//! before anything refers to them.
//!
//! Not here: the journal, whose records are appended.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

/// What stands behind a file's name while its successor is being written. Always the same, so
/// that whoever writes next removes what a crash left; writers hold a lock.
const NEW: &str = ".mptcpize-new";

/// What is at `path`: `None` where nothing is.
///
/// # Errors
/// It cannot be read, or is no regular file.
pub fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
        Ok(found) if !found.is_file() => {
            return Err(io::Error::other("it is not a regular file"));
        }
        Ok(_) => {}
    }
    fs::read(path).map(Some)
}

/// Puts `bytes` at `path`: readers see the old file or the new one, also after a power cut. An
/// existing file keeps its owner and permissions, a new one gets 0644.
///
/// # Errors
/// Any of the steps; `path` is then as it was.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = successor(path);
    let written = write_new(path, &new, bytes).and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written?;
    sync_parent(path)
}

fn write_new(path: &Path, new: &Path, bytes: &[u8]) -> io::Result<()> {
    sweep(path)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(new)?;
    file.write_all(bytes)?;
    let mode = match fs::metadata(path) {
        Ok(old) => {
            fchown(&file, Some(old.uid()), Some(old.gid()))?;
            old.mode() & 0o7777
        }
        Err(_) => 0o644,
    };
    // Apart from the mode of its creation, from which the umask takes bits.
    file.set_permissions(Permissions::from_mode(mode))?;
    file.sync_all()
}

fn successor(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(NEW);
    path.with_file_name(name)
}

/// Removes what a crash may have left beside a file, or beside its directory.
///
/// # Errors
/// It cannot be removed.
pub fn sweep(path: &Path) -> io::Result<()> {
    let directory = path.parent().map(successor).unwrap_or_default();
    for (left, is_directory) in [
        (successor(path), false),
        (directory.join(path.file_name().unwrap_or_default()), false),
        (successor(&directory.join(path.file_name().unwrap_or_default())), false),
        (directory, true),
    ] {
        let removed = if is_directory { fs::remove_dir(left) } else { fs::remove_file(left) };
        match removed {
            Err(error) if !is_absence(&error) => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// As [`write()`], where the file's directory is not there yet: it appears with the file in it, or
/// not at all.
///
/// # Errors
/// Any of the steps; nothing is there then.
pub fn write_with_directory(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    sweep(path)?;
    let new = successor(directory);
    make_directory(&new)?;
    let file = new.join(path.file_name().unwrap_or_default());
    let written = write(&file, bytes).and_then(|()| fs::rename(&new, directory));
    if written.is_err() {
        let _ = sweep(path);
    }
    written?;
    sync_parent(directory)
}

/// Takes away what [`write_with_directory`] made: both, or neither. Where others have put files
/// beside it, the file alone.
///
/// # Errors
/// One of them cannot be removed.
pub fn remove_with_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    let alone = fs::read_dir(directory)?.count() == 1;
    if !alone {
        return remove(path).map(|_| ());
    }
    fs::rename(directory, successor(directory))?;
    sync_parent(directory)?;
    sweep(path)
}

/// Removes a file, and what a crash may have left beside it. True when it was there.
///
/// # Errors
/// It cannot be removed.
pub fn remove(path: &Path) -> io::Result<bool> {
    sweep(path)?;
    match fs::remove_file(path) {
        Ok(()) => {
            sync_parent(path)?;
            Ok(true)
        }
        Err(error) if is_absence(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Makes a directory and those above it, readable by all whatever the umask. Gives back those
/// that were not there, the deepest first.
///
/// # Errors
/// One cannot be made.
pub fn make_directory(path: &Path) -> io::Result<Vec<PathBuf>> {
    let missing: Vec<PathBuf> = path
        .ancestors()
        .take_while(|above| !above.as_os_str().is_empty() && !above.exists())
        .map(Path::to_owned)
        .collect();
    for directory in missing.iter().rev() {
        fs::create_dir(directory)?;
        fs::set_permissions(directory, Permissions::from_mode(0o755))?;
        sync_parent(directory)?;
    }
    Ok(missing)
}

/// Removes a directory if nothing is in it.
pub fn remove_if_empty(path: &Path) {
    if fs::remove_dir(path).is_ok() {
        let _ = sync_parent(path);
    }
}

/// A rename or removal is on the medium when its directory is.
fn sync_parent(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

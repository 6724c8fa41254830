//! Files that programs of the host depend on: replaced whole or not at all, and on the medium
//! before anything refers to them. They are named by their path in a [`Root`], and no link in the
//! last part of it is followed.
//!
//! Not here: the journal, whose records are appended.

use std::ffi::{OsStr, OsString};
use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::{PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use crate::root::{Dir, Root, is_file};
use mptcpize_model::container::cdi;
use mptcpize_model::environment::MADE_DIRECTORY;
use mptcpize_model::file_change::FileChange;

/// What stands behind a file's name while its successor is being written. Always the same, so
/// that whoever writes next removes what a crash left; writers hold a lock.
const NEW: &str = ".mptcpize-new";

/// What is at `path`: `None` where nothing is.
///
/// # Errors
/// It cannot be read, or is no regular file.
pub fn read(root: &Root, path: &Path) -> io::Result<Option<Vec<u8>>> {
    match root.parent(path) {
        Ok((directory, name)) => directory.read(name),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes a change of a file. One whose text ends with [`MADE_DIRECTORY`], or its like in JSON
/// ([`cdi::MADE_DIRECTORY`]), comes and goes with its
/// directory.
///
/// # Errors
/// Any of the steps; the file is then as it was.
pub fn apply(root: &Root, change: &FileChange) -> io::Result<()> {
    let alone = |bytes: &[u8]| {
        [MADE_DIRECTORY, cdi::MADE_DIRECTORY].iter().any(|mark| bytes.ends_with(mark.as_bytes()))
    };
    let path = &change.path;
    match (&change.before, &change.after) {
        (None, Some(bytes)) if alone(bytes) => write_with_directory(root, path, bytes),
        (Some(bytes), None) if alone(bytes) => remove_with_directory(root, path),
        (_, Some(bytes)) => write(root, path, bytes),
        (_, None) => remove(root, path).map(|_| ()),
    }
}

/// Puts `bytes` at `path`: readers see the old file or the new one, also after a power cut. An
/// existing file keeps its owner and permissions, a new one gets 0644.
///
/// # Errors
/// Any of the steps; `path` is then as it was.
pub fn write(root: &Root, path: &Path, bytes: &[u8]) -> io::Result<()> {
    sweep(root, path)?;
    let (directory, name) = root.parent(path)?;
    replace(&directory, name, bytes)
}

/// Replaces the file `name` of `directory`: written beside it, synced, renamed.
fn replace(directory: &Dir, name: &OsStr, bytes: &[u8]) -> io::Result<()> {
    let new = successor(name);
    let written = write_new(directory, name, &new, bytes)
        .and_then(|()| directory.rename(&new, directory, name));
    if written.is_err() {
        let _ = directory.remove(&new);
    }
    written?;
    directory.sync()
}

fn write_new(directory: &Dir, name: &OsStr, new: &OsStr, bytes: &[u8]) -> io::Result<()> {
    let mut file = directory.create(new)?;
    file.write_all(bytes)?;
    let mode = match directory.stat(name).filter(is_file) {
        Some(old) => {
            fchown(&file, Some(old.st_uid), Some(old.st_gid))?;
            old.st_mode & 0o7777
        }
        None => 0o644,
    };
    // Apart from the mode of its creation, from which the umask takes bits.
    file.set_permissions(Permissions::from_mode(mode))?;
    file.sync_all()
}

fn successor(name: &OsStr) -> OsString {
    let mut name = name.to_owned();
    name.push(NEW);
    name
}

/// Removes what a crash may have left beside a file, or beside its directory.
///
/// # Errors
/// It cannot be removed.
pub fn sweep(root: &Root, path: &Path) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default();
    if let Some(directory) = root.directory(path.parent().unwrap_or(path))? {
        absent(directory.remove(&successor(name)))?;
    }
    let above = path.parent().map(|directory| root.parent(directory));
    let Some(Ok((above, directory))) = above else { return Ok(()) };
    let left = successor(directory);
    if let Ok(Some(inside)) = above.directory(&left) {
        absent(inside.remove(name))?;
        absent(inside.remove(&successor(name)))?;
        absent(above.remove_directory(&left))?;
    }
    Ok(())
}

/// What is not there needs no removal.
fn absent(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if !is_absence(&error) => Err(error),
        _ => Ok(()),
    }
}

/// As [`write()`], where the file's directory is not there yet: it appears with the file in it, or
/// not at all.
///
/// # Errors
/// Any of the steps; nothing is there then.
fn write_with_directory(root: &Root, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    sweep(root, path)?;
    let (above, _) = root.make_directory(directory.parent().unwrap_or(Path::new("/")))?;
    let name = directory.file_name().unwrap_or_default();
    let new = successor(name);
    let written = above
        .make(&new)
        .and_then(|inside| replace(&inside, path.file_name().unwrap_or_default(), bytes))
        .and_then(|()| above.rename(&new, &above, name));
    if written.is_err() {
        let _ = sweep(root, path);
    }
    written?;
    above.sync()
}

/// Takes away what [`write_with_directory`] made: both, or neither. Where others have put files
/// beside it, the file alone.
///
/// # Errors
/// One of them cannot be removed.
fn remove_with_directory(root: &Root, path: &Path) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    let (above, name) = root.parent(directory)?;
    let alone = above.directory(name)?.is_some_and(|inside| inside.names().len() == 1);
    if !alone {
        return remove(root, path).map(|_| ());
    }
    above.rename(name, &above, &successor(name))?;
    above.sync()?;
    sweep(root, path)
}

/// Removes a file, and what a crash may have left beside it. True when it was there.
///
/// # Errors
/// It cannot be removed.
pub fn remove(root: &Root, path: &Path) -> io::Result<bool> {
    sweep(root, path)?;
    let removed = root.parent(path).and_then(|(directory, name)| {
        directory.remove(name)?;
        directory.sync()
    });
    match removed {
        Ok(()) => Ok(true),
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
pub fn make_directory(root: &Root, path: &Path) -> io::Result<Vec<PathBuf>> {
    root.make_directory(path).map(|(_, made)| made)
}

/// Removes a directory if it is there and nothing is in it.
pub fn remove_if_empty(root: &Root, path: &Path) {
    if let Ok((above, name)) = root.parent(path)
        && above.stat(name).is_some()
        && above.remove_directory(name).is_ok()
    {
        let _ = above.sync();
    }
}

//! One file that system-wide use changes, between its plan and the host: read before the plan,
//! applied after it, shown on the screen.

use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Exit, reason};
use crate::host::apply::files;
use crate::host::process::privilege;
use crate::output::system as screen;
use crate::root::Root;
use mptcpize_model::file_change::FileChange;
use mptcpize_model::shell;

/// Looks at the file at `path` in `root`; it shall stay as it is, so far.
///
/// # Errors
/// It cannot be read.
pub(in crate::commands) fn read(
    root: &Root,
    path: PathBuf,
    why: &'static str,
) -> Result<FileChange, Error> {
    let before =
        files::read(root, &path).map_err(|error| cannot("read", &root.shown(&path), &error))?;
    Ok(FileChange { path, after: before.clone(), before, why })
}

/// Makes a change.
///
/// # Errors
/// The system's; the file is then as it was.
pub(in crate::commands) fn apply(root: &Root, change: &FileChange) -> Result<(), Error> {
    files::apply(root, change).map_err(|error| cannot("write", &root.shown(&change.path), &error))
}

/// The line of a change on the screen.
pub(in crate::commands) fn row(root: &Root, change: &FileChange) -> screen::Row {
    let path = root.shown(&change.path).display().to_string();
    screen::Row { sign: change.sign(), path, why: change.why }
}

/// An error of the file system.
pub(in crate::commands) fn cannot(doing: &str, path: &Path, error: &io::Error) -> Error {
    let what = format!("cannot {doing} {}", path.display());
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            Error::new(Exit::NotPermitted, what).why(reason(error)).fix(format!(
                "{}    # if it was: lsattr and mount show what keeps it",
                privilege::advice()
            ))
        }
        io::ErrorKind::ReadOnlyFilesystem => Error::new(Exit::Failed, what)
            .why(reason(error))
            .fix("mount -o remount,rw the file system, or change the image that it comes from"),
        _ => Error::new(Exit::Failed, what)
            .why(reason(error))
            .fix(format!("look at it: ls -ld {}", shell::operand(path.display()))),
    }
}

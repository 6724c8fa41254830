//! Files that hold keys: closed to others, replaced whole or not at all.
//!
//! What others could have written or read is refused: a key that others know protects nothing. Not here:
//! what such a file says.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::error::{Error, Exit, reason};
use crate::host::process::privilege;
use crate::host::read_only;
use mptcpize_model::shell;

/// This user.
pub fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The text of a file of this user's that is closed to others; nothing where there is none. Of one that is
/// longer than `most` bytes nothing is read.
///
/// # Errors
/// 4: it may not be read; 1: it is open to others, belongs to somebody else, is no regular file.
pub fn read(file: &Path, most: u64) -> Result<Option<String>, Error> {
    let shown = file.display();
    let failed = |error: &io::Error| {
        let denied = error.kind() == io::ErrorKind::PermissionDenied;
        let exit = if denied { Exit::NotPermitted } else { Exit::Failed };
        let said = Error::new(exit, format!("cannot read {shown}")).why(reason(error));
        match denied {
            true => said.fix(privilege::advice()),
            false => said.fix(format!("ls -l {}    # what it is", shell::word(&shown))),
        }
    };
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let open = match OpenOptions::new().read(true).custom_flags(flags).open(file) {
        Ok(open) => open,
        // The home of a service account is often /dev/null.
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(failed(&error)),
    };
    let found = open.metadata().map_err(|error| failed(&error))?;
    let refused = |why: String, fix: String| {
        Err(Error::new(Exit::Failed, format!("cannot trust {shown}")).why(why).fix(fix))
    };
    let path = shell::word(file.display());
    if !found.is_file() {
        return refused("it is no regular file".to_owned(), format!("rm {path}"));
    }
    if found.uid() != user() {
        // A link of somebody else's, or a file that somebody else can change.
        let why = format!("it belongs to user {}", found.uid());
        return refused(why, format!("sudo chown {} {path}", user()));
    }
    let mode = found.mode() & 0o7777;
    if mode & 0o077 != 0 {
        let why = format!("others can read or write the keys in it (mode {mode:o})");
        return refused(why, format!("chmod 600 {path}"));
    }
    content(&open, most).map(Some).map_err(|error| failed(&error))
}

fn content(file: &File, most: u64) -> io::Result<String> {
    let mut text = String::new();
    let length = file.take(most + 1).read_to_string(&mut text)?;
    match u64::try_from(length) {
        Ok(length) if length <= most => Ok(text),
        _ => Err(io::Error::other(format!("it is longer than {most} bytes"))),
    }
}

/// Replaces the file whole or not at all; whoever may read it is decided before a key is in it. Nobody else
/// writes it meanwhile: the caller has a lock.
///
/// # Errors
/// 4 or 1: it cannot be written, and is as it was.
pub fn write(file: &Path, text: &str) -> Result<(), Error> {
    // A link stays, and what it leads to is replaced: some keep their settings elsewhere.
    let target = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let mut new = target.clone().into_os_string();
    new.push(".mptcpize-new");
    let new = PathBuf::from(new);
    // Left by a crash.
    let _ = fs::remove_file(&new);
    let written = || -> io::Result<()> {
        let mut open = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        open.write_all(text.as_bytes())?;
        open.sync_all()?;
        fs::rename(&new, &target)?;
        File::open(target.parent().unwrap_or(Path::new("/")))?.sync_all()
    };
    written().map_err(|error| {
        let _ = fs::remove_file(&new);
        unwritable(file, &error)
    })
}

/// Removes the file, as whole as [`write()`] replaces it.
///
/// # Errors
/// 4 or 1: it cannot be removed.
pub fn remove(file: &Path) -> Result<(), Error> {
    fs::remove_file(file).map_err(|error| unwritable(file, &error))
}

/// Makes a directory that others need not enter, and those above it.
///
/// # Errors
/// 4 or 1: it cannot be made.
pub fn make_directory(directory: &Path) -> Result<(), Error> {
    let make = || -> io::Result<()> {
        directory.parent().map_or(Ok(()), fs::create_dir_all)?;
        match DirBuilder::new().mode(0o700).create(directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    };
    make().map_err(|error| unwritable(directory, &error))
}

fn unwritable(path: &Path, error: &io::Error) -> Error {
    let denied = error.kind() == io::ErrorKind::PermissionDenied;
    let exit = if denied { Exit::NotPermitted } else { Exit::Failed };
    let said = Error::new(exit, format!("cannot write {}", path.display())).why(reason(error));
    match read_only::fix(path, error) {
        Some(fix) => said.fix(fix),
        None if denied => said.fix(privilege::advice()),
        None => said,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_file_is_written_closed_to_others_and_read_only_so() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let file = place.path().join("keys");
        assert_eq!(read(&file, 9).expect("there is none"), None);
        write(&file, "a key").expect("it is ours");
        assert_eq!(fs::metadata(&file).expect("it is there").mode() & 0o7777, 0o600);
        assert_eq!(read(&file, 9).expect("it is closed").as_deref(), Some("a key"));
        assert!(read(&file, 4).expect_err("it is longer").to_string().contains("longer than 4"));
        for mode in [0o640, 0o604, 0o620, 0o666] {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("it is ours");
            let said = read(&file, 9).expect_err("others know it").to_string();
            assert!(said.contains(&format!("(mode {mode:o})\n  fix: chmod 600 ")), "{said}");
        }
        let link = place.path().join("link");
        symlink("/dev/null", &link).expect("the name is new");
        assert!(read(&link, 9).expect_err("no file").to_string().contains("no regular file"));
        symlink(&file, place.path().join("kept")).expect("the name is new");
        write(&place.path().join("kept"), "new").expect("it is ours");
        assert_eq!(fs::read_to_string(&file).expect("it is ours"), "new");
    }
}

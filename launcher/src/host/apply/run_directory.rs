//! The run directory, where the state of this boot is: who may have made it, and what makes it.
//!
//! It is open for reading: `status` and `check` of ordinary users look at the journal in it. The one who
//! lets go of the last lock removes it when it is empty ([`lock`](crate::host::apply::lock)), so whoever
//! makes something in it does that while holding a lock, or again.
//!
//! Not here: what is kept in it ([`journal`](crate::host::apply::journal),
//! [`kept`](crate::host::counters_baseline)).

use std::fs::{self, DirBuilder, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::error::{Error, Exit, reason};
use crate::host::process::privilege;
use crate::host::read_only;

/// How long a directory that goes again and again is made anew.
const MOMENT: Duration = Duration::from_secs(1);
/// How often at least: on a loaded host a moment passes without a turn of ours.
const TURNS: u32 = 100;
/// How soon.
const LOOK: Duration = Duration::from_millis(1);

/// Makes the directory for the state of this boot, which all may read, and checks that what is
/// there already can be trusted.
///
/// # Errors
/// 4 where that is not permitted, 1 where it cannot be, or as [`check`].
pub fn make(directory: &Path) -> Result<(), Error> {
    again(|| made(directory)).map_err(|error| unusable(directory, &error))?;
    check(directory)
}

/// Makes a directory that all may read in the run directory, as [`make`] makes that one.
///
/// # Errors
/// As [`make`].
pub fn make_in(directory: &Path, inside: &Path) -> Result<(), Error> {
    check(directory)?;
    let both = || made(directory).and_then(|()| made(inside));
    again(both).map_err(|error| unusable(inside, &error))?;
    check(directory)
}

/// Makes an empty file in the run directory, the sign of something, which nobody else can write.
///
/// # Errors
/// As open(2) and fchmod(2).
pub fn sign(file: &Path) -> io::Result<()> {
    // Whatever the umask: what others can write is trusted by none of us.
    fs::File::create(file)?.set_permissions(Permissions::from_mode(0o644))
}

pub(in crate::host) fn made(directory: &Path) -> io::Result<()> {
    if let Some(parent) = directory.parent() {
        fs::create_dir_all(parent)?;
    }
    match DirBuilder::new().mode(0o755).create(directory) {
        // Whose it is, is looked at afterwards.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
        // Apart from the mode of its creation, from which the umask takes bits.
        Ok(()) => fs::set_permissions(directory, Permissions::from_mode(0o755)),
    }
}

/// Does it again where something was not found: whoever lets go of the last lock removes the directories,
/// and that may be between any two steps of ours. No longer than a moment, for one that is a link to
/// nowhere stays so.
pub(in crate::host) fn again<T>(mut steps: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let begun = Instant::now();
    let mut turns = 0;
    loop {
        turns += 1;
        match steps() {
            Err(error)
                if error.kind() == io::ErrorKind::NotFound
                    && (begun.elapsed() < MOMENT || turns < TURNS) =>
            {
                std::thread::sleep(LOOK);
            }
            other => return other,
        }
    }
}

/// Is everything in the run directory there because root, or this user, put it there? True as well
/// where there is no such directory.
///
/// # Errors
/// It is a link, belongs to somebody else or can be written by others, or something in it is.
pub fn check(directory: &Path) -> Result<(), Error> {
    let distrust = |path: &Path, why: String| {
        Error::new(Exit::Failed, format!("cannot trust {}", path.display())).why(why).fix(format!(
            "find out who made it, then: sudo rm -r {}    # setup undo --salvage still works",
            directory.display()
        ))
    };
    let found = match fs::symlink_metadata(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(|error| unusable(directory, &error))?,
    };
    if !found.is_dir() {
        return Err(distrust(directory, format!("it is {}, not a directory", kind(&found))));
    }
    let above = directory.parent().and_then(|above| fs::metadata(above).ok());
    if let Some(why) = flaw(&found, above.as_ref()) {
        return Err(distrust(directory, why));
    }
    let entries = match fs::read_dir(directory) {
        // Another mptcpize has let go of the last lock meanwhile.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(|error| unusable(directory, &error))?,
    };
    for entry in entries {
        let entry = entry.map_err(|error| unusable(directory, &error))?;
        // It may have been renamed or removed meanwhile, by another mptcpize.
        let Ok(inside) = entry.metadata() else { continue };
        if !inside.is_dir() && !inside.is_file() {
            return Err(distrust(&entry.path(), format!("it is {}", kind(&inside))));
        }
        if let Some(why) = flaw(&inside, above.as_ref()) {
            return Err(distrust(&entry.path(), why));
        }
    }
    Ok(())
}

/// What speaks against a file: its owner or its mode.
fn flaw(found: &Metadata, above: Option<&Metadata>) -> Option<String> {
    let user = rustix::process::geteuid().as_raw();
    // In a user namespace the true root has another number: that of the owner of /run.
    let trusted = [0, user].contains(&found.uid())
        || above.is_some_and(|above| above.uid() == found.uid() && above.mode() & 0o022 == 0);
    match (trusted, found.mode() & 0o022) {
        (false, _) => Some(format!("it belongs to user {}", found.uid())),
        (true, 0) => None,
        (true, _) => Some(format!("others can write to it (mode {:o})", found.mode() & 0o7777)),
    }
}

fn kind(found: &Metadata) -> &'static str {
    match found.file_type() {
        kind if kind.is_symlink() => "a symbolic link",
        kind if kind.is_file() => "a file",
        _ => "no regular file",
    }
}

/// What cannot be used, with its exit code: 4 without the right, else 1.
pub(in crate::host) fn unusable(path: &Path, error: &io::Error) -> Error {
    let what = format!("cannot use {}", path.display());
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            Error::new(Exit::NotPermitted, what).why(reason(error)).fix(privilege::advice())
        }
        _ => {
            let said = Error::new(Exit::Failed, what).why(reason(error));
            match read_only::fix(path, error) {
                Some(fix) => said.fix(fix),
                None => said,
            }
        }
    }
}

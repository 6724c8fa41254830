//! One mptcpize at a time: the run directory, who may have made it, and the locks in it.
//!
//! A lock is flock(2) on a file, so that it ends with its holder, however that ends. Whoever can
//! open a file can lock it, so the lock files lie in a directory that their owner alone can enter,
//! and no file or directory of others is ever locked. The run directory itself is open for reading:
//! `status` and `check` of ordinary users look at the journal in it.
//!
//! Not here: what is kept in the run directory besides ([`journal`](crate::host::apply::journal),
//! [`kept`](crate::host::counters_baseline)).

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;

use crate::error::{Error, Exit, reason};
use crate::host::process::privilege;
use mptcpize_model::plain;

/// How long a second run waits for the first.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// How often it looks whether the first has ended.
const LOOK: Duration = Duration::from_millis(20);
/// The directory of the lock files, in the run directory.
const LOCKS: &str = "lock";

/// Makes the directory for the state of this boot, which all may read, and checks that what is
/// there already can be trusted.
///
/// # Errors
/// 4 where that is not permitted, 1 where it cannot be, or as [`check`].
pub fn make(directory: &Path) -> Result<(), Error> {
    let made = directory.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| {
        DirBuilder::new().mode(0o755).create(directory)?;
        // Apart from the mode of its creation, from which the umask takes bits.
        fs::set_permissions(directory, Permissions::from_mode(0o755))
    });
    match made {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(unusable(directory, &error))
        }
        _ => check(directory),
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
    for entry in fs::read_dir(directory).map_err(|error| unusable(directory, &error))? {
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

/// Takes the lock of this name below the run directory; `waiting` is told who holds it, if anybody
/// does. It is held until the file is dropped.
///
/// # Errors
/// Another mptcpize does not let go of it for as long as `patience`; as [`make`]; the file is not
/// ours.
pub fn take(
    directory: &Path,
    name: &str,
    patience: Duration,
    waiting: impl FnOnce(&str),
) -> Result<File, Error> {
    let path = place(directory, name)?;
    let started = Instant::now();
    let mut waiting = Some(waiting);
    loop {
        match attempt(&path)? {
            Attempt::Taken(file) => return Ok(file),
            Attempt::Held(holder) if started.elapsed() > patience => {
                return Err(held(&path, &holder));
            }
            Attempt::Held(holder) => {
                if let Some(waiting) = waiting.take() {
                    waiting(&holder);
                }
                std::thread::sleep(LOOK);
            }
        }
    }
}

/// What came of one attempt to take a lock.
#[derive(Debug)]
pub enum Attempt {
    /// It is ours until the file is dropped.
    Taken(File),
    /// This process has it; empty where that cannot be told.
    Held(String),
}

/// Takes the lock of this name below the run directory if nobody has it.
///
/// # Errors
/// As [`make`]; the file is not ours.
pub fn try_take(directory: &Path, name: &str) -> Result<Attempt, Error> {
    attempt(&place(directory, name)?)
}

/// The file of a lock, in a directory that is closed to others.
fn place(directory: &Path, name: &str) -> Result<PathBuf, Error> {
    make(directory)?;
    let locks = directory.join(LOCKS);
    close(&locks).map_err(|error| unusable(&locks, &error))?;
    Ok(locks.join(name))
}

fn attempt(path: &Path) -> Result<Attempt, Error> {
    loop {
        let mut file = open(path).map_err(|error| unusable(path, &error))?;
        if let Err(error) = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            if error != rustix::io::Errno::WOULDBLOCK {
                return Err(unusable(path, &error.into()));
            }
            return Ok(Attempt::Held(holder(&mut file)));
        }
        // What was replaced while we waited locks nothing any more.
        let is_current = |there: &Metadata| {
            file.metadata().is_ok_and(|own| (own.dev(), own.ino()) == (there.dev(), there.ino()))
        };
        if fs::symlink_metadata(path).as_ref().is_ok_and(is_current) {
            // For the messages of others where /proc/locks cannot be read.
            let _ = file.set_len(0);
            let _ =
                file.seek(SeekFrom::Start(0)).and_then(|_| write!(file, "{}", std::process::id()));
            return Ok(Attempt::Taken(file));
        }
    }
}

/// Makes the directory of the lock files, or closes it to others.
fn close(locks: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(locks) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW;
    let directory = OpenOptions::new().read(true).custom_flags(flags).open(locks)?;
    let found = directory.metadata()?;
    is_own(&found)?;
    if found.mode() & 0o7777 != 0o700 {
        directory.set_permissions(Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Opens a lock file that nobody else has been able to open.
fn open(path: &Path) -> io::Result<File> {
    loop {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(path)?;
        let found = file.metadata()?;
        is_own(&found)?;
        if !found.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        if found.mode() & 0o077 == 0 {
            return Ok(file);
        }
        // Others may have it open, and hold a lock on it that no chmod takes away.
        fs::remove_file(path)?;
    }
}

fn is_own(found: &Metadata) -> io::Result<()> {
    match found.uid() == rustix::process::geteuid().as_raw() {
        true => Ok(()),
        false => Err(io::Error::other(format!("it belongs to user {}", found.uid()))),
    }
}

/// The process that holds the lock on a file, as the kernel says, else as the file does.
fn holder(file: &mut File) -> String {
    let inode = file.metadata().map(|found| found.ino()).unwrap_or_default();
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    if let Some(process) = holder_in(&locks, inode) {
        return process.to_owned();
    }
    let mut said = String::new();
    let _ = file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_string(&mut said));
    said.trim().to_owned()
}

/// The holder in the text of /proc/locks (proc(5)): `1: FLOCK ADVISORY WRITE 708 00:13:86 0 EOF`.
/// The device is not compared: file systems in layers name another one there than to stat(2).
fn holder_in(locks: &str, inode: u64) -> Option<&str> {
    locks.lines().find_map(|line| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [_, "FLOCK", _, _, process, place, ..] = words.as_slice() else { return None };
        let ours = place.rsplit(':').next()?.parse() == Ok(inode);
        // One of another PID namespace has no number here.
        (ours && process.parse::<u32>().is_ok_and(|process| process > 0)).then_some(*process)
    })
}

fn held(path: &Path, holder: &str) -> Error {
    let error = Error::new(Exit::Failed, "another mptcpize is changing this host");
    if holder.is_empty() {
        return error
            .why(format!("a process that cannot be seen from here holds {}", path.display()))
            .fix(format!("wait for it, or look for it: sudo fuser -v {}", path.display()));
    }
    let name = fs::read_to_string(format!("/proc/{holder}/comm")).unwrap_or_default();
    let name = match name.trim_end() {
        "" => String::new(),
        name => format!(" ({})", plain::words(name)),
    };
    error
        .why(format!("process {holder}{name} holds {}", path.display()))
        .fix(format!("wait for it, or look at it: ps -fp {holder}"))
}

/// What cannot be used, with its exit code: 4 without the right, else 1.
pub(in crate::host) fn unusable(path: &Path, error: &io::Error) -> Error {
    let what = format!("cannot use {}", path.display());
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            Error::new(Exit::NotPermitted, what).why(reason(error)).fix(privilege::advice())
        }
        _ => Error::new(Exit::Failed, what).why(reason(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_is_who_the_kernel_says() {
        let text = "1: POSIX  ADVISORY  WRITE 11 00:13:86 0 EOF\n\
                    2: FLOCK  ADVISORY  WRITE -1 00:13:86 0 EOF\n\
                    3: FLOCK  ADVISORY  WRITE 708 00:13:86 0 EOF\n\
                    3: -> FLOCK  ADVISORY  WRITE 709 00:13:86 0 EOF\n\
                    4: FLOCK  ADVISORY  WRITE 12 00:13:861 0 EOF\n5: odd\n";
        assert_eq!(holder_in(text, 86), Some("708"));
        assert_eq!(holder_in(text, 861), Some("12"));
        assert_eq!(holder_in(text, 8), None);
        assert_eq!(holder_in("", 86), None);
    }

    #[test]
    fn a_lock_file_that_others_could_open_is_replaced_and_what_they_hold_counts_no_more() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let locks = place.path().join(LOCKS);
        fs::create_dir(&locks).expect("the name is new");
        fs::set_permissions(&locks, Permissions::from_mode(0o755)).expect("it is ours");
        let others = File::create(locks.join("one")).expect("the name is new");
        others.set_permissions(Permissions::from_mode(0o644)).expect("it is ours");
        rustix::fs::flock(&others, FlockOperation::NonBlockingLockExclusive).expect("it is free");
        let ours = take(place.path(), "one", Duration::ZERO, |_| {}).expect("nobody holds it");
        let mode = |path: &Path| fs::metadata(path).expect("it is there").mode() & 0o7777;
        assert_eq!((mode(&locks), mode(&locks.join("one"))), (0o700, 0o600));
        let error = take(place.path(), "one", Duration::ZERO, |_| {}).expect_err("we hold it");
        let expected = format!("process {} (", std::process::id());
        assert!(error.to_string().contains(&expected), "{error}");
        drop(ours);
        // A program that another test starts holds what we had open until it executes.
        take(place.path(), "one", PATIENCE, |_| {}).expect("it is free again");
    }
}

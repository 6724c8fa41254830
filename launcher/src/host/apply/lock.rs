//! One mptcpize at a time: locks in the run directory.
//!
//! A lock is flock(2) on a file, so that it ends with its holder, however that ends. Whoever can
//! open a file can lock it, so the lock files lie in a directory that their owner alone can enter,
//! and no file or directory of others is ever locked.
//!
//! The file goes with the lock: its holder removes it and only then lets go of it. Whoever waited for that
//! file finds another one at its name, or none, and begins anew; so nobody ever holds a lock on a file that
//! is not there. What a killed holder leaves, the next one takes along.
//!
//! Not here: the run directory itself ([`run_directory`](crate::host::apply::run_directory)).

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;

use crate::error::{Error, Exit};
pub(in crate::host) use crate::host::apply::run_directory::unusable;
use crate::host::apply::run_directory::{again, made};
pub use crate::host::apply::run_directory::{check, make, make_in, sign};
use mptcpize_model::plain;

/// How long a second run waits for the first.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// How long a lock may be held by one who only removes its file.
const MOMENT: Duration = Duration::from_secs(1);
/// How often it looks whether the first has ended.
const LOOK: Duration = Duration::from_millis(20);
/// How many patiences at most where many take turns.
const TURNS: u32 = 12;
/// The directory of the lock files, in the run directory.
const LOCKS: &str = "lock";
/// The lock file of those who replace another lock file.
const REPLACING: &str = "replacing";

/// A lock of this process, until it is dropped.
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // While it is locked: then no other process has the file of this name.
        if is_at(&self.file, &self.path) {
            let _ = fs::remove_file(&self.path);
        }
        if let Some(directory) = self.path.parent().and_then(Path::parent) {
            tidy(directory);
        }
    }
}

/// Removes a directory of locks that has none, and the run directory if that was all. One that is not
/// empty stays, and whoever is about to make something in one that went makes it again.
pub fn tidy(directory: &Path) {
    let _ = fs::remove_dir(directory.join(LOCKS));
    let _ = fs::remove_dir(directory);
}

/// Removes the lock files that nobody holds, as those who were killed leave them, and what is empty then.
pub fn sweep(directory: &Path) {
    let entries = fs::read_dir(directory.join(LOCKS)).into_iter().flatten().flatten();
    for name in entries.map(|entry| entry.file_name()) {
        // Taken, it goes when it is dropped; what cannot be taken is somebody else's.
        drop(name.to_str().map(|name| try_take(directory, name)));
    }
    tidy(directory);
}

/// Takes the lock of this name below the run directory; `waiting` is told who holds it, if anybody
/// does. It is held until it is dropped.
///
/// # Errors
/// Another mptcpize does not let go of it for as long as `patience`; as [`make`]; the file is not
/// ours.
pub fn take(
    directory: &Path,
    name: &str,
    patience: Duration,
    waiting: impl FnOnce(&str),
) -> Result<Lock, Error> {
    let path = directory.join(LOCKS).join(name);
    match wait_for(directory, name, patience, waiting)? {
        Attempt::Taken(lock) => Ok(lock),
        Attempt::Held(holder) => Err(held(&path, &holder)),
    }
}

/// Takes a lock that is held for as long as its holder runs: whoever has it after a moment has it. Only a
/// moment, because an undo takes every lock that nobody holds, to remove its file ([`sweep`]).
///
/// # Errors
/// As [`make`]; the file is not ours.
pub fn take_lasting(directory: &Path, name: &str) -> Result<Attempt, Error> {
    wait_for(directory, name, MOMENT, |_| {})
}

/// Tries until it is taken or `patience` ends; at least twice, for a loaded host may let us run no sooner. The
/// patience is with one holder: who gets the lock before us begins it anew, because many that take turns are
/// no sign that one is stuck. They get it in no order, so it ends at [`TURNS`] times as much.
fn wait_for(
    directory: &Path,
    name: &str,
    patience: Duration,
    waiting: impl FnOnce(&str),
) -> Result<Attempt, Error> {
    let started = Instant::now();
    let (mut before, mut since) = (String::new(), started);
    let mut waiting = Some(waiting);
    loop {
        let holder = match try_take(directory, name)? {
            Attempt::Held(holder) => holder,
            taken => return Ok(taken),
        };
        if holder != before {
            (before, since) = (holder.clone(), Instant::now());
        }
        let over = since.elapsed() > patience || started.elapsed() > patience * TURNS;
        match waiting.take() {
            None if over => return Ok(Attempt::Held(holder)),
            None => {}
            Some(waiting) => waiting(&holder),
        }
        std::thread::sleep(LOOK);
    }
}

/// What came of one attempt to take a lock.
#[derive(Debug)]
pub enum Attempt {
    /// It is ours until it is dropped.
    Taken(Lock),
    /// This process has it; empty where that cannot be told.
    Held(String),
}

/// Takes the lock of this name below the run directory if nobody has it.
///
/// # Errors
/// As [`make`]; the file is not ours.
pub fn try_take(directory: &Path, name: &str) -> Result<Attempt, Error> {
    make(directory)?;
    let locks = directory.join(LOCKS);
    let path = locks.join(name);
    let mut at = &locks;
    again(|| {
        at = &locks;
        close(&locks)?;
        at = &path;
        attempt(&path)
    })
    .map_err(|error| unusable(at, &error))
}

fn attempt(path: &Path) -> io::Result<Attempt> {
    loop {
        let mut file = open(path)?;
        if let Err(error) = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            if error != rustix::io::Errno::WOULDBLOCK {
                return Err(error.into());
            }
            // One that has gone meanwhile is held by nobody, or by who is about to let go of it.
            if is_at(&file, path) {
                return Ok(Attempt::Held(holder(&mut file)));
            }
            continue;
        }
        // What was removed while we waited locks nothing any more.
        if is_at(&file, path) {
            // For the messages of others where /proc/locks cannot be read.
            let _ = file.set_len(0);
            let _ =
                file.seek(SeekFrom::Start(0)).and_then(|_| write!(file, "{}", std::process::id()));
            return Ok(Attempt::Taken(Lock { file, path: path.to_owned() }));
        }
    }
}

/// Is this the file of that name?
fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(own), Ok(there)) = (file.metadata(), fs::symlink_metadata(path)) else { return false };
    (own.dev(), own.ino()) == (there.dev(), there.ino())
}

/// Makes the directory of the lock files, or closes it to others.
fn close(locks: &Path) -> io::Result<()> {
    if let Some(directory) = locks.parent() {
        made(directory)?;
    }
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
        replace(path)?;
    }
}

/// Removes a lock file that others may have open, holding a lock on it that no chmod takes away. One process
/// at a time, and after another look: otherwise a second one removes what the first has made there.
fn replace(path: &Path) -> io::Result<()> {
    if path.ends_with(REPLACING) {
        return Err(io::Error::other("others can open it"));
    }
    loop {
        match attempt(&path.with_file_name(REPLACING))? {
            Attempt::Held(_) => std::thread::sleep(LOOK),
            Attempt::Taken(_alone) => match fs::symlink_metadata(path) {
                Ok(there) if there.mode() & 0o077 != 0 => return fs::remove_file(path),
                _ => return Ok(()),
            },
        }
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

#[cfg(test)]
mod tests;

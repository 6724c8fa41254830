//! One mptcpize at a time: the run directory, and the lock files in it.
//!
//! A lock is flock(2) on a file, so that it ends with its holder, however that ends. Not here: what
//! is kept in the run directory besides ([`journal`](super::journal), [`kept`](super::kept)).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;

use crate::error::{Error, Exit, reason};

/// How long a second run waits for the first.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it looks whether the first has ended.
const LOOK: Duration = Duration::from_millis(20);

/// Makes the directory for the state of this boot.
///
/// # Errors
/// 4 where that is not permitted, 1 where it cannot be.
pub fn make(directory: &Path) -> Result<(), Error> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o755).create(directory);
    made.map_err(|error| unusable(directory, &error))
}

/// Locks a file, making it when it is missing; `waiting` is told who holds it, if anybody does.
///
/// # Errors
/// Another mptcpize does not let go of it, or the file cannot be used.
pub fn take(path: &Path, waiting: impl FnOnce(&str)) -> Result<File, Error> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o644)
        .open(path)
        .map_err(|error| unusable(path, &error))?;
    let started = Instant::now();
    let mut waiting = Some(waiting);
    while let Err(error) = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        let mut holder = String::new();
        let _ = file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_string(&mut holder));
        let holder = holder.trim().to_owned();
        if error != rustix::io::Errno::WOULDBLOCK || started.elapsed() > PATIENCE {
            return Err(Error::new(Exit::Failed, "another mptcpize is changing this host")
                .why(format!("process {holder} holds {}", path.display()))
                .fix(format!("wait for it, or look at it: ps -fp {holder}")));
        }
        if let Some(waiting) = waiting.take() {
            waiting(&holder);
        }
        std::thread::sleep(LOOK);
    }
    // Only for the message above; the lock is the lock.
    let _ = file.set_len(0);
    let _ = file.seek(SeekFrom::Start(0)).and_then(|_| write!(file, "{}", std::process::id()));
    Ok(file)
}

/// What cannot be used, with its exit code: 4 without the right, else 1.
pub(super) fn unusable(path: &Path, error: &io::Error) -> Error {
    let what = format!("cannot use {}", path.display());
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            Error::new(Exit::NotPermitted, what).why(reason(error)).fix("run it with sudo")
        }
        _ => Error::new(Exit::Failed, what).why(reason(error)),
    }
}

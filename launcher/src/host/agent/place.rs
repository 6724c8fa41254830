//! The directory of one agent, in which it is asked what it does: `NAME/state` below the directory of all.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use crate::host::apply::run_directory::again;

/// How the directories of programs begin.
const PROGRAM: &str = "run-";

/// A directory that goes when this does.
#[derive(Debug)]
pub struct Place(PathBuf);

impl Place {
    /// Makes the directory `name` and the socket in it, in the place of what a crash left; and removes what
    /// programs left that have ended.
    ///
    /// # Errors
    /// It cannot be made, or is somebody else's.
    pub fn make(all: &Path, name: &str) -> io::Result<(Self, UnixListener)> {
        let user = rustix::process::geteuid().as_raw();
        // Others read the directories of root: who asks there is judged by the one who answers.
        let mode = if user == 0 { 0o755 } else { 0o700 };
        again(|| {
            for directory in [all.parent().unwrap_or(all), all, &all.join(name)] {
                match DirBuilder::new().mode(mode).create(directory) {
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                        return Err(error);
                    }
                    Err(_) => {}
                    // Apart from the mode of its creation, from which the umask takes bits.
                    Ok(()) => fs::set_permissions(directory, Permissions::from_mode(mode))?,
                }
                let found = fs::symlink_metadata(directory)?;
                if !found.is_dir() || found.uid() != user || found.mode() & 0o022 != 0 {
                    return Err(io::ErrorKind::PermissionDenied.into());
                }
            }
            Ok(())
        })?;
        sweep(all, name);
        let place = Place(all.join(name));
        let _ = fs::remove_file(place.state());
        let listener = UnixListener::bind(place.state())?;
        fs::set_permissions(place.state(), Permissions::from_mode(0o600))?;
        Ok((place, listener))
    }

    /// That of a program.
    pub fn of_program(pid: u32) -> String {
        format!("{PROGRAM}{pid}")
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    fn state(&self) -> PathBuf {
        self.0.join("state")
    }

    /// Removes it, and what is empty then above it.
    pub fn clear(&self) {
        clear(&self.0);
        for directory in self.0.ancestors().skip(1).take(2) {
            let _ = fs::remove_dir(directory);
        }
    }
}

/// Removes what agents left that were killed, in the directory of all, and what is empty then.
pub fn clear_left(all: &Path) {
    sweep(all, "");
    for entry in fs::read_dir(all).into_iter().flatten().flatten() {
        let asked = UnixStream::connect(entry.path().join("state"));
        // One that is being made has no socket yet.
        if asked.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
            clear(&entry.path());
        }
    }
    let _ = fs::remove_dir(all);
}

fn clear(directory: &Path) {
    let _ = fs::remove_file(directory.join("state"));
    let _ = fs::remove_dir(directory);
}

/// Removes what was left by launchers whose processes were all killed at once.
fn sweep(all: &Path, own: &str) {
    for entry in fs::read_dir(all).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let program = name.to_str().and_then(|name| name.strip_prefix(PROGRAM));
        // One whose program runs may be about to get its socket, as the one that is being made.
        let ended =
            program.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) && name != own;
        // A socket that nobody listens at; a program may have ended while what it started goes on.
        let left = || match UnixStream::connect(path.join("state")) {
            Ok(_) => false,
            Err(error) => {
                matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound)
            }
        };
        if ended && left() {
            clear(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_crash_left_makes_room_for_the_next() {
        // Numbers above those of processes (PID_MAX_LIMIT).
        let scratch = tempfile::tempdir().expect("a scratch directory");
        let all = scratch.path().join("mptcpize/relay");
        let (one, listener) = Place::make(&all, "run-4194305").expect("it is ours");
        // A program that another test starts has it open until it executes: it ends for all of them.
        rustix::net::shutdown(&listener, rustix::net::Shutdown::Both).expect("it is a socket");
        drop(listener);
        let (two, listener) = Place::make(&all, "run-4194306").expect("it is ours");
        assert!(!one.path().exists() && two.path().join("state").exists());
        let (_three, _other) = Place::make(&all, "run-4194307").expect("it is ours");
        assert!(two.path().exists(), "somebody listens there");
        drop(listener);
        two.clear();
        assert!(!two.path().exists());
    }
}

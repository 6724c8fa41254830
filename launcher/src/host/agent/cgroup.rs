//! A control group of version 2 (cgroups(7)) for one program and all that it starts: a child of the one
//! that the program is in, so that limits of that hold on.
//!
//! The hierarchy is mounted in a mount namespace of our own at the place where nft(8) looks for it, for
//! it is elsewhere on a host that has both versions.

#![allow(unsafe_code)]

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::thread::{UnshareFlags, unshare_unsafe};

/// Where nft looks for it.
const MOUNTED: &str = "/sys/fs/cgroup";

/// How the names of ours begin.
const PREFIX: &str = "mptcpize-relay-";

/// A group that exists.
#[derive(Debug)]
pub struct Group {
    directory: PathBuf,
    /// Its path from the root of the hierarchy, without a `/` before.
    pub path: String,
    events: File,
}

/// Mounts the hierarchy in a mount namespace of its own for this process, which has one thread.
///
/// # Errors
/// It may not, as in a container, or the kernel has none.
pub fn mount_privately() -> io::Result<()> {
    // SAFETY: one thread, so that nobody shares what is parted.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    Ok(mount("cgroup2", MOUNTED, "cgroup2", flags, None)?)
}

impl Group {
    /// Makes one for the process `pid`, in the group that it is in, and removes those that others left
    /// there.
    ///
    /// # Errors
    /// The process is in none, or none can be made.
    pub fn make(pid: u32) -> io::Result<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
        let above = of(&text).ok_or(io::ErrorKind::NotFound)?;
        let above = Path::new(MOUNTED).join(above.trim_start_matches('/'));
        sweep(&above);
        let directory = above.join(format!("{PREFIX}{pid}"));
        fs::create_dir(&directory)?;
        let path = directory.strip_prefix(MOUNTED).map_err(io::Error::other)?;
        let path = path.to_str().ok_or(io::ErrorKind::InvalidData)?.to_owned();
        let events = File::open(directory.join("cgroup.events"));
        if events.is_err() {
            let _ = fs::remove_dir(&directory);
        }
        Ok(Group { directory, path, events: events? })
    }

    /// Puts a process into it.
    ///
    /// # Errors
    /// The group takes none.
    pub fn enter(&self, pid: u32) -> io::Result<()> {
        fs::write(self.directory.join("cgroup.procs"), pid.to_string())
    }

    /// Is a process in it, or in one below?
    pub fn is_populated(&self) -> bool {
        // By the descriptor that is waited for: only reading it takes note of what has happened.
        let mut text = [0; 256];
        let length = self.events.read_at(&mut text, 0).unwrap_or(0);
        let text = String::from_utf8_lossy(text.get(..length).unwrap_or_default());
        text.lines().any(|line| line == "populated 1")
    }

    /// Removes it and what the program made below. One that still has a process stays.
    pub fn remove(&self) {
        remove(&self.directory);
    }
}

impl AsFd for Group {
    /// Has something urgent (POLLPRI) when it becomes empty or is so no more.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }
}

/// The group of version 2 in a /proc/PID/cgroup.
fn of(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("0::"))
}

fn remove(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path());
        }
    }
    let _ = fs::remove_dir(directory);
}

/// Removes what was left by launchers whose processes were all killed at once.
fn sweep(above: &Path) {
    for entry in fs::read_dir(above).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let ours = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        let pid = ours.and_then(|pid| pid.parse::<u32>().ok());
        if pid.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            // The kernel keeps one that has a process.
            let _ = fs::remove_dir(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_of_version_2_is_found_among_others() {
        assert_eq!(of("9:name=systemd:/x\n0::/user.slice/a.scope\n"), Some("/user.slice/a.scope"));
        assert_eq!(of("4:memory:/a\n"), None);
    }
}

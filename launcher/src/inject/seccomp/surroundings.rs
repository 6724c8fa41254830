//! Who asks for a socket: the network namespace and the user of a thread that waits for its answer,
//! and the arguments that it left in its memory. All of it from /proc.
//!
//! What is read belongs to the right thread when the answer is taken: the thread is held in its
//! call until then, and the kernel refuses an answer to a call that has gone (`SECCOMP_IOCTL_NOTIF_ADDFD`
//! and `_SEND` look for the notification's own id). So nothing needs to be asked twice.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{AtFlags, Mode, OFlags, Stat};

/// What the supervisor has to know about itself, and how it looks at others.
#[derive(Debug)]
pub(super) struct Surroundings {
    /// /proc as it was at the start: the program may mount something else there.
    proc: OwnedFd,
    /// Our network namespace.
    network: (u64, u64),
    user: u32,
    group: u32,
}

/// The user that a socket shall belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) user: u32,
    pub(super) group: u32,
}

/// Why a caller gets no socket of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unsuited {
    /// It is in another network namespace than we are.
    OtherNamespace,
    /// It may not be looked at.
    Hidden,
}

impl Surroundings {
    /// Looks around; `None` when /proc is not there, or belongs to another PID namespace, in which
    /// the numbers that the kernel gives us are those of other processes.
    pub(super) fn look() -> Option<Self> {
        let proc = rustix::fs::open(
            "/proc",
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .ok()?;
        let own = rustix::fs::readlinkat(&proc, "self", Vec::new()).ok()?;
        if own.to_str().ok()?.parse() != Ok(rustix::process::getpid().as_raw_nonzero().get()) {
            return None;
        }
        let network = identity(&rustix::fs::statat(&proc, "self/ns/net", AtFlags::empty()).ok()?);
        Some(Surroundings {
            proc,
            network,
            user: rustix::process::geteuid().as_raw(),
            group: rustix::process::getegid().as_raw(),
        })
    }

    /// Whom a socket for this thread must belong to. Its effective ids stand for its file system
    /// ids, which differ in file servers only.
    pub(super) fn owner(&self, thread: u32) -> Result<Owner, Unsuited> {
        let network = format!("{thread}/ns/net");
        let found = rustix::fs::statat(&self.proc, &network, AtFlags::empty())
            .map_err(|_| Unsuited::Hidden)?;
        if identity(&found) != self.network {
            return Err(Unsuited::OtherNamespace);
        }
        let directory = network.strip_suffix("/ns/net").unwrap_or(&network);
        let found = rustix::fs::statat(&self.proc, directory, AtFlags::empty())
            .map_err(|_| Unsuited::Hidden)?;
        Ok(Owner { user: found.st_uid, group: found.st_gid })
    }

    /// Is that ourselves?
    pub(super) fn is_us(&self, owner: Owner) -> bool {
        owner == self.us()
    }

    pub(super) fn us(&self) -> Owner {
        Owner { user: self.user, group: self.group }
    }

    /// The three words at `address` in the memory of a 32-bit thread.
    pub(super) fn words(&self, thread: u32, address: u32) -> Result<[u32; 3], Unsuited> {
        let memory = self.open(&format!("{thread}/mem")).ok_or(Unsuited::Hidden)?;
        let mut bytes = [0; 12];
        memory.read_exact_at(&mut bytes, address.into()).map_err(|_| Unsuited::Hidden)?;
        let mut words = [0; 3];
        for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        Ok(words)
    }

    /// The name of a thread and the id of its process, for a person.
    pub(super) fn name(&self, thread: u32) -> (String, u32) {
        let read = |file: &str| {
            let file = self.open(&format!("{thread}/{file}"))?;
            std::io::read_to_string(file).ok()
        };
        let name = read("comm").unwrap_or_else(|| "?".to_owned());
        let status = read("status").unwrap_or_default();
        let process = status.lines().find_map(|line| line.strip_prefix("Tgid:"));
        let process = process.and_then(|id| id.trim().parse().ok()).unwrap_or(thread);
        (name.trim_end_matches('\n').to_owned(), process)
    }

    fn open(&self, path: &str) -> Option<File> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        rustix::fs::openat(self.proc.as_fd(), path, flags, Mode::empty()).ok().map(File::from)
    }
}

/// A file, whatever its name.
fn identity(found: &Stat) -> (u64, u64) {
    (found.st_dev, found.st_ino)
}

//! Who asks for a socket: the network namespace and the user of a thread that waits for its answer,
//! and who else has a say in its calls. All of it from /proc, and nothing that anybody can delay.
//!
//! What is read belongs to the right thread when the answer is taken: the thread is held in its
//! call until then, and the kernel refuses an answer to a call that has gone (`SECCOMP_IOCTL_NOTIF_ADDFD`
//! and `_SEND` look for the notification's own id). So nothing needs to be asked twice.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, Mode, OFlags, Stat};
use rustix::process::{Resource, getrlimit};

/// What the supervisor has to know about itself, and how it looks at others.
#[derive(Debug)]
pub(super) struct Callers {
    /// /proc as it was at the start: the program may mount something else there.
    proc: OwnedFd,
    /// Our network namespace.
    network: (u64, u64),
    user: u32,
    group: u32,
    /// How many seccomp filters the program begins with: ours, and those that we are under too.
    filters: Option<u32>,
    /// The control groups that callers must be in, which a socket takes from whoever makes it.
    groups: Option<String>,
    /// The threads that asked last, the latest at the end: a look at one of them costs half.
    known: RefCell<Vec<Known>>,
    outside: RefCell<Outside>,
    /// As many of them as are remembered, two descriptors each: not what sockets need.
    most_known: usize,
}

/// Processes that are not the program's, as they were found lately: most of a host.
#[derive(Debug)]
struct Outside {
    since: Instant,
    processes: HashSet<u32>,
}

impl Default for Outside {
    fn default() -> Self {
        Outside { since: Instant::now(), processes: HashSet::new() }
    }
}

/// How long they are remembered: a number is not given out again so soon.
const OUTSIDE: Duration = Duration::from_secs(1);

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
    /// Another process traces it, and may be about to change or refuse the call (ptrace(2)).
    Traced,
    /// It is traced and has more filters than at the start: a sandbox that decides in another
    /// process (`SECCOMP_RET_TRACE`). The kernel asked us instead, and does not ask there
    /// any more, whatever we say.
    Confined,
    /// It has more filters than at the start: a sandbox of its own, whose answer ours would hide.
    Sandboxed,
    /// It is in another control group than we are, whose rules a socket of ours would not be under.
    OtherGroup,
    /// Its arguments lie in memory that could not be read in time.
    Unread,
}

/// What callers are like at the start, where that cannot be told from ourselves.
#[derive(Debug, Default)]
pub(super) struct Expected {
    /// How many filters they have.
    pub(super) filters: Option<u32>,
    /// Their control groups, as [`groups`] gives them.
    pub(super) groups: Option<String>,
}

/// The control groups that a socket takes from its maker, of a /proc/PID/cgroup: that of version 2, by
/// which programs of the kernel filter its packets, and the two of version 1 that mark them (cgroups(7)).
pub(super) fn groups(text: &str) -> String {
    let counts = |line: &&str| {
        let controllers = line.split(':').nth(1).unwrap_or_default();
        controllers.split(',').any(|name| matches!(name, "" | "net_cls" | "net_prio"))
    };
    text.lines().filter(counts).collect::<Vec<_>>().join("\n")
}

/// What `/proc/PID/status` says of a thread (proc(5)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Status {
    process: u32,
    tracer: Option<u32>,
    /// Those for file systems, to which sockets belong.
    user: Option<u32>,
    group: Option<u32>,
    pub(super) filters: Option<u32>,
}

impl Status {
    /// Line by line; the name of the thread cannot pretend to be one, for the kernel escapes it.
    pub(super) fn parse(text: &[u8]) -> Self {
        let number = |words: &[u8], at| {
            let mut words = words.split(|byte| *byte == b'\t');
            std::str::from_utf8(words.nth(at)?).ok()?.parse().ok()
        };
        let mut status = Status::default();
        for line in text.split(|byte| *byte == b'\n') {
            // Most lines are about something else: no more than a look at their first letter.
            match line.first() {
                Some(b'T' | b'U' | b'G' | b'S') => {}
                _ => continue,
            }
            if let Some(rest) = line.strip_prefix(b"Tgid:\t") {
                status.process = number(rest, 0).unwrap_or(0);
            } else if let Some(rest) = line.strip_prefix(b"TracerPid:\t") {
                status.tracer = number(rest, 0);
            } else if let Some(rest) = line.strip_prefix(b"Uid:\t") {
                // Real, effective, saved, file system.
                status.user = number(rest, 3);
            } else if let Some(rest) = line.strip_prefix(b"Gid:\t") {
                status.group = number(rest, 3);
            } else if let Some(rest) = line.strip_prefix(b"Seccomp_filters:\t") {
                status.filters = number(rest, 0);
            }
        }
        status
    }
}

/// A thread that has asked before. Both lead to it as long as it lives, and nowhere after that,
/// whoever then has its number.
#[derive(Debug)]
struct Known {
    thread: u32,
    directory: OwnedFd,
    status: File,
}

impl Known {
    /// Its network namespace, and its status; `None` when one of them cannot be had.
    fn look(&self) -> Option<((u64, u64), Status)> {
        let network = rustix::fs::statat(&self.directory, "ns/net", AtFlags::empty()).ok()?;
        Some((identity(&network), self.status()?))
    }

    /// `None` also when it is longer than it may be: then its end is missing.
    fn status(&self) -> Option<Status> {
        let mut text = [0; 4096];
        let got = self.status.read_at(&mut text, 0).ok()?;
        if got < text.len() {
            return Some(Status::parse(text.get(..got)?));
        }
        // Somebody with thousands of groups.
        let mut text = vec![0; 1 << 20];
        let got = self.status.read_at(&mut text, 0).ok()?;
        (got < text.len()).then(|| text.get(..got).map(Status::parse)).flatten()
    }
}

impl Callers {
    /// Looks around; `None` when /proc is not there, or belongs to another PID namespace, in which
    /// the numbers that the kernel gives us are those of other processes.
    pub(super) fn look(expected: Expected) -> Option<Self> {
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
        let mut this = Callers {
            proc,
            network,
            user: rustix::process::geteuid().as_raw(),
            group: rustix::process::getegid().as_raw(),
            filters: expected.filters,
            groups: expected.groups,
            known: RefCell::default(),
            outside: RefCell::default(),
            most_known: getrlimit(Resource::Nofile)
                .current
                .map_or(32, |descriptors| (descriptors / 8).clamp(1, 32) as usize),
        };
        if this.filters.is_some() {
            return Some(this);
        }
        // The one that the program gets is not here yet.
        let own = rustix::process::getpid().as_raw_nonzero().get().cast_unsigned();
        let status = this.meet(own).and_then(|own| own.status());
        this.filters = status.and_then(|status| status.filters).map(|own| own + 1);
        Some(this)
    }

    /// Whom a socket for this thread must belong to, if it may have one of ours.
    pub(super) fn owner(&self, thread: u32) -> Result<Owner, Unsuited> {
        let (network, status) = self.ask(thread, Known::look).ok_or(Unsuited::Hidden)?;
        if network != self.network {
            return Err(Unsuited::OtherNamespace);
        }
        match (status.tracer != Some(0), status.filters != self.filters) {
            (true, true) => return Err(Unsuited::Confined),
            (true, false) => return Err(Unsuited::Traced),
            (false, true) => return Err(Unsuited::Sandboxed),
            (false, false) => {}
        }
        if self.groups.is_some() {
            let text = self.text(&format!("{thread}/cgroup")).ok_or(Unsuited::Hidden)?;
            if self.groups != Some(groups(&text)) {
                return Err(Unsuited::OtherGroup);
            }
        }
        let user = status.user.ok_or(Unsuited::Hidden)?;
        Ok(Owner { user, group: status.group.ok_or(Unsuited::Hidden)? })
    }

    /// Is that ourselves?
    pub(super) fn is_us(&self, owner: Owner) -> bool {
        owner == self.us()
    }

    pub(super) fn us(&self) -> Owner {
        Owner { user: self.user, group: self.group }
    }

    /// The name of a thread and the id of its process, for a person.
    pub(super) fn name(&self, thread: u32) -> (String, u32) {
        let mut name = [0; 64];
        let file = self.open(&format!("{thread}/comm"));
        let got = file.and_then(|file| file.read_at(&mut name, 0).ok()).unwrap_or(0);
        let name = String::from_utf8_lossy(name.get(..got).unwrap_or(&[])).into_owned();
        let name = if name.is_empty() { "?".to_owned() } else { name };
        let process = self.ask(thread, Known::status).map(|status| status.process);
        (
            name.strip_suffix('\n').unwrap_or(&name).to_owned(),
            process.filter(|id| *id != 0).unwrap_or(thread),
        )
    }

    /// Asks about a thread; once more by its number when what was known of that leads nowhere.
    fn ask<T>(&self, thread: u32, question: impl Fn(&Known) -> Option<T>) -> Option<T> {
        let mut known = self.known.borrow_mut();
        if let Some(at) = known.iter().position(|known| known.thread == thread) {
            if let Some(answer) = known.get(at).and_then(&question) {
                return Some(answer);
            }
            known.remove(at);
        }
        let new = self.meet(thread)?;
        let answer = question(&new);
        if known.len() >= self.most_known {
            known.remove(0);
        }
        known.push(new);
        answer
    }

    fn meet(&self, thread: u32) -> Option<Known> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let path = thread.to_string();
        let directory = rustix::fs::openat(&self.proc, path, flags, Mode::empty()).ok()?;
        let status = OFlags::RDONLY | OFlags::CLOEXEC;
        let status = rustix::fs::openat(&directory, "status", status, Mode::empty()).ok()?;
        Some(Known { thread, directory, status: status.into() })
    }

    /// The process of a thread.
    pub(super) fn process(&self, thread: u32) -> Option<u32> {
        self.ask(thread, Known::status).map(|status| status.process).filter(|id| *id != 0)
    }

    /// Has this process fewer filters than those that are under ours? Then it never was and never will
    /// be under it.
    pub(super) fn is_outside(&self, process: u32) -> bool {
        let mut outside = self.outside.borrow_mut();
        if outside.since.elapsed() > OUTSIDE {
            *outside = Outside::default();
        }
        if outside.processes.contains(&process) {
            return true;
        }
        let text = self.text(&format!("{process}/status"));
        let filters = text.map(|text| Status::parse(text.as_bytes()).filters);
        // Gone, or from before 5.9: in doubt, it is looked at.
        let is_outside =
            matches!((filters, self.filters), (Some(Some(its)), Some(ours)) if its < ours);
        if is_outside {
            outside.processes.insert(process);
        }
        is_outside
    }

    /// Forgets the threads that have asked, and closes what led to them.
    pub(super) fn forget(&self) {
        self.known.borrow_mut().clear();
    }

    /// /proc, as it was at the start.
    pub(super) fn proc(&self) -> BorrowedFd<'_> {
        self.proc.as_fd()
    }

    /// A file of /proc, unless it is longer than a mebibyte.
    pub(super) fn text(&self, path: &str) -> Option<String> {
        const MOST: u64 = 1 << 20;
        let mut text = String::new();
        let got = self.open(path)?.take(MOST).read_to_string(&mut text).ok()?;
        ((got as u64) < MOST).then_some(text)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_line_by_line() {
        let text = "Name:\tx\\nTracerPid:\t9\nTgid:\t12\nPid:\t13\nTracerPid:\t0\n\
                    Uid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nGroups:\t \nSeccomp:\t2\n\
                    Seccomp_filters:\t3\n";
        let expected = Status {
            process: 12,
            tracer: Some(0),
            user: Some(4),
            group: Some(8),
            filters: Some(3),
        };
        assert_eq!(Status::parse(text.as_bytes()), expected);
        let text = "12:net_cls,net_prio:/a\n4:memory:/b\n1:name=systemd:/c\n0::/d:e\n";
        assert_eq!(groups(text), "12:net_cls,net_prio:/a\n0::/d:e");
        // What is not a number is nobody's: then in doubt.
        let found = Status::parse(b"TracerPid:\tx\nUid:\t1\n\xff\n");
        assert_eq!((found.tracer, found.user, found.filters), (None, None, None));
    }
}

//! The descriptors that lead to a socket: a copy of the caller's, and whether there are others, which
//! would stay on the old socket if this one were replaced. All of it from /proc.
//!
//! What is in flight between processes (SCM_RIGHTS) and what io_uring has registered is not seen.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use rustix::fs::{CWD, Dir, Mode, OFlags, fstat, getxattr, openat, readlinkat};
use rustix::io::Errno;

use crate::inject::seccomp::caller::Callers;
use crate::inject::seccomp::sockets;

/// As many descriptors of a host are looked at; more, and the socket counts as shared.
const MOST_LOOKED_AT: usize = 65536;

/// A socket of the program, by a descriptor of our own.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) socket: OwnedFd,
    thread: u32,
    process: u32,
    /// Its number there.
    pub(super) fd: RawFd,
    /// Its inode, which tells it from all others: sockets are one file system.
    inode: u64,
}

impl Callers {
    /// A copy of that descriptor of a thread's.
    pub(super) fn hold(&self, thread: u32, fd: RawFd) -> Option<Held> {
        let process = self.process(thread)?;
        let socket = sockets::of_process(process, fd).ok()?;
        let inode = fstat(&socket).ok()?.st_ino;
        let held = Held { socket, thread, process, fd, inode };
        // A thread can have descriptors of its own; the copy is of the process's.
        self.is_there(&held).then_some(held)
    }

    /// Can that descriptor be an MPTCP socket? Asked by its name and without a copy of it, which would be
    /// the last one if the program closed its own meanwhile, and ours to wait for (SO_LINGER).
    pub(super) fn may_be_mptcp(&self, thread: u32, fd: RawFd) -> bool {
        let doubt =
            |error: Errno| !matches!(error, Errno::OPNOTSUPP | Errno::NODATA | Errno::NOENT);
        // A file of FUSE is never asked, whose owner answers when he likes, if at all. A handle stays
        // what it is, and unlike a copy it keeps no socket open.
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let handle = match openat(self.proc(), format!("{thread}/fd/{fd}"), flags, Mode::empty()) {
            Ok(handle) => handle,
            Err(error) => return doubt(error),
        };
        let own = format!("/proc/self/fd/{}", handle.as_raw_fd());
        match readlinkat(CWD, &own, Vec::new()) {
            Ok(kind) if !kind.to_bytes().starts_with(b"socket:[") => return false,
            Ok(_) => {}
            Err(error) => return doubt(error),
        }
        let mut name = [0u8; 32];
        match getxattr(own, "system.sockprotoname", &mut name) {
            Ok(size) => name.get(..size).is_some_and(|name| name.starts_with(b"MPTCP")),
            // No socket, or none of this kind; else in doubt.
            Err(error) => doubt(error),
        }
    }

    /// Does the number still lead to it?
    pub(super) fn is_there(&self, held: &Held) -> bool {
        let path = format!("{}/fd/{}", held.thread, held.fd);
        let socket = format!("socket:[{}]", held.inode);
        readlinkat(self.proc(), path, Vec::new()).is_ok_and(|to| to.to_bytes() == socket.as_bytes())
    }

    /// Is it closed by exec? `None` when that cannot be told.
    pub(super) fn is_cloexec(&self, held: &Held) -> Option<bool> {
        let text = self.text(&format!("{}/fdinfo/{}", held.thread, held.fd))?;
        let flags = text.lines().find_map(|line| line.strip_prefix("flags:"))?;
        let flags = u32::from_str_radix(flags.trim(), 8).ok()?;
        Some(flags & libc::O_CLOEXEC.cast_unsigned() != 0)
    }

    /// Does no other descriptor lead to it, and does no epoll wait for it? No, when in doubt.
    ///
    /// Asked of the processes under our filter: a socket comes to them by fork, or as it was passed.
    pub(super) fn is_alone(&self, held: &Held) -> bool {
        let mut left = MOST_LOOKED_AT;
        let Some(processes) = self.names("") else { return false };
        for process in processes.iter().filter_map(|name| name.to_str().ok()?.parse().ok()) {
            if process != held.process && self.is_outside(process) {
                continue;
            }
            // Gone meanwhile, or not to be looked at: then it is not one of the program's.
            let Some(numbers) = self.names(&format!("{process}/fd")) else { continue };
            let others =
                numbers.iter().filter_map(|name| name.to_str().ok()?.parse::<RawFd>().ok());
            for fd in others {
                left = left.saturating_sub(1);
                if left == 0 || self.leads_to(process, fd, held) {
                    return false;
                }
            }
        }
        true
    }

    /// Does this descriptor lead to it? Not the one that we know of.
    fn leads_to(&self, process: u32, fd: RawFd, held: &Held) -> bool {
        let path = format!("{process}/fd/{fd}");
        let Ok(kind) = readlinkat(self.proc(), &path, Vec::new()) else { return false };
        let kind = kind.to_bytes();
        if process == held.process && kind == b"anon_inode:[eventpoll]" {
            let registered = format!("tfd:{:>9} ", held.fd);
            let text = self.text(&format!("{process}/fdinfo/{fd}"));
            return text.is_none_or(|text| text.lines().any(|line| line.starts_with(&registered)));
        }
        let known = process == held.process && fd == held.fd;
        !known && kind == format!("socket:[{}]", held.inode).as_bytes()
    }

    /// The entries of a directory of /proc.
    fn names(&self, path: &str) -> Option<Vec<std::ffi::CString>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let path = if path.is_empty() { "." } else { path };
        let directory = openat(self.proc().as_fd(), path, flags, Mode::empty()).ok()?;
        let entries = Dir::new(directory).ok()?;
        Some(entries.filter_map(|entry| Some(CStr::to_owned(entry.ok()?.file_name()))).collect())
    }
}

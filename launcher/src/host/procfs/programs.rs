//! Which program holds a socket: the only answer is in /proc/PID/fd, one link a descriptor.
//!
//! That costs more than listing the sockets, so it is asked for the ones that are shown, stops
//! when they are found, and gives up on a host where somebody holds very many descriptors.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use rustix::fs::{CWD, Dir, Mode, OFlags, openat, readlinkat_raw};

use crate::host::procfs::containers;
use mptcpize_model::plain;
use mptcpize_model::status::Program;

/// How many descriptors are looked at on a host with very many connections, and while events wait:
/// about 6 ms of work.
pub const BOUND: usize = 2048;

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The program of each inode, the one with the lowest process id.
    pub programs: BTreeMap<u32, Program>,
    /// Some processes may not be looked into.
    pub denied: bool,
    /// There were more descriptors than [`BOUND`].
    pub bounded: bool,
}

/// Looks for the holders of these sockets, among at most `bound` descriptors.
pub fn find(wanted: &BTreeSet<u32>, bound: usize) -> Found {
    let mut found = Found::default();
    let mut wanted = wanted.clone();
    wanted.remove(&0);
    if wanted.is_empty() {
        return found;
    }
    let mut left = bound;
    for pid in processes() {
        if wanted.is_empty() {
            break;
        }
        if left == 0 {
            found.bounded = true;
            break;
        }
        match sockets_of(pid, &mut wanted, &mut left) {
            Ok(held) if held.is_empty() => {}
            Ok(held) => {
                let name = name(pid);
                let container = containers::of(pid);
                for inode in held {
                    let (name, container) = (name.clone(), container.clone());
                    found.programs.insert(inode, Program { pid, name, container });
                }
            }
            Err(rustix::io::Errno::ACCESS | rustix::io::Errno::PERM) => found.denied = true,
            // It has ended.
            Err(_) => {}
        }
    }
    found.denied &= !wanted.is_empty();
    found
}

fn processes() -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut all: Vec<u32> =
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    all.sort_unstable();
    all
}

/// Takes the sockets out of `wanted` that this process holds.
fn sockets_of(
    pid: u32,
    wanted: &mut BTreeSet<u32>,
    left: &mut usize,
) -> rustix::io::Result<Vec<u32>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = openat(CWD, format!("/proc/{pid}/fd"), flags, Mode::empty())?;
    let mut held = Vec::new();
    let mut buffer = [0; 64];
    for entry in Dir::read_from(&directory)? {
        if *left == 0 || wanted.is_empty() {
            break;
        }
        let entry = entry?;
        if entry.file_name().to_bytes().starts_with(b".") {
            continue;
        }
        *left -= 1;
        let Ok(length) = readlinkat_raw(&directory, entry.file_name(), &mut buffer[..]) else {
            continue;
        };
        if let Some(inode) = inode(&buffer[..length]).filter(|inode| wanted.remove(inode)) {
            held.push(inode);
        }
    }
    Ok(held)
}

/// `socket:[1234]`.
fn inode(target: &[u8]) -> Option<u32> {
    let digits = target.strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The name of a process, as `ps` shows it: at most 15 bytes.
fn name(pid: u32) -> String {
    let name = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    // A process gives itself any name, line feeds and escape sequences too.
    plain::words(String::from_utf8_lossy(&name).trim_end()).into_owned()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::fd::AsRawFd;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_socket_of_this_process_is_found_and_the_bound_is_kept() {
        let socket = TcpListener::bind("127.0.0.1:0").expect("loopback is up");
        let link = fs::read_link(format!("/proc/self/fd/{}", socket.as_raw_fd()));
        let link = link.expect("procfs is there");
        let number = inode(link.as_os_str().as_encoded_bytes()).expect("it is a socket");
        let wanted = BTreeSet::from([number]);
        // A program that another test starts holds our sockets until it executes, and where process
        // ids have begun anew its own is the lower one.
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut found = find(&wanted, usize::MAX);
        while found.programs[&number].pid != std::process::id() {
            assert!(Instant::now() < deadline, "{found:?}");
            found = find(&wanted, usize::MAX);
        }
        assert!(!found.programs[&number].name.is_empty() && !found.bounded);
        assert!(find(&wanted, 1).bounded);
        assert_eq!(find(&BTreeSet::from([0]), BOUND), Found::default());
    }

    #[test]
    fn only_sockets_have_an_inode() {
        for (target, expected) in [
            ("socket:[1234]", Some(1234)),
            ("pipe:[1234]", None),
            ("socket:[]", None),
            ("/tmp/socket:[1]", None),
            ("", None),
        ] {
            assert_eq!(inode(target.as_bytes()), expected, "{target}");
        }
    }
}

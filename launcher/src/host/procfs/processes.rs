//! What the processes of a unit really have: our library among their mappings, our filter above
//! them; and the protocol of a descriptor. Read from proc(5), which asks nothing of the processes.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// Where the hierarchies of cgroups(7) that systemd uses are: version 2, and version 1's name.
const HIERARCHIES: [&str; 3] =
    ["/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"];

/// How the supervisors of a filter of ours are called (`inject::seccomp`).
const SUPERVISORS: [&str; 2] = ["mptcpize-socket", "mptcpize-spare"];

/// What is known of a unit's processes. What may not be read is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Processes {
    /// Their ids.
    pub pids: Vec<u32>,
    /// How many have our library.
    pub with_library: Option<usize>,
    /// How many have `multipathtcp` in the GODEBUG that they were started with.
    pub with_godebug: Option<usize>,
    /// How many are under a seccomp filter, where one of ours is answered. A unit can have filters of
    /// its own (`RestrictAddressFamilies=` makes one), which look the same from outside; but only
    /// ours has a supervisor beside the program.
    pub filtered: Option<usize>,
}

/// Looks at all processes of a cgroup and those below it.
pub fn of_cgroup(cgroup: &str) -> Processes {
    let mut found = Processes {
        with_library: Some(0),
        with_godebug: Some(0),
        filtered: Some(0),
        ..Processes::default()
    };
    found.pids = pids(cgroup);
    let is_supervised = found.pids.iter().any(|pid| is_supervisor(*pid));
    for pid in found.pids.clone() {
        let process = format!("/proc/{pid}");
        let process = Path::new(&process);
        let exists = || process.exists();
        count(&mut found.with_library, maps_library(process), exists);
        count(&mut found.with_godebug, has_godebug(process), exists);
        let filtered = if is_supervised { is_filtered(process) } else { Ok(false) };
        count(&mut found.filtered, filtered, exists);
    }
    found
}

/// The processes of a cgroup and of those below it.
pub fn pids(cgroup: &str) -> Vec<u32> {
    let mut found = Vec::new();
    for hierarchy in HIERARCHIES {
        let directory = Path::new(hierarchy).join(cgroup.trim_start_matches('/'));
        collect(&directory, &mut found);
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Does this process answer for a filter of ours? Its name is open to all; its descriptors are to root alone.
pub fn is_supervisor(pid: u32) -> bool {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    SUPERVISORS.contains(&name.trim_end())
}

/// How deep a unit's cgroup lies at most: a service of a user's manager is the sixth.
const DEPTH: usize = 8;

/// The cgroups of a unit that runs, or of all instances of a template, from the hierarchy's root on.
pub fn groups(unit: &str) -> Vec<String> {
    let mut found = Vec::new();
    for hierarchy in HIERARCHIES {
        search(Path::new(hierarchy), "", unit, DEPTH, &mut found);
    }
    found.sort();
    found.dedup();
    found
}

fn search(hierarchy: &Path, below: &str, unit: &str, depth: usize, found: &mut Vec<String>) {
    let directory = hierarchy.join(below.trim_start_matches('/'));
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if depth == 0 || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let name = entry.file_name().to_string_lossy().into_owned();
        let group = format!("{below}/{name}");
        match is_of(&name, unit) {
            true => found.push(group),
            // Only slices have units below them; what a service has there is its own business.
            false if name.ends_with(".slice") || name.starts_with("user@") => {
                search(hierarchy, &group, unit, depth - 1, found);
            }
            false => {}
        }
    }
}

/// Is a cgroup of this name that of the unit, or of an instance of the template?
fn is_of(group: &str, unit: &str) -> bool {
    match unit.split_once("@.") {
        Some((stem, kind)) => group
            .strip_prefix(stem)
            .and_then(|rest| rest.strip_prefix('@')?.strip_suffix(kind)?.strip_suffix('.'))
            .is_some_and(|instance| !instance.is_empty()),
        None => group == unit,
    }
}

fn collect(directory: &Path, pids: &mut Vec<u32>) {
    let text = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
    pids.extend(text.lines().filter_map(|line| line.parse::<u32>().ok()).filter(|pid| *pid != 0));
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&entry.path(), pids);
        }
    }
}

fn count(sum: &mut Option<usize>, answer: io::Result<bool>, exists: impl Fn() -> bool) {
    match answer {
        Ok(true) => *sum = sum.map(|sum| sum + 1),
        Ok(false) => {}
        Err(_) if !exists() => {}
        Err(_) => *sum = None,
    }
}

/// Has it mapped our library? Read line by line: a process can have mappings whose names take hundreds of
/// megabytes.
///
/// # Errors
/// It may not be looked at, or has ended.
pub fn maps_library(process: &Path) -> io::Result<bool> {
    maps(process, |name| name.starts_with(b"libmptcpize"))
}

/// Has it mapped a file whose name is such?
///
/// # Errors
/// It may not be looked at, or has ended.
pub fn maps(process: &Path, is_it: impl Fn(&[u8]) -> bool) -> io::Result<bool> {
    for line in BufReader::new(File::open(process.join("maps"))?).split(b'\n') {
        if line?.rsplit(|byte| *byte == b'/').next().is_some_and(&is_it) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn has_godebug(process: &Path) -> io::Result<bool> {
    let environment = fs::read(process.join("environ"))?;
    Ok(environment.split(|byte| *byte == 0).any(|entry| {
        let entry = String::from_utf8_lossy(entry);
        entry.starts_with("GODEBUG=")
            && entry.contains("multipathtcp=")
            && !entry.contains("multipathtcp=0")
    }))
}

/// Is it under a seccomp filter, of whomever? `Seccomp: 2` of /proc/PID/status.
///
/// # Errors
/// It has ended.
pub fn is_filtered(process: &Path) -> io::Result<bool> {
    let status = fs::read_to_string(process.join("status"))?;
    Ok(status
        .lines()
        .any(|line| line.strip_prefix("Seccomp:").is_some_and(|mode| mode.trim() == "2")))
}

/// The protocol of a stream socket of IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// MPTCP, also after a fallback.
    Mptcp,
    /// TCP alone.
    Tcp,
}

impl Protocol {
    /// Is it MPTCP?
    pub fn is_mptcp(self) -> bool {
        self == Protocol::Mptcp
    }
}

/// The protocol of the socket behind a descriptor (`/proc/PID/fd/N`); `None` for all else. The kernel
/// tells it in an extended attribute of its file (`sockfs_xattr_get`, net/socket.c), whatever
/// network namespace it is in.
///
/// Only of sockets: any other file system is asked for such an attribute too, and one of FUSE answers
/// when the user who serves it likes. A process can put another file in its place at any moment, so
/// what is asked is a handle of ours, which stays what it is.
pub fn protocol(descriptor: &Path) -> Option<Protocol> {
    if !is_socket(descriptor) {
        return None;
    }
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let handle = rustix::fs::open(descriptor, flags, Mode::empty()).ok()?;
    let own = PathBuf::from(format!("/proc/self/fd/{}", handle.as_raw_fd()));
    if !is_socket(&own) {
        return None;
    }
    let mut name = [0u8; 32];
    let asked = rustix::fs::getxattr(&own, "system.sockprotoname", &mut name[..]);
    let name = name.get(..asked.ok()?)?;
    match name {
        name if name.starts_with(b"MPTCP") => Some(Protocol::Mptcp),
        name if name.starts_with(b"TCP") => Some(Protocol::Tcp),
        _ => None,
    }
}

/// By the name of the descriptor's link, which the kernel makes up without asking the file.
fn is_socket(link: &Path) -> bool {
    fs::read_link(link).is_ok_and(|to| to.as_os_str().as_bytes().starts_with(b"socket:["))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cgroup_is_that_of_a_unit_or_of_an_instance() {
        for (group, unit, expected) in [
            ("nginx.service", "nginx.service", true),
            ("postgresql@15-main.service", "postgresql@.service", true),
            ("postgresql@15-main.service", "postgresql@15-main.service", true),
            ("postgresql@.service", "postgresql@.service", false),
            ("xpostgresql@a.service", "postgresql@.service", false),
            ("a@b.socket", "a@.service", false),
        ] {
            assert_eq!(is_of(group, unit), expected, "{group} {unit}");
        }
    }

    #[test]
    fn the_protocol_of_a_socket_is_read_from_its_file() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let file = File::open("/proc/self/status").expect("procfs is there");
        let of = |number: i32| protocol(Path::new(&format!("/proc/self/fd/{number}")));
        assert_eq!(of(listener.as_raw_fd()), Some(Protocol::Tcp));
        assert_eq!(of(file.as_raw_fd()), None);
        drop((listener, file));
    }
}

//! The network namespaces of this host besides the caller's, found by the processes in them. One that no
//! process is in (ip-netns(8) keeps such) has no connections of programs either.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;

/// More namespaces than this are not looked into: a host with so many is asked for one at a time.
const MOST: usize = 1024;

/// How many processes of a namespace are kept: some may have ended when it is looked into.
const SPARE: usize = 4;

/// What was found.
#[derive(Debug, Default)]
pub struct Others {
    /// The first processes of each, the oldest namespace first.
    pub processes: Vec<Vec<u32>>,
    /// Some processes may not be asked.
    pub denied: bool,
}

/// Looks for them.
pub fn find() -> Others {
    let own = fs::metadata("/proc/thread-self/ns/net").map_or(0, |found| found.ino());
    let mut denied = false;
    let mut all: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
    let mut pids: Vec<u32> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    pids.sort_unstable();
    for pid in pids {
        match fs::metadata(format!("/proc/{pid}/ns/net")) {
            Ok(found) if found.ino() == own => {}
            Ok(found) => {
                let known = all.entry(found.ino()).or_default();
                if known.len() < SPARE {
                    known.push(pid);
                }
            }
            Err(error) => denied |= error.kind() == std::io::ErrorKind::PermissionDenied,
        }
    }
    let mut processes: Vec<Vec<u32>> = all.into_values().collect();
    processes.sort();
    processes.truncate(MOST);
    Others { processes, denied }
}

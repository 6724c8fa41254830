//! Units that were set up to use MPTCP, and whether their processes really have the library.
//!
//! Read from files and procfs alone: no systemd need answer. A unit is set up when it has our
//! drop-in; its processes are those in its cgroup.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::host::systemd::services::{DROP_IN, services_on};
use mptcpize_model::checks::Service;

/// How the library is called in a drop-in and in the map of a process.
const LIBRARY: &str = "libmptcpize";

/// Every unit below one of the directories with a drop-in of ours that preloads the library.
pub fn set_up(directories: &[PathBuf]) -> Vec<Service> {
    let mut units = services_on(directories);
    units.retain(|unit| directories.iter().any(|directory| preloads(directory, unit)));
    if units.is_empty() {
        return vec![];
    }
    let processes = processes();
    units.into_iter().map(|unit| look(unit, &processes)).collect()
}

/// Does the drop-in preload the library? A static program is reached in another way.
fn preloads(directory: &Path, unit: &str) -> bool {
    let drop_in = directory.join(format!("{unit}.d")).join(DROP_IN);
    let text = fs::read_to_string(drop_in).unwrap_or_default();
    text.contains("LD_PRELOAD") && text.contains(LIBRARY)
}

/// A process in the cgroup of a unit.
struct Process {
    pid: u32,
    parent: u32,
    /// Every part of its cgroup's path.
    cgroup: Vec<String>,
}

fn processes() -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let cgroup = fs::read_to_string(entry.path().join("cgroup")).ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            // The name before it may have blanks and brackets.
            let parent = stat.rsplit(')').next()?.split_ascii_whitespace().nth(1)?.parse().ok()?;
            Some(Process { pid, parent, cgroup: parts(&cgroup) })
        })
        .collect()
}

/// The parts of the path in systemd's own hierarchy, or in the unified one.
fn parts(cgroup: &str) -> Vec<String> {
    let of = |hierarchy: &str| {
        cgroup.lines().find_map(|line| {
            let (_, rest) = line.split_once(':')?;
            rest.strip_prefix(hierarchy).filter(|path| path.len() > 1)
        })
    };
    let path = of("name=systemd:").or_else(|| of(":")).unwrap_or_default();
    path.split('/').map(str::to_owned).collect()
}

/// Is this part of a cgroup's path the unit? A drop-in of `a@.service` is for all its instances.
fn is_unit(part: &str, unit: &str) -> bool {
    match unit.split_once("@.") {
        Some((name, kind)) => part
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix('@'))
            .is_some_and(|rest| rest.ends_with(&format!(".{kind}"))),
        None => part == unit,
    }
}

/// Looks at the main processes of a unit: those whose parent is not in it. What they start may
/// well be static, or clear its environment.
fn look(unit: String, processes: &[Process]) -> Service {
    let own: Vec<&Process> = processes
        .iter()
        .filter(|process| process.cgroup.iter().any(|part| is_unit(part, &unit)))
        .collect();
    let mut service = Service { unit, processes: 0, without: vec![], unreadable: 0 };
    for process in &own {
        if own.iter().any(|other| other.pid == process.parent) {
            continue;
        }
        match fs::read(format!("/proc/{}/maps", process.pid)) {
            // A zombie has no memory, and is one until its parent has asked.
            Ok(maps) if maps.is_empty() => {}
            Ok(maps) => {
                service.processes += 1;
                let has = maps.windows(LIBRARY.len()).any(|part| part == LIBRARY.as_bytes());
                if !has {
                    service.without.push(process.pid);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                service.unreadable += 1
            }
            // It has ended meanwhile.
            Err(_) => {}
        }
    }
    service
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_found_in_either_hierarchy_and_with_its_instances() {
        let old = "9:name=systemd:/system.slice/nginx.service\n1:cpu:/\n0::/\n";
        let new = "0::/system.slice/system-getty.slice/getty@tty1.service/init\n";
        for (text, unit, expected) in [
            (old, "nginx.service", true),
            (old, "nginx.socket", false),
            (new, "getty@tty1.service", true),
            (new, "getty@.service", true),
            (new, "getty@.socket", false),
            (new, "etty@.service", false),
            ("0::/\n", "nginx.service", false),
            ("odd", "nginx.service", false),
        ] {
            let found = parts(text).iter().any(|part| is_unit(part, unit));
            assert_eq!(found, expected, "{unit} in {text}");
        }
    }
}

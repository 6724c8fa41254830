//! What each process of a unit was started with and how it runs, as far as that decides whether its
//! sockets are MPTCP. Read from proc(5), which asks nothing of the process.
//!
//! Not here: its sockets (`unit_sockets`), what its binary is, and what follows from all that.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::host::procfs::network;
use crate::host::procfs::processes::{is_filtered, is_supervisor, maps_library};
use mptcpize_model::plain;
use mptcpize_model::unit::process::{Environment, Process};

/// `AT_SECURE` (getauxval(3)).
const SECURE: u64 = 23;

/// `USER_HZ`, in which proc(5) counts, is 100 on every architecture that is built for.
const TICK_MS: u64 = 10;

/// Looks at the processes with these ids; those that have ended are left out, and ours. `since` is when the
/// unit was switched on: who is older did not get what its drop-in gives.
///
/// # Errors
/// One may not be looked at.
pub fn read(pids: &[u32], since: Option<SystemTime>) -> io::Result<Vec<Process>> {
    let mut all = Vec::new();
    let (supervisors, pids): (Vec<u32>, Vec<u32>) =
        pids.iter().partition(|pid| is_supervisor(**pid));
    for pid in pids {
        match one(pid, since, !supervisors.is_empty()) {
            Ok(process) => all.extend(process),
            Err(_) if !Path::new("/proc").join(pid.to_string()).exists() => {}
            // ESRCH: a zombie, which has no memory any more.
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(all)
}

fn one(pid: u32, since: Option<SystemTime>, is_supervised: bool) -> io::Result<Option<Process>> {
    let directory = format!("/proc/{pid}");
    let file = |name: &str| fs::read(format!("{directory}/{name}"));
    let stat = String::from_utf8_lossy(&file("stat")?).into_owned();
    // The name before it may have blanks and brackets.
    let fields: Vec<&str> =
        stat.rsplit(')').next().unwrap_or_default().split_ascii_whitespace().collect();
    let number = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok());
    if fields.first() == Some(&"Z") {
        return Ok(None);
    }
    let started = number(19).unwrap_or(0);
    let filtered = is_supervised && is_filtered(Path::new(&directory))?;
    let library = maps_library(Path::new(&directory))?;
    let comm = file("comm")?;
    Ok(Some(Process {
        pid,
        parent: number(1).and_then(|parent| parent.try_into().ok()).unwrap_or(0),
        // A process gives itself any name, line feeds and escape sequences too.
        name: plain::words(String::from_utf8_lossy(&comm).trim_end()).into_owned(),
        started_ticks: started,
        // In brackets it is still systemd, which prepares to execute the program.
        busy: matches!(fields.first(), Some(&("R" | "D"))) || comm.starts_with(b"("),
        ran_ticks: number(11).unwrap_or(0) + number(12).unwrap_or(0),
        older: since.is_some_and(|since| start(started).is_some_and(|start| start < since)),
        library,
        filtered,
        secure: is_secure(&file("auxv")?),
        environment: Environment::read(&file("environ")?),
        confined_by: profile(&directory),
        beyond: None,
        go: false,
        unseen: None,
    }))
}

/// When a process was started, from the ticks between the boot and then.
fn start(ticks: u64) -> Option<SystemTime> {
    let after_boot = Duration::from_millis(ticks.checked_mul(TICK_MS)?);
    SystemTime::now().checked_sub(network::uptime().checked_sub(after_boot)?)
}

/// Pairs of words, a kind and a value each.
fn is_secure(vector: &[u8]) -> bool {
    vector.chunks_exact(2 * size_of::<usize>()).any(|pair| {
        let (kind, value) = pair.split_at(size_of::<usize>());
        kind.iter().rev().fold(0u64, |all, byte| all << 8 | u64::from(*byte)) == SECURE
            && value.iter().any(|byte| *byte != 0)
    })
}

/// The AppArmor profile or SELinux domain that confines it.
fn profile(directory: &str) -> Option<String> {
    let text = fs::read_to_string(format!("{directory}/attr/current")).ok()?;
    let text = text.trim_end_matches(['\0', '\n']);
    let free = text.is_empty() || text == "unconfined" || text.contains(":unconfined_t:");
    (!free).then(|| plain::words(text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_read_with_its_parent_and_its_age() {
        let own = std::process::id();
        let soon = SystemTime::now() + Duration::from_secs(3600);
        let long_ago = SystemTime::now() - Duration::from_secs(24 * 3600);
        let [young, old] = [long_ago, soon].map(|since| {
            let all = read(&[own], Some(since)).expect("our own process");
            all.into_iter().next().expect("it runs")
        });
        assert!(!young.older && old.older);
        assert_eq!(young.pid, own);
        assert_eq!(young.parent, std::os::unix::process::parent_id());
        assert!(!young.secure && !young.name.is_empty());
        assert_eq!(read(&[u32::MAX], None).expect("nobody is there"), []);
    }

    #[test]
    fn secure_execution_is_told_by_the_auxiliary_vector() {
        let vector = |pairs: &[(usize, usize)]| -> Vec<u8> {
            pairs
                .iter()
                .flat_map(|(kind, value)| [kind.to_ne_bytes(), value.to_ne_bytes()])
                .flatten()
                .collect()
        };
        assert!(is_secure(&vector(&[(6, 4096), (23, 1), (0, 0)])));
        assert!(!is_secure(&vector(&[(6, 4096), (23, 0), (0, 0)])));
        assert!(!is_secure(&vector(&[(6, 23), (24, 1)])) && !is_secure(b"odd"));
    }
}

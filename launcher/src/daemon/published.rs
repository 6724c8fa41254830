//! What a running daemon lets others know: a file in the run directory that everybody can read,
//! and the lock that says that there is one.
//!
//! The lock lies in a directory that only its owner can enter, so others go by the file: it names
//! the process and when that was started, and is stale when there is no such process.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Exit};
use crate::host::apply::lock::{self, Attempt, Lock};
use mptcpize_model::daemon::Status;
use mptcpize_model::net::IfName;

/// The form that is written and read.
const VERSION: u32 = 1;

/// The content of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Content {
    version: u32,
    pid: u32,
    /// When that process was started, as proc_pid_stat(5) has it: a number is given anew.
    start: u64,
    status: Status,
}

/// A daemon that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// Its process.
    pub pid: u32,
    /// What it says.
    pub status: Status,
}

impl Running {
    /// How it is ended, as a command.
    pub fn stop(&self) -> String {
        let cgroup = fs::read_to_string(format!("/proc/{}/cgroup", self.pid)).unwrap_or_default();
        match cgroup.contains("/mptcpized.service") {
            true => "systemctl stop mptcpized".to_owned(),
            false => format!("kill {}", self.pid),
        }
    }
}

/// The place of this daemon in the run directory, held until it ends.
#[derive(Debug)]
pub struct Published {
    path: PathBuf,
    written: Option<Status>,
    _lock: Lock,
}

impl Published {
    /// Takes the place of the daemon of namespace `netns`.
    ///
    /// # Errors
    /// 1 where another daemon has it, 4 without privilege.
    pub fn take(directory: &Path, netns: u64) -> Result<Self, Error> {
        match lock::take_lasting(directory, &format!("netns-{netns}.daemon"))? {
            Attempt::Taken(lock) => {
                Ok(Published { path: place(directory, netns), written: None, _lock: lock })
            }
            Attempt::Held(holder) => {
                let process = match holder.as_str() {
                    "" => "a process that cannot be seen from here".to_owned(),
                    holder => format!("process {holder}"),
                };
                Err(Error::new(Exit::Failed, "mptcpize daemon runs here already")
                    .why(format!("{process} follows the links of this network namespace"))
                    .fix(
                        "mptcpize status    # what it does; it reads /etc/mptcpize.toml on SIGHUP",
                    ))
            }
        }
    }

    /// Lets others know, if there is anything new. Where the run directory is full they know what was
    /// last written, and it is tried again with what is next: no reason to leave the host alone.
    pub fn publish(&mut self, status: &Status) {
        if self.written.as_ref() == Some(status) {
            return;
        }
        let pid = std::process::id();
        let start = started(pid).unwrap_or_default();
        let content = Content { version: VERSION, pid, start, status: status.clone() };
        let text = serde_json::to_string(&content).expect("keys are text and nothing fails");
        // A file of its own name, renamed: nobody reads half of it. Not synced, it ends with the boot.
        let new = new(&self.path);
        let written = File::create(&new)
            .and_then(|mut file| {
                rustix::fs::fchmod(&file, rustix::fs::Mode::from_raw_mode(0o644))?;
                file.write_all(format!("{text}\n").as_bytes())
            })
            .and_then(|()| fs::rename(&new, &self.path));
        match written {
            Ok(()) => self.written = Some(status.clone()),
            Err(_) => drop(fs::remove_file(&new)),
        }
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Removes what a daemon that was killed told of namespace `netns`.
pub fn clear(directory: &Path, netns: u64) {
    // Held, a daemon runs. Without the directory of the state there is nothing, and asking makes nothing.
    if directory.exists()
        && let Ok(published) = Published::take(directory, netns)
    {
        let _ = fs::remove_file(new(&published.path));
    }
}

/// The daemon that runs in namespace `netns`, if one does. Everybody may ask.
pub fn running(directory: &Path, netns: u64) -> Option<Running> {
    // What others could have written is not believed.
    lock::check(directory).ok()?;
    let text = fs::read_to_string(place(directory, netns)).ok()?;
    let content: Content = serde_json::from_str(&text).ok()?;
    let same = content.version == VERSION && started(content.pid) == Some(content.start);
    same.then_some(Running { pid: content.pid, status: content.status })
}

/// The links that a running daemon found to pass nothing, and how it knows.
pub fn stalled(daemon: Option<&Running>) -> BTreeMap<IfName, String> {
    daemon.map(|daemon| daemon.status.stalled.clone()).unwrap_or_default()
}

/// The links that a running daemon leaves out because they come and go, and why.
pub fn held(daemon: Option<&Running>) -> BTreeMap<IfName, String> {
    let Some(Running { status, .. }) = daemon else { return BTreeMap::new() };
    let left_out = status.held.iter().filter(|held| status.left_out.contains(&held.link));
    left_out.map(|held| (held.link.clone(), held.why.clone())).collect()
}

fn place(directory: &Path, netns: u64) -> PathBuf {
    directory.join(format!("netns-{netns}.daemon"))
}

/// Where a file is written before it has its name.
fn new(path: &Path) -> PathBuf {
    path.with_extension("daemon.new")
}

/// When a process was started, in ticks since the boot: field 22 of its `stat`; the name in field 2
/// may hold blanks and brackets.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(19)?.parse().ok()
}

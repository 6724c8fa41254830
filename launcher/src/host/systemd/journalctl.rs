//! The last lines that a unit wrote into systemd's journal, by journalctl(1).
//!
//! Not here: our own journal of changes (journal.rs).

use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use crate::host::process::helper;
use crate::host::systemd::systemctl::Systemctl;

/// How long journalctl may take. It reads files that may be large, and nothing depends on it.
const PATIENCE: Duration = Duration::from_secs(10);
/// Lines that fit on a screen beside what else is said.
const MOST: usize = 8;

/// The last lines of a unit since a moment, its own and those of systemd about it; none where there
/// is no journal. Not by the id of its start: of a process that has ended, the journal may not know
/// that any more.
pub fn last_lines(manager: Systemctl, unit: &str, since: SystemTime) -> Vec<String> {
    // What was written just now is to be in it. Only root may ask that.
    let mut sync = Command::new("journalctl");
    sync.arg("--sync");
    let _ = helper::run(sync, Instant::now() + PATIENCE);
    let since = since.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut command = Command::new("journalctl");
    command.args(["--quiet", "--no-pager", "--output=cat"]);
    command.arg(format!("--lines={MOST}"));
    command.arg(format!("--since=@{}.{:06}", since.as_secs(), since.subsec_micros()));
    command.arg(if manager.user { "--user-unit" } else { "--unit" }).arg(unit);
    let said = helper::run(command, Instant::now() + PATIENCE);
    let text = said.map(|said| String::from_utf8_lossy(&said.stdout).into_owned());
    text.unwrap_or_default().lines().map(str::to_owned).collect()
}

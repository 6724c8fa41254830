//! The engines of containers on this host, and whether they read the Container Device Interface: each is
//! asked for its release.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::host::process::helper;
use mptcpize_model::container::engine::ENGINES;

/// How long all of them may take; each prints a line and ends.
const PATIENCE: Duration = Duration::from_secs(5);

/// What to know about the engines that are here; one line where there is none.
pub fn remarks() -> Vec<String> {
    let until = Instant::now() + PATIENCE;
    let mut remarks = Vec::new();
    let mut none = true;
    for engine in ENGINES {
        let mut command = Command::new(engine.command);
        command.arg("--version").current_dir("/");
        // One that does not say its release may still read the file.
        match helper::run(command, until) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(_) => none = false,
            Ok(said) => {
                none = false;
                remarks.extend(engine.remark(&String::from_utf8_lossy(&said.stdout)));
            }
        }
    }
    if none {
        let names: Vec<&str> = ENGINES.iter().map(|engine| engine.command).collect();
        remarks.push(format!("none of {} is on this host", names.join(", ")));
    }
    remarks
}

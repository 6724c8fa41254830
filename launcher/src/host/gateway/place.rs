//! The place of the gateway of this host: one runs at a time, and others are told which process it is.

use std::fs::{self, File};
use std::path::Path;

use crate::error::{Error, Exit};
use crate::host::apply::lock::{self, Attempt};
use crate::locations::Locations;

/// The name of the lock that a gateway holds while it runs.
const LOCK: &str = "gateway";

/// Takes the place, for as long as the file is open.
///
/// # Errors
/// 1 where another gateway runs.
pub fn take(locations: &Locations) -> Result<File, Error> {
    match lock::try_take(&locations.gateway_journal(), LOCK)? {
        Attempt::Taken(file) => Ok(file),
        Attempt::Held(holder) => Err(Error::new(Exit::Failed, "a gateway runs here already")
            .why(match holder.as_str() {
                "" => "a process that cannot be seen from here".to_owned(),
                holder => format!("process {holder} is one"),
            })
            .fix(stop(&holder))),
    }
}

/// How the gateway that runs is ended, as a command; nothing where none runs.
pub fn running(locations: &Locations) -> Option<String> {
    let directory = locations.gateway_journal();
    // Without one nobody has taken it, and asking makes nothing.
    let attempt = directory.exists().then(|| lock::try_take(&directory, LOCK))?.ok()?;
    match attempt {
        Attempt::Held(holder) => Some(stop(&holder)),
        Attempt::Taken(_) => None,
    }
}

fn stop(holder: &str) -> String {
    let cgroup = fs::read_to_string(format!("/proc/{holder}/cgroup")).unwrap_or_default();
    match (cgroup.contains("/mptcpize-gateway.service"), holder) {
        (true, _) => "sudo systemctl stop mptcpize-gateway".to_owned(),
        (false, "") => "end the other one first".to_owned(),
        (false, holder) => format!("sudo kill {holder}"),
    }
}

/// Removes the lock, of a gateway that has ended.
pub fn clear(directory: &Path) {
    let _ = fs::remove_file(directory.join("lock").join(LOCK));
}

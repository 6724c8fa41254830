//! The place of what runs for long on this host, a gateway or a relay's server: one runs at a time, and others
//! are told which process it is.

use std::fs;
use std::path::Path;

use crate::error::{Error, Exit};
use crate::host::apply::lock::{self, Attempt, Lock};
use crate::locations::Locations;

/// What has a place.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// What it is called in errors.
    what: &'static str,
    /// The name of the lock that it holds while it runs.
    lock: &'static str,
    /// Its unit, where it is a service.
    unit: &'static str,
}

/// The gateway of this host.
pub const GATEWAY: Kind = Kind { what: "gateway", lock: "gateway", unit: "mptcpize-gateway" };

/// The server end of a relay.
pub const SERVER: Kind = Kind { what: "relay", lock: "server", unit: "mptcpize-relay" };

/// Takes the place of the gateway, until it is dropped.
///
/// # Errors
/// 1 where another gateway runs.
pub fn take(locations: &Locations) -> Result<Lock, Error> {
    take_in(&locations.gateway_journal(), GATEWAY)
}

/// Takes a place whose locks are in this directory, until it is dropped.
///
/// # Errors
/// 1 where another one runs.
pub fn take_in(directory: &Path, kind: Kind) -> Result<Lock, Error> {
    match lock::take_lasting(directory, kind.lock)? {
        Attempt::Taken(lock) => Ok(lock),
        Attempt::Held(holder) => {
            Err(Error::new(Exit::Failed, format!("a {} runs here already", kind.what))
                .why(match holder.as_str() {
                    "" => "a process that cannot be seen from here".to_owned(),
                    holder => format!("process {holder} is one"),
                })
                .fix(stop(&holder, kind)))
        }
    }
}

/// How the gateway that runs is ended, as a command; nothing where none runs.
pub fn running(locations: &Locations) -> Option<String> {
    holder(&locations.gateway_journal(), GATEWAY).map(|holder| stop(&holder, GATEWAY))
}

/// The process that has the place, empty where it cannot be seen from here; nothing where none has.
pub fn holder(directory: &Path, kind: Kind) -> Option<String> {
    // Without a directory nobody has taken it, and asking makes nothing.
    let attempt = directory.exists().then(|| lock::try_take(directory, kind.lock))?.ok()?;
    match attempt {
        Attempt::Held(holder) => Some(holder),
        Attempt::Taken(_) => None,
    }
}

/// How it is ended, as a command.
pub fn stop(holder: &str, kind: Kind) -> String {
    let cgroup = fs::read_to_string(format!("/proc/{holder}/cgroup")).unwrap_or_default();
    let unit = format!("/{}.service", kind.unit);
    match (cgroup.contains(&unit), holder) {
        (true, _) => format!("sudo systemctl stop {}", kind.unit),
        (false, "") => "end the other one first".to_owned(),
        (false, holder) => format!("sudo kill {holder}"),
    }
}

//! `mptcpize relay user`: who may use the relay that this host is.

pub mod change;
pub mod list;
pub mod running;

use crate::cli::relay::user::{User, UserCommand};
use crate::error::{Error, Exit};
use crate::host::served::kept::Kept;
use crate::locations::Locations;

/// Carries out the verbs below `relay user`.
///
/// # Errors
/// 5 where this host was never a relay, or there is no such user; 1 where a file cannot be trusted, or the
/// method has no users; 2 for what is not confirmed.
pub fn user(arguments: &User, locations: &Locations) -> anyhow::Result<Exit> {
    match &arguments.command {
        UserCommand::Add(arguments) => change::add(arguments, locations),
        UserCommand::Remove(arguments) => change::remove(arguments, locations),
        UserCommand::List(arguments) => list::list(arguments, locations),
    }
}

/// This host was never a relay.
fn none(kept: &Kept) -> Error {
    Error::new(Exit::Missing, "this host is no relay")
        .why(format!("there is no {}", kept.file().display()))
        .fix("sudo mptcpize relay serve --enable    # makes it one")
}

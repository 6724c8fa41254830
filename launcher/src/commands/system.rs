//! `mptcpize enable --system` and `disable --system`: every program of the host.

use crate::cli::unit::{Disable, Enable};
use crate::error::{Error, Exit};
use crate::paths::Paths;

/// Switches MPTCP on for every program.
///
/// # Errors
/// Not built yet.
pub fn enable(_arguments: &Enable, _paths: &Paths) -> anyhow::Result<Exit> {
    Err(not_built("enable"))
}

/// Switches it off.
///
/// # Errors
/// Not built yet.
pub fn disable(_arguments: &Disable, _paths: &Paths) -> anyhow::Result<Exit> {
    Err(not_built("disable"))
}

fn not_built(verb: &str) -> anyhow::Error {
    Error::new(Exit::Failed, format!("{verb} --system is not built yet"))
        .fix(format!("name units: mptcpize {verb} UNIT"))
        .into()
}

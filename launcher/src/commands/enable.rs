//! `mptcpize enable`.

use crate::cli::unit::Enable;
use crate::error::{Error, Exit};
use crate::paths::Paths;

/// Carries it out.
///
/// # Errors
/// Not built yet.
pub fn enable(_arguments: &Enable, _paths: &Paths) -> anyhow::Result<Exit> {
    Err(Error::new(Exit::Failed, "enable is not built yet").into())
}

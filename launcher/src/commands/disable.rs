//! `mptcpize disable`.

use crate::cli::unit::Disable;
use crate::error::{Error, Exit};
use crate::paths::Paths;

/// Carries it out.
///
/// # Errors
/// Not built yet.
pub fn disable(_arguments: &Disable, _paths: &Paths) -> anyhow::Result<Exit> {
    Err(Error::new(Exit::Failed, "disable is not built yet").into())
}

//! `mptcpize list`.

use crate::cli::unit::List;
use crate::error::{Error, Exit};
use crate::paths::Paths;

/// Carries it out.
///
/// # Errors
/// Not built yet.
pub fn list(_arguments: &List, _paths: &Paths) -> anyhow::Result<Exit> {
    Err(Error::new(Exit::Failed, "list is not built yet").into())
}

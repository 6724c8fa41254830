//! One verb, one file.

pub mod explain;
pub mod run;
pub mod version;
pub mod way;

use crate::cli::{Cli, Command};
use crate::error::Exit;

/// Carries out what the command line asks.
///
/// # Errors
/// The verb's own; see each file.
pub fn dispatch(cli: Cli) -> anyhow::Result<Exit> {
    match cli.command {
        Some(Command::Run(arguments)) if arguments.explain => explain::explain(&arguments),
        Some(Command::Run(arguments)) => match run::run(arguments)? {},
        None => version::version(),
    }
}

//! `mptcpize relay`: the relay on a rented server, from both ends. One verb below it, one file or room.
//!
//! Not here: what carries the bytes, which is mptcpize-relay, and the settings of both ends
//! (mptcpize_model::relay).

pub mod agent;
pub mod serve;
pub mod stored;
pub mod terms;
pub mod test;
pub mod user;

use crate::cli::relay::{Relay, RelayCommand};
use crate::error::Exit;
use crate::locations::Locations;

/// Carries out the verbs below `relay`.
///
/// # Errors
/// The verb's own; see each file.
pub fn relay(arguments: Relay, locations: &Locations) -> anyhow::Result<Exit> {
    match arguments.command {
        #[cfg(feature = "serve")]
        RelayCommand::Serve(arguments) => serve::serve(&arguments, locations),
        RelayCommand::Add(arguments) => stored::add(&arguments, locations),
        RelayCommand::List(arguments) => stored::list(&arguments, locations),
        RelayCommand::Remove(arguments) => stored::remove(&arguments, locations),
        RelayCommand::Agent(arguments) => agent::agent(&arguments, locations),
        RelayCommand::Test(arguments) => test::test(&arguments, locations),
        #[cfg(feature = "serve")]
        RelayCommand::User(arguments) => user::user(&arguments, locations),
    }
}

//! `mptcpize relay serve`: this host as a relay, while it runs.
//!
//! Not here: what carries the bytes (mptcpize-relay), what is kept of it (host::served), and its users
//! ([`user`](super::user)).

pub mod dry_run;
pub mod line;
pub mod pass;
pub mod service;
pub mod supervise;
pub mod terms;
pub mod undo;

use crate::cli::relay::serve::{Serve, ServeCommand};
use crate::error::Exit;
use crate::locations::Locations;

/// Carries out `relay serve` and the verb below it.
///
/// # Errors
/// 1 where the port is taken or a file cannot be trusted, 2 for what cannot be meant, 4 without privilege, 5
/// without mptcpize-relay, 6 when something could not be taken back.
pub fn serve(arguments: &Serve, locations: &Locations) -> anyhow::Result<Exit> {
    match &arguments.command {
        Some(ServeCommand::Undo { verbose }) => undo::undo(locations, *verbose),
        None if arguments.disable => service::disable(locations),
        None if arguments.enable => service::enable(arguments, locations),
        None if arguments.dry_run => dry_run::dry_run(arguments, locations),
        None => supervise::run(arguments, locations),
    }
}

//! `mptcpize gateway`: a router whose clients use every uplink, while it runs.
//!
//! Not here: what the host is to have (mptcpize_model::gateway), and the relay, a program of its own.

pub mod clients;
pub mod pass;
pub mod refusal;
pub mod revival;
pub mod service;
pub mod supervise;
pub mod terms;
pub mod undo;

use crate::cli::gateway::{Gateway, GatewayCommand, GatewayPlace};
use crate::error::{Error, Exit};
use crate::host::netns;
use crate::locations::Locations;
use crate::output::term::{Colour, Term};
use crate::output::{self, diff};
use mptcpize_model::phrase;

/// Carries out `gateway` and the verbs below it.
///
/// # Errors
/// 2 for a LAN that is none, 4 without privilege, 5 without MPTCP, TPROXY, nft or the relay, 1 when the
/// kernel refuses a change (the host is as it was), 6 when that could not be taken back.
pub fn gateway(arguments: Gateway, locations: &Locations) -> anyhow::Result<Exit> {
    match arguments.command {
        Some(GatewayCommand::Undo { place }) => {
            enter(&place)?;
            undo::undo(locations, place.verbose)
        }
        None if arguments.disable => service::disable(locations),
        None if arguments.enable => service::enable(&arguments, locations),
        None => {
            enter(&arguments.place)?;
            match arguments.dry_run {
                true => dry_run(&arguments, locations),
                false => supervise::run(&arguments, locations),
            }
        }
    }
}

fn enter(place: &GatewayPlace) -> Result<(), Error> {
    place.netns.as_deref().map_or(Ok(()), netns::enter)
}

/// Shows what would change: the set-up of the uplinks, then the gateway's own.
fn dry_run(arguments: &Gateway, locations: &Locations) -> anyhow::Result<Exit> {
    let terms = terms::Terms::read(&arguments.settings, locations)?;
    let mut pass = pass::Pass::open(locations)?;
    let look = pass.look(&terms)?;
    let clients = terms.asked.dhcp.then(clients::Clients::find).transpose()?;
    let set_up = look.set_up(&pass);
    let own = &look.plan;
    let count = set_up.map_or(0, |plan| plan.steps.len()) + own.steps.len();
    if count == 0 {
        output::line("Nothing to change on this host.")?;
        return Ok(Exit::Done);
    }
    let programs: Vec<String> = std::iter::once(&pass.relay)
        .chain(clients.as_ref().map(|clients| &clients.program))
        .map(|program| program.display().to_string())
        .collect();
    let term = Term::of_stdout(Colour::Never);
    let said = format!(
        "Would change {} on this host (nothing was changed), and start {}:",
        phrase::count(count, "thing"),
        phrase::list(&programs)
    );
    let mut text = output::paragraph(&said, term.width) + "\n";
    for plan in set_up.into_iter().chain([own]) {
        text.push_str(&diff::plan(plan, &term));
    }
    for hint in look.hints(&terms.asked) {
        text.push_str(&format!("! {hint}\n"));
    }
    text.push_str(&output::paragraph(
        "All of it is taken back when the gateway ends; after a crash: sudo mptcpize gateway undo",
        term.width,
    ));
    output::text(&text)?;
    Ok(Exit::Done)
}

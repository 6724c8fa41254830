//! `mptcpize setup undo`: everything as it was.

use serde_json::json;

use crate::cli::setup::Place;
use crate::commands::setup::confirm;
use crate::commands::setup::session::{enter, open_journal};
use crate::daemon::published;
use crate::error::{Error, Exit};
use crate::host::Host;
use crate::host::agent;
use crate::host::apply::journal::{self, Journal};
use crate::host::apply::lock;
use crate::host::apply::transaction;
use crate::host::consent;
use crate::host::gateway::place;
use crate::host::netns::identity;
use crate::host::observe::kernel_host::KernelHost;
use crate::host::private_file;
use crate::locations::Locations;
use crate::output::{self, diff};
use mptcpize_model::change::Change;
use mptcpize_model::phrase;
use mptcpize_model::record::Record;

/// Takes back what stands in the journal; with `salvage` what a corrupt one still tells.
///
/// # Errors
/// 4 without privilege, 6 when the kernel refuses a change, 1 for a corrupt journal.
pub fn undo(locations: &Locations, place: &Place, salvage: bool) -> anyhow::Result<Exit> {
    enter(place)?;
    let mut host = KernelHost::open()?;
    let exit = match salvage {
        true => salvaged(locations, place, &mut host),
        false => recorded(locations, place, &mut host),
    }?;
    if let Some(daemon) = published::running(&locations.run(), identity::netns()) {
        output::note(&format!(
            "mptcpize daemon (process {}) sets the host up again: {} && mptcpize setup undo",
            daemon.pid,
            daemon.stop()
        ));
    }
    if let Some(stop) = place::running(locations) {
        output::note(&format!(
            "mptcpize gateway sets the uplinks up again: {stop}    # takes all of it back"
        ));
    }
    published::clear(&locations.run(), identity::netns());
    locations.agents(private_file::user()).iter().for_each(|all| agent::place::clear_left(all));
    consent::forget(locations);
    lock::sweep(&locations.run());
    Ok(exit)
}

/// Undoes the set-up for whoever made it for a time; how many changes that were.
///
/// # Errors
/// The kernel refused one (exit 6): the rest was taken back.
pub fn all(locations: &Locations, each: impl FnMut(&Change)) -> Result<usize, Error> {
    let mut host = KernelHost::open()?;
    let mut journal = Journal::open(&locations.run(), identity::netns(), |_| {})?;
    let undone = transaction::undo(&mut host, &mut journal, each)?;
    journal.remove()?;
    confirm::disarm(locations);
    Ok(undone.done.len())
}

/// Undoes what the journal says.
fn recorded(locations: &Locations, place: &Place, host: &mut KernelHost) -> anyhow::Result<Exit> {
    let record = journal::look(&locations.run(), identity::netns())?;
    // Without a journal there may still be what carries our mark.
    let nothing = record == Record::default() && !transaction::is_marked(&host.observe(&[])?);
    // An undo that was killed at its very end leaves a journal that says nothing.
    let journal = match nothing && !journal::exists(&locations.run(), identity::netns()) {
        true => None,
        false => Some(open_journal(locations)?),
    };
    // Only now nobody else writes it: one that said nothing may be that of a set-up which began, and is to be
    // undone as well.
    let is_empty = |journal: &Journal| journal.entries().is_empty() && journal.asked().is_empty();
    let mut journal = match journal {
        Some(journal) if !nothing || !is_empty(&journal) => journal,
        empty => {
            confirm::disarm(locations);
            empty.map_or(Ok(()), Journal::remove)?;
            if output::json::answer(|| json!({ "version": 1, "undone": [], "gone": 0 }))? {
                return Ok(Exit::Done);
            }
            output::line("nothing to undo: mptcpize changed nothing since the boot")?;
            return Ok(Exit::Done);
        }
    };
    let undone = transaction::undo(host, &mut journal, |change| {
        if place.verbose {
            output::note(&diff::change_line(change));
        }
    })?;
    journal.remove()?;
    confirm::disarm(locations);
    report(place, &undone.done, undone.gone)
}

fn report(place: &Place, done: &[Change], gone: usize) -> anyhow::Result<Exit> {
    if place.json {
        output::line(&json!({ "version": 1, "undone": done, "gone": gone }).to_string())?;
        return Ok(Exit::Done);
    }
    let gone = match gone {
        0 => String::new(),
        gone => format!(", {gone} had gone already or belong to others now"),
    };
    output::line(&format!("undid {}{gone}", phrase::count(done.len(), "change")))?;
    Ok(Exit::Done)
}

/// Undoes what a corrupt journal still tells, and every route and rule that carries our mark.
fn salvaged(locations: &Locations, place: &Place, host: &mut KernelHost) -> anyhow::Result<Exit> {
    // Where nothing can be read, the marks are still there.
    let changes = journal::salvage(&locations.run(), identity::netns()).unwrap_or_default();
    if let Some(aside) = journal::put_aside(&locations.run(), identity::netns())? {
        output::note(&format!("the journal was put aside as {}", aside.display()));
    }
    let mut journal = open_journal(locations)?;
    for change in &changes {
        journal.append(change)?;
    }
    let undone = transaction::undo(host, &mut journal, |change| {
        if place.verbose {
            output::note(&diff::change_line(change));
        }
    })?;
    journal.remove()?;
    report(place, &undone.done, undone.gone)
}

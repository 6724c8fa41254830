//! `mptcpize gateway undo`, and the end of every gateway: the host as it was.

use std::fs;

use serde_json::json;

use crate::commands::gateway::pass::made_set_up;
use crate::commands::setup::undo;
use crate::daemon::published;
use crate::error::{Error, Exit};
use crate::host::Host;
use crate::host::apply::journal::{self, Journal};
use crate::host::apply::lock::{self, Lock};
use crate::host::apply::transaction;
use crate::host::gateway::relay::Places;
use crate::host::gateway::{GatewayHost, place};
use crate::host::netns::identity;
use crate::locations::Locations;
use crate::output::{self, diff};
use mptcpize_model::change::Change;
use mptcpize_model::gateway::made;
use mptcpize_model::phrase;
use mptcpize_model::record::Record;

/// Takes back what a gateway left.
///
/// # Errors
/// 1 while one runs, 4 without privilege, 6 when the kernel refuses a change.
pub fn undo(locations: &Locations, verbose: bool) -> anyhow::Result<Exit> {
    let directory = locations.gateway();
    let mut host = GatewayHost::open()?;
    let record = journal::look(&locations.gateway_journal(), identity::netns())?;
    if record == Record::default()
        && !directory.exists()
        && made::marked(&host.observe(&[])?).is_empty()
    {
        if !output::json::answer(|| json!({ "version": 1, "undone": [] }))? {
            output::line("nothing to undo: no gateway has left anything")?;
        }
        return Ok(Exit::Done);
    }
    // A crash may have left less than a directory.
    lock::make(&locations.run())?;
    let place = place::take(locations)?;
    let mut undone = Vec::new();
    let done = take_back(locations, |change| {
        undone.push(change.clone());
        if verbose {
            output::note(&diff::change_line(change));
        }
    })?;
    clear(locations, place);
    if !output::json::answer(|| json!({ "version": 1, "undone": undone }))? {
        output::line(&format!("undid {}", phrase::count(done, "change")))?;
    }
    Ok(Exit::Done)
}

/// Takes everything back; how many changes that were.
///
/// # Errors
/// The kernel refused one (exit 6): the rest was taken back.
pub fn take_back(locations: &Locations, mut each: impl FnMut(&Change)) -> Result<usize, Error> {
    let places = Places(locations.gateway());
    let mut host = GatewayHost::open()?;
    let mut journal = Journal::open(&locations.gateway_journal(), identity::netns(), |_| {})?;
    let own = transaction::undo_with(&mut host, &mut journal, made::marked, &mut each)
        .map_err(|error| error.fix("sudo mptcpize gateway undo"));
    let own = own.and_then(|undone| journal.remove().map(|()| undone.done.len()));
    // Also where that failed: what can go goes.
    let mark = made_set_up(&places);
    let ours = mark.exists() && published::running(&locations.run(), identity::netns()).is_none();
    let set_up = if ours { undo::all(locations, &mut each) } else { Ok(0) };
    let count = own? + set_up?;
    let _ = fs::remove_file(mark);
    Ok(count)
}

/// Removes the files of a gateway that has ended, and gives up its place.
pub fn clear(locations: &Locations, place: Lock) {
    let directory = locations.gateway();
    Places(directory.clone()).clear();
    drop(place);
    lock::sweep(&locations.gateway_journal());
    // One that is not empty is somebody else's.
    let _ = fs::remove_dir(directory);
    lock::sweep(&locations.run());
}

//! `mptcpize setup undo`: everything as it was.

use serde_json::json;

use crate::cli::setup::Place;
use crate::commands::setup::confirm;
use crate::commands::setup::session::{enter, open_journal};
use crate::error::Exit;
use crate::host::Host;
use crate::host::apply::{journal, transaction};
use crate::host::netns::identity;
use crate::host::observe::kernel_host::Live;
use crate::output::{self, diff};
use crate::paths::Paths;
use mptcpize_model::change::Change;
use mptcpize_model::record::Record;

/// Takes back what stands in the journal; with `salvage` what a corrupt one still tells.
///
/// # Errors
/// 4 without privilege, 6 when the kernel refuses a change, 1 for a corrupt journal.
pub fn undo(paths: &Paths, place: &Place, salvage: bool) -> anyhow::Result<Exit> {
    enter(place)?;
    let mut host = Live::open()?;
    if salvage {
        return salvaged(paths, place, &mut host);
    }
    let record = journal::look(&paths.run(), identity::netns())?;
    // Without a journal there may still be what carries our mark.
    if record == Record::default() && !transaction::is_marked(&host.observe(&[])?) {
        confirm::disarm(paths);
        // An undo that was killed at its very end leaves a journal that says nothing.
        if journal::exists(&paths.run(), identity::netns()) {
            open_journal(paths)?.remove()?;
        }
        output::line("nothing to undo: mptcpize changed nothing since the boot")?;
        return Ok(Exit::Done);
    }
    let mut journal = open_journal(paths)?;
    let undone = transaction::undo(&mut host, &mut journal, |change| {
        if place.verbose {
            output::note(&diff::change_line(change));
        }
    })?;
    journal.remove()?;
    confirm::disarm(paths);
    report(place, &undone.done, undone.gone)
}

fn report(place: &Place, done: &[Change], gone: usize) -> anyhow::Result<Exit> {
    if place.json {
        output::line(&json!({ "version": 1, "undone": done, "gone": gone }).to_string())?;
        return Ok(Exit::Done);
    }
    let plural = if done.len() == 1 { "" } else { "s" };
    let gone = match gone {
        0 => String::new(),
        gone => format!(", {gone} had gone already or belong to others now"),
    };
    output::line(&format!("undid {} change{plural}{gone}", done.len()))?;
    Ok(Exit::Done)
}

/// Undoes what a corrupt journal still tells, and every route and rule that carries our mark.
fn salvaged(paths: &Paths, place: &Place, host: &mut Live) -> anyhow::Result<Exit> {
    // Where nothing can be read, the marks are still there.
    let changes = journal::salvage(&paths.run(), identity::netns()).unwrap_or_default();
    if let Some(aside) = journal::put_aside(&paths.run(), identity::netns())? {
        output::note(&format!("the journal was put aside as {}", aside.display()));
    }
    let mut journal = open_journal(paths)?;
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

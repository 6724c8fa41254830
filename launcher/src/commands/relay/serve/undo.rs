//! `mptcpize relay serve undo`, and the end of every relay: the host as it was. Key and users stay.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::commands::relay::serve::pass;
use crate::error::Exit;
use crate::host::apply::lock::{self, Lock};
use crate::host::gateway::place::{self, SERVER};
use crate::host::gateway::relay::Places;
use crate::host::private_file;
use crate::locations::Locations;
use crate::output::{self, diff};
use mptcpize_model::phrase;

/// Takes back what a relay left.
///
/// # Errors
/// 1 while one runs, 4 without privilege, 6 when the kernel refuses a change.
pub fn undo(locations: &Locations, verbose: bool) -> anyhow::Result<Exit> {
    let directory = locations.served_run(private_file::user()).filter(|it| it.exists());
    let Some(directory) = directory else {
        if !output::json::answer(|| json!({ "version": 1, "undone": [] }))? {
            output::line("nothing to undo: no relay has left anything")?;
        }
        return Ok(Exit::Done);
    };
    let place = place::take_in(&held(&directory), SERVER)?;
    let mut undone = Vec::new();
    let count = pass::take_back(locations, &directory, |change| {
        undone.push(change.clone());
        if verbose {
            output::note(&diff::change_line(change));
        }
    })?;
    clear(locations, &directory, place);
    if !output::json::answer(|| json!({ "version": 1, "undone": undone }))? {
        output::line(&format!("undid {}", phrase::count(count, "change")))?;
    }
    Ok(Exit::Done)
}

/// Where the place of the relay that runs is taken: not beside its sockets, which none has.
pub fn held(directory: &Path) -> std::path::PathBuf {
    directory.join("held")
}

/// Removes the files of a relay that has ended, and gives up its place.
pub fn clear(locations: &Locations, directory: &Path, place: Lock) {
    Places(directory.to_owned()).clear();
    drop(place);
    lock::sweep(&held(directory));
    // One that is not empty is somebody else's.
    let counts = locations.served_counts(private_file::user());
    for path in counts.iter().map(PathBuf::as_path).chain([directory]) {
        let _ = fs::remove_dir(path);
    }
    lock::sweep(&locations.run());
}

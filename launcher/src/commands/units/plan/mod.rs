//! What `enable` will do for a unit: looks at its files and its programs, and decides on the
//! drop-in. Nothing is changed here.

mod by_environment;
mod caller;
mod choice;
mod dispatcher;
mod environment;
mod foreseen;
mod mechanism;
mod programs;
mod sandbox;
mod seen_lost;
mod service;
mod socket;
mod under_run;
mod usable;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use self::sandbox::Need;
use self::service::Service;
use crate::cli::unit::Via;
use crate::commands::units::Site;
use crate::error::Error;
use crate::host::systemd::units::Facts;
use crate::inject::library::service_copy::Placed;
use mptcpize_model::unit::UnitName;
use mptcpize_model::unit::dropin::{Dropin, FILE};
use mptcpize_model::unit::file::UnitText;
use mptcpize_model::unit::order::waits_for_network;

/// A unit and the drop-in for it.
#[derive(Debug)]
pub struct Planned {
    /// The unit.
    pub name: UnitName,
    /// The drop-in, but for the directories that are made for it.
    pub dropin: Dropin,
    /// Why this mechanism.
    pub why: String,
    /// What a person should know besides.
    pub notes: Vec<String>,
    /// Files of ours that it needs.
    pub needs: Vec<Placed>,
    /// It runs now.
    pub active: bool,
    /// The cgroup that it runs in.
    pub cgroup: Option<String>,
}

/// Plans a unit's drop-in from its files and its programs.
///
/// # Errors
/// Why it cannot be enabled: 5 it does not exist, 2 it has no programs, 1 it is masked, broken,
/// transient, or nothing reaches it.
pub fn plan(site: &Site, facts: &Facts, asked: Via) -> Result<Planned, Error> {
    let name = usable::check(facts)?;
    let is_own = |file: &Path| file.file_name() == Some(OsStr::new(FILE));
    let files: Vec<PathBuf> = facts.files.iter().filter(|file| !is_own(file)).cloned().collect();
    let text = UnitText::read(&site.source.read(&files)?);
    let mut choice = match name.kind() {
        "socket" => socket::choose(site, facts, &text)?,
        _ => mechanism::choose(Service { site, facts, text: &text, name: &name }, asked)?,
    };
    if name.kind() != "socket" {
        choice.notes.extend(foreseen::note(site, facts, &choice.mechanism));
        choice.notes.extend(socket::of_service(site, facts));
    }
    let bind = |need: &Need| (need.placed.seen.clone(), need.inside.clone());
    let needs = &choice.needs;
    let dropin = Dropin {
        unit: name.clone(),
        mechanism: choice.mechanism,
        variables: Vec::new(),
        after_setup: !site.user && waits_for_network(&text, &name),
        bind: needs.iter().filter(|need| need.bound).map(bind).collect(),
        executable: needs
            .iter()
            .filter(|need| need.executable)
            .map(|need| need.placed.seen.clone())
            .collect(),
        made: Vec::new(),
    };
    Ok(Planned {
        name,
        dropin,
        why: choice.why,
        notes: choice.notes,
        needs: choice.needs.into_iter().map(|need| need.placed).collect(),
        active: facts.active == "active" || facts.active == "reloading",
        cgroup: facts.cgroup.clone(),
    })
}

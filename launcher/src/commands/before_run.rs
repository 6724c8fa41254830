//! Setting the host up for `run`: done where it is allowed and nobody else does it, silent where
//! there is nothing to do, and never a reason for the program not to run, unless it was asked for.

use std::fs;
use std::io::IsTerminal;

use rustix::thread::CapabilitySet;

use crate::cli::setup::Settings;
use crate::commands::setup;
use crate::error::{Error, Exit};
use crate::host::live::Live;
use crate::host::{Host, glance, identity, journal, transaction};
use crate::model::plan::plan;
use crate::model::policy;
use crate::output;
use crate::paths::Paths;

/// What the command line said about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// `--setup`.
    Always,
    /// `--no-setup`.
    Never,
    /// Neither.
    WhereAllowed,
}

/// Sets the host up as wished.
///
/// # Errors
/// Only with [`Wish::Always`]: whatever `mptcpize setup` would have said.
pub fn host(wish: Wish, paths: &Paths) -> Result<(), Error> {
    match wish {
        Wish::Never => Ok(()),
        Wish::Always => set_up(paths, true),
        Wish::WhereAllowed if may_change_the_network() => {
            // The program matters more than our set-up of the host.
            set_up(paths, false).or_else(|error| {
                if error.exit() != Exit::NotPermitted {
                    output::note_error("the host is not set up:", &error);
                }
                Ok(())
            })
        }
        Wish::WhereAllowed => {
            hint(paths);
            Ok(())
        }
    }
}

fn may_change_the_network() -> bool {
    rustix::thread::capabilities(None)
        .is_ok_and(|sets| sets.effective.contains(CapabilitySet::NET_ADMIN))
}

fn set_up(paths: &Paths, asked: bool) -> Result<(), Error> {
    if !asked && glance::addressed_links() < 2 {
        return Ok(());
    }
    let mut host = Live::open()?;
    let config = setup::settings(&Settings::default(), paths)?;
    let record = journal::look(&paths.run(), identity::netns())?;
    let state = host.observe(&record.entries)?;
    // An administrator's off is respected, and so is whoever looks after the endpoints already.
    let managed_by_others = state.foreign_endpoints().next().is_some();
    if !asked && (state.sysctl("net.mptcp.enabled") == 0 || managed_by_others) {
        return Ok(());
    }
    setup::check(&state, &config)?;
    if plan(&state, &policy::desired(&state, &config)).is_empty() {
        return Ok(());
    }
    let mut journal = setup::open_journal(paths)?;
    let done = transaction::set_up(&mut host, &mut journal, &config, |_| {})?;
    if !done.plan.is_empty() {
        output::note(&format!(
            "set up {} with {} changes (undo: mptcpize setup undo)",
            setup::links(&policy::desired(&done.state, &config)),
            done.plan.steps.len()
        ));
    }
    Ok(())
}

/// Tells a person without the privilege, once a boot, that there is something to gain.
fn hint(paths: &Paths) {
    if !std::io::stderr().is_terminal() {
        return;
    }
    let Some(marker) = paths.hinted() else { return };
    if marker.exists() || !worthwhile() {
        return;
    }
    if let Some(directory) = marker.parent() {
        let _ = fs::create_dir_all(directory);
    }
    if fs::write(&marker, "").is_ok() {
        output::note("this host has several links and uses one: sudo mptcpize setup");
    }
}

/// Are there at least two paths, and nothing of ours that joins them?
fn worthwhile() -> bool {
    let Ok(state) = Live::open().and_then(|mut host| host.observe(&[])) else { return false };
    let set_up = state.rules.iter().any(|rule| policy::is_ours(rule.protocol));
    !set_up && policy::desired(&state, &crate::model::config::Config::default()).bonds
}

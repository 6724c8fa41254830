//! Setting the host up for `run`: done where it is allowed and nobody else does it, silent where
//! there is nothing to do, and never a reason for the program not to run, unless it was asked for.

use std::fs;
use std::io::IsTerminal;

use rustix::thread::CapabilitySet;

use crate::commands::run::consent;
use crate::commands::setup;
use crate::commands::setup::settings;
use crate::error::{Error, Exit};
use crate::host::Host;
use crate::host::apply::{journal, transaction};
use crate::host::netns::identity;
use crate::host::observe::kernel_host::KernelHost;
use crate::host::observe::{addressed_links, check};
use crate::locations::Locations;
use crate::output;
use mptcpize_model::HostState;
use mptcpize_model::asked::Asked;
use mptcpize_model::checks::{Firewall, Scope, judge};
use mptcpize_model::config::Config;
use mptcpize_model::desired;
use mptcpize_model::ours;
use mptcpize_model::proposal::{self, Observation};

/// What the command line said about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// `--setup`.
    Always,
    /// `--no-setup`.
    Never,
    /// Neither option: where it is allowed, needed and nobody else's business.
    WhereAllowed,
}

/// Sets the host up as wished.
///
/// # Errors
/// Only with [`Wish::Always`]: whatever `mptcpize setup` would have said.
pub fn host(wish: Wish, locations: &Locations) -> Result<(), Error> {
    match wish {
        Wish::Never => Ok(()),
        Wish::Always => set_up(locations, true),
        Wish::WhereAllowed if may_change_the_network() => {
            // The program matters more than our set-up of the host.
            set_up(locations, false).or_else(|error| {
                if error.exit() != Exit::NotPermitted {
                    output::note_error("the host is not set up:", &error);
                }
                Ok(())
            })
        }
        Wish::WhereAllowed => {
            hint(locations);
            Ok(())
        }
    }
}

fn may_change_the_network() -> bool {
    rustix::thread::capabilities(None)
        .is_ok_and(|sets| sets.effective.contains(CapabilitySet::NET_ADMIN))
}

fn set_up(locations: &Locations, asked: bool) -> Result<(), Error> {
    if !asked && addressed_links::count() < 2 {
        return Ok(());
    }
    let mut host = KernelHost::open()?;
    let record = journal::look(&locations.run(), identity::netns())?;
    let stalled = settings::stalled(locations);
    let config = Config { stalled, ..settings::of_host(&record, locations)? };
    let state = host.observe(&record.entries)?;
    // An administrator's off is respected.
    if !asked && state.sysctl("net.mptcp.enabled") == 0 {
        return Ok(());
    }
    settings::check_kernel(&state)?;
    if asked {
        let (file, shown) = (settings::file(None, locations)?, settings::shown(None, locations));
        settings::check(&state, &file, &Asked::default(), &shown)?;
    }
    let seen = Observation::of(state, &config);
    if asked {
        setup::refuse(&seen, &config)?;
    } else if !worth(&seen, &config) {
        return Ok(());
    }
    if seen.proposal.plan.is_empty() {
        return Ok(());
    }
    if !asked && !consent::is_given(&seen.proposal, &config, locations) {
        return Ok(());
    }
    let first = !asked && record.entries.is_empty() && config.run_setup.is_none();
    let blocked = seen.proposal.plan.blocked.clone();
    let mut journal = setup::session::open_journal(locations)?;
    let seen = transaction::up_to_date(seen, &record.entries, &mut host, &journal, &config)?;
    let done = transaction::set_up(seen, &mut host, &mut journal, &config, |_| {})?;
    if !done.plan.is_empty() {
        let Observation { state, proposal } = done.now;
        let count = done.plan.steps.len();
        output::note(&match proposal.desired.bonds {
            true => setup::done_line(&setup::links(&proposal), count),
            false => setup::unbonded::taken_away(&proposal, count),
        });
        if first {
            consent::explain();
        }
        if let Some(line) = not_mended(state, config) {
            output::note(&line);
        }
    }
    for blocked in &blocked {
        output::note(&blocked.to_string());
    }
    Ok(())
}

/// The first fault that the set-up leaves, in a line: with it nothing may be bonded all the same. The packet filter
/// is not read for that, because a program would be waited for.
fn not_mended(state: HostState, config: Config) -> Option<String> {
    let seen = check::glance(state, config, Firewall::default());
    let judged = judge(&seen, Scope::Glance);
    let first = judged.faults().next()?;
    let mends = first.fix.join(" && ");
    let mends = if mends.is_empty() { "mptcpize check    # says more" } else { &mends };
    Some(format!("{}: {}: {mends}", first.topic, first.title))
}

/// Is a set-up that nobody asked for to be made? Not where a VPN takes the traffic, nor where
/// somebody else bonds the links; what is wrong with that is said in one line.
fn worth(seen: &Observation, config: &Config) -> bool {
    let Observation { state, proposal } = seen;
    if let Some(leak) = proposal::leak(state, config) {
        output::note(&format!("{}: {}", leak.what, leak.fix.join(" && ")));
        return false;
    }
    if proposal.desired.refused.is_some() {
        return false;
    }
    if let Some(blocked) = proposal.plan.blocked.first().filter(|_| proposal.is_blocked()) {
        output::note(&blocked.to_string());
        return false;
    }
    proposal.desired.bonds && !proposal.others_bond(state)
}

/// Tells a person without the privilege, once a boot, that there is something to gain.
fn hint(locations: &Locations) {
    if !std::io::stderr().is_terminal() {
        return;
    }
    let Some(marker) = locations.hinted() else { return };
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
    let Ok(state) = KernelHost::open().and_then(|mut host| host.observe(&[])) else { return false };
    let set_up = state.rules.iter().any(|rule| ours::is_ours(rule.protocol));
    !set_up && desired::desired(&state, &Config::default()).bonds
}

//! What the host has to have for its relay: looked at, made, and taken back in the end.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::commands::setup::{self, settings};
use crate::daemon::published;
use crate::error::{Error, Exit, reason};
use crate::host::Host;
use crate::host::apply::journal::{self, Journal};
use crate::host::apply::transaction;
use crate::host::gateway::place;
use crate::host::netns::identity;
use crate::host::observe::kernel_host::KernelHost;
use crate::locations::Locations;
use mptcpize_model::HostState;
use mptcpize_model::change::Change;
use mptcpize_model::config::{Config, Role};
use mptcpize_model::plan::Plan;
use mptcpize_model::proposal::Observation;
use mptcpize_model::relay::host;

/// How long another mptcpize that changes the host is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// The host, and where it is recorded what was changed.
pub struct Pass {
    host: KernelHost,
    run: PathBuf,
    mark: PathBuf,
    netns: u64,
}

/// What was seen, and what follows from that.
pub struct Look {
    seen: Observation,
    known: Vec<Change>,
    config: Config,
    /// Who else sets this host up, so that it is left as it is.
    others: Option<String>,
}

impl Look {
    /// What is to be changed; nothing where others do that.
    pub fn plan(&self) -> Option<&Plan> {
        let plan = &self.seen.proposal.plan;
        (self.others.is_none() && !plan.is_empty()).then_some(plan)
    }

    /// The host as it was seen.
    pub fn state(&self) -> &HostState {
        &self.seen.state
    }

    /// What is not as it could be, as a clause.
    pub fn shortfall(&self) -> Option<String> {
        let desired = &self.seen.proposal.desired;
        let others = self.others.as_ref()?;
        let silent = desired.bonds && self.config.role == Role::Client;
        silent.then(|| {
            format!(
                "{others}, as a client: the further addresses of this host are not announced    \
                 (sudo mptcpize setup --role both)"
            )
        })
    }
}

impl Pass {
    /// Connects to the kernel.
    ///
    /// # Errors
    /// A sandbox forbids netlink.
    pub fn open(locations: &Locations, directory: &Path) -> Result<Self, Error> {
        let host = KernelHost::open()?;
        let (run, netns) = (locations.run(), identity::netns());
        Ok(Pass { host, run, mark: mark(directory), netns })
    }

    /// Looks at the host.
    ///
    /// # Errors
    /// The kernel cannot be asked; a mistake in the settings file (2); a damaged journal.
    pub fn look(&mut self, locations: &Locations) -> Result<Look, Error> {
        let record = journal::look(&self.run, self.netns)?;
        let config = settings::of_host(&record, locations)?;
        let daemon = published::running(&self.run, self.netns)
            .map(|daemon| format!("mptcpize daemon (process {}) sets this host up", daemon.pid));
        let set_up = !record.entries.is_empty() && !self.mark.exists();
        let others = daemon.or_else(|| set_up.then(|| "this host is set up already".to_owned()));
        let config = match others {
            Some(_) => config,
            None => host::serving(config),
        };
        let state = self.host.observe(&record.entries)?;
        let seen = host::observation(state, &config);
        Ok(Look { seen, known: record.entries, config, others })
    }

    /// Makes the host what its relay needs; how many changes that were.
    ///
    /// # Errors
    /// A change that the kernel refused: what was made was taken back.
    pub fn carry_out(&mut self, look: Look, each: impl FnMut(&Change)) -> Result<usize, Error> {
        if look.plan().is_none() {
            return Ok(0);
        }
        let Look { seen, known, config, .. } = look;
        let mut journal = Journal::open_within(&self.run, self.netns, PATIENCE, |_| {})?;
        if journal.entries().is_empty() {
            // Before the first change, so that a crash does not make it somebody else's.
            fs::write(&self.mark, "").map_err(|error| {
                Error::new(Exit::Failed, "cannot record that the relay sets this host up")
                    .why(reason(&error))
            })?;
        }
        let propose = |state: HostState| host::observation(state, &config);
        let host = &mut self.host;
        let seen = match !journal.was_held() && journal.entries() == known {
            true => seen,
            false => propose(host.observe(journal.entries())?),
        };
        let done = transaction::carry_out(seen, host, &mut journal, propose, each);
        let done = done.map_err(|error| match error.exit() {
            Exit::Partial => error.fix("sudo mptcpize relay serve undo"),
            _ => error,
        })?;
        Ok(done.plan.steps.len())
    }
}

/// The mark that what was changed on this host is the relay's, and goes with it.
pub fn mark(directory: &Path) -> PathBuf {
    directory.join("made-set-up")
}

/// Takes back what was changed for the relay, unless somebody else goes by it by now; how many changes that
/// were.
///
/// # Errors
/// The kernel refused one (exit 6): the rest was taken back.
pub fn take_back(
    locations: &Locations,
    directory: &Path,
    each: impl FnMut(&Change),
) -> Result<usize, Error> {
    let mark = mark(directory);
    if !mark.exists() {
        return Ok(0);
    }
    let taken_over = published::running(&locations.run(), identity::netns()).is_some()
        || place::running(locations).is_some();
    let count = match taken_over {
        true => 0,
        false => setup::undo::all(locations, each)
            .map_err(|error| error.fix("sudo mptcpize relay serve undo"))?,
    };
    let _ = fs::remove_file(mark);
    Ok(count)
}

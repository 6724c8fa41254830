//! A unit that is being enabled: the change of its drop-in, and what its restart would need.

use std::net::SocketAddr;

use crate::cli::unit::Enable;
use crate::commands::units::came_up::{self, Started};
use crate::commands::units::in_effect;
use crate::commands::units::plan::{self, Planned};
use crate::commands::units::select::Selected;
use crate::commands::units::socket_row;
use crate::commands::units::{Site, not_foreign};
use crate::error::{Error, Exit};
use crate::host::procfs::processes;
use crate::host::systemd::dropins::UnitDir;
use mptcpize_model::mptcp::IPPROTO_MPTCP;
use mptcpize_model::shell;
use mptcpize_model::unit::UnitName;
use mptcpize_model::unit::dropin::{self, Mechanism};
use mptcpize_model::unit::dropin_change::DropinChange;

/// A unit with the change of its drop-in.
pub struct Job {
    /// What is done for it, and why.
    pub planned: Planned,
    /// The drop-in, as systemd sees it.
    pub file: String,
    /// What becomes of it.
    pub change: DropinChange,
    /// It runs, and without this.
    pub behind: bool,
    /// It was named, and not matched by a pattern alone.
    pub named: bool,
    /// It counts from the next boot on: it cannot be restarted before.
    pub at_boot: bool,
    /// Where it listened before, where that is asked.
    pub listened: Vec<SocketAddr>,
}

impl Job {
    /// Plans a unit's drop-in and looks for what is in its way; nothing is changed.
    ///
    /// # Errors
    /// See [`plan::plan`]; 1 where a file of somebody else, or another drop-in of ours, is in
    /// the way.
    pub fn plan(
        site: &Site,
        directory: &UnitDir,
        selected: &Selected,
        arguments: &Enable,
        policy: Option<&(String, String)>,
    ) -> Result<Self, Error> {
        let mut planned = plan::plan(site, &selected.facts, arguments.via)?;
        if let Some(policy) = policy.filter(|_| planned.name.kind() != "socket") {
            planned.dropin.variables.push(policy.clone());
        }
        let file = directory.file(&planned.name);
        let before = directory.text(&planned.name)?;
        not_foreign(before.as_ref(), &file)?;
        other_place(site, arguments.runtime, &planned.name)?;
        planned.dropin.made = match &before {
            // It knows what was made for it; now nothing is.
            Some(text) => dropin::made(text, &file).into_iter().map(Into::into).collect(),
            None => directory.missing(&planned.name)?,
        };
        let change = DropinChange {
            unit: planned.name.clone(),
            before,
            after: Some(planned.dropin.render()),
        };
        let in_effect = match planned.dropin.mechanism {
            Mechanism::Socket(_) => socket_row::is_in_effect(site, &selected.facts),
            _ => in_effect::by_processes(&planned),
        };
        let behind = planned.active && (change.is_needed() || !in_effect);
        let behind = behind && (selected.named || is_worth_a_restart(&planned));
        let at_boot = behind && !selected.facts.can_restart;
        let listened = match arguments.now {
            true => came_up::listens_at(planned.cgroup.as_deref()),
            false => Vec::new(),
        };
        Ok(Job {
            listened,
            planned,
            file: file.display().to_string(),
            change,
            behind: behind && !at_boot,
            named: selected.named,
            at_boot,
        })
    }

    /// Its name.
    pub fn name(&self) -> &UnitName {
        &self.planned.name
    }

    /// The drop-in is not there yet, or has another text.
    pub fn is_new(&self) -> bool {
        self.change.is_needed()
    }

    /// The new text of the drop-in.
    pub fn text(&self) -> &str {
        self.change.after.as_deref().unwrap_or_default()
    }

    /// What is looked at when it was started.
    pub fn started(&self) -> Started {
        Started {
            name: self.name().clone(),
            file: self.file.clone(),
            filter: dropin::has_filter(self.text()),
        }
    }

    /// It could run, and does not.
    pub fn is_idle(&self) -> bool {
        !self.planned.active && !self.name().is_template()
    }
}

/// Has a unit that a pattern matched something that another start would change? One that has done its
/// work and only counts as active has not; and who calls from within a unit wants to come back.
fn is_worth_a_restart(planned: &Planned) -> bool {
    if planned.name.kind() == "socket" {
        return true;
    }
    let Some(cgroup) = &planned.cgroup else { return false };
    let pids = processes::pids(cgroup);
    !pids.is_empty() && !pids.contains(&std::process::id())
}

/// Refuses a second drop-in for the same unit in the other of the two places.
fn other_place(site: &Site, runtime: bool, name: &UnitName) -> Result<(), Error> {
    if site.running().is_none() {
        return Ok(());
    }
    let Ok(other) = site.directory(!runtime) else { return Ok(()) };
    match other.text(name)? {
        Some(text) if dropin::is_ours(&text) => Err(Error::new(
            Exit::Failed,
            format!("{name} is on already, by {}", other.file(name).display()),
        )
        .fix(format!("sudo mptcpize disable {}    # then enable it", shell::operand(name)))
        .group("that are on already, in another place")),
        _ => Ok(()),
    }
}

/// Asks systemd whether the drop-ins count; returns those that do not, by their index.
///
/// # Errors
/// No systemd answers.
pub fn check(site: &Site, jobs: &[Job]) -> Result<Vec<(usize, Error)>, Error> {
    let names: Vec<UnitName> = jobs.iter().map(|job| job.name().clone()).collect();
    let mut refused = Vec::new();
    for (index, (job, facts)) in jobs.iter().zip(site.source.facts(&names)?).enumerate() {
        let arrived = match &job.planned.dropin.mechanism {
            Mechanism::Environment { preload, godebug } => {
                let has = |name: &str, part: &str| {
                    facts.environment.iter().any(|one| one.starts_with(name) && one.contains(part))
                };
                preload.as_ref().is_none_or(|_| has("LD_PRELOAD=", "libmptcpize"))
                    && godebug.as_ref().is_none_or(|_| has("GODEBUG=", "multipathtcp="))
            }
            Mechanism::Run { .. } => {
                facts.programs.iter().all(|program| program.ends_with("mptcpize"))
            }
            Mechanism::Socket(_) => facts.protocol == IPPROTO_MPTCP,
        };
        let why = if facts.load != "loaded" {
            format!("it says {} {}", facts.load, facts.load_error)
        } else if !facts.files.iter().any(|file| file.as_os_str() == job.file.as_str()) {
            format!("{} is not among its files", job.file)
        } else if !arrived {
            "another file of the unit overrides it".to_owned()
        } else {
            continue;
        };
        let what = format!("systemd does not take the drop-in for {}", job.name());
        let error = Error::new(Exit::Failed, what).why(why);
        refused.push((index, error.group("whose own files override it")));
    }
    Ok(refused)
}

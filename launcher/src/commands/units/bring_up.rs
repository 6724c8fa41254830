//! `enable --now`: restarts what runs without it, starts what is named and does not run, and looks
//! whether each stays up.
//!
//! Not here: what becomes of the files of one that does not (`apply`).

use std::time::SystemTime;

use crate::commands::units::job::Job;
use crate::commands::units::stays_up::{self, Fallen};
use crate::error::{Error, Exit};
use crate::host::systemd::systemctl::Systemctl;
use mptcpize_model::shell;

/// Restarts and starts the units of these jobs. Returns those that a pattern matched and that fell.
///
/// # Errors
/// A unit that was named does not stay up, or systemd cannot be asked.
pub fn bring_up(manager: Systemctl, jobs: &[Job]) -> Result<Vec<Fallen>, Error> {
    let (restart, start) = (to_restart(jobs), to_start(jobs));
    let since = SystemTime::now();
    let asked = restarted(manager, &restart, &start);
    let mut watched: Vec<(&str, bool)> = restart.iter().map(|name| (*name, true)).collect();
    watched.extend(start.iter().map(|name| (*name, false)));
    let fallen = stays_up::watch(manager, &watched, since).unwrap_or_default();
    let fell = |job: &&Job| fallen.iter().any(|one| one.unit == job.name().as_str());
    let wrong = match jobs.iter().filter(fell).find(|job| job.named) {
        Some(job) => {
            let one = fallen.iter().find(|one| one.unit == job.name().as_str());
            Some(does_not_stay(job, one.map(Fallen::told).unwrap_or_default()))
        }
        // systemd says no, and none of the units says why.
        None if fallen.is_empty() => asked.err().map(|error| {
            let units: Vec<String> = watched.iter().map(|(name, _)| shell::word(name)).collect();
            error.fix(format!(
                "journalctl -u {}    # says more; nothing is changed",
                units.join(" -u ")
            ))
        }),
        None => None,
    };
    wrong.map_or(Ok(fallen), Err)
}

/// Those that run, and without what is there for them now.
fn to_restart(jobs: &[Job]) -> Vec<&str> {
    names(jobs, |job| job.behind)
}

/// Those that were named and do not run.
fn to_start(jobs: &[Job]) -> Vec<&str> {
    names(jobs, |job| job.named && job.is_idle())
}

fn names(jobs: &[Job], which: impl Fn(&Job) -> bool) -> Vec<&str> {
    jobs.iter().filter(|job| which(job)).map(|job| job.name().as_str()).collect()
}

/// Both, also when the first fails: which unit it was is seen afterwards.
fn restarted(manager: Systemctl, restart: &[&str], start: &[&str]) -> Result<(), Error> {
    let one = if restart.is_empty() { Ok(()) } else { manager.restart(restart) };
    let other = if start.is_empty() { Ok(()) } else { manager.start(start) };
    one.and(other)
}

fn does_not_stay(job: &Job, why: String) -> Error {
    let state = if job.behind { "and runs" } else { "and stopped" };
    Error::new(
        Exit::Failed,
        format!("{} does not stay up with it; put back: it is as it was, {state}", job.name()),
    )
    .why(why)
    .fix(format!("journalctl -u {}    # says more", shell::operand(job.name())))
}

/// Once the files of all these jobs were taken back: those that ran run once more, and the others
/// are stopped, whether they came up or not.
pub fn run_all_as_before(manager: Systemctl, jobs: &[Job]) {
    run_as_before(manager, &to_restart(jobs), &to_start(jobs));
}

/// Once their files were taken back: restarts units that ran, and stops units that did not.
pub fn run_as_before(manager: Systemctl, restart: &[&str], start: &[&str]) {
    if !start.is_empty() {
        let _ = manager.stop(start);
        // A unit that was at rest had not failed.
        let _ = manager.forget_failure(start);
    }
    if !restart.is_empty() {
        let _ = manager.restart(restart);
        let _ = manager.start_again(restart);
    }
}

//! `enable --now`: restarts what runs without it, starts what is named and does not run, and looks
//! whether each stays up. What does not is put back as it was.

use std::time::SystemTime;

use crate::commands::units::Site;
use crate::commands::units::job::Job;
use crate::commands::units::stays_up::{self, Fallen};
use crate::error::{Error, Exit};
use crate::host::systemd::dropins::UnitDir;
use crate::host::systemd::systemctl::Systemctl;
use mptcpize_model::shell;

/// Restarts and starts the units of these jobs. Returns those that a pattern met and that fell;
/// they are put back.
///
/// # Errors
/// A unit that was named does not stay up, or systemd cannot be asked; then all are put back.
pub fn bring_up(
    site: &Site,
    manager: Systemctl,
    directory: &UnitDir,
    jobs: &[Job],
) -> Result<Vec<Fallen>, Error> {
    let restart = names(jobs, |job| job.behind);
    let start = names(jobs, |job| job.named && job.is_idle());
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
    match wrong {
        Some(error) => {
            let error = take_back(site, directory, jobs, error);
            run_as_before(manager, &restart, &start);
            Err(error)
        }
        None => {
            let back: Vec<&Job> = jobs.iter().filter(fell).collect();
            put_back(manager, directory, &back)?;
            Ok(fallen)
        }
    }
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

/// Those that came up run with what is gone now, the others not at all.
fn run_as_before(manager: Systemctl, restart: &[&str], start: &[&str]) {
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

fn put_back(manager: Systemctl, directory: &UnitDir, jobs: &[&Job]) -> Result<(), Error> {
    if jobs.is_empty() {
        return Ok(());
    }
    for job in jobs {
        job.restore(directory)?;
    }
    manager.reload()?;
    let names: Vec<&str> = jobs.iter().map(|job| job.name().as_str()).collect();
    run_as_before(manager, &names, &[]);
    Ok(())
}

/// Puts back what was there before; returns the error that made it necessary.
pub fn take_back(site: &Site, directory: &UnitDir, jobs: &[Job], error: Error) -> Error {
    let left: Vec<&str> = jobs
        .iter()
        .filter(|job| job.restore(directory).is_err())
        .map(|job| job.file.as_str())
        .collect();
    if let Some(systemctl) = site.running() {
        let _ = systemctl.reload();
    }
    match left.is_empty() {
        true => error,
        false => error.with_exit(Exit::Partial).fix(format!("sudo rm {}", shell::operands(left))),
    }
}

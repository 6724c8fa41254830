//! Applying what was planned for all units: write all files, let systemd read them, ask it whether
//! they count, and restart what runs if that was asked. What fails takes back everything; but a unit
//! that only a pattern matched fails alone.
//!
//! The order makes each instant one at which the process may be killed: copies of the library and the
//! binary are there before a drop-in names them, and go when none names them any more. A copy has no
//! inverse of its own, because units of other runs may share it: the sweep at the end removes what
//! nobody names.

use crate::commands::units::Site;
use crate::commands::units::bring_up::{bring_up, run_all_as_before, run_as_before};
use crate::commands::units::job::{self, Job};
use crate::commands::units::passed_over;
use crate::commands::units::stays_up::Fallen;
use crate::error::{Error, Exit};
use crate::host::apply::lock::Lock;
use crate::host::systemd::dropins::UnitDir;
use crate::host::systemd::systemctl::Systemctl;
use crate::host::systemd::transaction::Transaction;
use crate::output::services::Passed;
use mptcpize_model::shell;
use mptcpize_model::unit::UnitName;

/// What became of the units.
pub struct Outcome {
    /// Those that are on.
    pub jobs: Vec<Job>,
    /// Those that a pattern matched and that cannot be enabled, with the reason.
    pub passed: Vec<Passed>,
    /// Those that a pattern matched and that did not stay up.
    pub fallen: Vec<Fallen>,
}

/// Applies what was planned for `jobs`, with `now` also to what runs. `lock` is let go once the files
/// are as they stay.
///
/// # Errors
/// 1: a file cannot be written, systemd does not take the drop-in of a unit that was named, or that
/// unit does not stay up; everything was taken back. 6: some of it could not be.
pub fn apply(
    site: &Site,
    directory: &UnitDir,
    jobs: Vec<Job>,
    now: bool,
    lock: Option<Lock>,
) -> Result<Outcome, Error> {
    let done = all_or_nothing(site, directory, jobs, now);
    // Also where nothing was new: the mechanism may have changed, and a file not be needed any more.
    let swept = site.sweep();
    drop(lock);
    let outcome = done?;
    swept.map(|()| outcome)
}

fn all_or_nothing(
    site: &Site,
    directory: &UnitDir,
    jobs: Vec<Job>,
    now: bool,
) -> Result<Outcome, Error> {
    for copy in jobs.iter().flat_map(|job| &job.planned.needs) {
        copy.ensure()?;
    }
    let mut files = Transaction::new(directory);
    let refused =
        write(site, &mut files, &jobs).map_err(|error| take_all_back(site, &mut files, error))?;
    let (mut jobs, passed) = without_refused(site, &mut files, jobs, &refused)?;
    let Some(manager) = site.running().filter(|_| now) else {
        return Ok(Outcome { jobs, passed, fallen: Vec::new() });
    };
    let fallen = bring_up(manager, &jobs).map_err(|error| {
        let error = take_all_back(site, &mut files, error);
        run_all_as_before(manager, &jobs);
        error
    })?;
    let fell = |job: &&Job| fallen.iter().any(|one| one.unit == job.name().as_str());
    let units = names(jobs.iter().filter(fell));
    take_back(site, &mut files, &units)?;
    run_as_before(manager, &units.iter().map(UnitName::as_str).collect::<Vec<_>>(), &[]);
    jobs.retain(|job| !units.contains(job.name()));
    Ok(Outcome { jobs, passed, fallen })
}

fn names<'a>(jobs: impl Iterator<Item = &'a Job>) -> Vec<UnitName> {
    jobs.map(|job| job.name().clone()).collect()
}

/// Writes the drop-ins and has systemd read them. Returns those that do not count, by the index of
/// their job, with the reason; only units that a pattern matched.
///
/// # Errors
/// One cannot be written, or that of a unit that was named does not count; those that were written
/// stand.
fn write(
    site: &Site,
    files: &mut Transaction<'_>,
    jobs: &[Job],
) -> Result<Vec<(usize, Error)>, Error> {
    for job in jobs {
        files.make(&job.change)?;
    }
    let Some(manager) = site.running().filter(|_| !files.is_empty()) else { return Ok(vec![]) };
    manager.reload()?;
    let refused = job::check(site, jobs)?;
    match refused.iter().find(|(index, _)| jobs[*index].named) {
        Some((_, error)) => Err(error.clone()),
        None => Ok(refused),
    }
}

/// Takes back the drop-ins that do not count. Returns the jobs that are left, and the units that are
/// passed over.
fn without_refused(
    site: &Site,
    files: &mut Transaction<'_>,
    mut jobs: Vec<Job>,
    refused: &[(usize, Error)],
) -> Result<(Vec<Job>, Vec<Passed>), Error> {
    take_back(site, files, &names(refused.iter().map(|(index, _)| &jobs[*index])))?;
    let mut passed = Vec::new();
    for (index, error) in refused.iter().rev() {
        let job = jobs.remove(*index);
        passed.push(passed_over::passed(job.name().to_string(), error));
    }
    Ok((jobs, passed))
}

/// Takes back the drop-ins of some units.
///
/// # Errors
/// The first one that could not be, or systemd does not read what is there now.
fn take_back(site: &Site, files: &mut Transaction<'_>, units: &[UnitName]) -> Result<(), Error> {
    if units.is_empty() {
        return Ok(());
    }
    if let Some(left) = files.take_back(|unit| units.contains(unit)).into_iter().next() {
        return Err(left.error);
    }
    site.running().map_or(Ok(()), Systemctl::reload)
}

/// Takes back all drop-ins; returns the error that made it necessary, with what is left to do.
fn take_all_back(site: &Site, files: &mut Transaction<'_>, error: Error) -> Error {
    let left = files.take_back(|_| true);
    if let Some(manager) = site.running() {
        let _ = manager.reload();
    }
    if left.is_empty() {
        return error;
    }
    let left = left.iter().map(|left| left.file.display());
    error.with_exit(Exit::Partial).fix(format!("sudo rm {}", shell::operands(left)))
}

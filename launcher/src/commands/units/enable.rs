//! `mptcpize enable UNIT…`: look at all units first, then write all drop-ins, let systemd read
//! them, ask it whether they count, and restart what runs if that was asked. What fails on the way
//! takes back what came before it; but a unit that only a pattern meets fails alone.

use std::fmt::Write;
use std::fs::File;

use crate::cli::unit::Enable;
use crate::commands::run::socket_policy;
use crate::commands::units::bring_up::{bring_up, take_back};
use crate::commands::units::came_up::{self, Seen};
use crate::commands::units::confined;
use crate::commands::units::job::{self, Job};
use crate::commands::units::passed_over;
use crate::commands::units::stays_up::Fallen;
use crate::commands::units::{Met, Site};
use crate::error::{Error, Exit};
use crate::host::systemd::dropins::UnitDir;
use crate::host::systemd::systemctl::Systemctl;
use crate::locations::Locations;
use crate::output::services::{
    Done, Passed, done, done_json, passed_over as passed_over_text, restart as restart_line, texts,
};
use crate::output::{self};
use mptcpize_model::plain;
use mptcpize_model::unit::UnitName;
use mptcpize_model::unit::judge::Judgement;

/// Units that were not started and are named; a pattern can meet a hundred.
const MOST_IDLE: usize = 8;

/// Enables the units.
///
/// # Errors
/// See [`crate::commands::units::plan::plan`]; 4 without the right to write; 1 when systemd does not
/// take the drop-in or a unit does not stay up with it. The host is as it was then. 6 where only
/// units that a pattern met did not: they alone are as they were.
pub fn enable(arguments: &Enable, locations: &Locations) -> anyhow::Result<Exit> {
    let place = &arguments.place;
    let site = Site::new(place.user, place.root.as_deref(), locations)?;
    let directory = site.directory(arguments.runtime)?;
    let mut met = site.meet(&arguments.units)?;
    if !place.dry_run {
        directory.check_writable()?;
        // The files count as they are now, and not as systemd read them some time ago.
        if let Some(systemctl) = site.running().filter(|_| met.iter().any(|one| one.facts.stale)) {
            systemctl.reload()?;
            met = site.meet(&arguments.units)?;
        }
    }
    let lock = if place.dry_run { None } else { site.lock(std::slice::from_ref(&directory))? };
    let policy = socket_policy::of_unit(&arguments.policy, &site.locations)?;
    let mut jobs = Vec::new();
    let mut passed = Vec::new();
    for met in &met {
        match Job::plan(&site, &directory, met, arguments, policy.as_ref()) {
            Ok(job) => jobs.push(job),
            Err(error) if !met.named => passed.push(passed_over::passed(met.unit(), &error)),
            Err(error) => return Err(error.into()),
        }
    }
    if jobs.is_empty() {
        return Err(passed_over::nothing_left(&arguments.units, &passed).into());
    }
    let mut outcome = Outcome { jobs, passed, fallen: vec![] };
    if place.dry_run {
        return report(&outcome, &[], arguments);
    }
    carry_out(&site, &directory, &mut outcome, arguments.now, lock)?;
    let mut seen = Vec::new();
    if arguments.now {
        let started = outcome.jobs.iter().map(|job| (job.started(), job.listened.clone()));
        seen = came_up::look(&site, started);
        let all = outcome.jobs.iter_mut().zip(&mut seen);
        for (job, seen) in all.filter(|(job, _)| job.named && job.is_idle()) {
            second_try(&site, &directory, job, seen, (arguments, policy.as_ref()))?;
        }
    }
    let done = report(&outcome, &seen, arguments)?;
    if arguments.now && site.running().is_some() && !place.json {
        let names: Vec<UnitName> = outcome.jobs.iter().map(|job| job.name().clone()).collect();
        for line in confined::kept_out(&site, &names)? {
            output::note(&line);
        }
    }
    Ok(done)
}

/// A unit that was started here: now that it runs it may be seen that it wants another way, and nobody
/// is served by it yet.
fn second_try(
    site: &Site,
    directory: &UnitDir,
    job: &mut Job,
    seen: &mut Seen,
    (arguments, policy): (&Enable, Option<&(String, String)>),
) -> Result<(), Error> {
    let lost = seen.judgement.as_ref().is_some_and(Judgement::is_lost_on_the_way);
    let facts = site.source.facts(std::slice::from_ref(job.name()))?;
    let Some(facts) = facts.into_iter().next().filter(|_| lost) else { return Ok(()) };
    let met = Met { facts, named: true };
    let second = Job::plan(site, directory, &met, arguments, policy)?;
    if !second.is_new() {
        return Ok(());
    }
    let lock = site.lock(std::slice::from_ref(directory))?;
    let mut outcome = Outcome { jobs: vec![second], passed: vec![], fallen: vec![] };
    // Where it does not come up so, it is put back, and what stayed TCP is told.
    if carry_out(site, directory, &mut outcome, true, lock).is_ok()
        && let Some(second) = outcome.jobs.pop()
    {
        *seen = came_up::look(site, [(second.started(), second.listened.clone())]).remove(0);
        *job = second;
    }
    Ok(())
}

/// What became of the units.
struct Outcome {
    /// Those that are on.
    jobs: Vec<Job>,
    /// Those that a pattern met and that cannot be enabled.
    passed: Vec<Passed>,
    /// Those that a pattern met and that did not stay up.
    fallen: Vec<Fallen>,
}

fn carry_out(
    site: &Site,
    directory: &UnitDir,
    outcome: &mut Outcome,
    now: bool,
    lock: Option<File>,
) -> Result<(), Error> {
    let done = write(site, directory, outcome, now);
    // Also where nothing was new: the way may have changed, and a file not be needed any more.
    let swept = site.sweep();
    drop(lock);
    done.and(swept)
}

fn write(site: &Site, directory: &UnitDir, outcome: &mut Outcome, now: bool) -> Result<(), Error> {
    let jobs = &outcome.jobs;
    for placed in jobs.iter().flat_map(|job| &job.planned.needs) {
        placed.ensure()?;
    }
    for (index, job) in jobs.iter().enumerate().filter(|(_, job)| job.is_new()) {
        if let Err(error) = directory.write(job.name(), &job.text) {
            return Err(take_back(site, directory, &jobs[..index], error));
        }
    }
    let Some(systemctl) = site.running() else { return Ok(()) };
    if jobs.iter().any(Job::is_new) {
        let refused = systemctl.reload().and_then(|()| job::check(site, jobs));
        let refused = refused.map_err(|error| take_back(site, directory, jobs, error))?;
        if let Some((_, error)) = refused.iter().find(|(index, _)| jobs[*index].named) {
            return Err(take_back(site, directory, jobs, error.clone()));
        }
        without_refused(systemctl, directory, outcome, &refused)?;
    }
    if now {
        outcome.fallen = bring_up(site, systemctl, directory, &outcome.jobs)?;
        let fell = |job: &Job| outcome.fallen.iter().any(|one| one.unit == job.name().as_str());
        outcome.jobs.retain(|job| !fell(job));
    }
    Ok(())
}

/// Puts back units that a pattern met and whose drop-in does not count.
fn without_refused(
    systemctl: Systemctl,
    directory: &UnitDir,
    outcome: &mut Outcome,
    refused: &[(usize, Error)],
) -> Result<(), Error> {
    for (index, error) in refused.iter().rev() {
        let job = outcome.jobs.remove(*index);
        job.restore(directory)?;
        outcome.passed.push(passed_over::passed(job.name().to_string(), error));
    }
    if refused.is_empty() { Ok(()) } else { systemctl.reload() }
}

fn report(outcome: &Outcome, seen: &[Seen], arguments: &Enable) -> anyhow::Result<Exit> {
    let place = &arguments.place;
    let jobs = &outcome.jobs;
    let exit = if outcome.fallen.is_empty() { Exit::Done } else { Exit::Partial };
    let all: Vec<Done> = jobs
        .iter()
        .enumerate()
        .map(|(index, job)| Done {
            unit: job.name().to_string(),
            sign: if job.is_new() { '+' } else { '=' },
            way: job.planned.dropin.mechanism.name().to_owned(),
            why: job.planned.why.clone(),
            file: job.file.clone(),
            text: job.text.clone(),
            restart: job.behind && !arguments.now,
            notes: job.planned.notes.clone(),
            judgement: seen.get(index).and_then(|seen| seen.judgement.clone()),
            hints: seen.get(index).map(|seen| seen.hints.clone()).unwrap_or_default(),
        })
        .collect();
    if place.json {
        let put_back: Vec<Passed> = outcome.fallen.iter().map(passed_over::fallen).collect();
        let object = done_json(&all, place.dry_run, &outcome.passed, &put_back);
        output::line(&serde_json::to_string_pretty(&object)?)?;
        return Ok(exit);
    }
    let passed = passed_over_text(&outcome.passed);
    if place.dry_run {
        output::text(&format!(
            "Nothing was changed. This would be:\n\n{}{passed}{}",
            done(&all),
            texts(&all)
        ))?;
        return Ok(exit);
    }
    output::text(&format!("{}{passed}{}", done(&all), put_back(&outcome.fallen)))?;
    let named = |which: fn(&Job) -> bool| -> Vec<&str> {
        jobs.iter().filter(|job| which(job)).map(|job| job.name().as_str()).collect()
    };
    let idle = named(|job| !job.named && job.is_idle());
    if !idle.is_empty() && arguments.now {
        let more = if idle.len() > MOST_IDLE { " …" } else { "" };
        let idle = idle[..idle.len().min(MOST_IDLE)].join(" ");
        output::line(&format!("not started, because it did not run before: {idle}{more}"))?;
    }
    let user = if place.user { "systemctl --user" } else { "sudo systemctl" };
    let restart: Vec<&str> =
        all.iter().filter(|one| one.restart).map(|one| one.unit.as_str()).collect();
    if !restart.is_empty() {
        output::line(&format!("from their next start on; now: {}", restart_line(user, &restart)))?;
    }
    let at_boot = named(|job| job.at_boot);
    if !at_boot.is_empty() {
        output::line(&format!(
            "from the next boot on, because it cannot be restarted before: {}",
            at_boot.join(" ")
        ))?;
    }
    Ok(exit)
}

/// The units that did not stay up, with what they said last.
fn put_back(fallen: &[Fallen]) -> String {
    let mut text = String::new();
    for one in fallen {
        let unit = plain::words(&one.unit);
        let _ = writeln!(text, "! {unit} does not stay up with it; put back: it is as it was");
        for line in one.told().lines() {
            let _ = writeln!(text, "    {}", plain::words(line));
        }
    }
    text
}

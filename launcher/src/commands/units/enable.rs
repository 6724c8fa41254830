//! `mptcpize enable UNIT…`: look at all units, plan all their files, and show or apply the plan.

use std::fmt::Write;

use crate::cli::unit::Enable;
use crate::commands::run::socket_policy;
use crate::commands::units::Site;
use crate::commands::units::apply::{Outcome, apply};
use crate::commands::units::came_up::{self, Seen};
use crate::commands::units::confined;
use crate::commands::units::job::Job;
use crate::commands::units::passed_over;
use crate::commands::units::select::Selected;
use crate::commands::units::stays_up::Fallen;
use crate::error::{Error, Exit};
use crate::host::systemd::dropins::UnitDir;
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
/// units that a pattern matched did not: they alone are as they were.
pub fn enable(arguments: &Enable, locations: &Locations) -> anyhow::Result<Exit> {
    let place = &arguments.place;
    let site = Site::new(place.user, place.root.as_deref(), locations)?;
    let directory = site.directory(arguments.runtime)?;
    let mut selected = site.select(&arguments.units)?;
    if !place.dry_run {
        directory.check_writable()?;
        // The files count as they are now, and not as systemd read them some time ago.
        if let Some(systemctl) =
            site.running().filter(|_| selected.iter().any(|one| one.facts.stale))
        {
            systemctl.reload()?;
            selected = site.select(&arguments.units)?;
        }
    }
    let lock = if place.dry_run { None } else { site.lock(std::slice::from_ref(&directory))? };
    let policy = socket_policy::of_unit(&arguments.policy, &site.locations)?;
    let mut jobs = Vec::new();
    let mut passed = Vec::new();
    for unit in &selected {
        match Job::plan(&site, &directory, unit, arguments, policy.as_ref()) {
            Ok(job) => jobs.push(job),
            Err(error) if !unit.named => passed.push(passed_over::passed(unit.name(), &error)),
            Err(error) => return Err(error.into()),
        }
    }
    if jobs.is_empty() {
        return Err(passed_over::nothing_left(&arguments.units, &passed).into());
    }
    if place.dry_run {
        return report(&Outcome { jobs, passed, fallen: vec![] }, &[], arguments);
    }
    let mut outcome = apply(&site, &directory, jobs, arguments.now, lock)?;
    outcome.passed = [passed, outcome.passed].concat();
    let mut seen = Vec::new();
    if arguments.now {
        let started = outcome.jobs.iter().map(|job| (job.started(), job.listened.clone()));
        seen = came_up::look(&site, started);
        let all = outcome.jobs.iter_mut().zip(&mut seen);
        for (job, seen) in all.filter(|(job, _)| job.named && job.is_idle()) {
            if !seen.judgement.as_ref().is_some_and(Judgement::is_lost_on_the_way) {
                continue;
            }
            if let Some(second) =
                second_try(&site, &directory, job.name(), (arguments, policy.as_ref()))?
            {
                (*job, *seen) = second;
            }
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

/// Plans and applies a unit once more that was started here and whose sockets the mechanism did not
/// reach: now that it runs it is seen that it wants another, and nobody is served by it yet. `None`
/// where the plan is no other one, or the unit does not come up so and is put back.
fn second_try(
    site: &Site,
    directory: &UnitDir,
    unit: &UnitName,
    (arguments, policy): (&Enable, Option<&(String, String)>),
) -> Result<Option<(Job, Seen)>, Error> {
    let Some(facts) = site.source.facts(std::slice::from_ref(unit))?.into_iter().next() else {
        return Ok(None);
    };
    let job = Job::plan(site, directory, &Selected { facts, named: true }, arguments, policy)?;
    if !job.is_new() {
        return Ok(None);
    }
    let lock = site.lock(std::slice::from_ref(directory))?;
    let Ok(outcome) = apply(site, directory, vec![job], true, lock) else { return Ok(None) };
    let second = outcome.jobs.into_iter().next().map(|job| {
        let seen = came_up::look(site, [(job.started(), job.listened.clone())]).remove(0);
        (job, seen)
    });
    Ok(second)
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
            mechanism: job.planned.dropin.mechanism.name().to_owned(),
            why: job.planned.why.clone(),
            file: job.file.clone(),
            text: job.text().to_owned(),
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

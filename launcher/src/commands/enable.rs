//! `mptcpize enable UNIT…`: look at all units first, then write all drop-ins, let systemd read
//! them, ask it whether they count, and restart what runs if that was asked. What fails on the way
//! takes back what came before it.

use std::fs::File;

use crate::cli::unit::Enable;
use crate::commands::came_up::{self, Seen, Started};
use crate::commands::confined;
use crate::commands::list;
use crate::commands::policy;
use crate::commands::unit_plan::{self, Planned};
use crate::commands::units::{Site, not_foreign};
use crate::error::{Error, Exit};
use crate::host::dropins::UnitDir;
use crate::host::systemctl::Systemctl;
use crate::host::units::Facts;
use crate::model::shell;
use crate::model::unit::UnitName;
use crate::model::unit::dropin::{self, Way};
use crate::model::unit::judge::Judgement;
use crate::output::services::{Done, done, done_json, restart as restart_line, texts};
use crate::output::{self};
use crate::paths::Paths;

/// Enables the units.
///
/// # Errors
/// See [`unit_plan::plan`]; 4 without the right to write; 1 when systemd does not take the
/// drop-in or a unit does not come up with it. The host is as it was then.
pub fn enable(arguments: &Enable, paths: &Paths) -> anyhow::Result<Exit> {
    let place = &arguments.place;
    let site = Site::new(place.user, place.root.as_deref(), paths)?;
    let directory = site.directory(arguments.runtime)?;
    let mut facts = site.find(&arguments.units)?;
    if !place.dry_run {
        directory.check_writable()?;
        // The files count as they are now, and not as systemd read them some time ago.
        if let Some(systemctl) = site.running().filter(|_| facts.iter().any(|one| one.stale)) {
            systemctl.reload()?;
            facts = site.find(&arguments.units)?;
        }
    }
    let lock = if place.dry_run { None } else { site.lock(std::slice::from_ref(&directory))? };
    let policy = policy::of_unit(&arguments.policy, &site.paths)?;
    let mut jobs = Vec::new();
    for facts in &facts {
        jobs.push(Job::plan(&site, facts, arguments, policy.as_ref(), &directory)?);
    }
    for job in &jobs {
        other_place(&site, arguments.runtime, &job.planned.name)?;
    }
    if place.dry_run {
        return report(&jobs, &[], arguments);
    }
    let now = Now::of(arguments);
    let before = jobs.iter().map(|job| came_up::listens_at(job.planned.cgroup.as_deref()));
    let before: Vec<_> = if now.is_some() { before.collect() } else { vec![] };
    carry_out(&site, &directory, &jobs, now, lock)?;
    let mut seen = came_up::look(&site, jobs.iter().map(Job::started).zip(before));
    if matches!(now, Some(Now::Start)) {
        for (job, seen) in jobs.iter_mut().zip(&mut seen).filter(|(job, _)| job.is_idle()) {
            second_try(&site, &directory, job, seen, (arguments, policy.as_ref()))?;
        }
    }
    let done = report(&jobs, &seen, arguments)?;
    if now.is_some() && site.running().is_some() && !place.json {
        let names: Vec<UnitName> = jobs.iter().map(|job| job.planned.name.clone()).collect();
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
    let facts = site.source.facts(std::slice::from_ref(&job.planned.name))?;
    let Some(facts) = facts.first().filter(|_| lost) else { return Ok(()) };
    let second = Job::plan(site, facts, arguments, policy, directory)?;
    if !second.is_new() {
        return Ok(());
    }
    let before = came_up::listens_at(facts.cgroup.as_deref());
    let lock = site.lock(std::slice::from_ref(directory))?;
    let now = Some(Now::RestartOnly);
    // Where it does not come up so, it is put back, and what stayed TCP is told.
    if carry_out(site, directory, std::slice::from_ref(&second), now, lock).is_ok() {
        *seen = came_up::look(site, [(second.started(), before)]).remove(0);
        *job = second;
    }
    Ok(())
}

/// A unit, its new drop-in and what was there.
struct Job {
    planned: Planned,
    file: String,
    text: String,
    before: Option<String>,
    /// It runs, and without this.
    behind: bool,
}

impl Job {
    fn plan(
        site: &Site,
        facts: &Facts,
        arguments: &Enable,
        policy: Option<&(String, String)>,
        directory: &UnitDir,
    ) -> Result<Self, Error> {
        let mut planned = unit_plan::plan(site, facts, arguments.via)?;
        if let Some(policy) = policy.filter(|_| planned.name.kind() != "socket") {
            planned.dropin.variables.push(policy.clone());
        }
        Job::new(planned, directory)
    }

    fn new(mut planned: Planned, directory: &UnitDir) -> Result<Self, Error> {
        let file = directory.file(&planned.name);
        let before = directory.text(&planned.name)?;
        not_foreign(before.as_ref(), &file)?;
        planned.dropin.made = match &before {
            // It knows what was made for it; now nothing is.
            Some(text) => dropin::made(text, &file).into_iter().map(Into::into).collect(),
            None => directory.missing(&planned.name)?,
        };
        let text = planned.dropin.render();
        let is_new = before.as_ref() != Some(&text);
        let behind = planned.active && (is_new || !list::is_in_effect(&planned));
        Ok(Job { planned, file: file.display().to_string(), text, before, behind })
    }

    fn started(&self) -> Started {
        Started {
            name: self.planned.name.clone(),
            file: self.file.clone(),
            filter: dropin::has_filter(&self.text),
        }
    }

    /// It could run and does not.
    fn is_idle(&self) -> bool {
        !self.planned.active && !self.planned.name.is_template()
    }

    fn is_new(&self) -> bool {
        self.before.as_ref() != Some(&self.text)
    }
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
        .fix(format!("sudo mptcpize disable {}    # then enable it", shell::operand(name)))),
        _ => Ok(()),
    }
}

fn carry_out(
    site: &Site,
    directory: &UnitDir,
    jobs: &[Job],
    now: Option<Now>,
    lock: Option<File>,
) -> Result<(), Error> {
    let done = write(site, directory, jobs, now);
    // Also where nothing was new: the way may have changed, and a file not be needed any more.
    let swept = site.sweep();
    drop(lock);
    done.and(swept)
}

/// What `--now` is to do beside restarting what runs.
#[derive(Clone, Copy)]
enum Now {
    /// Units were named: those that do not run are started, as systemctl does.
    Start,
    /// A pattern met them: who wrote it need not know that one was stopped on purpose.
    RestartOnly,
}

impl Now {
    fn of(arguments: &Enable) -> Option<Self> {
        let pattern = arguments.units.iter().any(|unit| unit.contains(['*', '?', '[']));
        arguments.now.then_some(if pattern { Now::RestartOnly } else { Now::Start })
    }
}

fn write(site: &Site, directory: &UnitDir, jobs: &[Job], now: Option<Now>) -> Result<(), Error> {
    for placed in jobs.iter().flat_map(|job| &job.planned.needs) {
        placed.ensure()?;
    }
    for (index, job) in jobs.iter().enumerate().filter(|(_, job)| job.is_new()) {
        if let Err(error) = directory.write(&job.planned.name, &job.text) {
            return Err(take_back(site, directory, &jobs[..index], error));
        }
    }
    let Some(systemctl) = site.running() else { return Ok(()) };
    let new = jobs.iter().any(Job::is_new);
    let checked = if new { systemctl.reload().and_then(|()| check(site, jobs)) } else { Ok(()) };
    checked.map_err(|error| take_back(site, directory, jobs, error))?;
    if let Some(now) = now {
        let names = behind(jobs);
        let stopped = if matches!(now, Now::Start) { idle(jobs) } else { vec![] };
        bring_up(systemctl, &names, &stopped).map_err(|error| {
            let error = take_back(site, directory, jobs, error);
            // Those that came up run with what is gone now, the others not at all.
            if !stopped.is_empty() {
                let _ = systemctl.stop(&stopped);
            }
            if !names.is_empty() {
                let _ = systemctl.restart(&names).and_then(|()| systemctl.start_again(&names));
            }
            error
        })?;
    }
    Ok(())
}

/// Those that could run and do not.
fn idle(jobs: &[Job]) -> Vec<&str> {
    let idle = jobs.iter().filter(|job| job.is_idle());
    idle.map(|job| job.planned.name.as_str()).collect()
}

/// Those that run without it: only they are restarted.
fn behind(jobs: &[Job]) -> Vec<&str> {
    let behind = jobs.iter().filter(|job| job.behind);
    behind.map(|job| job.planned.name.as_str()).collect()
}

/// Asks systemd whether the drop-ins count.
fn check(site: &Site, jobs: &[Job]) -> Result<(), Error> {
    let names: Vec<UnitName> = jobs.iter().map(|job| job.planned.name.clone()).collect();
    for (job, facts) in jobs.iter().zip(site.source.facts(&names)?) {
        let name = &job.planned.name;
        let wrong = |why: String| {
            Error::new(Exit::Failed, format!("systemd does not take the drop-in for {name}"))
                .why(why)
        };
        if facts.load != "loaded" {
            return Err(wrong(format!("it says {} {}", facts.load, facts.load_error)));
        }
        if !facts.files.iter().any(|file| file.as_os_str() == job.file.as_str()) {
            return Err(wrong(format!("{} is not among its files", job.file)));
        }
        let arrived = match &job.planned.dropin.way {
            Way::Environment { preload, godebug } => {
                let has = |name: &str, part: &str| {
                    facts.environment.iter().any(|one| one.starts_with(name) && one.contains(part))
                };
                preload.as_ref().is_none_or(|_| has("LD_PRELOAD=", "libmptcpize"))
                    && godebug.as_ref().is_none_or(|_| has("GODEBUG=", "multipathtcp="))
            }
            Way::Run { .. } => facts.programs.iter().all(|program| program.ends_with("mptcpize")),
            Way::Socket => true,
        };
        if !arrived {
            return Err(wrong("another file of the unit overrides it".to_owned()));
        }
    }
    Ok(())
}

fn bring_up(systemctl: Systemctl, running: &[&str], stopped: &[&str]) -> Result<(), Error> {
    let tell = |error: Error, names: &[&str]| {
        let units: Vec<String> = names.iter().map(shell::word).collect();
        error
            .fix(format!("journalctl -u {}    # says more; nothing is changed", units.join(" -u ")))
    };
    if !running.is_empty() {
        systemctl.restart(running).map_err(|error| tell(error, running))?;
    }
    if !stopped.is_empty() {
        systemctl.start(stopped).map_err(|error| tell(error, stopped))?;
    }
    Ok(())
}

/// Puts back what was there before; returns the error that made it necessary.
fn take_back(site: &Site, directory: &UnitDir, jobs: &[Job], error: Error) -> Error {
    let mut left = Vec::new();
    for job in jobs.iter().filter(|job| job.is_new()) {
        let name = &job.planned.name;
        let back = match &job.before {
            Some(text) => directory.write(name, text),
            None => directory.remove(name),
        };
        if back.is_err() {
            left.push(job.file.as_str());
        }
    }
    if let Some(systemctl) = site.running() {
        let _ = systemctl.reload();
    }
    match left.is_empty() {
        true => error,
        false => error.with_exit(Exit::Partial).fix(format!("sudo rm {}", shell::operands(left))),
    }
}

fn report(jobs: &[Job], seen: &[Seen], arguments: &Enable) -> anyhow::Result<Exit> {
    let place = &arguments.place;
    let all: Vec<Done> = jobs
        .iter()
        .enumerate()
        .map(|(index, job)| Done {
            unit: job.planned.name.to_string(),
            sign: if job.is_new() { '+' } else { '=' },
            way: job.planned.dropin.way.name().to_owned(),
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
        output::line(&serde_json::to_string_pretty(&done_json(&all, place.dry_run))?)?;
        return Ok(Exit::Done);
    }
    if place.dry_run {
        output::text(&format!(
            "Nothing was changed. This would be:\n\n{}{}",
            done(&all),
            texts(&all)
        ))?;
        return Ok(Exit::Done);
    }
    output::text(&done(&all))?;
    let idle = idle(jobs);
    if !idle.is_empty() && matches!(Now::of(arguments), Some(Now::RestartOnly)) {
        output::line(&format!("not started, because it did not run before: {}", idle.join(" ")))?;
    }
    let user = if place.user { "systemctl --user" } else { "sudo systemctl" };
    let restart: Vec<&str> =
        all.iter().filter(|one| one.restart).map(|one| one.unit.as_str()).collect();
    if !restart.is_empty() {
        output::line(&format!("from their next start on; now: {}", restart_line(user, &restart)))?;
    }
    Ok(Exit::Done)
}

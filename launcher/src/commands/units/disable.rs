//! `mptcpize disable UNIT…`: the drop-in goes, with the directory that was made for it, and our
//! files that no other unit needs. A unit that is gone meanwhile is disabled all the same.

use crate::cli::unit::Disable;
use crate::commands::units::c_tool;
use crate::commands::units::select::{is_pattern, name};
use crate::commands::units::{Site, not_foreign};
use crate::error::{Error, Exit};
use crate::host::systemd::dropins::UnitDir;
use crate::host::systemd::units::Facts;
use crate::locations::Locations;
use crate::output::services::{Done, done, done_json, restart as restart_line};
use crate::output::{self};
use mptcpize_model::unit::dropin_change::DropinChange;
use mptcpize_model::unit::{UnitName, dropin, matches};

/// Disables the units.
///
/// # Errors
/// 5 for a unit that neither exists nor is on, 4 without the right to write, 1 when a file cannot
/// be removed or a unit does not come up again.
pub fn disable(arguments: &Disable, locations: &Locations) -> anyhow::Result<Exit> {
    let place = &arguments.place;
    let site = Site::new(place.user, place.root.as_deref(), locations)?;
    let targets = targets(&site, arguments)?;
    let directories = site.directories()?;
    let mut all = Vec::new();
    let mut steps: Vec<(&UnitDir, DropinChange)> = Vec::new();
    for Target { name, facts } in &targets {
        let before = steps.len();
        for directory in &directories {
            let text = directory.text(name)?;
            let file = directory.file(name);
            not_foreign(text.as_ref(), &file)?;
            let Some(text) = text else { continue };
            all.push(Done {
                unit: name.to_string(),
                sign: '-',
                mechanism: dropin::mechanism(&text).to_owned(),
                file: file.display().to_string(),
                restart: runs(facts) && !arguments.now,
                ..Done::default()
            });
            steps.push((
                directory,
                DropinChange { unit: name.clone(), before: Some(text), after: None },
            ));
        }
        if steps.len() == before {
            let notes = edited(&site, facts);
            all.push(Done { unit: name.to_string(), sign: '=', notes, ..Done::default() });
        }
    }
    if !place.dry_run {
        for (directory, _) in &steps {
            directory.check_writable()?;
        }
        let lock = site.lock(&directories)?;
        for (directory, change) in &steps {
            directory.apply(change)?;
        }
        drop(lock);
        // Also where nothing was to be done: a run that was killed may have left something.
        let swept = site.sweep();
        if !steps.is_empty() {
            swept?;
        }
        let stale = |target: &Target| target.facts.as_ref().is_some_and(|facts| facts.stale);
        let reload = !steps.is_empty() || targets.iter().any(stale);
        if let Some(systemctl) = site.running().filter(|_| reload) {
            // Without systemd there is nobody who would have to know.
            systemctl.reload().or_else(|error| match error.exit() {
                Exit::Missing => Ok(()),
                _ => Err(error),
            })?;
            let running = targets.iter().filter(|target| runs(&target.facts));
            let names: Vec<&str> = running
                .map(|target| target.name.as_str())
                .filter(|name| steps.iter().any(|(_, done)| done.unit.as_str() == *name))
                .collect();
            if arguments.now && !names.is_empty() {
                systemctl.restart(&names)?;
            }
            let closed: Vec<&str> = steps
                .iter()
                .map(|(_, done)| done.unit.as_str())
                .filter(|name| name.ends_with(".socket") && !names.contains(name))
                .collect();
            if arguments.now && !closed.is_empty() {
                systemctl.restart_services_of(&closed)?;
            }
        }
    }
    report(&all, arguments)
}

struct Target {
    name: UnitName,
    facts: Option<Facts>,
}

fn runs(facts: &Option<Facts>) -> bool {
    facts.as_ref().is_some_and(|facts| facts.active == "active" || facts.active == "reloading")
}

/// The units that are meant: of those that are on first, and of those that systemd knows.
fn targets(site: &Site, arguments: &Disable) -> Result<Vec<Target>, Error> {
    let on: Vec<UnitName> = site.enabled()?.into_iter().map(|one| one.unit).collect();
    let mut names: Vec<UnitName> = Vec::new();
    if arguments.all {
        names.clone_from(&on);
    }
    let mut found: Vec<Facts> = Vec::new();
    for text in &arguments.units {
        if is_pattern(text) {
            let fitting =
                on.iter().filter(|name| matches(text, name.as_str()) || matches(text, name.stem()));
            let before = names.len();
            names.extend(fitting.cloned());
            if names.len() == before {
                return Err(Error::new(Exit::Missing, format!("no unit that is on fits {text}"))
                    .fix("mptcpize list    # shows them"));
            }
            continue;
        }
        // A name that is on needs no systemd, and no unit any more.
        match name(text).ok().filter(|name| on.contains(name)) {
            Some(name) => names.push(name),
            None => found.extend(site.find(std::slice::from_ref(text))?),
        }
    }
    names.sort();
    names.dedup();
    let facts = site.source.facts(&names).unwrap_or_default();
    let mut targets: Vec<Target> = names
        .iter()
        .enumerate()
        .map(|(index, name)| Target { name: name.clone(), facts: facts.get(index).cloned() })
        .collect();
    for facts in found {
        let Some(name) = facts.name.clone() else { continue };
        if facts.load == "not-found" && !on.contains(&name) {
            return Err(Error::new(Exit::Missing, format!("there is no unit {name}"))
                .why("and none of that name is on")
                .fix("mptcpize list    # shows what is on"));
        }
        if !targets.iter().any(|target| target.name == name) {
            targets.push(Target { name, facts: Some(facts) });
        }
    }
    Ok(targets)
}

/// A unit that is not on by us may be by the C mptcpize.
fn edited(site: &Site, facts: &Option<Facts>) -> Vec<String> {
    let files = facts.as_ref().map(|facts| facts.files.clone()).unwrap_or_default();
    let texts = site.source.read(&files).unwrap_or_default();
    let edited = texts.iter().filter(|(_, text)| text.contains(c_tool::LIBRARY));
    edited.map(|(file, _)| c_tool::note(file)).collect()
}

fn report(all: &[Done], arguments: &Disable) -> anyhow::Result<Exit> {
    let place = &arguments.place;
    if place.json {
        output::line(&serde_json::to_string_pretty(&done_json(all, place.dry_run, &[], &[]))?)?;
        return Ok(Exit::Done);
    }
    let heading = if place.dry_run { "Nothing was changed. This would be:\n\n" } else { "" };
    let text = if all.is_empty() { "no unit is on\n".to_owned() } else { done(all) };
    output::text(&format!("{heading}{text}"))?;
    let user = if place.user { "systemctl --user" } else { "sudo systemctl" };
    let restart: Vec<&str> =
        all.iter().filter(|one| one.restart).map(|one| one.unit.as_str()).collect();
    if !restart.is_empty() && !place.dry_run {
        output::line(&format!("from their next start on; now: {}", restart_line(user, &restart)))?;
    }
    Ok(Exit::Done)
}

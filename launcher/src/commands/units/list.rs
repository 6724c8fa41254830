//! `mptcpize list`: the units that are on, how, and whether their sockets really are MPTCP: asked of
//! the kernel, not of the files.

use std::path::PathBuf;

use crate::cli::unit::List;
use crate::commands::containers;
use crate::commands::system::state;
use crate::commands::units::Site;
use crate::commands::units::c_tool;
use crate::commands::units::judged;
use crate::commands::units::socket_row;
use crate::error::{Error, Exit};
use crate::host::observe::unit_sockets::Tables;
use crate::host::procfs::processes;
use crate::host::systemd::dropins::Existing;
use crate::host::systemd::units::Facts;
use crate::locations::Locations;
use crate::output;
use crate::output::containers::listed;
use crate::output::services::{Row, list as table, list_json};
use crate::output::term::{Colour, Term};
use crate::root::is_file;
use mptcpize_model::shell;
use mptcpize_model::unit::{UnitName, dropin};

/// Lists the units.
///
/// # Errors
/// 5 where there is neither systemd nor an image.
pub fn list(arguments: &List, locations: &Locations) -> anyhow::Result<Exit> {
    let site = Site::new(arguments.user, arguments.root.as_deref(), locations)?;
    let on = site.enabled()?;
    let names: Vec<UnitName> = on.iter().map(|one| one.unit.clone()).collect();
    let facts = site.source.facts(&names)?;
    let mut rows: Vec<Row> = Vec::new();
    let mut tables = Tables::default();
    for (one, facts) in on.iter().zip(&facts) {
        let mut row = Row {
            unit: one.unit.to_string(),
            mechanism: dropin::mechanism(&one.text).to_owned(),
            state: facts.active.clone(),
            file: one.file.display().to_string(),
            ..Row::default()
        };
        look(&mut row, (one, facts), &site, &mut tables);
        rows.push(row);
        if one.unit.is_template() && site.running().is_some() {
            rows.extend(instances(&site, one, &mut tables)?);
        }
    }
    rows.extend(edited_by_the_c_tool(&site, locations)?);
    let system = state::standing(site.root());
    // Engines read no file of a user's.
    let devices = if site.user { Vec::new() } else { containers::state::devices(site.root()) };
    let profile = if site.user { None } else { containers::state::profile(&site) };
    if arguments.json {
        let mut all = list_json(&rows, system.as_ref());
        all["containers"] = devices.into();
        all["seccomp_profile"] = profile.into();
        output::line(&serde_json::to_string_pretty(&all)?)?;
    } else {
        let term = Term::of_stdout(Colour::Never);
        let units = table(&rows, system.as_ref(), &term);
        output::text(&format!("{}{units}", listed(&devices, profile)))?;
    }
    Ok(Exit::Done)
}

/// The instances of a template that run, and have what it has.
fn instances(site: &Site, on: &Existing, tables: &mut Tables) -> Result<Vec<Row>, Error> {
    let groups = processes::groups(on.unit.as_str());
    let names = groups.iter().filter_map(|group| UnitName::new(group.rsplit('/').next()?).ok());
    let names: Vec<UnitName> = names.collect();
    let facts = site.source.facts(&names)?;
    let rows = names.iter().zip(&facts).map(|(name, facts)| {
        let mut row = Row {
            unit: name.to_string(),
            mechanism: dropin::mechanism(&on.text).to_owned(),
            state: facts.active.clone(),
            file: on.file.display().to_string(),
            ..Row::default()
        };
        look(&mut row, (on, facts), site, tables);
        row
    });
    Ok(rows.collect())
}

/// Looks at the sockets of a unit.
fn look(row: &mut Row, (on, facts): (&Existing, &Facts), site: &Site, tables: &mut Tables) {
    if facts.load == "not-found" {
        row.hints =
            vec![format!("the unit is gone: sudo mptcpize disable {}", shell::operand(&row.unit))];
        return;
    }
    if row.mechanism == "socket" {
        return socket_row::look(row, facts, site);
    }
    let Some(cgroup) = facts.cgroup.as_deref().filter(|_| site.running().is_some()) else { return };
    let unit = judged::Unit {
        name: &row.unit,
        cgroup,
        filter: dropin::has_filter(&on.text),
        file: &on.file,
        sockets: &facts.sockets,
        user: site.user,
        limits_calls: facts.limits_calls,
    };
    let judgement = judged::judge(unit, tables);
    row.hints = judgement.iter().flat_map(|judgement| judged::hints(unit, judgement)).collect();
    row.judgement = judgement;
}

/// Unit files that the C mptcpize edited: it writes the path of its library into them.
fn edited_by_the_c_tool(site: &Site, locations: &Locations) -> Result<Vec<Row>, Error> {
    let Some(units) = locations.unit_places(site.user) else { return Ok(Vec::new()) };
    let mut files: Vec<PathBuf> = Vec::new();
    for directory in units.search() {
        let Ok(Some(inside)) = site.root().directory(directory) else { continue };
        for name in inside.names() {
            let is_file = inside.stat(&name).is_some_and(|found| is_file(&found));
            let text = || inside.read(&name).ok().flatten().unwrap_or_default();
            if is_file
                && name.to_string_lossy().ends_with(".service")
                && String::from_utf8_lossy(&text()).contains(c_tool::LIBRARY)
                && !files.iter().any(|known| known.file_name() == Some(&name))
            {
                files.push(directory.join(name));
            }
        }
    }
    Ok(files
        .into_iter()
        .map(|file| Row {
            unit: file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            mechanism: "C mptcpize".to_owned(),
            hints: vec![c_tool::note(&file)],
            file: file.display().to_string(),
            ..Row::default()
        })
        .collect())
}

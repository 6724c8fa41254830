//! `enable --system --via environment` and services with a root of their own: the manager gives its
//! environment to every service, and the library is not in those roots, so that their loader would
//! complain at each start. A drop-in takes the variable away from them, if it is ours.

use std::path::PathBuf;
use std::rc::Rc;

use crate::error::Error;
use crate::host::systemd::units::Source;
use crate::locations::Locations;
use crate::root::Root;
use mptcpize_model::unit::UnitName;
use mptcpize_model::unit::file::{UnitText, literal, quoted};

/// The name of such a drop-in.
const FILE: &str = "50-mptcpize-system.conf";

/// The services that have a root of their own, by their files.
///
/// # Errors
/// A file cannot be read.
pub(in crate::commands) fn units(
    root: &Rc<Root>,
    locations: &Locations,
) -> Result<Vec<UnitName>, Error> {
    let Some(units) = locations.unit_places(false) else { return Ok(Vec::new()) };
    let source = Source::Image { root: Rc::clone(root), units };
    let mut names = source.matching("*.service")?;
    names.sort();
    let mut found = Vec::new();
    for facts in source.facts(&names)? {
        let Some(name) = facts.name.filter(|_| facts.load == "loaded") else { continue };
        let text = UnitText::read(&source.read(&facts.files)?);
        let directory = text.last("Service", "RootDirectory").unwrap_or("/");
        let is_own = directory.trim_start_matches(['-', '+']) != "/"
            || text.last("Service", "RootImage").is_some();
        if is_own && !found.contains(&name) {
            found.push(name);
        }
    }
    Ok(found)
}

/// The drop-ins that shall be there with this library in the environment, or none; and those that
/// are there and shall not.
///
/// # Errors
/// A file cannot be read.
pub(in crate::commands) fn files(
    root: &Rc<Root>,
    locations: &Locations,
    library: Option<&str>,
) -> Result<Vec<(PathBuf, Option<String>)>, Error> {
    let Some(places) = locations.unit_places(false) else { return Ok(Vec::new()) };
    let wanted = match library {
        Some(_) => units(root, locations)?,
        None => Vec::new(),
    };
    let place = |unit: &str| places.persistent.join(format!("{unit}.d")).join(FILE);
    let text = library.map(|library| {
        let variable = quoted(&literal(&format!("LD_PRELOAD={library}")));
        format!(
            "# Its root has no library of mptcpize: mptcpize enable --system --via environment\n\
             # Off: mptcpize disable --system\n[Service]\nUnsetEnvironment={variable}\n"
        )
    });
    let mut all: Vec<(PathBuf, Option<String>)> =
        wanted.iter().map(|unit| (place(unit.as_str()), text.clone())).collect();
    for directory in root.names(&places.persistent) {
        let directory = directory.to_string_lossy().into_owned();
        let Some(unit) = directory.strip_suffix(".d") else { continue };
        let file = place(unit);
        if root.metadata(&file).is_ok() && !all.iter().any(|(known, _)| *known == file) {
            all.push((file, None));
        }
    }
    Ok(all)
}

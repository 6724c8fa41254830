//! Where the relay lies: beside this program, or where a package puts it. Never by PATH, and never a file
//! that somebody else could change: root executes it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::library::{closed_to_others, safe_above};
use crate::error::{Error, Exit};
use crate::locations::Locations;

/// The name of the program.
const NAME: &str = "mptcpize-relay";

/// Finds it.
///
/// # Errors
/// 5 where there is none that may be executed, with every place that was tried and what was wrong there.
pub fn find(locations: &Locations) -> Result<PathBuf, Error> {
    let own = std::env::current_exe().ok();
    let beside = own.and_then(|own| Some(own.parent()?.join(NAME)));
    let mut refusals = Vec::new();
    for place in beside.into_iter().chain(locations.installed_relays()) {
        match look(&place) {
            Ok(file) => return Ok(file),
            Err(why) => refusals.push(format!("{}: {why}", place.display())),
        }
    }
    Err(Error::new(Exit::Missing, format!("there is no {NAME} that may be executed"))
        .why(refusals.join("\n       "))
        .fix("install it as root beside mptcpize: cargo build --release -p mptcpize-relay"))
}

/// The file behind all links, if only this user or root could have put it there.
fn look(place: &Path) -> Result<PathBuf, String> {
    let user = rustix::process::geteuid().as_raw();
    let file = fs::canonicalize(place).map_err(|error| crate::error::reason(&error))?;
    let found = fs::metadata(&file).map_err(|error| crate::error::reason(&error))?;
    if !found.is_file() || found.permissions().mode() & 0o111 == 0 {
        return Err("it is no program".to_owned());
    }
    if !closed_to_others(&file, &found, user) {
        return Err("others can write to it".to_owned());
    }
    match file.parent() {
        Some(directory) => safe_above(directory, user).map_err(|why| why.to_string())?,
        None => return Err("it is no program".to_owned()),
    }
    Ok(file)
}

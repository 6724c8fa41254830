//! The unit of the service that supervises containers.

use std::fs;
use std::path::Path;

use crate::commands::service::{self, Service, check_systemd};
use crate::commands::units::Site;
use crate::error::Error;
use crate::output::system::Row;

/// The unit.
const SERVICE: Service = Service {
    unit: "mptcpize-containers.service",
    text: include_str!("mptcpize-containers.service"),
    command: "/usr/bin/mptcpize containers-supervisor",
    verb: "sudo mptcpize containers-supervisor",
};

/// Where it is written, as no package has it.
const FILE: &str = "/etc/systemd/system/mptcpize-containers.service";

/// Why it is there.
const WHY: &str = "the service that supervises containers";

/// Starts it now and at each boot, where systemd runs.
///
/// # Errors
/// It cannot be written, or does not start; then it is as before.
pub(super) fn enable(site: &Site) -> Result<(), Error> {
    if check_systemd(String::new).is_err() {
        return Ok(());
    }
    let words = service::words(vec!["containers-supervisor".to_owned()])?;
    SERVICE.enable(&site.locations, &service::command(&words))
}

/// Ends it, and lets it not start again. Supervisors that it started go on.
///
/// # Errors
/// It cannot be ended, or its files cannot be removed.
pub(super) fn disable(site: &Site) -> Result<(), Error> {
    if !is_there(site) {
        return Ok(());
    }
    SERVICE.disable(&site.locations)?;
    // Nobody listens any more: an engine is to be told so by its absence.
    let _ = fs::remove_file(site.locations.runtimes());
    Ok(())
}

/// The line of the change that [`enable`] makes.
pub(super) fn row(site: &Site) -> Option<Row> {
    let new = check_systemd(String::new).is_ok() && !is_there(site);
    new.then(|| Row { sign: '+', path: FILE.to_owned(), why: WHY })
}

/// The line of the change that [`disable`] makes.
pub(super) fn row_of_removal(site: &Site) -> Option<Row> {
    is_there(site).then(|| Row { sign: '-', path: FILE.to_owned(), why: WHY })
}

/// What to know where no systemd runs.
pub(super) fn remark() -> Option<String> {
    check_systemd(String::new).is_err().then(|| {
        format!(
            "no systemd runs here: containers with the profile start while this runs: {}",
            SERVICE.verb
        )
    })
}

fn is_there(site: &Site) -> bool {
    site.root().is_host() && check_systemd(String::new).is_ok() && Path::new(FILE).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_runs_the_verb() {
        assert!(SERVICE.text.contains(&format!("ExecStart={}\n", SERVICE.command)));
        assert!(FILE.ends_with(&format!("/{}", SERVICE.unit)));
    }
}

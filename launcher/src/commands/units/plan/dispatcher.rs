//! Units that start nothing themselves and stand for their instances: Debian's postfix.service and
//! postgresql.service run /bin/true, and are there so that all instances can be started and stopped at
//! once. A drop-in for one would be on and do nothing.

use std::path::Path;

use crate::commands::units::Site;
use crate::error::{Error, Exit};
use mptcpize_model::shell;
use mptcpize_model::unit::{UnitName, dropin};

/// Properties that name the units which are stopped or reloaded with this one.
const FOLLOWERS: [&str; 2] = ["ConsistsOf", "PropagatesReloadTo"];

/// Refuses such a unit, and names its instances.
///
/// # Errors
/// 2: it is one.
pub(super) fn refuse(site: &Site, name: &UnitName, commands: &[&str]) -> Result<(), Error> {
    let does_nothing = |command: &&str| {
        dropin::program(command).is_some_and(|program| {
            Path::new(&program).file_name().is_some_and(|name| name == "true")
        })
    };
    if !commands.iter().all(does_nothing) {
        return Ok(());
    }
    let instances = instances(site, name);
    if instances.is_empty() {
        return Ok(());
    }
    Err(Error::new(Exit::Usage, format!("{name} starts no program that opens connections"))
        .why(format!("it runs true, and stands for {}, which do the work", instances.join(" ")))
        .fix(format!("sudo mptcpize enable --now {}", shell::operands(instances))))
}

fn instances(site: &Site, name: &UnitName) -> Vec<String> {
    let Some(systemctl) = site.running() else { return vec![] };
    let shown = systemctl.show(&[name.as_str()], &FOLLOWERS).unwrap_or_default();
    let prefix = format!("{}@", name.stem());
    let mut all: Vec<String> = shown
        .iter()
        .flat_map(|properties| properties.values().flatten())
        .flat_map(|list| list.split_whitespace())
        .filter(|unit| unit.starts_with(&prefix) && unit.ends_with(".service"))
        .map(str::to_owned)
        .collect();
    all.sort();
    all.dedup();
    all
}

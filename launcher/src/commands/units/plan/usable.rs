//! Whether a unit is one that can be enabled at all: there, loadable, here to stay, and of a kind
//! that opens connections.
//!
//! Each refusal bears the group under which those that a pattern matches are counted.

use crate::error::{Error, Exit};
use crate::host::systemd::units::Facts;
use mptcpize_model::shell;
use mptcpize_model::unit::UnitName;

/// The name of a unit that can be enabled.
///
/// # Errors
/// 5 it is not there, 2 it is of another kind, 1 it is masked, broken or transient.
pub(super) fn check(facts: &Facts) -> Result<UnitName, Error> {
    let Some(name) = facts.name.clone() else {
        return Err(Error::new(Exit::Missing, "systemd does not know the unit"));
    };
    let error = match facts.load.as_str() {
        "loaded" => None,
        "not-found" => Some(
            Error::new(Exit::Missing, format!("there is no unit {name}"))
                .fix("systemctl list-unit-files    # shows what there is"),
        ),
        "masked" => Some(
            Error::new(Exit::Failed, format!("{name} is masked"))
                .why("it cannot be started at all")
                .fix(format!("sudo systemctl unmask {}", shell::operand(&name)))
                .group("masked"),
        ),
        other => Some(
            Error::new(Exit::Failed, format!("systemd cannot load {name}"))
                .why(format!("{other} {}", facts.load_error).trim_end().to_owned())
                .fix(format!("systemd-analyze verify {}", shell::operand(&name)))
                .group("that systemd cannot load"),
        ),
    };
    if let Some(error) = error {
        return Err(error);
    }
    if facts.transient {
        return Err(Error::new(Exit::Failed, format!("{name} is transient"))
            .why("it was made by a program such as systemd-run, and is gone when it stops")
            .fix("systemd-run … mptcpize run CMD")
            .group("transient"));
    }
    match name.kind() {
        "service" | "socket" => Ok(name),
        "timer" | "path" => Err(no_program(&name, &format!("{}.service", name.stem()))),
        _ => Err(no_program(&name, "SERVICE")),
    }
}

/// The refusal of a unit that starts nothing.
pub(super) fn no_program(name: &UnitName, service: &str) -> Error {
    Error::new(Exit::Usage, format!("{name} has no program that opens connections"))
        .why("services and sockets can be enabled")
        .fix(format!("sudo mptcpize enable {}", shell::operand(service)))
        .group("without a program of their own")
}

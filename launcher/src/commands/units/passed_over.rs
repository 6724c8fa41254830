//! Units that a pattern matches and that cannot be enabled: passed over, and counted by their reasons.

use crate::commands::units::stays_up::Fallen;
use crate::error::{Error, Exit};
use crate::output::services::{Passed, passed_over};

/// The unit with its reason.
pub fn passed(unit: String, error: &Error) -> Passed {
    Passed { unit, group: error.of_group(), why: error.clause() }
}

/// A unit that did not stay up, for the same list in JSON.
pub fn fallen(one: &Fallen) -> Passed {
    Passed { unit: one.unit.clone(), group: "put back", why: one.told() }
}

/// The error of patterns that meet nothing else.
pub fn nothing_left(asked: &[String], all: &[Passed]) -> Error {
    let asked = asked.join(" ");
    Error::new(Exit::Missing, format!("nothing that fits {asked} can be enabled"))
        .why(passed_over(all).trim_end().to_owned())
        .fix("mptcpize enable UNIT    # says why of each")
}

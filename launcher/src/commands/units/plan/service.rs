//! A service that is to be enabled: what systemd and its files say of it, as the rooms that choose
//! its mechanism are handed it.

use crate::commands::units::Site;
use crate::error::{Error, Exit};
use crate::host::systemd::units::Facts;
use mptcpize_model::unit::UnitName;
use mptcpize_model::unit::dropin;
use mptcpize_model::unit::file::UnitText;

/// A service under consideration.
#[derive(Clone, Copy)]
pub(super) struct Service<'a> {
    /// The service manager or image that it belongs to.
    pub(super) site: &'a Site,
    /// What systemd says of it.
    pub(super) facts: &'a Facts,
    /// Its files, without a drop-in of ours.
    pub(super) text: &'a UnitText,
    /// Its name.
    pub(super) name: &'a UnitName,
}

impl<'a> Service<'a> {
    /// The commands of its `ExecStart=`, in order, with their prefixes (systemd.service(5),
    /// "special executable prefixes").
    pub(super) fn commands(&self) -> Vec<&'a str> {
        let settings = self.text.list("Service", "ExecStart");
        settings.into_iter().flat_map(|(setting, _)| dropin::commands(setting)).collect()
    }

    /// The refusal of a service whose programs no mechanism reaches (exit 5).
    pub(super) fn out_of_reach(&self, why: &str, fix: &str) -> Error {
        Error::new(Exit::Missing, format!("nothing reaches {}", self.name))
            .why(why)
            .fix(fix)
            .group("that nothing reaches")
    }
}

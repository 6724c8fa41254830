//! What AppArmor keeps out of units that were just started, as lines for the person who started them.

use std::collections::BTreeSet;

use crate::commands::units::Site;
use crate::error::Error;
use crate::host::observe::apparmor;
use crate::host::procfs::processes;
use mptcpize_model::shell;
use mptcpize_model::unit::UnitName;

/// For each profile that kept the library out of one of the units: that, and what to paste.
///
/// # Errors
/// systemd does not answer.
pub(in crate::commands) fn kept_out(site: &Site, units: &[UnitName]) -> Result<Vec<String>, Error> {
    let mut told = BTreeSet::new();
    for facts in site.source.facts(units)? {
        let pids = facts.cgroup.as_deref().map(processes::pids);
        for found in pids.unwrap_or_default().into_iter().filter_map(apparmor::kept_out) {
            let restart = facts
                .name
                .as_ref()
                .map(|name| format!("sudo systemctl restart {}", shell::operand(name)));
            told.insert(format!(
                "AppArmor's profile {} does not let the program map {}, so it stays on TCP; to let it: {} && {}",
                found.profile,
                found.library,
                found.fix(),
                restart.unwrap_or_default()
            ));
        }
    }
    Ok(told.into_iter().collect())
}

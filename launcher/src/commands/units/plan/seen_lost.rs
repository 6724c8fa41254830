//! Whether the environment of a unit fails to reach the processes with its sockets: seen at a unit
//! that runs, whether it is switched on or not, and remembered in the drop-in that was written for it.
//!
//! Not here: what is done about it (`mechanism`).

use std::ffi::OsStr;

use crate::commands::units::Site;
use crate::commands::units::judged::Look;
use crate::host::observe::unit_sockets::Tables;
use crate::host::systemd::units::Facts;
use mptcpize_model::unit::dropin::{self, FILE};

/// How the reason begins, by which it is known in a drop-in.
const SEEN: &str = "seen while it ran: ";

/// The reason, as a clause, where it was seen: now, or when its drop-in was written.
pub(super) fn seen(site: &Site, facts: &Facts) -> Option<String> {
    now(site, facts).or_else(|| before(site, facts))
}

/// Which process of a running unit has lost the library, as a clause.
fn now(site: &Site, facts: &Facts) -> Option<String> {
    let cgroup = facts.cgroup.as_deref().filter(|_| site.running().is_some())?;
    let look = Look::at(cgroup, None, &mut Tables::default())?;
    let (process, loss) = look.loses()?;
    Some(format!("{SEEN}{} has its sockets, and {}", process.name, loss.words()))
}

/// The reason that stands in the drop-in that it has.
fn before(site: &Site, facts: &Facts) -> Option<String> {
    let own = facts.files.iter().find(|file| file.file_name() == Some(OsStr::new(FILE)))?;
    let (_, text) = site.source.read(std::slice::from_ref(own)).ok()?.into_iter().next()?;
    if !dropin::is_ours(&text) || !dropin::has_filter(&text) {
        return None;
    }
    dropin::why_under_run(&text).filter(|why| why.starts_with(SEEN)).map(str::to_owned)
}

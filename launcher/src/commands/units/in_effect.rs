//! Whether a unit that runs has what is planned for it already, so that it needs no restart: asked of
//! its processes.
//!
//! Not here: sockets that systemd holds for a `.socket` (`socket_row`).

use crate::commands::units::plan::Planned;
use crate::host::procfs::processes::{self, Processes};
use mptcpize_model::unit::dropin;

/// Do the processes of a unit that runs have what is planned for it?
pub(super) fn by_processes(planned: &Planned) -> bool {
    let found = planned.cgroup.as_deref().map(processes::of_cgroup).unwrap_or_default();
    let text = planned.dropin.render();
    let mechanism =
        if dropin::has_filter(&text) { "filter" } else { planned.dropin.mechanism.name() };
    found.pids.is_empty() || reached(mechanism, &found)
}

fn reached(mechanism: &str, found: &Processes) -> bool {
    let evidence = match mechanism {
        "godebug" => found.with_godebug,
        "filter" => found.filtered,
        // Under `run` it is the library or a filter.
        "run" => match (found.with_library, found.filtered) {
            (Some(library), Some(filtered)) => Some(library.max(filtered)),
            _ => None,
        },
        _ => found.with_library,
    };
    evidence.is_some_and(|count| count > 0)
}

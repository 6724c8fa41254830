//! `status --all-netns`: the connections of every other network namespace. Each is entered by a thread that
//! asks and ends.

use crate::commands::show::observe;
use crate::host::netns::{self, others};
use crate::host::procfs::containers;
use mptcpize_model::status::{Elsewhere, connection_rows};

/// The other namespaces that have connections, with the first `shown` of each, and whether some could not be
/// looked into.
pub(super) fn look(shown: usize, bound: usize) -> (Vec<Elsewhere>, bool) {
    let found = others::find();
    let mut denied = found.denied;
    let mut all = Vec::new();
    for processes in &found.processes {
        let looked = processes.iter().find_map(|pid| {
            let look =
                || observe::connections(shown, bound).map(|seen| connection_rows(&seen, shown));
            match netns::of_process(*pid, look) {
                Ok(rows) => Some((*pid, rows)),
                Err(error) => {
                    denied |= error.kind() == std::io::ErrorKind::PermissionDenied;
                    None
                }
            }
        });
        // One that has ended since has nothing to show.
        if let Some((pid, Ok(connections))) = looked
            && !connections.is_empty()
        {
            all.push(Elsewhere { pid, container: containers::of(pid), connections });
        }
    }
    (all, denied)
}

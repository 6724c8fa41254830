//! Which endpoints the path manager gets, and with which flags.
//!
//! They carry no `dev`: the look-up for a subflow then has no outgoing interface, so the source
//! rules lead it to its link, and the rules and routes of others (a VPN's, an administrator's) keep
//! their say. With `dev` the kernel passes over each rule and route that does not lead to that
//! link; so it is for those alone who insist on going beside a VPN.

use std::collections::BTreeSet;

use super::{Desired, distinct};
use crate::HostState;
use crate::config::{Config, Role};
use crate::mptcp::{Endpoint, Flags};
use crate::net::{Family, IfName};
use crate::uplinks::{LeftOut, Path};

/// The endpoints: client paths open subflows, server addresses are announced.
pub(super) fn endpoints(
    state: &HostState,
    config: &Config,
    paths: &[Path],
    stalled: &BTreeSet<IfName>,
    desired: &mut Desired,
) -> Vec<(Endpoint, String)> {
    let (flags, reason) = flags(state, config, paths);
    let mut wanted: Vec<(Endpoint, String)> = paths
        .iter()
        .map(|path| {
            let asked = config.backup.contains(&path.dev);
            let backup = asked || stalled.contains(&path.dev);
            let flags = if backup { flags.with(Flags::BACKUP) } else { flags };
            let reason = match (asked, backup) {
                (true, _) => "a backup path, as asked".into(),
                (false, true) => format!("nothing passes {}", path.dev),
                (false, false) => reason.clone(),
            };
            let endpoint = Endpoint {
                id: 0,
                address: path.source(),
                port: None,
                dev: config.beside_vpn.then(|| path.dev.clone()),
                flags,
            };
            (endpoint, reason)
        })
        .collect();

    // Those of others stay and count.
    let foreign = state
        .foreign_endpoints()
        .filter(|endpoint| wanted.iter().all(|(wanted, _)| wanted.address != endpoint.address))
        .count();
    let room = state.kernel.most_endpoints.saturating_sub(foreign);
    for (endpoint, _) in wanted.drain(room.min(wanted.len())..) {
        desired.left_out.push(LeftOut {
            what: format!("endpoint {}", endpoint.address),
            why: format!("the kernel takes {} endpoints", state.kernel.most_endpoints),
        });
    }
    // `laminar` takes the first free endpoint of the list: the uplink that connections start on
    // anyway comes last (kernel-measured, see launcher/README.md, `mptcpize setup`).
    if flags.has(Flags::LAMINAR) {
        wanted.reverse();
    }
    wanted
}

/// Which flags make every link carry data. Plain `subflow` does where all links have the same one
/// family. Elsewhere an address that the peer announces may be the only one that a link can
/// reach: `laminar` opens one subflow to each announced address and is enough when every link has
/// both families (or there are two links); `fullmesh` works in every case, with more subflows.
fn flags(state: &HostState, config: &Config, paths: &[Path]) -> (Flags, String) {
    let client = match config.role {
        Role::Server => return (Flags::SIGNAL, "announced to clients (--role server)".into()),
        // The kernel refuses `signal` with `fullmesh`.
        Role::Both => {
            let both = Flags::SUBFLOW.with(Flags::SIGNAL);
            return (both, "used and announced (--role both)".into());
        }
        Role::Client => Flags::SUBFLOW,
    };
    let links = distinct(paths.iter().map(|path| &path.dev));
    let has = |link: &IfName, family: Family| {
        paths.iter().any(|path| path.dev == *link && path.family == family)
    };
    let families: Vec<Family> = Family::BOTH
        .into_iter()
        .filter(|family| links.iter().any(|link| has(link, *family)))
        .collect();
    let complete = links.iter().all(|link| families.iter().all(|family| has(link, *family)));
    if config.fullmesh {
        return (client.with(Flags::FULLMESH), "as asked (--fullmesh)".into());
    }
    if families.len() < 2 {
        return (client, String::new());
    }
    if state.kernel.at_least(6, 18) && (complete || links.len() == 2) {
        let reason = "a subflow to each announced address, of either family";
        return (client.with(Flags::LAMINAR), reason.into());
    }
    let reason = if complete {
        "both families; this kernel has no laminar"
    } else {
        "some links lack a family: all announced addresses are tried"
    };
    (client.with(Flags::FULLMESH), reason.into())
}

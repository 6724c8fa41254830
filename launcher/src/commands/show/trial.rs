//! Trying a peer over every path: what `check HOST` and `relay test` share. Not here: the connections
//! themselves (`host::probe`), and what follows from them (the model).

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use crate::host::netlink::rtnl::Rtnl;
use crate::host::probe::{self, Target};
use crate::host::process::resolve;
use mptcpize_model::HostState;
use mptcpize_model::checks::peer::Report;
use mptcpize_model::config::Config;
use mptcpize_model::mptcp::Flags;
use mptcpize_model::net::Family;
use mptcpize_model::uplinks;

/// Tries a peer, by its name and port, over every path that could lead to it. `tell` hears what is being
/// done.
pub(in crate::commands) fn trial(
    host: &HostState,
    asked: &Config,
    peer: (&str, u16),
    until: Instant,
    tell: &mut dyn FnMut(&str),
) -> Report {
    let (name, port) = peer;
    let mut report = Report { name: name.to_owned(), port, ..Report::default() };
    tell(&format!("looking up {name}"));
    match resolve::addresses(name, until) {
        Ok(addresses) => report.addresses = addresses,
        Err(why) => report.unknown_name = Some(why),
    }
    let mut targets = Vec::new();
    for family in Family::BOTH {
        let first = report.addresses.iter().find(|address| Family::of(**address) == family);
        if let Some(address) = first {
            targets.extend(targets_for(host, asked, SocketAddr::new(*address, port)));
        }
    }
    let mut joins = joins(host);
    joins.retain(|address| targets.iter().any(|target| target.from == Some(*address)));
    probe::peer(&mut report, &targets, &joins, until, tell);
    report
}

/// The addresses from which the path manager opens further subflows.
pub(in crate::commands) fn joins(host: &HostState) -> Vec<IpAddr> {
    let subflows = host.limits.is_some_and(|limits| limits.subflows > 0);
    let endpoints = host.endpoints.iter();
    let opens = endpoints.filter(|endpoint| subflows && endpoint.flags.has(Flags::SUBFLOW));
    opens.map(|endpoint| endpoint.address).collect()
}

/// Every path of the family; or no path, where the route to the peer is none of them: to this host
/// itself, or through a tunnel.
fn targets_for(host: &HostState, asked: &Config, to: SocketAddr) -> Vec<Target> {
    let (all, _) = uplinks::find(host, asked);
    let route = Rtnl::open().and_then(|mut rtnl| rtnl.route_get(to.ip(), None, None)).ok();
    if let Some(route) = route.filter(|route| all.iter().all(|path| path.dev != route.dev)) {
        let here = host.link(&route.dev).is_some_and(|link| link.loopback);
        let dev = Some(route.dev).filter(|_| !here);
        return vec![Target { dev, bound: false, from: None, to }];
    }
    all.into_iter()
        .filter(|path| path.family == Family::of(to.ip()))
        .map(|path| {
            let endpoint = host.endpoints.iter().find(|endpoint| endpoint.address == path.address);
            Target {
                // As its subflows are.
                bound: endpoint.is_none_or(|endpoint| endpoint.dev.is_some()),
                dev: Some(path.dev),
                from: Some(path.address),
                to,
            }
        })
        .collect()
}

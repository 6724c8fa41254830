//! Which default route of a link counts, and where there is none, what else says its gateway.

use std::net::IpAddr;

use super::{NO_METRIC, Origin};
use crate::HostState;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::net::{Address, Family, IfName, Link, MAIN, Route};
use crate::ours::is_ours;

/// The way out of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Out<'a> {
    /// The next hop; none on a point-to-point link.
    pub via: Option<IpAddr>,
    /// How good it is; lower is better.
    pub metric: u32,
    /// Who says so.
    pub origin: Origin,
    /// Main has a default route for it, for packets from anywhere.
    pub in_main: bool,
    /// The route, where one says so.
    pub route: Option<&'a Route>,
}

impl Out<'_> {
    /// The route's metrics.
    pub(super) fn metrics(&self) -> Metrics {
        self.route.map(|route| route.metrics.clone()).unwrap_or_default()
    }
}

/// The way out of a link for these addresses, the likeliest first: what the administrator named,
/// main's default route, that of a table that a rule gives the address, the gateway of another
/// link in the same network, our own route, what was set up before, the peer.
pub(super) fn find<'a>(
    state: &'a HostState,
    config: &Config,
    link: &Link,
    usable: &[&Address],
) -> Option<Out<'a>> {
    let family = Family::of(usable.first()?.address);
    let main =
        best(defaults(state, family).filter(|route| {
            route.table == MAIN && route.dev == link.name && is_for(route, usable)
        }));
    let metric = main.map_or(NO_METRIC, |route| route.metric);
    let by_route = |route: &'a Route, in_main: bool| Out {
        via: route.via,
        metric: if route.table == MAIN { route.metric } else { NO_METRIC },
        origin: Origin::Route,
        in_main,
        route: Some(route),
    };
    let asked = config.gateway.get(&link.name).filter(|asked| Family::of(**asked) == family);
    if let Some(asked) = asked {
        let (via, origin) = (Some(*asked), Origin::Asked);
        let in_main = main.is_some_and(|route| route.from.is_none());
        return Some(Out { via, metric, origin, in_main, route: main });
    }
    if let Some(route) = main {
        return Some(by_route(route, route.from.is_none()));
    }
    let ruled = best(defaults(state, family).filter(|route| {
        route.dev == link.name && route.table != MAIN && gives(state, route.table, usable)
    }));
    if let Some(route) = ruled {
        return Some(by_route(route, false));
    }
    // Three modems in one network, one default route: all of them reach its gateway.
    let neighbour = best(defaults(state, family).filter(|route| {
        route.dev != link.name && route.via.is_some_and(|via| same_network(usable, via))
    }));
    if let Some(route) = neighbour {
        return Some(Out {
            via: route.via,
            metric: NO_METRIC,
            origin: Origin::Neighbour(route.dev.clone()),
            in_main: route.table == MAIN && route.from.is_none(),
            route: None,
        });
    }
    before(state, link, usable, family).or_else(|| {
        let peer = link.point_to_point && usable.iter().any(|address| address.peer.is_some());
        // Where no default route leads anywhere, what the host refuses today it is to refuse on.
        let peer = peer && (leads_out(state, family) || config.only.contains(&link.name));
        let (via, metric, origin) = (None, NO_METRIC, Origin::PointToPoint);
        peer.then_some(Out { via, metric, origin, in_main: false, route: None })
    })
}

/// What our own table or our journal still says of a link that has lost its default route: its
/// carrier is gone, or whoever made the route does not make it again.
fn before<'a>(
    state: &'a HostState,
    link: &Link,
    usable: &[&Address],
    family: Family,
) -> Option<Out<'a>> {
    let of_link = |dev: &IfName, of: Family| *dev == link.name && of == family;
    let recorded = state.recorded.iter().find(|recorded| of_link(&recorded.dev, recorded.family));
    let in_main = recorded.is_some_and(|recorded| recorded.in_main);
    let ours = state.routes.iter().find(|route| {
        is_ours(route.protocol) && route.to.is_none() && of_link(&route.dev, route.family)
    });
    if let Some(route) = ours {
        let (via, metric, origin) = (route.via, NO_METRIC, Origin::Route);
        return Some(Out { via, metric, origin, in_main, route: Some(route) });
    }
    let via = recorded?.gateway;
    let reachable = match via {
        None => link.point_to_point,
        Some(IpAddr::V6(via)) if via.is_unicast_link_local() => true,
        Some(via) => same_network(usable, via),
    };
    let (metric, origin) = (NO_METRIC, Origin::Recorded);
    reachable.then_some(Out { via, metric, origin, in_main, route: None })
}

/// Does a rule give one of these addresses that table, as cloud images do for each of their links?
/// A rule with other conditions (a mark, a port) speaks of some of the traffic only.
fn gives(state: &HostState, table: u32, usable: &[&Address]) -> bool {
    state.rules.iter().any(|rule| {
        let names = |address: &&Address| {
            rule.from.is_some_and(|from| from.length > 0 && from.contains(address.address))
        };
        rule.table == table
            && !rule.conditional
            && !is_ours(rule.protocol)
            && rule.suppress.is_none()
            && usable.iter().any(names)
    })
}

/// Is a route for packets from one of these addresses?
pub(super) fn is_for(route: &Route, usable: &[&Address]) -> bool {
    route.from.is_none_or(|from| usable.iter().any(|address| from.contains(address.address)))
}

pub(super) fn same_network(usable: &[&Address], gateway: IpAddr) -> bool {
    usable.iter().any(|address| address.network().contains(gateway) && address.address != gateway)
}

/// Does main lead packets from anywhere to the world beyond?
fn leads_out(state: &HostState, family: Family) -> bool {
    defaults(state, family).any(|route| route.table == MAIN && route.from.is_none())
}

/// Default routes that are not ours.
fn defaults(state: &HostState, family: Family) -> impl Iterator<Item = &Route> {
    state.routes.iter().filter(move |route| {
        route.to.is_none() && route.family == family && !is_ours(route.protocol)
    })
}

fn best<'a>(routes: impl Iterator<Item = &'a Route>) -> Option<&'a Route> {
    routes.min_by_key(|route| route.metric)
}

/// The gateways of a link's default routes in main, the best first, each once.
pub fn gateways(state: &HostState, dev: &IfName, family: Family) -> Vec<IpAddr> {
    let mut routes: Vec<&Route> = defaults(state, family)
        .filter(|route| route.table == MAIN && route.dev == *dev && route.from.is_none())
        .collect();
    routes.sort_by_key(|route| route.metric);
    let mut found = Vec::new();
    for via in routes.iter().filter_map(|route| route.via) {
        if !found.contains(&via) {
            found.push(via);
        }
    }
    found
}

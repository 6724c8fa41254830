//! Routes and their metrics.

use mptcp_netlink::rtnl as kernel;
use mptcpize_model::metrics::{Metric, Metrics};
use mptcpize_model::net::Route;

use crate::host::netlink::convert::net::{family, family_of, prefix, prefix_of};
use crate::host::netlink::names::Names;

/// A route; none where its link is gone.
pub(in crate::host) fn route(route: kernel::Route, names: &mut Names) -> Option<Route> {
    Some(Route {
        dev: names.name(route.link)?,
        table: route.table,
        family: family_of(route.family),
        to: route.to.map(prefix_of),
        from: route.from.map(prefix_of),
        via: route.via,
        src: route.src,
        metric: route.metric,
        protocol: route.protocol,
        onlink: route.onlink,
        scope: route.scope,
        metrics: Metrics(
            route.metrics.into_iter().map(|(kind, value)| (kind, metric_of(value))).collect(),
        ),
        encapsulated: route.encapsulated,
    })
}

/// A route to add or to delete, out of the link with this index.
pub(in crate::host) fn route_of(route: &Route, link: u32) -> kernel::Route {
    let mut kernel = kernel::Route::new(family(route.family), link);
    kernel.table = route.table;
    kernel.to = route.to.map(prefix);
    kernel.from = route.from.map(prefix);
    kernel.via = route.via;
    kernel.src = route.src;
    kernel.metric = route.metric;
    kernel.protocol = route.protocol;
    kernel.onlink = route.onlink;
    kernel.scope = route.scope;
    kernel.metrics = route.metrics.0.iter().map(|(kind, value)| (*kind, metric(value))).collect();
    kernel.encapsulated = route.encapsulated;
    kernel
}

fn metric(metric: &Metric) -> kernel::Metric {
    match metric {
        Metric::Number(number) => kernel::Metric::Number(*number),
        Metric::Text(text) => kernel::Metric::Text(text.clone()),
    }
}

fn metric_of(metric: kernel::Metric) -> Metric {
    match metric {
        kernel::Metric::Number(number) => Metric::Number(number),
        kernel::Metric::Text(text) => Metric::Text(text),
    }
}

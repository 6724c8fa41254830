//! Do packets leave, and come back, by the link that their address belongs to.

use std::net::IpAddr;

use super::{Context, Finding, SETUP, conf_key};
use crate::change::{Change, Item};
use crate::net::{Family, IfName, Rule};
use crate::ours::is_ours;
use crate::phrase::list;
use crate::rule_order;
use crate::sysctl;
use crate::uplinks::Path;

pub(super) fn routing(context: &Context) -> Vec<Finding> {
    let mut found: Vec<Finding> =
        context.paths.iter().filter_map(|path| leaves(context, path)).collect();
    if found.is_empty() && context.bonds() {
        found.push(Finding::fine("routing", "each address leaves by its own link"));
    }
    found
}

/// What is wrong with the way out of one path.
fn leaves(context: &Context, path: &Path) -> Option<Finding> {
    let (dev, address) = (&path.dev, &path.source());
    // Without a carrier its routes do not count, and that is told elsewhere.
    if context.seen.host.link(dev).is_some_and(|link| !link.carrier) {
        return None;
    }
    // With `dev` a subflow is bound to the link; a server's answers and programs never are.
    let endpoint = context.seen.host.endpoints.iter().find(|it| it.address == *address);
    let bound = endpoint.is_some_and(|endpoint| endpoint.dev.is_some());
    if !context.seen.ways.iter().any(|lookup| lookup.from == *address) {
        return None;
    }
    let subflows = context.leaves_well(path, bound);
    let others = context.leaves_well(path, false);
    if subflows && (others || !context.bonds()) {
        return None;
    }
    let hop = context.lookup(path, bound && !subflows).and_then(|lookup| lookup.hop.as_ref());
    let title = match hop {
        None => format!("packets from {address} have no way out"),
        Some(hop) if hop.dev != *dev => {
            format!("packets from {address} leave through {}", hop.dev)
        }
        Some(_) => format!("packets from {address} pass {dev}'s gateway by"),
    };
    let consequence = match (subflows, endpoint.is_some()) {
        (true, _) => "a server's answers and programs that bind to it take the wrong link",
        (false, true) => "its subflow never opens, or carries nothing",
        (false, false) => "what starts from it takes the wrong link",
    };
    // Subflows go beside the tunnel, as asked; what is not bound to the link takes it, as it did before.
    let tunnel = hop.filter(|hop| !context.links.contains(&hop.dev));
    if let Some(hop) = tunnel.filter(|_| subflows && context.seen.asked.beside_vpn) {
        return Some(Finding::note("routing.tunnel", title).why(format!(
            "{} takes it, and subflows go beside, as asked (--beside-vpn)",
            hop.dev
        )));
    }
    let gateway = path.gateway.map_or(format!("to {dev}"), |_| format!("to {dev}'s gateway"));
    let mends = |change: &Change| match change {
        Change::Add(Item::Rule(rule)) => rule.from.is_some_and(|from| from.contains(*address)),
        Change::Add(Item::Route(route)) => route.dev == *dev && route.family == path.family,
        _ => false,
    };
    let finding = match subflows {
        true => Finding::warning("routing.unbound", title),
        false => Finding::problem("routing.elsewhere", title),
    };
    Some(if context.setup_makes(mends) {
        finding.why(format!("no rule sends them {gateway}: {consequence}")).fix(&[SETUP])
    } else if let Some(rule) = before_ours(context) {
        finding
            .why(format!("the rule \"{rule}\" is asked before ours (a VPN?): {consequence}"))
            .advice("leave this link out of MPTCP, or the VPN's rule: ip rule show")
    } else {
        finding.why(consequence).advice(format!(
            "see why: ip route get {} from {address}",
            context.seen.beyond.of(path.family)
        ))
    })
}

/// A rule for everybody that comes before ours.
fn before_ours<'a>(context: &'a Context) -> Option<&'a Rule> {
    let host = &context.seen.host;
    let early = |rule: &&Rule| {
        rule_order::is_before_main(host, rule)
            && !rule_order::is_local(rule)
            && !is_ours(rule.protocol)
            && rule.from.is_none()
    };
    host.rules.iter().find(early)
}

/// Links that share a network: each must answer for its own addresses, and for them alone.
pub(super) fn arp(context: &Context) -> Vec<Finding> {
    let mut found = Vec::new();
    let v4: Vec<&Path> = context.paths.iter().filter(|path| path.family == Family::V4).collect();
    let shares = |path: &&&Path| {
        v4.iter().any(|other| {
            other.dev != path.dev
                && other.networks.iter().any(|network| path.networks.contains(network))
        })
    };
    let sharing: Vec<&Path> = v4.iter().filter(shares).copied().collect();
    let open: Vec<&IfName> = sharing
        .iter()
        .map(|path| &path.dev)
        .filter(|dev| context.conf(dev, "arp_ignore") == 0)
        .collect();
    if !open.is_empty() {
        let commands: Vec<String> =
            open.iter().map(|dev| sysctl::command(&conf_key(dev, "arp_ignore"), 1)).collect();
        let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
        let title = match open.as_slice() {
            [one] => format!("{one} answers for the addresses of its neighbours"),
            _ => format!("{} answer for each other's addresses", list(&open)),
        };
        let finding = Finding::problem("arp.flux", title)
            .why("they share a network: the router may send all they receive to one card");
        let sets = |change: &Change| matches!(change, Change::Sysctl { key, .. } if key.ends_with(".arp_ignore"));
        found.push(match context.setup_makes(sets) {
            true => finding.fix(&[SETUP]).or(&commands),
            false => finding.fix(&commands),
        });
    }
    for path in &v4 {
        let Some(gateway) = path.gateway.filter(|_| context.conf(&path.dev, "arp_filter") > 0)
        else {
            continue;
        };
        // The kernel answers only where it would itself send to whoever asks (`arp_filter`,
        // net/ipv4/arp.c).
        let dev = way_to(context, path.address, gateway);
        if let Some(other) = dev.filter(|dev| **dev != path.dev) {
            let keys = ["all".to_owned(), crate::desired::sysctl_name(&path.dev)];
            let commands: Vec<String> = keys
                .iter()
                .map(|key| format!("net.ipv4.conf.{key}.arp_filter"))
                .filter(|key| context.seen.host.sysctl(key) > 0)
                .map(|key| sysctl::command(&key, 0))
                .collect();
            let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
            found.push(
                Finding::problem(
                    "arp.filter",
                    format!("{} does not answer for {}", path.dev, path.address),
                )
                .why(format!(
                    "arp_filter is on, and the way to the gateway {gateway} is {other}: it never \
                     learns where {} is",
                    path.address
                ))
                .fix(&commands),
            );
        }
    }
    if found.is_empty() && !sharing.is_empty() {
        found.push(announcements(context, &sharing).unwrap_or_else(|| {
            Finding::fine("arp", "each link answers and asks for its own addresses alone")
        }));
    }
    found
}

/// A packet from one link's address to the network that they share leaves by the link that main
/// prefers; the question for its receiver's address says whose address it is (measured).
fn announcements(context: &Context, sharing: &[&Path]) -> Option<Finding> {
    let commands: Vec<String> = sharing
        .iter()
        .filter(|path| context.conf(&path.dev, "arp_announce") < 2)
        .map(|path| sysctl::command(&conf_key(&path.dev, "arp_announce"), 2))
        .collect();
    let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    let note = Finding::note("arp.announce", "a link may ask in the name of its neighbours")
        .why(
            "a program that binds to one link's address and talks to the shared network teaches \
             it the other link's card",
        )
        .fix(&commands);
    (!commands.is_empty()).then_some(note)
}

fn way_to<'a>(context: &'a Context, from: IpAddr, to: IpAddr) -> Option<&'a IfName> {
    let lookup = context
        .seen
        .ways
        .iter()
        .find(|lookup| lookup.from == from && lookup.to == to && lookup.oif.is_none())?;
    lookup.hop.as_ref().map(|hop| &hop.dev)
}

/// Where rp_filter is strict, the way back must be the way that packets come.
pub(super) fn rp_filter(context: &Context) -> Vec<Finding> {
    let strict: Vec<&Path> = context
        .paths
        .iter()
        .filter(|path| path.family == Family::V4 && context.conf(&path.dev, "rp_filter") == 1)
        .collect();
    let mut found = Vec::new();
    for path in &strict {
        let Path { dev, address, .. } = path;
        // What comes for an address that another link has too is translated before it is checked.
        let source = path.source();
        let loosen = sysctl::command(&conf_key(dev, "rp_filter"), 2);
        if let Some(back) = way_to(context, source, context.seen.beyond.v4.into())
            && back != dev
        {
            found.push(
                Finding::problem(
                    "rp_filter.drops",
                    format!("{dev} drops what comes for {address}"),
                )
                .why(format!("rp_filter is strict there, and the way back leads through {back}"))
                .fix(&[&loosen]),
            );
            continue;
        }
        let lost: Vec<String> = context
            .seen
            .static_routes
            .iter()
            .filter(|route| route.dev != *dev)
            .filter_map(|route| route.to.map(|to| (to, &route.dev)))
            .filter(|(to, other)| way_to(context, source, to.address) == Some(other))
            .map(|(to, _)| to.to_string())
            .collect();
        if !lost.is_empty() {
            found.push(
                Finding::warning(
                    "rp_filter.static_route",
                    format!("{dev} drops what comes from {} for {address}", short_list(&lost)),
                )
                .why("rp_filter is strict there, and a static route sends the answers elsewhere")
                .fix(&[&loosen]),
            );
        }
    }
    if found.is_empty() && !strict.is_empty() {
        let mut names: Vec<&IfName> = strict.iter().map(|path| &path.dev).collect();
        names.dedup();
        found.push(Finding::fine(
            "rp_filter",
            format!("strict on {}, and every way back agrees", list(&names)),
        ));
    }
    found
}

fn short_list(items: &[String]) -> String {
    match items {
        [first, second, third, rest @ ..] if rest.len() > 1 => {
            format!("{first}, {second}, {third} and {} more", rest.len())
        }
        _ => list(items),
    }
}

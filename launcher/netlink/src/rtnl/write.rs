//! The messages to the kernel about addresses, routes, rules and next hops. Pure.

use std::net::IpAddr;

use netlink_packet_core::DefaultNla;

use crate::message::{Body, nested, octets, of_number};
use crate::network::Family;
use crate::rtnl::address::Address;
use crate::rtnl::header::{AddressHeader, NextHopHeader, RouteHeader, RuleHeader};
use crate::rtnl::next_hop::{NextHop, Target};
use crate::rtnl::read::{
    FR_ACT_TO_TBL, FRA_IIFNAME, FRA_PRIORITY, FRA_PROTOCOL, FRA_SRC, FRA_SUPPRESS_PREFIXLEN,
    FRA_TABLE, IFA_PROTO, LOOPBACK,
};
use crate::rtnl::route::{METRIC_V6, Metric, Route};
use crate::rtnl::routes::{
    MEMBER, NHA_GATEWAY, NHA_GROUP, NHA_ID, NHA_OIF, ONLINK, RTA_METRICS, RTA_VIA, usual_scope,
};
use crate::rtnl::rule::Rule;

/// `RTM_F_LOOKUP_TABLE`: the answer to a look-up names the table.
const LOOKUP_TABLE: u32 = 0x1000;

/// Asks for the unicast routes of a table, or those of a link in it.
pub(super) fn table(table: u32, family: Family, link: Option<u32>) -> Body<RouteHeader> {
    let header =
        RouteHeader { family: family.number(), kind: libc::RTN_UNICAST, ..RouteHeader::default() };
    let mut parts = vec![of_number(libc::RTA_TABLE, table)];
    parts.extend(link.map(|link| of_number(libc::RTA_OIF, link)));
    Body(header, parts)
}

/// Asks for all that is in a table, of whatever kind.
pub(super) fn whole_table(table: u32, family: Family) -> Body<RouteHeader> {
    let mut message = self::table(table, family, None);
    message.0.kind = libc::RTN_UNSPEC;
    message
}

/// An address to add or to delete.
pub(crate) fn address(address: &Address) -> Body<AddressHeader> {
    let header = AddressHeader {
        family: Family::of(address.address).number(),
        length: address.length,
        scope: address.scope,
        link: address.link,
        flags: 0,
    };
    let mut parts = vec![
        DefaultNla::new(libc::IFA_LOCAL, octets(address.address)),
        DefaultNla::new(libc::IFA_ADDRESS, octets(address.peer.unwrap_or(address.address))),
        // An older kernel takes no notice.
        DefaultNla::new(IFA_PROTO, vec![address.protocol]),
    ];
    if address.flags != 0 {
        parts.push(of_number(libc::IFA_FLAGS, address.flags));
    }
    Body(header, parts)
}

/// Asks for the way to an address; `flags` are `RTM_F_*`.
pub(super) fn lookup(
    to: IpAddr,
    from: Option<IpAddr>,
    link: Option<u32>,
    flags: u32,
) -> Body<RouteHeader> {
    let family = Family::of(to);
    // IPv6 always says the table, and refuses to be asked.
    let table = if family == Family::V4 { LOOKUP_TABLE } else { 0 };
    let header = RouteHeader {
        family: family.number(),
        to: family.bits(),
        from: from.map_or(0, |_| family.bits()),
        flags: flags | table,
        ..RouteHeader::default()
    };
    let mut parts = vec![DefaultNla::new(libc::RTA_DST, octets(to))];
    parts.extend(from.map(|from| DefaultNla::new(libc::RTA_SRC, octets(from))));
    parts.extend(link.map(|link| of_number(libc::RTA_OIF, link)));
    Body(header, parts)
}

/// A route to add or to delete.
pub(crate) fn route(route: &Route) -> Body<RouteHeader> {
    let scope = match route.family {
        Family::V4 => route.scope.unwrap_or(usual_scope(route.via)),
        Family::V6 => libc::RT_SCOPE_UNIVERSE,
    };
    let header = RouteHeader {
        family: route.family.number(),
        to: route.to.map_or(0, |to| to.length),
        protocol: route.protocol,
        scope,
        kind: libc::RTN_UNICAST,
        flags: if route.onlink { ONLINK } else { 0 },
        ..RouteHeader::default()
    };
    let mut parts =
        vec![of_number(libc::RTA_TABLE, route.table), of_number(libc::RTA_OIF, route.link)];
    parts.extend(route.to.map(|to| DefaultNla::new(libc::RTA_DST, octets(to.address))));
    parts.extend(route.via.map(|via| gateway(via, route.family)));
    parts.extend(route.src.map(|source| DefaultNla::new(libc::RTA_PREFSRC, octets(source))));
    if !route.metrics.is_empty() {
        let metrics: Vec<DefaultNla> = route.metrics.iter().map(metric_part).collect();
        parts.push(nested(RTA_METRICS, &metrics));
    }
    if metric(route) != 0 {
        parts.push(of_number(libc::RTA_PRIORITY, metric(route)));
    }
    Body(header, parts)
}

fn gateway(via: IpAddr, family: Family) -> DefaultNla {
    let of_via = Family::of(via);
    if of_via == family {
        return DefaultNla::new(libc::RTA_GATEWAY, octets(via));
    }
    // `struct rtvia`: the family, then the address.
    let family = u16::from(of_via.number()).to_ne_bytes();
    DefaultNla::new(RTA_VIA, [&family[..], &octets(via)].concat())
}

fn metric_part((kind, value): (&u16, &Metric)) -> DefaultNla {
    match value {
        Metric::Number(number) => of_number(*kind, *number),
        Metric::Text(text) => DefaultNla::new(*kind, [text.as_bytes(), b"\0"].concat()),
    }
}

/// A next-hop object to add. The weights of a group's members are alike.
pub(crate) fn next_hop(object: &NextHop) -> Body<NextHopHeader> {
    let protocol = object.protocol;
    let id = of_number(NHA_ID, object.id);
    match &object.to {
        Target::Hop(hop) => {
            let header = NextHopHeader { family: hop.family.number(), protocol, flags: hop.flags };
            let gateway = hop.via.map(|via| DefaultNla::new(NHA_GATEWAY, octets(via)));
            let parts = [id, of_number(NHA_OIF, hop.link)];
            Body(header, parts.into_iter().chain(gateway).collect())
        }
        Target::Group(members) => {
            let member = |id: &u32| {
                let mut bytes = [0; MEMBER];
                bytes[..4].copy_from_slice(&id.to_ne_bytes());
                bytes
            };
            let value = members.iter().flat_map(member).collect();
            let header = NextHopHeader { family: libc::AF_UNSPEC as u8, protocol, flags: 0 };
            Body(header, vec![id, DefaultNla::new(NHA_GROUP, value)])
        }
    }
}

/// The next-hop object with this number, to delete.
pub(super) fn next_hop_by_id(id: u32) -> Body<NextHopHeader> {
    Body(NextHopHeader::default(), vec![of_number(NHA_ID, id)])
}

/// The metric that the route will have in the kernel.
pub(super) fn metric(route: &Route) -> u32 {
    match (route.family, route.metric) {
        (Family::V6, 0) => METRIC_V6,
        (_, metric) => metric,
    }
}

/// Would the kernel delete `other` when told to delete `route`? (`fib_table_delete`,
/// net/ipv4/fib_trie.c; `ip6_route_del`, net/ipv6/route.c.)
pub(super) fn would_delete_route(route: &Route, other: &Route) -> bool {
    (route.table, route.to, route.link) == (other.table, other.to, other.link)
        && (metric(route) == 0 || metric(route) == other.metric)
        && (route.protocol == 0 || route.protocol == other.protocol)
        && (route.via.is_none() || route.via == other.via)
        && (route.family == Family::V6 || route.src.is_none() || route.src == other.src)
}

/// A rule to add or to delete.
pub(crate) fn rule(rule: &Rule) -> Body<RuleHeader> {
    let header = RuleHeader {
        family: rule.family.number(),
        from: rule.from.map_or(0, |from| from.length),
        action: FR_ACT_TO_TBL,
        ..RuleHeader::default()
    };
    let mut parts = vec![
        of_number(FRA_PRIORITY, rule.priority),
        of_number(FRA_TABLE, rule.table),
        DefaultNla::new(FRA_PROTOCOL, vec![rule.protocol]),
    ];
    parts.extend(rule.from.map(|from| DefaultNla::new(FRA_SRC, octets(from.address))));
    parts.extend(rule.local.then(|| DefaultNla::new(FRA_IIFNAME, format!("{LOOPBACK}\0").into())));
    parts.extend(rule.suppress.map(|length| of_number(FRA_SUPPRESS_PREFIXLEN, length)));
    Body(header, parts)
}

/// Would the kernel delete `other` when told to delete `rule`? (`rule_find`,
/// net/core/fib_rules.c.)
pub(super) fn would_delete_rule(rule: &Rule, other: &Rule) -> bool {
    (rule.priority, rule.table) == (other.priority, other.table)
        && (rule.from.is_none() || rule.from == other.from)
        && (!rule.local || other.local)
        && (rule.suppress.is_none() || rule.suppress == other.suppress)
        && (rule.protocol == 0 || rule.protocol == other.protocol)
}

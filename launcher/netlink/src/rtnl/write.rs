//! Our messages to the kernel. Pure; one for each thing that the model can say.

use std::net::IpAddr;

use netlink_packet_core::{DefaultNla, Emitable, NLA_F_NESTED};
use netlink_packet_route::address::{AddressHeader, AddressScope};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteScope, RouteType,
    RouteVia,
};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleHeader, RuleMessage};

use crate::host::netlink::message::Body;
use crate::host::netlink::rtnl::number_of;
use crate::host::netlink::rtnl::read::IFA_PROTO;
use crate::host::netlink::rtnl::routes::{RTA_METRICS, usual_scope};
use mptcpize_model::metrics::{Metric, Metrics};
use mptcpize_model::net::{Address, Family, Route, Rule};

/// What an IPv6 route gets that has no metric (`IP6_RT_PRIO_USER`, include/net/ip6_fib.h).
pub const METRIC_V6: u32 = 1024;

/// Asks for the unicast routes of a table, or those of a link in it.
pub(super) fn table(table: u32, family: Family, link: Option<u32>) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header = RouteHeader {
        address_family: number_of(family),
        kind: RouteType::Unicast,
        ..RouteHeader::default()
    };
    message.attributes.push(RouteAttribute::Table(table));
    message.attributes.extend(link.map(RouteAttribute::Oif));
    message
}

/// Asks for all that is in a table, of whatever kind.
pub(super) fn whole_table(table: u32, family: Family) -> RouteMessage {
    let mut message = self::table(table, family, None);
    message.header.kind = RouteType::Unspec;
    message
}

/// Asks for all next-hop objects: `struct nhmsg` without a word.
pub(super) fn next_hops() -> NextHopMessage {
    NextHopMessage
}

/// The fixed part of a message about next-hop objects (`struct nhmsg`, linux/nexthop.h).
pub(super) struct NextHopMessage;

impl Emitable for NextHopMessage {
    fn buffer_len(&self) -> usize {
        NEXT_HOP_HEADER
    }

    fn emit(&self, buffer: &mut [u8]) {
        buffer[..NEXT_HOP_HEADER].fill(0);
    }
}

/// Family, scope, protocol, a reserved byte, and flags.
pub(super) const NEXT_HOP_HEADER: usize = 8;

/// An address to add or to delete.
pub(in crate::host) fn address(address: &Address, link: u32) -> Body<AddressHeader> {
    let header = AddressHeader {
        family: number_of(Family::of(address.address)),
        prefix_len: address.length,
        scope: if address.global { AddressScope::Universe } else { AddressScope::Link },
        index: link,
        ..AddressHeader::default()
    };
    let octets = match address.address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    let parts = vec![
        DefaultNla::new(libc::IFA_LOCAL, octets.clone()),
        DefaultNla::new(libc::IFA_ADDRESS, octets),
        // An older kernel takes no notice.
        DefaultNla::new(IFA_PROTO, vec![address.protocol]),
    ];
    Body(header, parts)
}

/// Asks for the way to an address.
pub(super) fn lookup(
    to: IpAddr,
    from: Option<IpAddr>,
    link: Option<u32>,
    flags: RouteFlags,
) -> RouteMessage {
    let family = Family::of(to);
    // IPv6 always says the table, and refuses to be asked.
    let table = if family == Family::V4 { RouteFlags::LookupTable } else { RouteFlags::empty() };
    let mut message = RouteMessage::default();
    message.header = RouteHeader {
        address_family: number_of(family),
        destination_prefix_length: family.bits(),
        source_prefix_length: from.map_or(0, |_| family.bits()),
        flags: flags | table,
        ..RouteHeader::default()
    };
    message.attributes.push(RouteAttribute::Destination(RouteAddress::from(to)));
    message.attributes.extend(from.map(|from| RouteAttribute::Source(RouteAddress::from(from))));
    message.attributes.extend(link.map(RouteAttribute::Oif));
    message
}

/// A route to add or to delete.
pub(in crate::host) fn route(route: &Route, link: u32) -> RouteMessage {
    let mut message = RouteMessage::default();
    let scope = match route.family {
        Family::V4 => route.scope.unwrap_or(usual_scope(route.via)),
        Family::V6 => libc::RT_SCOPE_UNIVERSE,
    };
    message.header = RouteHeader {
        address_family: number_of(route.family),
        destination_prefix_length: route.to.map_or(0, |to| to.length),
        protocol: route.protocol.into(),
        scope: RouteScope::from(scope),
        kind: RouteType::Unicast,
        flags: if route.onlink { RouteFlags::Onlink } else { RouteFlags::empty() },
        ..RouteHeader::default()
    };
    message.attributes.push(RouteAttribute::Table(route.table));
    message.attributes.push(RouteAttribute::Oif(link));
    let to = route.to.map(|to| RouteAttribute::Destination(RouteAddress::from(to.address)));
    message.attributes.extend(to);
    message.attributes.extend(route.via.map(|via| match Family::of(via) == route.family {
        true => RouteAttribute::Gateway(RouteAddress::from(via)),
        false => RouteAttribute::Via(RouteVia::from(via)),
    }));
    let source = route.src.map(|source| RouteAttribute::PrefSource(RouteAddress::from(source)));
    message.attributes.extend(source);
    if !route.metrics.is_empty() {
        let nested = metrics(&route.metrics);
        message
            .attributes
            .push(RouteAttribute::Other(DefaultNla::new(RTA_METRICS | NLA_F_NESTED, nested)));
    }
    if metric(route) != 0 {
        message.attributes.push(RouteAttribute::Priority(metric(route)));
    }
    message
}

fn metrics(metrics: &Metrics) -> Vec<u8> {
    let parts: Vec<DefaultNla> = metrics
        .0
        .iter()
        .map(|(kind, value)| match value {
            Metric::Number(number) => DefaultNla::new(*kind, number.to_ne_bytes().into()),
            Metric::Text(text) => DefaultNla::new(*kind, [text.as_bytes(), b"\0"].concat()),
        })
        .collect();
    let mut bytes = vec![0; parts.as_slice().buffer_len()];
    parts.as_slice().emit(&mut bytes);
    bytes
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
    (route.table, route.to, &route.dev) == (other.table, other.to, &other.dev)
        && (metric(route) == 0 || metric(route) == other.metric)
        && (route.protocol == 0 || route.protocol == other.protocol)
        && (route.via.is_none() || route.via == other.via)
        && (route.family == Family::V6 || route.src.is_none() || route.src == other.src)
}

/// A rule to add or to delete.
pub(in crate::host) fn rule(rule: &Rule) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header = RuleHeader {
        family: number_of(rule.family),
        src_len: rule.from.map_or(0, |from| from.length),
        action: RuleAction::ToTable,
        ..RuleHeader::default()
    };
    message.attributes = vec![
        RuleAttribute::Priority(rule.priority),
        RuleAttribute::Table(rule.table),
        RuleAttribute::Protocol(rule.protocol.into()),
    ];
    message.attributes.extend(rule.from.map(|from| RuleAttribute::Source(from.address)));
    message.attributes.extend(rule.suppress.map(RuleAttribute::SuppressPrefixLen));
    message
}

/// Would the kernel delete `other` when told to delete `rule`? (`rule_find`,
/// net/core/fib_rules.c.)
pub(super) fn would_delete_rule(rule: &Rule, other: &Rule) -> bool {
    (rule.priority, rule.table) == (other.priority, other.table)
        && (rule.from.is_none() || rule.from == other.from)
        && (rule.suppress.is_none() || rule.suppress == other.suppress)
        && (rule.protocol == 0 || rule.protocol == other.protocol)
}

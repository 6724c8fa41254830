//! What the kernel's messages about routes and next-hop objects say. Pure and lenient, as `read`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use netlink_packet_core::Emitable;
use netlink_packet_route::route::{RouteFlags, RouteHeader, RouteType};

use crate::host::netlink::message::{address as ip, attribute, attributes, number, text};
use crate::host::netlink::names::{Names, NextHop};
use crate::host::netlink::rtnl::read::{family, is_of, zero};
use crate::host::netlink::rtnl::write::NEXT_HOP_HEADER;
use mptcpize_model::metrics::{CONGESTION_CONTROL, Metric, Metrics};
use mptcpize_model::net::{Family, Prefix, Route};

/// `RTA_VIA`: a gateway of the other family.
pub(super) const RTA_VIA: u16 = 18;

/// `RTA_METRICS` is nested; `RTA_ENCAP` is another header; `RTA_NH_ID` a next-hop object.
pub(super) const RTA_METRICS: u16 = 8;
const RTA_ENCAP: u16 = 22;
const RTA_NH_ID: u16 = 30;

/// The fixed part of a next hop (`struct rtnexthop`): length, flags, weight, link.
const NEXT_HOP: usize = 8;

/// Is it a default route? A cheap look before [`routes`].
pub(in crate::host) fn is_default(message: &[u8]) -> bool {
    RouteHeader::parse(message).is_ok_and(|header| header.destination_prefix_length == 0)
}

/// What a message about a route answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::host) enum Asked {
    /// What is in the table.
    Table,
    /// Which way a packet takes.
    Lookup,
}

/// A route, once for each of its next hops that names a link.
///
/// Of a table, only unicast routes, and not what the kernel learned for one destination (a cached
/// redirect or path MTU), nor what the model cannot say: routes for one type of service.
pub(in crate::host) fn routes(message: &[u8], names: &mut Names, asked: Asked) -> Vec<Route> {
    route(message, names, asked).unwrap_or_default()
}

fn route(message: &[u8], names: &mut Names, asked: Asked) -> Option<Vec<Route>> {
    let header = RouteHeader::parse(message).ok()?;
    let family = family(header.address_family)?;
    let body = message.get(header.buffer_len()..)?;
    let ours = match asked {
        Asked::Lookup => matches!(header.kind, RouteType::Unicast | RouteType::Local),
        Asked::Table => {
            header.kind == RouteType::Unicast
                && !header.flags.contains(RouteFlags::Cloned)
                && header.tos == 0
        }
    };
    let longest = header.destination_prefix_length.max(header.source_prefix_length);
    if !ours || longest > family.bits() {
        return None;
    }
    let find = |kind| attribute(body, kind);
    let to = match header.destination_prefix_length {
        0 => None,
        length => {
            // An address that is all zero is left out.
            let address = find(libc::RTA_DST).map_or(Some(zero(family)), ip)?;
            is_of(family, address).then_some(Some(Prefix { address, length }))?
        }
    };
    let from = match (header.source_prefix_length, find(libc::RTA_SRC).and_then(ip)) {
        // A look-up names the source that was asked about, which is no part of the route.
        (0, _) if asked == Asked::Table => None,
        (length, Some(address)) if length < family.bits() || asked == Asked::Table => {
            is_of(family, address).then_some(Prefix { address, length })
        }
        _ => None,
    };
    let template = |via: Option<IpAddr>, dev, flags: u32, encapsulated| Route {
        table: find(libc::RTA_TABLE).and_then(number).unwrap_or(header.table.into()),
        family,
        to,
        from,
        via,
        dev,
        src: find(libc::RTA_PREFSRC).and_then(ip),
        metric: find(libc::RTA_PRIORITY).and_then(number).unwrap_or(0),
        protocol: header.protocol.into(),
        onlink: RouteFlags::from_bits_retain(flags).contains(RouteFlags::Onlink),
        // The answer to a look-up has none of its own.
        scope: odd_scope(family, header.scope.into(), via).filter(|_| asked == Asked::Table),
        metrics: find(RTA_METRICS).map(metrics).unwrap_or_default(),
        encapsulated: encapsulated || find(RTA_ENCAP).is_some(),
    };
    if let Some(hops) = find(libc::RTA_MULTIPATH) {
        return Some(
            next_hops(hops)
                .filter_map(|(index, flags, body)| {
                    let encapsulated = attribute(body, RTA_ENCAP).is_some();
                    Some(template(gateway(body), names.name(index)?, flags.into(), encapsulated))
                })
                .collect(),
        );
    }
    let Some(link) = find(libc::RTA_OIF).and_then(number) else {
        // Where net.ipv4.nexthop_compat_mode is 0 the kernel names the object and no more.
        let hops = names.hops(find(RTA_NH_ID).and_then(number)?);
        let route = |hop: NextHop| {
            let dev = names.name(hop.link)?;
            Some(template(hop.via, dev, hop.flags, hop.encapsulated))
        };
        return Some(hops.into_iter().filter_map(route).collect());
    };
    Some(vec![template(gateway(body), names.name(link)?, header.flags.bits(), false)])
}

/// The scope of an IPv4 route where it is not what `ip route` gives by itself.
fn odd_scope(family: Family, scope: u8, via: Option<IpAddr>) -> Option<u8> {
    (family == Family::V4 && scope != usual_scope(via)).then_some(scope)
}

/// What `ip route` gives: global with a gateway, link without.
pub(super) fn usual_scope(via: Option<IpAddr>) -> u8 {
    if via.is_some() { libc::RT_SCOPE_UNIVERSE } else { libc::RT_SCOPE_LINK }
}

fn metrics(nested: &[u8]) -> Metrics {
    let metric = |(kind, value): (u16, &[u8])| match kind {
        CONGESTION_CONTROL => Some((kind, Metric::Text(text(value)?))),
        _ => Some((kind, Metric::Number(number(value)?))),
    };
    Metrics(attributes(nested).filter_map(metric).collect())
}

/// The table of a route of any kind, and who made it.
pub(in crate::host) fn owner(message: &[u8]) -> Option<(u32, u8)> {
    let header = RouteHeader::parse(message).ok()?;
    let table = attribute(message.get(header.buffer_len()..)?, libc::RTA_TABLE).and_then(number);
    Some((table.unwrap_or(header.table.into()), header.protocol.into()))
}

/// A next-hop object: its number, and itself or the numbers of a group's members
/// (`NHA_*`, include/uapi/linux/nexthop.h).
pub(in crate::host) fn next_hop(message: &[u8]) -> Option<(u32, Result<NextHop, Vec<u32>>)> {
    let flags = message.get(4..NEXT_HOP_HEADER).and_then(number)?;
    let body = message.get(NEXT_HOP_HEADER..)?;
    let [id, group, link, gateway, encap] = [1, 2, 5, 6, 8].map(|kind| attribute(body, kind));
    let id = number(id?)?;
    if let Some(group) = group {
        let members = group.chunks_exact(8).filter_map(|member| number(&member[..4]));
        return Some((id, Err(members.collect())));
    }
    // A blackhole has no link, and leads nowhere.
    let link = number(link?)?;
    let encapsulated = encap.is_some();
    Some((id, Ok(NextHop { link, via: gateway.and_then(ip), flags, encapsulated })))
}

/// Next-hop objects by number, each group as its members. What is missing leads nowhere.
pub(in crate::host) fn groups(
    all: Vec<(u32, Result<NextHop, Vec<u32>>)>,
) -> BTreeMap<u32, Vec<NextHop>> {
    let single: BTreeMap<u32, NextHop> =
        all.iter().filter_map(|(id, hop)| Some((*id, hop.clone().ok()?))).collect();
    all.into_iter()
        .map(|(id, hop)| match hop {
            Ok(hop) => (id, vec![hop]),
            Err(members) => {
                (id, members.iter().filter_map(|member| single.get(member).cloned()).collect())
            }
        })
        .collect()
}

/// The next hops of a multipath route: link, flags, attributes.
fn next_hops(mut rest: &[u8]) -> impl Iterator<Item = (u32, u8, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes(*rest.first_chunk()?));
        let hop = rest.get(..length)?;
        let body = hop.get(NEXT_HOP..)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((number(&hop[4..NEXT_HOP])?, hop[2], body))
    })
}

fn gateway(body: &[u8]) -> Option<IpAddr> {
    let other_family = || attribute(body, RTA_VIA).and_then(|value| ip(value.get(2..)?));
    attribute(body, libc::RTA_GATEWAY).and_then(ip).or_else(other_family)
}

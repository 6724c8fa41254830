//! What the kernel's messages about routes and next-hop objects say. Pure and lenient, as `read`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::message::{address as ip, attribute, attributes, number, text};
use crate::network::{Family, Prefix};
use crate::rtnl::header::{NextHopHeader, RouteHeader};
use crate::rtnl::next_hop::{Hop, Known, NextHop, Target};
use crate::rtnl::read::is_of;
use crate::rtnl::route::{CONGESTION_CONTROL, Metric, Route};

/// `RTA_VIA`: a gateway of the other family.
pub(super) const RTA_VIA: u16 = 18;

/// `RTA_METRICS` is nested; `RTA_ENCAP` is another header; `RTA_NH_ID` a next-hop object.
pub(super) const RTA_METRICS: u16 = 8;
const RTA_ENCAP: u16 = 22;
const RTA_NH_ID: u16 = 30;

/// Attributes of a next-hop object (`NHA_*`, include/uapi/linux/nexthop.h).
pub(super) const NHA_ID: u16 = 1;
pub(super) const NHA_GROUP: u16 = 2;
pub(super) const NHA_OIF: u16 = 5;
pub(super) const NHA_GATEWAY: u16 = 6;
const NHA_ENCAP: u16 = 8;

/// The length of a member of a group (`struct nexthop_grp`); its number comes first.
pub(super) const MEMBER: usize = 8;

/// `RTM_F_CLONED`: what the kernel learned for one destination.
const CLONED: u32 = 0x200;
/// `RTM_F_FIB_MATCH`: asks for the route of the table and not for the way of the packet.
pub(super) const FIB_MATCH: u32 = 0x2000;
/// `RTNH_F_ONLINK`.
pub(super) const ONLINK: u32 = 4;

/// The fixed part of a next hop (`struct rtnexthop`): length, flags, weight, link.
const NEXT_HOP: usize = 8;

/// Is it a default route? A cheap look before [`routes`].
pub(crate) fn is_default(message: &[u8]) -> bool {
    RouteHeader::read(message).is_some_and(|header| header.to == 0)
}

/// What a message about a route answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// What is in the table.
    Table,
    /// Which way a packet takes.
    Lookup,
}

/// A route, once for each of its next hops that names a link.
///
/// Of a table, only unicast routes, and not what the kernel learned for one destination (a cached
/// redirect or path MTU), nor what [`Route`] cannot say: routes for one type of service.
pub(crate) fn routes(message: &[u8], known: &mut Known, asked: Asked) -> Vec<Route> {
    route(message, known, asked).unwrap_or_default()
}

fn route(message: &[u8], known: &mut Known, asked: Asked) -> Option<Vec<Route>> {
    let header = RouteHeader::read(message)?;
    let family = Family::from_number(header.family)?;
    let body = message.get(RouteHeader::LENGTH..)?;
    let ours = match asked {
        Asked::Lookup => matches!(header.kind, libc::RTN_UNICAST | libc::RTN_LOCAL),
        Asked::Table => {
            header.kind == libc::RTN_UNICAST && header.flags & CLONED == 0 && header.tos == 0
        }
    };
    let longest = header.to.max(header.from);
    if !ours || longest > family.bits() {
        return None;
    }
    let find = |kind| attribute(body, kind);
    let to = match header.to {
        0 => None,
        length => {
            // An address that is all zero is left out.
            let address = find(libc::RTA_DST).map_or(Some(family.zero()), ip)?;
            is_of(family, address).then_some(Some(Prefix { address, length }))?
        }
    };
    let from = match (header.from, find(libc::RTA_SRC).and_then(ip)) {
        // A look-up names the source that was asked about, which is no part of the route.
        (0, _) if asked == Asked::Table => None,
        (length, Some(address)) if length < family.bits() || asked == Asked::Table => {
            is_of(family, address).then_some(Prefix { address, length })
        }
        _ => None,
    };
    let template = |hop: Hop| Route {
        table: find(libc::RTA_TABLE).and_then(number).unwrap_or(header.table.into()),
        family,
        to,
        from,
        via: hop.via,
        link: hop.link,
        src: find(libc::RTA_PREFSRC).and_then(ip),
        metric: find(libc::RTA_PRIORITY).and_then(number).unwrap_or(0),
        protocol: header.protocol,
        onlink: hop.flags & ONLINK != 0,
        // The answer to a look-up has none of its own.
        scope: odd_scope(family, header.scope, hop.via).filter(|_| asked == Asked::Table),
        metrics: find(RTA_METRICS).map(metrics).unwrap_or_default(),
        encapsulated: hop.encapsulated || find(RTA_ENCAP).is_some(),
    };
    if let Some(hops) = find(libc::RTA_MULTIPATH) {
        return Some(next_hops(hops, family).map(template).collect());
    }
    let Some(link) = find(libc::RTA_OIF).and_then(number) else {
        // Where net.ipv4.nexthop_compat_mode is 0 the kernel names the object and no more.
        let hops = known.of(find(RTA_NH_ID).and_then(number)?);
        return Some(hops.into_iter().map(template).collect());
    };
    let flags = header.flags;
    Some(vec![template(Hop { family, link, via: gateway(body), flags, encapsulated: false })])
}

/// The scope of an IPv4 route where it is not what `ip route` gives by itself.
fn odd_scope(family: Family, scope: u8, via: Option<IpAddr>) -> Option<u8> {
    (family == Family::V4 && scope != usual_scope(via)).then_some(scope)
}

/// What `ip route` gives: global with a gateway, link without.
pub(super) fn usual_scope(via: Option<IpAddr>) -> u8 {
    if via.is_some() { libc::RT_SCOPE_UNIVERSE } else { libc::RT_SCOPE_LINK }
}

fn metrics(nested: &[u8]) -> BTreeMap<u16, Metric> {
    let metric = |(kind, value): (u16, &[u8])| match kind {
        CONGESTION_CONTROL => Some((kind, Metric::Text(text(value)?))),
        _ => Some((kind, Metric::Number(number(value)?))),
    };
    attributes(nested).filter_map(metric).collect()
}

/// The table of a route of any kind, and who made it.
pub(crate) fn owner(message: &[u8]) -> Option<(u32, u8)> {
    let header = RouteHeader::read(message)?;
    let table = attribute(message.get(RouteHeader::LENGTH..)?, libc::RTA_TABLE).and_then(number);
    Some((table.unwrap_or(header.table.into()), header.protocol))
}

/// A next-hop object. One without a link is a blackhole, and leads nowhere.
pub(crate) fn next_hop(message: &[u8]) -> Option<NextHop> {
    let header = NextHopHeader::read(message)?;
    let body = message.get(NextHopHeader::LENGTH..)?;
    let find = |kind| attribute(body, kind);
    let id = number(find(NHA_ID)?)?;
    if let Some(group) = find(NHA_GROUP) {
        let members = group.chunks_exact(MEMBER).filter_map(|member| number(&member[..4]));
        let to = Target::Group(members.collect());
        return Some(NextHop { id, protocol: header.protocol, to });
    }
    let hop = Hop {
        family: Family::from_number(header.family)?,
        link: number(find(NHA_OIF)?)?,
        via: find(NHA_GATEWAY).and_then(ip),
        flags: header.flags,
        encapsulated: find(NHA_ENCAP).is_some(),
    };
    Some(NextHop { id, protocol: header.protocol, to: Target::Hop(hop) })
}

/// The next hops of a multipath route of this family.
fn next_hops(mut rest: &[u8], family: Family) -> impl Iterator<Item = Hop> {
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes(*rest.first_chunk()?));
        let hop = rest.get(..length)?;
        let body = hop.get(NEXT_HOP..)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Hop {
            family,
            link: number(&hop[4..NEXT_HOP])?,
            via: gateway(body),
            flags: hop[2].into(),
            encapsulated: attribute(body, RTA_ENCAP).is_some(),
        })
    })
}

fn gateway(body: &[u8]) -> Option<IpAddr> {
    let other_family = || attribute(body, RTA_VIA).and_then(|value| ip(value.get(2..)?));
    attribute(body, libc::RTA_GATEWAY).and_then(ip).or_else(other_family)
}

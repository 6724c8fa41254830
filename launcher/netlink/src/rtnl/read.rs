//! What the kernel's messages about links, addresses and rules say, in the words of the model;
//! routes are in [`crate::host::netlink::rtnl::routes`].
//!
//! Pure, and lenient: attributes that are unknown or malformed are skipped, a message without
//! what it must have gives nothing. The constants are those of include/uapi/linux/rtnetlink.h,
//! if_link.h, if_addr.h and fib_rules.h.

use std::net::IpAddr;

use netlink_packet_core::Emitable;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::AddressHeader;
use netlink_packet_route::link::LinkHeader;
use netlink_packet_route::rule::{RuleAction, RuleFlags, RuleHeader};

use crate::host::netlink::message::{address as ip, attribute, attributes, number, text};
use crate::host::netlink::names::Names;
use mptcpize_model::net::{Action, Address, Family, IfName, Link, Prefix, Rule};

/// `IFLA_INFO_KIND`, in `IFLA_LINKINFO`.
const INFO_KIND: u16 = 1;

/// `IFLA_LINK_NETNSID`: the lower link is in another network namespace.
const IFLA_LINK_NETNSID: u16 = 37;

/// `IFA_PROTO`: who made an address.
pub(super) const IFA_PROTO: u16 = 11;

/// Attributes of a rule that are no conditions.
const FRA_SRC: u16 = 2;
const FRA_GOTO: u16 = 4;
const FRA_PRIORITY: u16 = 6;
const FRA_SUPPRESS_IFGROUP: u16 = 13;
const FRA_SUPPRESS_PREFIXLEN: u16 = 14;
const FRA_TABLE: u16 = 15;
const FRA_PAD: u16 = 18;
const FRA_PROTOCOL: u16 = 21;

/// The links that a link names by index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::host) struct Relatives {
    /// Its bridge or bond.
    pub master: Option<u32>,
    /// The link of this namespace that it lies over.
    pub lower: Option<u32>,
}

/// A link: its index, itself, and the links that it names.
pub(in crate::host) fn link(message: &[u8]) -> Option<(u32, Link, Relatives)> {
    let header = LinkHeader::parse(message).ok()?;
    let attributes = message.get(header.buffer_len()..)?;
    let name = IfName::new(&text(attribute(attributes, libc::IFLA_IFNAME)?)?).ok()?;
    let flag = |flag: libc::c_int| header.flags.bits() & flag.unsigned_abs() != 0;
    let link = Link {
        name,
        up: flag(libc::IFF_UP),
        carrier: flag(libc::IFF_LOWER_UP),
        loopback: flag(libc::IFF_LOOPBACK),
        point_to_point: flag(libc::IFF_POINTOPOINT),
        kind: attribute(attributes, libc::IFLA_LINKINFO)
            .and_then(|info| attribute(info, INFO_KIND))
            .and_then(text),
        master: None,
        lower: None,
    };
    let lower = attribute(attributes, libc::IFLA_LINK).and_then(number);
    let here = attribute(attributes, IFLA_LINK_NETNSID).is_none();
    let relatives = Relatives {
        master: attribute(attributes, libc::IFLA_MASTER).and_then(number),
        lower: lower.filter(|index| here && ![0, header.index].contains(index)),
    };
    Some((header.index, link, relatives))
}

/// An address.
pub(in crate::host) fn address(message: &[u8], names: &mut Names) -> Option<Address> {
    let header = AddressHeader::parse(message).ok()?;
    let family = family(header.family)?;
    let attributes = message.get(header.buffer_len()..)?;
    let find = |kind| attribute(attributes, kind).and_then(ip).filter(|ip| is_of(family, *ip));
    // Where both are there, the second is the other end, or the first once more.
    let (local, other) = (find(libc::IFA_LOCAL), find(libc::IFA_ADDRESS));
    let address = local.or(other)?;
    let flags = attribute(attributes, libc::IFA_FLAGS).and_then(number);
    let flags = flags.unwrap_or(header.flags.bits().into());
    let flag = |flag: u32| flags & flag != 0;
    Some(Address {
        dev: names.name(header.index)?,
        address,
        length: header.prefix_len.min(family.bits()),
        peer: other.filter(|other| *other != address),
        global: u8::from(header.scope) == libc::RT_SCOPE_UNIVERSE,
        deprecated: flag(libc::IFA_F_DEPRECATED),
        // An optimistic address (RFC 4429) may be used while it is checked.
        tentative: flag(libc::IFA_F_DADFAILED)
            || flag(libc::IFA_F_TENTATIVE) && !flag(libc::IFA_F_OPTIMISTIC),
        // One bit, with a meaning in each family.
        temporary: family == Family::V6 && flag(libc::IFA_F_TEMPORARY),
        secondary: family == Family::V4 && flag(libc::IFA_F_SECONDARY),
        protocol: attribute(attributes, IFA_PROTO).and_then(|it| it.first().copied()).unwrap_or(0),
    })
}

/// A rule.
pub(in crate::host) fn rule(message: &[u8]) -> Option<Rule> {
    let header = RuleHeader::parse(message).ok()?;
    let family = family(header.family)?;
    let mut rule = Rule {
        priority: 0,
        family,
        from: None,
        action: Action::Lookup,
        table: u32::from(header.table),
        suppress: None,
        protocol: 0,
        conditional: header.dst_len != 0
            || header.tos != 0
            || header.flags.contains(RuleFlags::Invert),
    };
    let mut source = None;
    let mut target = 0;
    for (kind, value) in attributes(message.get(header.buffer_len()..)?) {
        // The kernel writes "none" as all bits set.
        let set = number(value).filter(|number| *number != u32::MAX);
        match kind {
            FRA_SRC => source = ip(value).filter(|ip| is_of(family, *ip)),
            FRA_PRIORITY => rule.priority = number(value)?,
            FRA_TABLE => rule.table = number(value)?,
            FRA_SUPPRESS_PREFIXLEN => rule.suppress = set,
            FRA_SUPPRESS_IFGROUP => rule.conditional |= set.is_some(),
            FRA_PROTOCOL => rule.protocol = *value.first()?,
            FRA_GOTO => target = number(value)?,
            FRA_PAD => {}
            // Whatever else the kernel writes, today or later, says when the rule holds or what
            // more it does.
            _ => rule.conditional = true,
        }
    }
    match (header.src_len, source) {
        (0, _) => {}
        (length, Some(address)) if length <= family.bits() => {
            rule.from = Some(Prefix { address, length });
        }
        _ => return None,
    }
    rule.action = match header.action {
        RuleAction::ToTable => Action::Lookup,
        RuleAction::Goto => Action::Goto(target),
        RuleAction::Nop => Action::Nop,
        RuleAction::Blackhole => Action::Blackhole,
        RuleAction::Unreachable => Action::Unreachable,
        RuleAction::Prohibit => Action::Prohibit,
        other => Action::Other(other.into()),
    };
    if rule.action != Action::Lookup {
        rule.table = 0;
    }
    Some(rule)
}

pub(super) fn family(family: AddressFamily) -> Option<Family> {
    match family {
        AddressFamily::Inet => Some(Family::V4),
        AddressFamily::Inet6 => Some(Family::V6),
        _ => None,
    }
}

pub(super) fn is_of(family: Family, address: IpAddr) -> bool {
    Family::of(address) == family
}

pub(super) fn zero(family: Family) -> IpAddr {
    match family {
        Family::V4 => IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
        Family::V6 => IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED),
    }
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::{DefaultNla, NLA_F_NESTED};

    use super::*;
    use crate::host::netlink::message::Body;
    use crate::host::netlink::message::tests::{bytes, mangled};
    use netlink_packet_route::route::{RouteHeader, RouteType};

    use crate::host::netlink::rtnl::routes::{Asked, RTA_VIA, is_default, routes};
    use crate::host::netlink::rtnl::write;
    use mptcpize_model::metrics::{CONGESTION_CONTROL, Metric, Metrics};
    use mptcpize_model::net::Route;

    fn attribute(kind: u16, value: &[u8]) -> DefaultNla {
        DefaultNla::new(kind, value.to_vec())
    }

    fn names() -> Names {
        let mut names = Names::default();
        names.refill([(7, IfName::new("e0").expect("a literal name"))]);
        names
    }

    fn a_link(more: Vec<DefaultNla>) -> Vec<u8> {
        let header = LinkHeader { index: 7, ..LinkHeader::default() };
        let kind = bytes(&[attribute(INFO_KIND, b"veth\0")].as_slice());
        let mut all = vec![
            attribute(libc::IFLA_IFNAME, b"e0\0"),
            attribute(libc::IFLA_LINKINFO | NLA_F_NESTED, &kind),
            attribute(libc::IFLA_MASTER, &9u32.to_ne_bytes()),
        ];
        all.extend(more);
        bytes(&Body(header, all))
    }

    fn a_route() -> Vec<u8> {
        let route = Route {
            table: 101,
            family: Family::V4,
            to: None,
            via: "192.0.2.1".parse().ok(),
            dev: IfName::new("e0").expect("a literal name"),
            src: "192.0.2.2".parse().ok(),
            metric: 5,
            protocol: 86,
            onlink: true,
            scope: None,
            metrics: Metrics(
                [(2, Metric::Number(1400)), (CONGESTION_CONTROL, Metric::Text("reno".into()))]
                    .into(),
            ),
            from: None,
            encapsulated: false,
        };
        bytes(&write::route(&route, 7))
    }

    #[test]
    fn attributes_that_are_unknown_or_malformed_hide_no_link() {
        let (_, plain, master) = link(&a_link(vec![])).expect("a whole message");
        assert_eq!((plain.kind.as_deref(), master.master), (Some("veth"), Some(9)));
        for odd in [
            attribute(4242, &[1, 2, 3]),
            // Known numbers, with values of a length that nobody wrote.
            attribute(libc::IFLA_MTU, &[1]),
            attribute(libc::IFLA_AF_SPEC, &[0xff; 9]),
            attribute(libc::IFLA_STATS64, &[]),
        ] {
            let read = link(&a_link(vec![odd.clone()]));
            assert_eq!(read.map(|(_, link, _)| link), Some(plain.clone()), "{odd:?}");
        }
        let (_, odd, master) = link(&a_link(vec![attribute(libc::IFLA_MASTER, &[1])]))
            .expect("a master that cannot be read is none");
        assert_eq!((odd, master), (plain.clone(), Relatives::default()));
        // The rest of a message after an attribute that is too long is lost, and only that.
        let mut cut = a_link(vec![attribute(4242, &[0; 64])]);
        cut.truncate(cut.len() - 8);
        assert_eq!(link(&cut).map(|(_, link, _)| link), Some(plain));
    }

    #[test]
    fn a_mangled_message_is_no_reason_to_panic() {
        let header =
            AddressHeader { family: AddressFamily::Inet, index: 7, ..AddressHeader::default() };
        let parts = vec![
            attribute(libc::IFA_ADDRESS, &[192, 0, 2, 1]),
            attribute(libc::IFA_LOCAL, &[192, 0, 2, 2]),
            attribute(libc::IFA_FLAGS, &0x80u32.to_ne_bytes()),
        ];
        let an_address = bytes(&Body(header, parts));
        let hop = [&12u16.to_ne_bytes()[..], &[4, 0], &7u32.to_ne_bytes(), &[4, 0, 5, 0]].concat();
        let header = RouteHeader {
            address_family: AddressFamily::Inet6,
            kind: RouteType::Unicast,
            destination_prefix_length: 64,
            ..RouteHeader::default()
        };
        let parts = vec![
            attribute(libc::RTA_DST, &[0x20; 16]),
            attribute(libc::RTA_MULTIPATH, &[hop.as_slice(), &hop].concat()),
            attribute(RTA_VIA, &[2, 0, 192, 0, 2, 1]),
        ];
        let multipath = bytes(&Body(header, parts));
        let a_rule = bytes(&write::rule(&Rule {
            priority: 1000,
            family: Family::V4,
            from: "192.0.2.2".parse().ok(),
            action: Action::Lookup,
            table: 101,
            suppress: Some(0),
            protocol: 86,
            conditional: false,
        }));
        let mut names = names();
        assert_eq!(routes(&multipath, &mut names, Asked::Table).len(), 2);
        assert!(address(&an_address, &mut names).is_some() && rule(&a_rule).is_some());
        for message in [a_link(vec![]), a_route(), an_address, multipath, a_rule] {
            for message in mangled(&message) {
                let _ = (link(&message), rule(&message), is_default(&message));
                let _ = address(&message, &mut names);
                for asked in [Asked::Table, Asked::Lookup] {
                    let _ = routes(&message, &mut names, asked);
                }
            }
        }
    }

    #[test]
    fn a_prefix_that_is_longer_than_an_address_is_none() {
        let header = RuleHeader {
            family: AddressFamily::Inet,
            src_len: 33,
            action: RuleAction::ToTable,
            ..RuleHeader::default()
        };
        assert_eq!(rule(&bytes(&Body(header, vec![attribute(FRA_SRC, &[10, 0, 0, 0])]))), None);
        let route = |to: u8, from: u8| {
            let header = RouteHeader {
                address_family: AddressFamily::Inet6,
                kind: RouteType::Unicast,
                destination_prefix_length: to,
                source_prefix_length: from,
                ..RouteHeader::default()
            };
            let parts = vec![
                attribute(libc::RTA_DST, &[0x20; 16]),
                attribute(libc::RTA_SRC, &[0x20; 16]),
                attribute(libc::RTA_OIF, &7u32.to_ne_bytes()),
            ];
            routes(&bytes(&Body(header, parts)), &mut names(), Asked::Table).len()
        };
        assert_eq!([route(128, 128), route(129, 0), route(64, 129)], [1, 0, 0]);
    }

    #[test]
    fn what_was_written_reads_the_same() {
        let [route] = &routes(&a_route(), &mut names(), Asked::Table)[..] else { panic!("one") };
        let expected = "default via 192.0.2.1 dev e0 table 101 src 192.0.2.2 metric 5 onlink mtu 1400 congctl reno";
        assert_eq!((route.to_string().as_str(), route.protocol), (expected, 86));
    }

    #[test]
    fn a_condition_from_a_later_kernel_makes_a_rule_conditional() {
        let header = RuleHeader {
            family: AddressFamily::Inet,
            action: RuleAction::ToTable,
            ..RuleHeader::default()
        };
        let with = |kind| {
            let parts = vec![attribute(FRA_TABLE, &7u32.to_ne_bytes()), attribute(kind, &[1])];
            rule(&bytes(&Body(header.clone(), parts))).expect("a whole message")
        };
        assert!(with(4242).conditional && !with(FRA_PAD).conditional);
    }
}

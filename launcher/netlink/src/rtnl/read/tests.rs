//! What is read of messages that are whole, odd, cut short or changed in any byte.

use netlink_packet_core::{DefaultNla, NLA_F_NESTED};

use super::*;
use crate::message::tests::mangled;
use crate::message::{Body, bytes, nested, of_number};
use crate::rtnl::header::RouteHeader;
use crate::rtnl::next_hop::Known;
use crate::rtnl::route::{CONGESTION_CONTROL, Metric, Route};
use crate::rtnl::routes::{Asked, RTA_VIA, is_default, next_hop, owner, routes};
use crate::rtnl::write;

fn attribute(kind: u16, value: &[u8]) -> DefaultNla {
    DefaultNla::new(kind, value.to_vec())
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

fn the_route() -> Route {
    let mut route = Route::new(Family::V4, 7).table(101).via([192, 0, 2, 1]).src([192, 0, 2, 2]);
    route = route.metric(5).protocol(86).onlink();
    route.metrics =
        [(2, Metric::Number(1400)), (CONGESTION_CONTROL, Metric::Text("reno".into()))].into();
    route
}

fn a_route() -> Vec<u8> {
    bytes(&write::route(&the_route()))
}

#[test]
fn attributes_that_are_unknown_or_malformed_hide_no_link() {
    let plain = link(&a_link(vec![])).expect("a whole message");
    assert_eq!((plain.kind.as_deref(), plain.master), (Some("veth"), Some(9)));
    for odd in [
        attribute(4242, &[1, 2, 3]),
        // Known numbers, with values of a length that nobody wrote.
        attribute(libc::IFLA_MTU, &[1]),
        attribute(libc::IFLA_AF_SPEC, &[0xff; 9]),
        attribute(libc::IFLA_STATS64, &[]),
    ] {
        assert_eq!(link(&a_link(vec![odd.clone()])), Some(plain.clone()), "{odd:?}");
    }
    let odd = link(&a_link(vec![attribute(libc::IFLA_MASTER, &[1])]));
    let expected = Link { master: None, ..plain.clone() };
    assert_eq!(odd, Some(expected), "a master that cannot be read is none");
    // The rest of a message after an attribute that is too long is lost, and only that.
    let mut cut = a_link(vec![attribute(4242, &[0; 64])]);
    cut.truncate(cut.len() - 8);
    assert_eq!(link(&cut), Some(plain));
}

#[test]
fn a_mangled_message_is_no_reason_to_panic() {
    let header = AddressHeader { family: 2, link: 7, ..AddressHeader::default() };
    let parts = vec![
        attribute(libc::IFA_ADDRESS, &[192, 0, 2, 1]),
        attribute(libc::IFA_LOCAL, &[192, 0, 2, 2]),
        attribute(libc::IFA_FLAGS, &0x80u32.to_ne_bytes()),
    ];
    let an_address = bytes(&Body(header, parts));
    let hop = [&12u16.to_ne_bytes()[..], &[4, 0], &7u32.to_ne_bytes(), &[4, 0, 5, 0]].concat();
    let header =
        RouteHeader { family: 10, kind: libc::RTN_UNICAST, to: 64, ..RouteHeader::default() };
    let parts = vec![
        attribute(libc::RTA_DST, &[0x20; 16]),
        attribute(libc::RTA_MULTIPATH, &[hop.as_slice(), &hop].concat()),
        attribute(RTA_VIA, &[2, 0, 192, 0, 2, 1]),
    ];
    let multipath = bytes(&Body(header, parts));
    let rule_of = Rule::new(Family::V4, 1000, 101).suppress(0).protocol(86);
    let a_rule = bytes(&write::rule(&rule_of.from(Prefix::host([192, 0, 2, 2]))));
    let object = nested(1, &[of_number(1, 3), of_number(5, 7), attribute(6, &[192, 0, 2, 1])]);
    let object = [&[2, 0, 0, 0, 0, 0, 0, 0][..], &bytes(&[object].as_slice())[4..]].concat();
    assert!(next_hop(&object).is_some());
    let known = &mut Known::default();
    assert_eq!(routes(&multipath, known, Asked::Table).len(), 2);
    assert!(address(&an_address).is_some() && rule(&a_rule).is_some());
    for message in [a_link(vec![]), a_route(), an_address, multipath, a_rule, object] {
        for message in mangled(&message) {
            let _ = (link(&message), address(&message), rule(&message), next_hop(&message));
            let _ = (is_default(&message), owner(&message));
            for asked in [Asked::Table, Asked::Lookup] {
                let _ = routes(&message, known, asked);
            }
        }
    }
}

#[test]
fn a_prefix_that_is_longer_than_an_address_is_none() {
    let header = RuleHeader { family: 2, from: 33, action: FR_ACT_TO_TBL, ..RuleHeader::default() };
    assert_eq!(rule(&bytes(&Body(header, vec![attribute(FRA_SRC, &[10, 0, 0, 0])]))), None);
    let route = |to: u8, from: u8| {
        let header =
            RouteHeader { family: 10, kind: libc::RTN_UNICAST, to, from, ..RouteHeader::default() };
        let parts = vec![
            attribute(libc::RTA_DST, &[0x20; 16]),
            attribute(libc::RTA_SRC, &[0x20; 16]),
            attribute(libc::RTA_OIF, &7u32.to_ne_bytes()),
        ];
        routes(&bytes(&Body(header, parts)), &mut Known::default(), Asked::Table).len()
    };
    assert_eq!([route(128, 128), route(129, 0), route(64, 129)], [1, 0, 0]);
}

#[test]
fn what_was_written_reads_the_same() {
    assert_eq!(routes(&a_route(), &mut Known::default(), Asked::Table), [the_route()]);
}

#[test]
fn a_condition_from_a_later_kernel_makes_a_rule_conditional() {
    let header = RuleHeader { family: 2, action: FR_ACT_TO_TBL, ..RuleHeader::default() };
    let with = |kind| {
        let parts = vec![attribute(FRA_TABLE, &7u32.to_ne_bytes()), attribute(kind, &[1])];
        rule(&bytes(&Body(header, parts))).expect("a whole message")
    };
    assert!(with(4242).conditional && !with(FRA_PAD).conditional);
}

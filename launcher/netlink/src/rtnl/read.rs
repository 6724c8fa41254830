//! What the kernel's messages about links, addresses and rules say; routes are in `routes`.
//!
//! Pure, and lenient: attributes that are unknown or malformed are skipped, a message without
//! what it must have gives nothing. The constants are those of include/uapi/linux/rtnetlink.h,
//! if_link.h, if_addr.h and fib_rules.h.

use std::net::IpAddr;

use crate::message::{address as ip, attribute, attributes, number, text};
use crate::network::{Family, Prefix};
use crate::rtnl::address::Address;
use crate::rtnl::header::{AddressHeader, LinkHeader, RuleHeader};
use crate::rtnl::link::Link;
use crate::rtnl::rule::{Action, Rule};

/// `IFLA_INFO_KIND`, in `IFLA_LINKINFO`.
const INFO_KIND: u16 = 1;

/// `IFLA_LINK_NETNSID`: the lower link is in another network namespace.
const IFLA_LINK_NETNSID: u16 = 37;

/// `IFA_PROTO`: who made an address.
pub(super) const IFA_PROTO: u16 = 11;

/// `FIB_RULE_INVERT`: the rule is for what does not fit it.
const INVERT: u32 = 2;

/// What a rule does (`FR_ACT_*`).
pub(super) const FR_ACT_TO_TBL: u8 = 1;
const FR_ACT_GOTO: u8 = 2;
const FR_ACT_NOP: u8 = 3;
const FR_ACT_BLACKHOLE: u8 = 6;
const FR_ACT_UNREACHABLE: u8 = 7;
const FR_ACT_PROHIBIT: u8 = 8;

/// The link that what this host itself sends comes from, in the eyes of a rule (`iif`).
pub(super) const LOOPBACK: &str = "lo";

/// Attributes of a rule that this crate reads.
pub(super) const FRA_SRC: u16 = 2;
pub(super) const FRA_IIFNAME: u16 = 3;
const FRA_GOTO: u16 = 4;
pub(super) const FRA_PRIORITY: u16 = 6;
const FRA_SUPPRESS_IFGROUP: u16 = 13;
pub(super) const FRA_SUPPRESS_PREFIXLEN: u16 = 14;
pub(super) const FRA_TABLE: u16 = 15;
const FRA_PAD: u16 = 18;
pub(super) const FRA_PROTOCOL: u16 = 21;

/// A link; none where its name is no text.
pub(crate) fn link(message: &[u8]) -> Option<Link> {
    let header = LinkHeader::read(message)?;
    let attributes = message.get(LinkHeader::LENGTH..)?;
    let find = |kind| attribute(attributes, kind);
    let here = find(IFLA_LINK_NETNSID).is_none();
    let lower = find(libc::IFLA_LINK).and_then(number);
    Some(Link {
        index: header.index,
        name: text(find(libc::IFLA_IFNAME)?)?,
        flags: header.flags,
        kind: find(libc::IFLA_LINKINFO).and_then(|info| attribute(info, INFO_KIND)).and_then(text),
        master: find(libc::IFLA_MASTER).and_then(number),
        lower: lower.filter(|index| here && ![0, header.index].contains(index)),
    })
}

/// An address.
pub(crate) fn address(message: &[u8]) -> Option<Address> {
    let header = AddressHeader::read(message)?;
    let family = Family::from_number(header.family)?;
    let attributes = message.get(AddressHeader::LENGTH..)?;
    let find = |kind| attribute(attributes, kind).and_then(ip).filter(|ip| is_of(family, *ip));
    // Where both are there, the second is the other end, or the first once more.
    let (local, other) = (find(libc::IFA_LOCAL), find(libc::IFA_ADDRESS));
    let address = local.or(other)?;
    let flags = attribute(attributes, libc::IFA_FLAGS).and_then(number);
    Some(Address {
        link: header.link,
        address,
        length: header.length.min(family.bits()),
        peer: other.filter(|other| *other != address),
        scope: header.scope,
        flags: flags.unwrap_or(header.flags.into()),
        protocol: attribute(attributes, IFA_PROTO).and_then(|it| it.first().copied()).unwrap_or(0),
    })
}

/// A rule.
pub(crate) fn rule(message: &[u8]) -> Option<Rule> {
    let header = RuleHeader::read(message)?;
    let family = Family::from_number(header.family)?;
    let mut rule = Rule {
        priority: 0,
        family,
        from: None,
        local: false,
        action: Action::Lookup,
        table: u32::from(header.table),
        suppress: None,
        protocol: 0,
        conditional: header.to != 0 || header.tos != 0 || header.flags & INVERT != 0,
    };
    let mut source = None;
    let mut target = 0;
    for (kind, value) in attributes(message.get(RuleHeader::LENGTH..)?) {
        // The kernel writes "none" as all bits set.
        let set = number(value).filter(|number| *number != u32::MAX);
        match kind {
            FRA_SRC => source = ip(value).filter(|ip| is_of(family, *ip)),
            FRA_IIFNAME if text(value).as_deref() == Some(LOOPBACK) => rule.local = true,
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
    match (header.from, source) {
        (0, _) => {}
        (length, Some(address)) if length <= family.bits() => {
            rule.from = Some(Prefix { address, length });
        }
        _ => return None,
    }
    rule.action = match header.action {
        FR_ACT_TO_TBL => Action::Lookup,
        FR_ACT_GOTO => Action::Goto(target),
        FR_ACT_NOP => Action::Nop,
        FR_ACT_BLACKHOLE => Action::Blackhole,
        FR_ACT_UNREACHABLE => Action::Unreachable,
        FR_ACT_PROHIBIT => Action::Prohibit,
        other => Action::Other(other),
    };
    if rule.action != Action::Lookup {
        rule.table = 0;
    }
    Some(rule)
}

pub(super) fn is_of(family: Family, address: IpAddr) -> bool {
    Family::of(address) == family
}

#[cfg(test)]
mod tests;

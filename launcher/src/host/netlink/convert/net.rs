//! Links, addresses, rules and IPsec policies.

use mptcp_netlink::rtnl as kernel;
use mptcp_netlink::xfrm;
use mptcpize_model::net::{Action, Address, Family, IfName, Link, Prefix, Rule};
use mptcpize_model::vpn::Policy;

use crate::host::netlink::names::Names;

/// A link whose bridge, bond and lower link `names` knows; none where its name is no name.
pub(in crate::host) fn link(link: kernel::Link, names: &mut Names) -> Option<Link> {
    Some(Link {
        name: IfName::new(&link.name).ok()?,
        up: link.is_up(),
        carrier: link.has_carrier(),
        loopback: link.is_loopback(),
        point_to_point: link.is_point_to_point(),
        master: link.master.and_then(|index| names.name(index)),
        lower: link.lower.and_then(|index| names.name(index)),
        kind: link.kind,
    })
}

/// An address; none where its link is gone.
pub(in crate::host) fn address(address: &kernel::Address, names: &mut Names) -> Option<Address> {
    Some(Address {
        dev: names.name(address.link)?,
        address: address.address,
        length: address.length,
        peer: address.peer,
        global: address.is_global(),
        deprecated: address.is_deprecated(),
        tentative: address.is_tentative(),
        temporary: address.is_temporary(),
        secondary: address.is_secondary(),
        protocol: address.protocol,
    })
}

/// An address to add or to delete, of the link with this index.
pub(in crate::host) fn address_of(address: &Address, link: u32) -> kernel::Address {
    let mut kernel = kernel::Address::new(link, address.address, address.length);
    kernel.peer = address.peer;
    kernel.protocol = address.protocol;
    if !address.global {
        kernel.scope = libc::RT_SCOPE_LINK;
    }
    kernel
}

/// A rule.
pub(in crate::host) fn rule(rule: &kernel::Rule) -> Rule {
    Rule {
        priority: rule.priority,
        family: family_of(rule.family),
        from: rule.from.map(prefix_of),
        local: rule.local,
        action: match rule.action {
            kernel::Action::Lookup => Action::Lookup,
            kernel::Action::Goto(priority) => Action::Goto(priority),
            kernel::Action::Nop => Action::Nop,
            kernel::Action::Blackhole => Action::Blackhole,
            kernel::Action::Unreachable => Action::Unreachable,
            kernel::Action::Prohibit => Action::Prohibit,
            kernel::Action::Other(number) => Action::Other(number),
        },
        table: rule.table,
        suppress: rule.suppress,
        protocol: rule.protocol,
        conditional: rule.conditional,
    }
}

/// A rule to add or to delete. Only look-ups are written.
pub(in crate::host) fn rule_of(rule: &Rule) -> kernel::Rule {
    let mut kernel = kernel::Rule::new(family(rule.family), rule.priority, rule.table);
    kernel.from = rule.from.map(prefix);
    kernel.local = rule.local;
    kernel.suppress = rule.suppress;
    kernel.protocol = rule.protocol;
    kernel.conditional = rule.conditional;
    kernel
}

/// An IPsec policy.
pub(in crate::host) fn policy(policy: &xfrm::Policy) -> Policy {
    Policy { from: prefix_of(policy.from), to: prefix_of(policy.to) }
}

/// A family, for the kernel.
pub(in crate::host) fn family(family: Family) -> mptcp_netlink::Family {
    match family {
        Family::V4 => mptcp_netlink::Family::V4,
        Family::V6 => mptcp_netlink::Family::V6,
    }
}

/// A family, from the kernel.
pub(in crate::host) fn family_of(family: mptcp_netlink::Family) -> Family {
    match family {
        mptcp_netlink::Family::V4 => Family::V4,
        mptcp_netlink::Family::V6 => Family::V6,
    }
}

pub(super) fn prefix(prefix: Prefix) -> mptcp_netlink::Prefix {
    mptcp_netlink::Prefix { address: prefix.address, length: prefix.length }
}

pub(super) fn prefix_of(prefix: mptcp_netlink::Prefix) -> Prefix {
    Prefix { address: prefix.address, length: prefix.length }
}

//! Delivery of packets for others to sockets of this host: a rule for their mark, and a table whose
//! default route is this host itself. What a transparent proxy needs (Documentation/networking/
//! tproxy.rst of the kernel).
//!
//! Not here: the packet filter that sets the mark.

use std::net::IpAddr;

use netlink_packet_core::{DefaultNla, NLM_F_CREATE, NLM_F_EXCL};

use crate::error::KernelError;
use crate::message::{Body, attribute, attributes, number, octets, of_number};
use crate::network::Family;
use crate::rtnl::Rtnl;
use crate::rtnl::existing;
use crate::rtnl::header::{RouteHeader, RuleHeader};
use crate::rtnl::read::{FR_ACT_TO_TBL, FRA_PRIORITY, FRA_PROTOCOL, FRA_TABLE};
use crate::rtnl::write::whole_table;

/// `FRA_FWMARK` and `FRA_FWMASK` (include/uapi/linux/fib_rules.h).
const FRA_FWMARK: u16 = 10;
const FRA_FWMASK: u16 = 16;

/// The index of the loopback interface in each network namespace (`LOOPBACK_IFINDEX`).
const LOOPBACK: u32 = 1;

/// A rule that looks in a table for packets with a mark (`fwmark MARK lookup TABLE`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MarkRule {
    /// IPv4 or IPv6.
    pub family: Family,
    /// Its place in the order; lower comes first.
    pub priority: u32,
    /// The mark; all its bits count.
    pub mark: u32,
    /// The table to look in.
    pub table: u32,
    /// Who made it (`FRA_PROTOCOL`).
    pub protocol: u8,
}

/// A route that takes every destination for an address of this host (`local default dev lo`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LocalDefault {
    /// IPv4 or IPv6.
    pub family: Family,
    /// Its table.
    pub table: u32,
    /// The source address that the kernel gives to packets without one (`RTA_PREFSRC`): without it that
    /// is the destination. Never read.
    pub source: Option<IpAddr>,
    /// Who made it (`rtm_protocol`).
    pub protocol: u8,
}

impl Rtnl {
    /// Every rule for a whole mark that looks in a table, IPv4 first.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn mark_rules(&mut self) -> Result<Vec<MarkRule>, KernelError> {
        let mut all = Vec::new();
        for family in Family::BOTH {
            let header = RuleHeader { family: family.number(), ..RuleHeader::default() };
            let request = Body(header, vec![]);
            all.extend(self.exchange.dump(libc::RTM_GETRULE, &request, |message, list| {
                list.extend(mark_rule(message));
            })?);
        }
        Ok(all)
    }

    /// Adds such a rule.
    ///
    /// # Errors
    /// It is there (`EEXIST`), or no `CAP_NET_ADMIN` (`EPERM`).
    pub fn add_mark_rule(&mut self, rule: &MarkRule) -> Result<(), KernelError> {
        self.change(libc::RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, &rule.message())
    }

    /// Removes such a rule: the first of its priority, mark, table and maker.
    ///
    /// # Errors
    /// It is not there (`ENOENT`), or no `CAP_NET_ADMIN` (`EPERM`).
    pub fn delete_mark_rule(&mut self, rule: &MarkRule) -> Result<(), KernelError> {
        self.change(libc::RTM_DELRULE, 0, &rule.message())
    }

    /// The local default routes of a table, of both families.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn local_defaults(&mut self, table: u32) -> Result<Vec<LocalDefault>, KernelError> {
        let mut all = Vec::new();
        for family in Family::BOTH {
            let request = whole_table(table, family);
            let found = self.exchange.dump(libc::RTM_GETROUTE, &request, |message, list| {
                // A kernel before 4.20 does not filter.
                list.extend(local_default(message).filter(|route| route.table == table));
            });
            all.extend(existing(found)?.unwrap_or_default());
        }
        Ok(all)
    }

    /// Adds such a route.
    ///
    /// # Errors
    /// It is there (`EEXIST`), or no `CAP_NET_ADMIN` (`EPERM`).
    pub fn add_local_default(&mut self, route: &LocalDefault) -> Result<(), KernelError> {
        self.change(libc::RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &route.message())
    }

    /// Removes such a route.
    ///
    /// # Errors
    /// It is not there (`ESRCH`), or no `CAP_NET_ADMIN` (`EPERM`).
    pub fn delete_local_default(&mut self, route: &LocalDefault) -> Result<(), KernelError> {
        self.change(libc::RTM_DELROUTE, 0, &route.message())
    }
}

impl MarkRule {
    fn message(&self) -> Body<RuleHeader> {
        let header = RuleHeader {
            family: self.family.number(),
            action: FR_ACT_TO_TBL,
            ..RuleHeader::default()
        };
        let parts = vec![
            of_number(FRA_PRIORITY, self.priority),
            of_number(FRA_TABLE, self.table),
            of_number(FRA_FWMARK, self.mark),
            of_number(FRA_FWMASK, u32::MAX),
            DefaultNla::new(FRA_PROTOCOL, vec![self.protocol]),
        ];
        Body(header, parts)
    }
}

impl LocalDefault {
    fn message(&self) -> Body<RouteHeader> {
        let header = RouteHeader {
            family: self.family.number(),
            protocol: self.protocol,
            scope: libc::RT_SCOPE_HOST,
            kind: libc::RTN_LOCAL,
            ..RouteHeader::default()
        };
        let mut parts =
            vec![of_number(libc::RTA_TABLE, self.table), of_number(libc::RTA_OIF, LOOPBACK)];
        let source = self.source.map(|source| DefaultNla::new(libc::RTA_PREFSRC, octets(source)));
        parts.extend(source);
        Body(header, parts)
    }
}

/// A rule for a mark and nothing else.
pub(crate) fn mark_rule(message: &[u8]) -> Option<MarkRule> {
    let header = RuleHeader::read(message)?;
    let plain = (header.to, header.from, header.tos, header.flags) == (0, 0, 0, 0);
    if !plain || header.action != FR_ACT_TO_TBL {
        return None;
    }
    let family = Family::from_number(header.family)?;
    let body = message.get(RuleHeader::LENGTH..)?;
    let mut rule =
        MarkRule { family, priority: 0, mark: 0, table: header.table.into(), protocol: 0 };
    for (kind, value) in attributes(body) {
        match kind {
            FRA_PRIORITY => rule.priority = number(value)?,
            FRA_TABLE => rule.table = number(value)?,
            FRA_FWMARK => rule.mark = number(value)?,
            FRA_FWMASK if number(value) != Some(u32::MAX) => return None,
            FRA_PROTOCOL => rule.protocol = *value.first()?,
            _ => {}
        }
    }
    (rule.mark != 0).then_some(rule)
}

/// A route to everywhere whose end is this host.
pub(crate) fn local_default(message: &[u8]) -> Option<LocalDefault> {
    let header = RouteHeader::read(message)?;
    if header.kind != libc::RTN_LOCAL || header.to != 0 {
        return None;
    }
    let family = Family::from_number(header.family)?;
    let body = message.get(RouteHeader::LENGTH..)?;
    let table = attribute(body, libc::RTA_TABLE).and_then(number);
    let table = table.unwrap_or_else(|| header.table.into());
    Some(LocalDefault { family, table, source: None, protocol: header.protocol })
}

#[cfg(test)]
mod tests {
    use super::*;
    use netlink_packet_core::Emitable;

    fn bytes(message: &impl Emitable) -> Vec<u8> {
        let mut bytes = vec![0; message.buffer_len()];
        message.emit(&mut bytes);
        bytes
    }

    #[test]
    fn what_is_written_reads_the_same() {
        for family in Family::BOTH {
            let rule = MarkRule { family, priority: 86, mark: 0x8684, table: 8683, protocol: 87 };
            assert_eq!(mark_rule(&bytes(&rule.message())), Some(rule));
            let route = LocalDefault { family, table: 8683, source: None, protocol: 87 };
            assert_eq!(local_default(&bytes(&route.message())), Some(route));
        }
    }

    #[test]
    fn a_rule_for_a_part_of_a_mark_or_without_one_is_none_of_these() {
        let header = RuleHeader { family: 2, action: FR_ACT_TO_TBL, ..RuleHeader::default() };
        let part = |mask| Body(header, vec![of_number(FRA_FWMARK, 4), of_number(FRA_FWMASK, mask)]);
        assert!(mark_rule(&bytes(&part(u32::MAX))).is_some());
        assert_eq!(mark_rule(&bytes(&part(4))), None);
        assert_eq!(mark_rule(&bytes(&Body(header, vec![]))), None);
    }
}

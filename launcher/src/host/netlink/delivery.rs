//! Delivery of marked packets to this host, in the words of [`mptcpize_model::gateway::part`].

use mptcp_netlink::rtnl::{LocalDefault, MarkRule as Kernel, Rtnl};

use crate::host::netlink::KernelError;
use crate::host::netlink::convert::{family_of, to_kernel};
use mptcpize_model::gateway::part::{LAST_TABLE, LocalRoute, MarkRule, Seen};
use mptcpize_model::ours::GATEWAY;

/// How many tables are looked at for a free one.
const TABLES: u32 = 64;

/// A connection to the kernel's rules and routes.
pub struct Delivery(Rtnl);

impl Delivery {
    /// Opens one in the network namespace of this thread.
    ///
    /// # Errors
    /// A sandbox forbids netlink.
    pub fn open() -> Result<Self, KernelError> {
        Ok(Delivery(Rtnl::open()?))
    }

    /// The rules and routes of a gateway, and the table that they are in or may be in.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn seen(&mut self) -> Result<Seen, KernelError> {
        let own = self.0.mark_rules()?.into_iter().filter(|rule| rule.protocol == GATEWAY);
        let rules: Vec<MarkRule> = own.map(from_kernel).collect();
        let table = match rules.first() {
            Some(rule) => rule.table,
            None => self.free()?,
        };
        let routes = self.0.local_defaults(table)?.into_iter();
        let routes = routes.filter(|route| route.protocol == GATEWAY);
        let routes = routes.map(|it| LocalRoute { family: family_of(it.family), table: it.table });
        Ok(Seen { rules, routes: routes.collect(), filter: None, table })
    }

    /// The first table, downwards, in which others have nothing.
    fn free(&mut self) -> Result<u32, KernelError> {
        for table in (LAST_TABLE - TABLES..=LAST_TABLE).rev() {
            if !self.0.is_occupied(table, GATEWAY)? {
                return Ok(table);
            }
        }
        Err(KernelError::new(
            libc::EBUSY,
            format!("others use the {TABLES} tables up to {LAST_TABLE}"),
        ))
    }

    /// Adds a rule.
    ///
    /// # Errors
    /// It is there (`EEXIST`), or no `CAP_NET_ADMIN`.
    pub fn add_rule(&mut self, rule: &MarkRule) -> Result<(), KernelError> {
        self.0.add_mark_rule(&kernel_rule(rule))
    }

    /// Removes a rule.
    ///
    /// # Errors
    /// It is not there (`ENOENT`), or no `CAP_NET_ADMIN`.
    pub fn remove_rule(&mut self, rule: &MarkRule) -> Result<(), KernelError> {
        self.0.delete_mark_rule(&kernel_rule(rule))
    }

    /// Adds a route.
    ///
    /// # Errors
    /// It is there (`EEXIST`), or no `CAP_NET_ADMIN`.
    pub fn add_route(&mut self, route: &LocalRoute) -> Result<(), KernelError> {
        self.0.add_local_default(&kernel_route(route))
    }

    /// Removes a route.
    ///
    /// # Errors
    /// It is not there (`ESRCH`), or no `CAP_NET_ADMIN`.
    pub fn remove_route(&mut self, route: &LocalRoute) -> Result<(), KernelError> {
        self.0.delete_local_default(&kernel_route(route))
    }
}

fn from_kernel(rule: Kernel) -> MarkRule {
    let Kernel { priority, mark, table, .. } = rule;
    MarkRule { family: family_of(rule.family), priority, mark, table }
}

fn kernel_rule(rule: &MarkRule) -> Kernel {
    let MarkRule { priority, mark, table, .. } = *rule;
    Kernel { family: to_kernel::family(rule.family), priority, mark, table, protocol: GATEWAY }
}

fn kernel_route(route: &LocalRoute) -> LocalDefault {
    let family = to_kernel::family(route.family);
    LocalDefault { family, table: route.table, source: None, protocol: GATEWAY }
}

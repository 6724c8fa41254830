//! Default routes, found without reading a table that may hold all routes of the Internet.

use std::net::{IpAddr, Ipv6Addr};

use netlink_packet_route::route::RouteFlags;
use netlink_sys::protocols::NETLINK_ROUTE;

use crate::host::netlink::rtnl::routes::{self, Asked};
use crate::host::netlink::rtnl::{Rtnl, existing, write};
use crate::host::netlink::{Connection, KernelError};
use mptcpize_model::net::{Address, Family, Link, MAIN, Prefix, Route, Rule};

/// A destination that only a default route covers: outside of 2000::/3, all that is given out
/// (RFC 4291 section 2.4). The kernel takes it for unicast.
const NOWHERE: IpAddr = IpAddr::V6(Ipv6Addr::new(0x4000, 0, 0, 0, 0, 0, 0, 1));

/// The tables of every host beside [`MAIN`] (`RT_TABLE_LOCAL`, `RT_TABLE_DEFAULT`).
const LOCAL: u32 = 255;
const DEFAULT: u32 = 253;

impl Rtnl {
    /// Main's default routes of a link: all of IPv4, the best of IPv6 and those for some sources.
    ///
    /// For IPv6 the table is not read: a router with all of the Internet's routes is as fast as a
    /// laptop. Instead the kernel is asked for the way to an address to which only a default route
    /// can lead. Where its answer is not conclusive the main table is read after all. IPv4 keeps
    /// its default routes in front, so they are read.
    ///
    /// # Errors
    /// The kernel refuses, or the link is gone.
    pub fn default_routes(
        &mut self,
        link: &Link,
        addresses: &[Address],
    ) -> Result<Vec<Route>, KernelError> {
        let index = self.names.index(&link.name)?;
        let mut all = self.default_routes_in_main(link, index, Family::V4)?;
        let own: Vec<IpAddr> = addresses
            .iter()
            .filter(|address| address.dev == link.name && address.global)
            .map(|address| address.address)
            .filter(IpAddr::is_ipv6)
            .collect();
        all.extend(self.v6_default_routes(link, index, &own)?);
        Ok(all)
    }

    fn v6_default_routes(
        &mut self,
        link: &Link,
        index: u32,
        own: &[IpAddr],
    ) -> Result<Vec<Route>, KernelError> {
        let defaults = |routes: Vec<Route>| -> Vec<Route> {
            let wanted = |route: &Route| route.to.is_none() && route.table == MAIN;
            routes.into_iter().filter(wanted).filter(|it| it.dev == link.name).collect()
        };
        match self.lookup(NOWHERE, None, Some(index), RouteFlags::FibMatch) {
            Ok(routes) if routes.iter().any(|it| it.to.is_none() && it.table == MAIN) => {
                return Ok(defaults(routes));
            }
            Err(error) if self.is_final(&error, link, Family::V6)? => {}
            _ => return self.default_routes_in_main(link, index, Family::V6),
        }
        // One for some sources (`default from PREFIX`) answers to those alone.
        let mut found: Vec<Route> = Vec::new();
        for from in own {
            match self.lookup(NOWHERE, Some(*from), Some(index), RouteFlags::FibMatch) {
                // The source has a table of its own: then main has to be read.
                Ok(routes) if routes.iter().any(|route| route.table != MAIN) => {
                    return self.default_routes_in_main(link, index, Family::V6);
                }
                Ok(routes) => {
                    for route in defaults(routes) {
                        if !found.contains(&route) {
                            found.push(route);
                        }
                    }
                }
                Err(_) => {}
            }
        }
        Ok(found)
    }

    /// Does this refusal mean that the link has no default route? For IPv4 a blackhole looks the
    /// same, and reading the table to make sure is cheap; for IPv6 it is not.
    fn is_final(
        &mut self,
        error: &KernelError,
        link: &Link,
        family: Family,
    ) -> Result<bool, KernelError> {
        let no_route = matches!(error.errno, libc::ENETUNREACH | libc::EHOSTUNREACH);
        Ok(no_route && family == Family::V6 && link.carrier && self.is_ordinary(family)?)
    }

    /// Do the rules send every packet that is bound to a link, and not to an address, to the main
    /// table? Not so where one leaves the table out, and who knows where one comes before it (a
    /// VPN's): the table that it names may end with an `unreachable default`.
    fn is_ordinary(&mut self, family: Family) -> Result<bool, KernelError> {
        let rules = self.rules_of(family)?;
        let mut unbound = rules.iter().filter(|rule| rule.from.is_none() || rule.conditional);
        let plain = |rule: &Rule| !rule.conditional && rule.suppress.is_none();
        Ok(unbound.clone().any(|rule| plain(rule) && rule.table == MAIN)
            && unbound.all(|rule| plain(rule) && [LOCAL, MAIN, DEFAULT].contains(&rule.table)))
    }

    /// The default routes of a link in the main table; of IPv6 those with the best metric.
    fn default_routes_in_main(
        &mut self,
        link: &Link,
        index: u32,
        family: Family,
    ) -> Result<Vec<Route>, KernelError> {
        let mut found = match (family, &self.main_v4) {
            (Family::V6, _) => self.defaults(MAIN, family, Some(index))?,
            (Family::V4, Some(known)) => known.clone(),
            (Family::V4, None) => {
                let read = self.defaults(MAIN, family, None)?;
                self.main_v4 = Some(read.clone());
                read
            }
        };
        found.retain(|route| route.dev == link.name);
        if family == Family::V6 {
            // What a look-up would have said.
            let of = |route: &Route| (route.from.map(String::from), route.metric);
            let all = found.clone();
            found.retain(|route| {
                let better = |it: &Route| of(it).0 == of(route).0 && it.metric < route.metric;
                !all.iter().any(better)
            });
        }
        Ok(found)
    }

    /// Every default route of a table, one for each next hop, whatever else is in the table: for
    /// tables that are not ours and may be large.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn default_routes_in(
        &mut self,
        table: u32,
        family: Family,
    ) -> Result<Vec<Route>, KernelError> {
        self.defaults(table, family, None)
    }

    fn defaults(
        &mut self,
        table: u32,
        family: Family,
        link: Option<u32>,
    ) -> Result<Vec<Route>, KernelError> {
        self.resolved(|rtnl| rtnl.defaults_once(table, family, link))
    }

    fn defaults_once(
        &mut self,
        table: u32,
        family: Family,
        link: Option<u32>,
    ) -> Result<Vec<Route>, KernelError> {
        let mut found = Vec::new();
        let outcome = if family == Family::V4 {
            // The kernel keeps a table in the order of destinations (net/ipv4/fib_trie.c), so
            // 0.0.0.0 comes first and the rest need not be read. It would be if the link were
            // asked for, because the kernel looks for more until the answer is full.
            let request = write::table(table, family, None);
            let connection = Connection::open(NETLINK_ROUTE)?;
            connection.dump_some(libc::RTM_GETROUTE, &request, |message| {
                let routes = self::routes::routes(message, &mut self.names, Asked::Table);
                let zero = |to: &Prefix| to.address.is_unspecified();
                let more = routes.iter().all(|route| route.to.as_ref().is_none_or(zero));
                found.extend(routes);
                more
            })
        } else {
            // IPv6 has it last (net/ipv6/ip6_fib.c walks children before their parent).
            let request = write::table(table, family, link);
            let dump = self.connection.dump(libc::RTM_GETROUTE, &request, |message, list| {
                if routes::is_default(message) {
                    list.extend(routes::routes(message, &mut self.names, Asked::Table));
                }
            });
            dump.map(|list| found = list)
        };
        existing(outcome)?;
        found.retain(|route| route.to.is_none() && route.table == table);
        Ok(found)
    }
}

//! Default routes, found without reading a table that may hold all routes of the Internet.

use std::net::{IpAddr, Ipv6Addr};

use netlink_sys::protocols::NETLINK_ROUTE;

use crate::error::KernelError;
use crate::exchange::Exchange;
use crate::network::{Family, Prefix};
use crate::rtnl::next_hop::Known;
use crate::rtnl::route::{MAIN, Route};
use crate::rtnl::routes::{self, Asked, FIB_MATCH};
use crate::rtnl::rule::Rule;
use crate::rtnl::{Rtnl, existing, write};

/// A destination that only a default route covers: outside of 2000::/3, all that is given out
/// (RFC 4291 section 2.4). The kernel takes it for unicast.
const NOWHERE: IpAddr = IpAddr::V6(Ipv6Addr::new(0x4000, 0, 0, 0, 0, 0, 0, 1));

/// The tables of every host beside [`MAIN`] (`RT_TABLE_LOCAL`, `RT_TABLE_DEFAULT`).
const LOCAL: u32 = 255;
const DEFAULT: u32 = 253;

impl Rtnl {
    /// The default routes of a link in IPv6's main table: the best, and those for some sources.
    ///
    /// The table is not read: a router with all of the Internet's routes is as fast as a laptop.
    /// Instead the kernel is asked for the way to an address to which only a default route can
    /// lead, and then for the way of each of `sources`, the addresses of the link. Where an answer
    /// is not conclusive, as always without a carrier, the table is read after all.
    ///
    /// # Errors
    /// The kernel refuses, or the link is gone.
    pub fn v6_default_routes(
        &mut self,
        link: u32,
        has_carrier: bool,
        sources: &[Ipv6Addr],
    ) -> Result<Vec<Route>, KernelError> {
        let defaults = |routes: Vec<Route>| -> Vec<Route> {
            let wanted = |route: &Route| route.to.is_none() && route.table == MAIN;
            routes.into_iter().filter(wanted).filter(|it| it.link == link).collect()
        };
        match self.lookup(NOWHERE, None, Some(link), FIB_MATCH) {
            Ok(routes) if routes.iter().any(|it| it.to.is_none() && it.table == MAIN) => {
                return Ok(defaults(routes));
            }
            Err(error) if self.is_final(&error, has_carrier)? => {}
            _ => return self.best_in_main(link),
        }
        // One for some sources (`default from PREFIX`) answers to those alone.
        let mut found: Vec<Route> = Vec::new();
        for from in sources {
            match self.lookup(NOWHERE, Some(IpAddr::V6(*from)), Some(link), FIB_MATCH) {
                // The source has a table of its own: then main has to be read.
                Ok(routes) if routes.iter().any(|route| route.table != MAIN) => {
                    return self.best_in_main(link);
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

    /// Does this refusal mean that the link has no default route?
    fn is_final(&mut self, error: &KernelError, has_carrier: bool) -> Result<bool, KernelError> {
        let no_route = matches!(error.errno, libc::ENETUNREACH | libc::EHOSTUNREACH);
        Ok(no_route && has_carrier && self.is_ordinary()?)
    }

    /// Do the rules of IPv6 send every packet that is bound to a link, and not to an address, to
    /// the main table? Not so where one leaves the table out, and who knows where one comes before
    /// it (a VPN's): the table that it names may end with an `unreachable default`.
    fn is_ordinary(&mut self) -> Result<bool, KernelError> {
        let rules = self.rules_of(Family::V6)?;
        let mut unbound = rules.iter().filter(|rule| rule.from.is_none() || rule.conditional);
        let plain = |rule: &Rule| !rule.conditional && rule.suppress.is_none();
        Ok(unbound.clone().any(|rule| plain(rule) && rule.table == MAIN)
            && unbound.all(|rule| plain(rule) && [LOCAL, MAIN, DEFAULT].contains(&rule.table)))
    }

    /// What a look-up would have said, from the table: those with the best metric.
    fn best_in_main(&mut self, link: u32) -> Result<Vec<Route>, KernelError> {
        let mut found = self.defaults(MAIN, Family::V6, Some(link))?;
        found.retain(|route| route.link == link);
        let all = found.clone();
        found.retain(|route| {
            let better = |it: &Route| it.from == route.from && it.metric < route.metric;
            !all.iter().any(better)
        });
        Ok(found)
    }

    /// Every default route of a table, one for each next hop, whatever else is in the table: for
    /// tables that may be large.
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
        self.resolved(|rtnl, known| rtnl.defaults_once(table, family, link, known))
    }

    fn defaults_once(
        &mut self,
        table: u32,
        family: Family,
        link: Option<u32>,
        known: &mut Known,
    ) -> Result<Vec<Route>, KernelError> {
        let mut found = Vec::new();
        let outcome = if family == Family::V4 {
            // The kernel keeps a table in the order of destinations (net/ipv4/fib_trie.c), so
            // 0.0.0.0 comes first and the rest need not be read. It would be if the link were
            // asked for, because the kernel looks for more until the answer is full.
            let request = write::table(table, family, None);
            let exchange = Exchange::open(NETLINK_ROUTE)?;
            exchange.dump_some(libc::RTM_GETROUTE, &request, |message| {
                let routes = self::routes::routes(message, known, Asked::Table);
                let zero = |to: &Prefix| to.address.is_unspecified();
                let more = routes.iter().all(|route| route.to.as_ref().is_none_or(zero));
                found.extend(routes);
                more
            })
        } else {
            // IPv6 has it last (net/ipv6/ip6_fib.c walks children before their parent).
            let request = write::table(table, family, link);
            let dump = self.exchange.dump(libc::RTM_GETROUTE, &request, |message, list| {
                if routes::is_default(message) {
                    list.extend(routes::routes(message, known, Asked::Table));
                }
            });
            dump.map(|list| found = list)
        };
        existing(outcome)?;
        found.retain(|route| route.to.is_none() && route.table == table);
        Ok(found)
    }
}

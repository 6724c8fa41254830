//! Links, addresses, routes, rules and next hops of this network namespace (rtnetlink(7)).
//!
//! What is read is lenient: a form of message that is newer than this crate hides no more than
//! itself. What is deleted is exactly what was named, though the kernel deletes the first that is
//! like it.
//!
//! ```
//! use mptcp_netlink::rtnl::{Address, Route, Rtnl, Rule};
//! use mptcp_netlink::{Family, Prefix};
//!
//! # mptcp_netlink::namespace::enter_new()?;
//! let mut rtnl = Rtnl::open()?;
//! let lo = rtnl.links()?.into_iter().find(|link| link.is_loopback()).expect("each has one");
//! let source = [192, 0, 2, 7];
//! rtnl.add_address(&Address::new(lo.index, source, 32))?;
//! rtnl.add_rule(&Rule::new(Family::V4, 1000, 101).from(Prefix::host(source)))?;
//! assert!(rtnl.rules()?.iter().any(|rule| rule.table == 101));
//!
//! let route = Route::new(Family::V4, lo.index).table(101);
//! rtnl.set_up(lo.index, true)?;
//! rtnl.add_route(&route)?;
//! assert_eq!(rtnl.routes_in(101, Family::V4)?, [route]);
//! # Ok::<(), mptcp_netlink::KernelError>(())
//! ```

mod address;
mod changes;
mod defaults;
mod delivery;
mod filter;
mod header;
mod link;
mod neighbour;
mod next_hop;
pub(crate) mod read;
mod route;
pub(crate) mod routes;
mod rule;
pub(crate) mod write;

use std::net::IpAddr;

use netlink_packet_core::{Emitable, NLM_F_CREATE, NLM_F_EXCL};
use netlink_sys::protocols::NETLINK_ROUTE;

use crate::error::KernelError;
use crate::exchange::Exchange;
use crate::message::{Body, of_number};
use crate::network::Family;
use crate::rtnl::header::{
    AddressHeader, LinkHeader, NextHopHeader, RTM_DELNEXTHOP, RTM_GETNEXTHOP, RTM_NEWNEXTHOP,
    RuleHeader,
};
use crate::rtnl::routes::{Asked, FIB_MATCH};

pub use address::Address;
pub use changes::{Change, Changed, Changes};
pub use delivery::{LocalDefault, MarkRule};
pub use link::Link;
pub use neighbour::Neighbour;
pub(crate) use next_hop::Known;
pub use next_hop::{Hop, NextHop, Target};
pub use route::{CONGESTION_CONTROL, MAIN, METRIC_V6, Metric, Route};
pub use rule::{Action, Rule};

/// Leaves a link's byte counters out of its message (`RTEXT_FILTER_SKIP_STATS`).
const SKIP_STATISTICS: u32 = 1 << 3;

/// A connection to the kernel's links, addresses, routes and rules.
pub struct Rtnl {
    exchange: Exchange,
}

/// Why something was not deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotDeleted<T> {
    /// The kernel refused.
    Kernel(KernelError),
    /// The kernel would delete this one, which is like it and comes first.
    Another(Box<T>),
}

impl<T> From<KernelError> for NotDeleted<T> {
    fn from(error: KernelError) -> Self {
        NotDeleted::Kernel(error)
    }
}

impl<T> From<NotDeleted<T>> for KernelError {
    /// `EBUSY` where the kernel would delete another.
    fn from(why: NotDeleted<T>) -> Self {
        match why {
            NotDeleted::Kernel(error) => error,
            NotDeleted::Another(_) => {
                KernelError::new(libc::EBUSY, "the kernel would delete another one that is like it")
            }
        }
    }
}

impl Rtnl {
    /// Opens one in the network namespace of this thread.
    ///
    /// # Errors
    /// A sandbox forbids netlink.
    pub fn open() -> Result<Self, KernelError> {
        Ok(Rtnl { exchange: Exchange::open(NETLINK_ROUTE)? })
    }

    /// Every link, in the kernel's order. One whose name is not UTF-8 is left out.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn links(&mut self) -> Result<Vec<Link>, KernelError> {
        let mask = of_number(libc::IFLA_EXT_MASK, SKIP_STATISTICS);
        let request = Body(LinkHeader::default(), vec![mask]);
        self.exchange
            .dump(libc::RTM_GETLINK, &request, |message, list| list.extend(read::link(message)))
    }

    /// Switches a link on or off (`IFF_UP`).
    ///
    /// # Errors
    /// There is no such link (`ENODEV`), or no `CAP_NET_ADMIN` (`EPERM`).
    pub fn set_up(&mut self, link: u32, up: bool) -> Result<(), KernelError> {
        let flag = libc::IFF_UP.unsigned_abs();
        let flags = if up { flag } else { 0 };
        self.change(libc::RTM_NEWLINK, 0, &LinkHeader { index: link, flags, change: flag })
    }

    /// Every address, IPv4 first.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn addresses(&mut self) -> Result<Vec<Address>, KernelError> {
        let mut all = Vec::new();
        for family in Family::BOTH {
            let header = AddressHeader { family: family.number(), ..AddressHeader::default() };
            let request = Body(header, vec![]);
            all.extend(self.exchange.dump(libc::RTM_GETADDR, &request, |message, list| {
                list.extend(read::address(message));
            })?);
        }
        Ok(all)
    }

    /// Every rule, IPv4 first, each family in the order in which the kernel tries them.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn rules(&mut self) -> Result<Vec<Rule>, KernelError> {
        let mut all = self.rules_of(Family::V4)?;
        all.extend(self.rules_of(Family::V6)?);
        Ok(all)
    }

    /// The unicast routes of a table, one for each next hop. A table that does not exist has none.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn routes_in(&mut self, table: u32, family: Family) -> Result<Vec<Route>, KernelError> {
        let request = write::table(table, family, None);
        let found = self.resolved(|rtnl, known| {
            existing(rtnl.exchange.dump(libc::RTM_GETROUTE, &request, |message, list| {
                list.extend(routes::routes(message, known, Asked::Table));
            }))
        })?;
        // A kernel before 4.20 does not filter.
        let ours = |route: &Route| route.table == table;
        Ok(found.unwrap_or_default().into_iter().filter(ours).collect())
    }

    /// Unicast routes of a table, other than default ones, that lead through a gateway of this link: the first
    /// `most`. The rest of a table that may be large is not read.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn routes_through(
        &mut self,
        (table, link): (u32, u32),
        family: Family,
        most: usize,
    ) -> Result<Vec<Route>, KernelError> {
        let request = write::table(table, family, Some(link));
        // A kernel before 4.20 does not filter.
        let wanted = |it: &Route| {
            (it.table, it.link) == (table, link) && it.to.is_some() && it.via.is_some()
        };
        self.resolved(|_, known| {
            let mut found = Vec::new();
            let exchange = Exchange::open(NETLINK_ROUTE)?;
            existing(exchange.dump_some(libc::RTM_GETROUTE, &request, |message| {
                let routes = routes::routes(message, known, Asked::Table);
                found.extend(routes.into_iter().filter(wanted));
                found.len() < most
            }))?;
            found.truncate(most);
            Ok(found)
        })
    }

    /// Has anybody but `protocol` (`rtm_protocol`) something in a table, be it a route of a kind
    /// that [`Route`] cannot say?
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn is_occupied(&mut self, table: u32, protocol: u8) -> Result<bool, KernelError> {
        for family in Family::BOTH {
            let request = write::whole_table(table, family);
            let found = self.exchange.dump(libc::RTM_GETROUTE, &request, |message, list| {
                list.extend(routes::owner(message).filter(|(of, _)| *of == table));
            });
            let found = existing(found)?.unwrap_or_default();
            if found.iter().any(|(_, owner)| *owner != protocol) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads, and once more with the next-hop objects where a route named one.
    fn resolved<T>(
        &mut self,
        read: impl Fn(&mut Self, &mut Known) -> Result<T, KernelError>,
    ) -> Result<T, KernelError> {
        let mut known = Known::default();
        let found = read(self, &mut known)?;
        if !known.lacks_some() {
            return Ok(found);
        }
        let mut known = Known::new(&self.next_hops()?);
        read(self, &mut known)
    }

    /// Every next-hop object that leads out of a link, and every group.
    ///
    /// # Errors
    /// The kernel refuses; `EOPNOTSUPP` before Linux 5.3.
    pub fn next_hops(&mut self) -> Result<Vec<NextHop>, KernelError> {
        self.exchange.dump(RTM_GETNEXTHOP, &NextHopHeader::default(), |message, list| {
            list.extend(routes::next_hop(message));
        })
    }

    /// Adds a next-hop object. Routes name it by its number through other tools; those that are
    /// written here name their link and gateway themselves.
    ///
    /// # Errors
    /// Its number is in use (`EEXIST`), a link or a member is not there, its link is down
    /// (`ENETDOWN`), its gateway is not reachable, or no `CAP_NET_ADMIN` (`EPERM`).
    pub fn add_next_hop(&mut self, object: &NextHop) -> Result<(), KernelError> {
        let request = write::next_hop(object);
        self.change(RTM_NEWNEXTHOP, NLM_F_CREATE | NLM_F_EXCL, &request)
    }

    /// Deletes the next-hop object with this number, and the routes that name it.
    ///
    /// # Errors
    /// It is not there (`ENOENT`), or no `CAP_NET_ADMIN` (`EPERM`).
    pub fn delete_next_hop(&mut self, id: u32) -> Result<(), KernelError> {
        self.change(RTM_DELNEXTHOP, 0, &write::next_hop_by_id(id))
    }

    /// The way that a packet would take, as `ip route get`: to an address, from one if that is
    /// given, and out of the link with index `oif` if that is given.
    ///
    /// # Errors
    /// There is none (`ENETUNREACH`, `EHOSTUNREACH`), or a route forbids it.
    pub fn route_get(
        &mut self,
        to: IpAddr,
        from: Option<IpAddr>,
        oif: Option<u32>,
    ) -> Result<Route, KernelError> {
        let routes = self.lookup(to, from, oif, 0)?;
        routes.into_iter().next().ok_or(KernelError::from_errno(libc::ENETUNREACH))
    }

    /// The route that a packet would take, as it is in its table: a default route is one to everywhere.
    ///
    /// # Errors
    /// As [`Rtnl::route_get`].
    pub fn route_match(&mut self, to: IpAddr, from: Option<IpAddr>) -> Result<Route, KernelError> {
        let routes = self.lookup(to, from, None, FIB_MATCH)?;
        routes.into_iter().next().ok_or(KernelError::from_errno(libc::ENETUNREACH))
    }

    fn lookup(
        &mut self,
        to: IpAddr,
        from: Option<IpAddr>,
        oif: Option<u32>,
        flags: u32,
    ) -> Result<Vec<Route>, KernelError> {
        let request = write::lookup(to, from, oif, flags);
        self.resolved(|rtnl, known| {
            let answer = rtnl.exchange.request(libc::RTM_GETROUTE, 0, &request, |message| {
                Some(routes::routes(message, known, Asked::Lookup))
            })?;
            Ok(answer.unwrap_or_default())
        })
    }

    /// Adds a route. One that differs in its next hop alone is in the way (`EEXIST`).
    ///
    /// An IPv6 route without a metric gets [`METRIC_V6`].
    ///
    /// # Errors
    /// The kernel refuses: it is there, its gateway is not reachable, or no `CAP_NET_ADMIN`.
    pub fn add_route(&mut self, route: &Route) -> Result<(), KernelError> {
        self.change(libc::RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &write::route(route))
    }

    /// Removes exactly this route. The kernel removes the first that is like it, and takes what is
    /// not said (no source, no gateway, metric 0) for any, so the table is read before.
    ///
    /// # Errors
    /// It is not there (`ESRCH`), another would be removed in its place, or no `CAP_NET_ADMIN`.
    pub fn delete_route(&mut self, route: &Route) -> Result<(), NotDeleted<Route>> {
        let there = self.routes_in(route.table, route.family)?;
        let wanted = Route { metric: write::metric(route), ..route.clone() };
        only(&wanted, there.iter().filter(|other| write::would_delete_route(&wanted, other)))?;
        Ok(self.change(libc::RTM_DELROUTE, 0, &write::route(route))?)
    }

    /// Adds an address to a link.
    ///
    /// # Errors
    /// It is there (`EEXIST`), the link is gone, or no `CAP_NET_ADMIN`.
    pub fn add_address(&mut self, address: &Address) -> Result<(), KernelError> {
        self.change(libc::RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &write::address(address))
    }

    /// Removes an address from a link.
    ///
    /// # Errors
    /// It is not there (`EADDRNOTAVAIL`), the link is gone, or no `CAP_NET_ADMIN`.
    pub fn delete_address(&mut self, address: &Address) -> Result<(), KernelError> {
        self.change(libc::RTM_DELADDR, 0, &write::address(address))
    }

    /// Adds a rule.
    ///
    /// # Errors
    /// It is there (`EEXIST`), or no `CAP_NET_ADMIN`; `EINVAL` for a rule with conditions that
    /// [`Rule`] leaves out.
    pub fn add_rule(&mut self, rule: &Rule) -> Result<(), KernelError> {
        is_whole(rule)?;
        self.change(libc::RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, &write::rule(rule))
    }

    /// Removes exactly this rule: the one of its priority, source, table and maker, and without
    /// other conditions.
    ///
    /// # Errors
    /// It is not there (`ENOENT`), another would be removed in its place, or no `CAP_NET_ADMIN`.
    pub fn delete_rule(&mut self, rule: &Rule) -> Result<(), NotDeleted<Rule>> {
        is_whole(rule)?;
        let there = self.rules_of(rule.family)?;
        only(rule, there.iter().filter(|other| write::would_delete_rule(rule, other))).map_err(
            |error| match error {
                NotDeleted::Kernel(KernelError { errno: libc::ESRCH, text }) => {
                    NotDeleted::Kernel(KernelError { errno: libc::ENOENT, text })
                }
                other => other,
            },
        )?;
        Ok(self.change(libc::RTM_DELRULE, 0, &write::rule(rule))?)
    }

    fn change(&mut self, kind: u16, flags: u16, body: &impl Emitable) -> Result<(), KernelError> {
        self.exchange.request(kind, flags, body, |_| None::<()>).map(|_| ())
    }

    fn rules_of(&mut self, family: Family) -> Result<Vec<Rule>, KernelError> {
        let header = RuleHeader { family: family.number(), ..RuleHeader::default() };
        let request = Body(header, vec![]);
        self.exchange.dump(libc::RTM_GETRULE, &request, |message, list| {
            list.extend(read::rule(message));
        })
    }
}

/// A table that never had a route does not exist (`ENOENT`), and that is no failure.
fn existing<T>(found: Result<T, KernelError>) -> Result<Option<T>, KernelError> {
    match found {
        Err(error) if error.errno == libc::ENOENT => Ok(None),
        other => other.map(Some),
    }
}

/// A rule that [`Rule`] says in full, so that it may be written.
fn is_whole(rule: &Rule) -> Result<(), KernelError> {
    match rule.conditional || rule.table == 0 {
        true => Err(KernelError::new(libc::EINVAL, "the rule does more than a look-up by source")),
        false => Ok(()),
    }
}

/// Is `wanted` the first of those that the kernel would take for it?
fn only<'a, T: PartialEq + Clone + 'a>(
    wanted: &T,
    mut alike: impl Iterator<Item = &'a T>,
) -> Result<(), NotDeleted<T>> {
    match alike.next() {
        Some(first) if first == wanted => Ok(()),
        Some(first) if alike.any(|other| other == wanted) => {
            Err(NotDeleted::Another(Box::new(first.clone())))
        }
        _ => Err(KernelError::from_errno(libc::ESRCH).into()),
    }
}

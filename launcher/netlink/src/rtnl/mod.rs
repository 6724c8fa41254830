//! Links, addresses, routes and rules of this network namespace (rtnetlink(7)), in the words of
//! [`mptcpize_model::net`].
//!
//! Not here: the path manager, which is another protocol ([`crate::host::netlink::pm`]), and any decision.
//! `read` understands the kernel's messages, `write` makes ours.

mod defaults;
pub(in crate::host) mod read;
pub(in crate::host) mod routes;
pub(in crate::host) mod write;

pub use write::METRIC_V6;

use std::net::IpAddr;

use netlink_packet_core::{DefaultNla, Emitable, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::AddressHeader;
use netlink_packet_route::link::LinkHeader;
use netlink_packet_route::route::RouteFlags;
use netlink_packet_route::rule::RuleHeader;
use netlink_sys::protocols::NETLINK_ROUTE;

use crate::host::netlink::message::Body;
use crate::host::netlink::names::Names;
use crate::host::netlink::rtnl::routes::Asked;
use crate::host::netlink::{Connection, KernelError};
use mptcpize_model::net::{Address, Family, IfName, Link, Route, Rule};

/// Leaves a link's byte counters out of its message (`RTEXT_FILTER_SKIP_STATS`).
const SKIP_STATISTICS: u32 = 1 << 3;

/// Asks for next-hop objects (include/uapi/linux/rtnetlink.h; not in the libc crate).
const RTM_GETNEXTHOP: u16 = 106;

/// A connection to the kernel's routing tables.
pub struct Rtnl {
    connection: Connection,
    names: Names,
    /// The main table's IPv4 default routes, once read: for all links of a look.
    main_v4: Option<Vec<Route>>,
}

impl Rtnl {
    /// Opens one in the network namespace of this thread.
    ///
    /// # Errors
    /// A sandbox forbids netlink.
    pub fn open() -> Result<Self, KernelError> {
        let connection = Connection::open(NETLINK_ROUTE)?;
        Ok(Rtnl { connection, names: Names::default(), main_v4: None })
    }

    /// The names and indexes of the links, as of the last [`Rtnl::links`].
    pub fn names(&mut self) -> &mut Names {
        &mut self.names
    }

    /// Every link, in the kernel's order. One whose name is not text is left out.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn links(&mut self) -> Result<Vec<Link>, KernelError> {
        self.main_v4 = None;
        let request = Body(
            LinkHeader::default(),
            vec![DefaultNla::new(libc::IFLA_EXT_MASK, SKIP_STATISTICS.to_ne_bytes().into())],
        );
        let mut found = self.connection.dump(libc::RTM_GETLINK, &request, |message, list| {
            list.extend(read::link(message));
        })?;
        self.names.refill(found.iter().map(|(index, link, _)| (*index, link.name.clone())));
        for (_, link, relatives) in &mut found {
            link.master = relatives.master.and_then(|index| self.names.name(index));
            link.lower = relatives.lower.and_then(|index| self.names.name(index));
        }
        Ok(found.into_iter().map(|(_, link, _)| link).collect())
    }

    /// Every address, IPv4 first.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn addresses(&mut self) -> Result<Vec<Address>, KernelError> {
        let mut all = Vec::new();
        for family in Family::BOTH {
            let header = AddressHeader { family: number_of(family), ..AddressHeader::default() };
            let request = Body(header, vec![]);
            all.extend(self.connection.dump(libc::RTM_GETADDR, &request, |message, list| {
                list.extend(read::address(message, &mut self.names));
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
        let found = self.resolved(|rtnl| {
            existing(rtnl.connection.dump(libc::RTM_GETROUTE, &request, |message, list| {
                list.extend(routes::routes(message, &mut rtnl.names, Asked::Table));
            }))
        })?;
        // A kernel before 4.20 does not filter.
        let ours = |route: &Route| route.table == table;
        Ok(found.unwrap_or_default().into_iter().filter(ours).collect())
    }

    /// Has anybody but `protocol` something in a table, be it a route of a kind that the model
    /// leaves out?
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn is_occupied(&mut self, table: u32, protocol: u8) -> Result<bool, KernelError> {
        for family in Family::BOTH {
            let request = write::whole_table(table, family);
            let found = self.connection.dump(libc::RTM_GETROUTE, &request, |message, list| {
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
        read: impl Fn(&mut Self) -> Result<T, KernelError>,
    ) -> Result<T, KernelError> {
        let found = read(self)?;
        if !self.names.lacks_hops() {
            return Ok(found);
        }
        let request = write::next_hops();
        let all = self.connection.dump(RTM_GETNEXTHOP, &request, |message, list| {
            list.extend(routes::next_hop(message));
        })?;
        self.names.know_hops(routes::groups(all));
        read(self)
    }

    /// The way that a packet would take, as `ip route get`.
    ///
    /// # Errors
    /// There is none (`ENETUNREACH`, `EHOSTUNREACH`), or a route forbids it.
    pub fn route_get(
        &mut self,
        to: IpAddr,
        from: Option<IpAddr>,
        oif: Option<&IfName>,
    ) -> Result<Route, KernelError> {
        let oif = oif.map(|link| self.names.index(link)).transpose()?;
        let routes = self.lookup(to, from, oif, RouteFlags::empty())?;
        routes.into_iter().next().ok_or(KernelError { errno: libc::ENETUNREACH, text: None })
    }

    /// The route that a packet would take, as it is in its table: a default route is one to everywhere.
    ///
    /// # Errors
    /// As [`Rtnl::route_get`].
    pub fn route_match(&mut self, to: IpAddr, from: Option<IpAddr>) -> Result<Route, KernelError> {
        let routes = self.lookup(to, from, None, RouteFlags::FibMatch)?;
        routes.into_iter().next().ok_or(KernelError { errno: libc::ENETUNREACH, text: None })
    }

    fn lookup(
        &mut self,
        to: IpAddr,
        from: Option<IpAddr>,
        oif: Option<u32>,
        flags: RouteFlags,
    ) -> Result<Vec<Route>, KernelError> {
        let request = write::lookup(to, from, oif, flags);
        self.resolved(|rtnl| {
            let answer = rtnl.connection.request(libc::RTM_GETROUTE, 0, &request, |message| {
                Some(routes::routes(message, &mut rtnl.names, Asked::Lookup))
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
        let request = write::route(route, self.names.index(&route.dev)?);
        self.change(libc::RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &request)
    }

    /// Removes exactly this route. The kernel removes the first that is like it, and takes what is
    /// not said (no source, no gateway, metric 0) for any, so the table is read before.
    ///
    /// # Errors
    /// It is not there (`ESRCH`), another would be removed in its place (`EBUSY`), or no
    /// `CAP_NET_ADMIN`.
    pub fn delete_route(&mut self, route: &Route) -> Result<(), KernelError> {
        let request = write::route(route, self.names.index(&route.dev)?);
        let there = self.routes_in(route.table, route.family)?;
        let wanted = Route { metric: write::metric(route), ..route.clone() };
        only(&wanted, there.iter().filter(|other| write::would_delete_route(&wanted, other)))?;
        self.change(libc::RTM_DELROUTE, 0, &request)
    }

    /// Adds an address to a link.
    ///
    /// # Errors
    /// It is there (`EEXIST`), the link is gone, or no `CAP_NET_ADMIN`.
    pub fn add_address(&mut self, address: &Address) -> Result<(), KernelError> {
        let request = write::address(address, self.names.index(&address.dev)?);
        self.change(libc::RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &request)
    }

    /// Removes an address from a link.
    ///
    /// # Errors
    /// It is not there (`EADDRNOTAVAIL`), the link is gone, or no `CAP_NET_ADMIN`.
    pub fn delete_address(&mut self, address: &Address) -> Result<(), KernelError> {
        let request = write::address(address, self.names.index(&address.dev)?);
        self.change(libc::RTM_DELADDR, 0, &request)
    }

    /// Adds a rule.
    ///
    /// # Errors
    /// It is there (`EEXIST`), or no `CAP_NET_ADMIN`; `EINVAL` for a rule with conditions that the
    /// model leaves out.
    pub fn add_rule(&mut self, rule: &Rule) -> Result<(), KernelError> {
        is_whole(rule)?;
        self.change(libc::RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, &write::rule(rule))
    }

    /// Removes exactly this rule: the one of its priority, source, table and maker, and without
    /// other conditions.
    ///
    /// # Errors
    /// It is not there (`ENOENT`), another would be removed in its place (`EBUSY`), or no
    /// `CAP_NET_ADMIN`.
    pub fn delete_rule(&mut self, rule: &Rule) -> Result<(), KernelError> {
        is_whole(rule)?;
        let there = self.rules_of(rule.family)?;
        only(rule, there.iter().filter(|other| write::would_delete_rule(rule, other))).map_err(
            |error| match error.errno {
                libc::ESRCH => KernelError { errno: libc::ENOENT, ..error },
                _ => error,
            },
        )?;
        self.change(libc::RTM_DELRULE, 0, &write::rule(rule))
    }

    fn change(&mut self, kind: u16, flags: u16, body: &impl Emitable) -> Result<(), KernelError> {
        self.connection.request(kind, flags, body, |_| None::<()>).map(|_| ())
    }

    fn rules_of(&mut self, family: Family) -> Result<Vec<Rule>, KernelError> {
        let header = RuleHeader { family: number_of(family), ..RuleHeader::default() };
        let request = Body(header, vec![]);
        self.connection.dump(libc::RTM_GETRULE, &request, |message, list| {
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

/// A rule that the model says in full, so that we may write it.
fn is_whole(rule: &Rule) -> Result<(), KernelError> {
    match rule.conditional || rule.table == 0 {
        true => Err(KernelError::new(libc::EINVAL, "the rule does more than a look-up by source")),
        false => Ok(()),
    }
}

/// Is `wanted` the first of those that the kernel would take for it?
fn only<'a, T: PartialEq + std::fmt::Display + 'a>(
    wanted: &T,
    mut alike: impl Iterator<Item = &'a T>,
) -> Result<(), KernelError> {
    match alike.next() {
        Some(first) if first == wanted => Ok(()),
        Some(first) if alike.any(|other| other == wanted) => {
            Err(KernelError::new(libc::EBUSY, format!("the kernel would take {first} for it")))
        }
        _ => Err(KernelError { errno: libc::ESRCH, text: None }),
    }
}

fn number_of(family: Family) -> AddressFamily {
    match family {
        Family::V4 => AddressFamily::Inet,
        Family::V6 => AddressFamily::Inet6,
    }
}

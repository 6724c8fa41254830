//! Links, addresses, routes and rules, in the words of [`mptcpize_model::net`].

use std::net::IpAddr;

use mptcp_netlink::rtnl::{self as kernel, NotDeleted};
use mptcp_netlink::{KernelError, rtnl::Rtnl as Kernel};
use mptcpize_model::daemon::Silent;
use mptcpize_model::net::{Address, Family, IfName, Link, MAIN, Route, Rule};

use crate::host::netlink::names::Names;
use crate::host::netlink::{from_kernel, to_kernel};

pub use mptcp_netlink::rtnl::METRIC_V6;

/// A connection to the kernel's routing tables. What it refuses, and why, is said in
/// [`mptcp_netlink::rtnl::Rtnl`].
pub struct Rtnl {
    kernel: Kernel,
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
        Ok(Rtnl { kernel: Kernel::open()?, names: Names::default(), main_v4: None })
    }

    /// Every link, in the kernel's order. One whose name is not text is left out.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn links(&mut self) -> Result<Vec<Link>, KernelError> {
        self.main_v4 = None;
        let all = self.kernel.links()?;
        let named = |link: &kernel::Link| Some((link.index, IfName::new(&link.name).ok()?));
        self.names.refill(all.iter().filter_map(named));
        Ok(all.into_iter().filter_map(|link| from_kernel::link(link, &mut self.names)).collect())
    }

    /// Every address, IPv4 first.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn addresses(&mut self) -> Result<Vec<Address>, KernelError> {
        let all = self.kernel.addresses()?;
        Ok(all.iter().filter_map(|one| from_kernel::address(one, &mut self.names)).collect())
    }

    /// Neighbours that do not answer, or have not yet.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn silent(&mut self) -> Result<Vec<Silent>, KernelError> {
        let all = self.kernel.neighbours()?;
        let silent = all.iter().filter(|one| one.has_failed() || one.is_asked());
        let named = |one: &kernel::Neighbour| {
            let dev = self.names.name(one.link)?;
            Some(Silent { dev, address: one.address, failed: one.has_failed() })
        };
        Ok(silent.filter_map(named).collect())
    }

    /// Every rule, IPv4 first, each family in the order in which the kernel tries them.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn rules(&mut self) -> Result<Vec<Rule>, KernelError> {
        Ok(self.kernel.rules()?.iter().map(from_kernel::rule).collect())
    }

    /// The unicast routes of a table, one for each next hop. A table that does not exist has none.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn routes_in(&mut self, table: u32, family: Family) -> Result<Vec<Route>, KernelError> {
        let all = self.kernel.routes_in(table, to_kernel::family(family))?;
        Ok(self.named(all))
    }

    /// Unicast routes of a table, other than default ones, that lead through a gateway of this link: the first
    /// `most`.
    ///
    /// # Errors
    /// The kernel refuses, or the link is gone.
    pub fn routes_through(
        &mut self,
        (table, dev): (u32, &IfName),
        family: Family,
        most: usize,
    ) -> Result<Vec<Route>, KernelError> {
        let link = self.names.index(dev)?;
        let found = self.kernel.routes_through((table, link), to_kernel::family(family), most)?;
        Ok(self.named(found))
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
        let all = self.kernel.default_routes_in(table, to_kernel::family(family))?;
        Ok(self.named(all))
    }

    /// Main's default routes of a link: all of IPv4, the best of IPv6 and those for some sources.
    /// IPv4 keeps its default routes in front, so they are read, and once for all links.
    ///
    /// # Errors
    /// The kernel refuses, or the link is gone.
    pub fn default_routes(
        &mut self,
        link: &Link,
        addresses: &[Address],
    ) -> Result<Vec<Route>, KernelError> {
        let index = self.names.index(&link.name)?;
        let of_v4 = match self.main_v4.take() {
            Some(known) => known,
            None => self.default_routes_in(MAIN, Family::V4)?,
        };
        let mut all: Vec<Route> =
            of_v4.iter().filter(|route| route.dev == link.name).cloned().collect();
        self.main_v4 = Some(of_v4);
        let own = addresses.iter().filter(|address| address.dev == link.name && address.global);
        let own = own.filter_map(|address| match address.address {
            IpAddr::V6(v6) => Some(v6),
            IpAddr::V4(_) => None,
        });
        let of_v6 = self.kernel.v6_default_routes(index, link.carrier, &own.collect::<Vec<_>>())?;
        all.extend(self.named(of_v6));
        Ok(all)
    }

    /// Has anybody but `protocol` something in a table, be it a route of a kind that the model
    /// leaves out?
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn is_occupied(&mut self, table: u32, protocol: u8) -> Result<bool, KernelError> {
        self.kernel.is_occupied(table, protocol)
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
        let route = self.kernel.route_get(to, from, oif)?;
        from_kernel::route(route, &mut self.names).ok_or_else(no_way)
    }

    /// The route that a packet would take, as it is in its table: a default route is one to everywhere.
    ///
    /// # Errors
    /// As [`Rtnl::route_get`].
    pub fn route_match(&mut self, to: IpAddr, from: Option<IpAddr>) -> Result<Route, KernelError> {
        let route = self.kernel.route_match(to, from)?;
        from_kernel::route(route, &mut self.names).ok_or_else(no_way)
    }

    /// Adds a route. One that differs in its next hop alone is in the way (`EEXIST`).
    ///
    /// An IPv6 route without a metric gets [`METRIC_V6`].
    ///
    /// # Errors
    /// The kernel refuses: it is there, its gateway is not reachable, or no `CAP_NET_ADMIN`.
    pub fn add_route(&mut self, route: &Route) -> Result<(), KernelError> {
        let link = self.names.index(&route.dev)?;
        self.kernel.add_route(&to_kernel::route(route, link))
    }

    /// Removes exactly this route.
    ///
    /// # Errors
    /// It is not there (`ESRCH`), another would be removed in its place (`EBUSY`), or no
    /// `CAP_NET_ADMIN`.
    pub fn delete_route(&mut self, route: &Route) -> Result<(), KernelError> {
        let link = self.names.index(&route.dev)?;
        let outcome = self.kernel.delete_route(&to_kernel::route(route, link));
        outcome.map_err(|why| match why {
            NotDeleted::Kernel(error) => error,
            NotDeleted::Another(other) => match from_kernel::route(*other, &mut self.names) {
                Some(other) => in_the_way(other),
                None => KernelError::from_errno(libc::EBUSY),
            },
        })
    }

    /// Adds an address to a link.
    ///
    /// # Errors
    /// It is there (`EEXIST`), the link is gone, or no `CAP_NET_ADMIN`.
    pub fn add_address(&mut self, address: &Address) -> Result<(), KernelError> {
        let link = self.names.index(&address.dev)?;
        self.kernel.add_address(&to_kernel::address(address, link))
    }

    /// Removes an address from a link.
    ///
    /// # Errors
    /// It is not there (`EADDRNOTAVAIL`), the link is gone, or no `CAP_NET_ADMIN`.
    pub fn delete_address(&mut self, address: &Address) -> Result<(), KernelError> {
        let link = self.names.index(&address.dev)?;
        self.kernel.delete_address(&to_kernel::address(address, link))
    }

    /// Adds a rule.
    ///
    /// # Errors
    /// It is there (`EEXIST`), or no `CAP_NET_ADMIN`; `EINVAL` for a rule with conditions that the
    /// model leaves out.
    pub fn add_rule(&mut self, rule: &Rule) -> Result<(), KernelError> {
        self.kernel.add_rule(&to_kernel::rule(rule))
    }

    /// Removes exactly this rule: the one of its priority, source, table and maker, and without
    /// other conditions.
    ///
    /// # Errors
    /// It is not there (`ENOENT`), another would be removed in its place (`EBUSY`), or no
    /// `CAP_NET_ADMIN`.
    pub fn delete_rule(&mut self, rule: &Rule) -> Result<(), KernelError> {
        let outcome = self.kernel.delete_rule(&to_kernel::rule(rule));
        outcome.map_err(|why| match why {
            NotDeleted::Kernel(error) => error,
            NotDeleted::Another(other) => in_the_way(from_kernel::rule(&other)),
        })
    }

    /// The routes whose link is still there.
    fn named(&mut self, routes: Vec<kernel::Route>) -> Vec<Route> {
        routes.into_iter().filter_map(|route| from_kernel::route(route, &mut self.names)).collect()
    }
}

fn in_the_way(other: impl std::fmt::Display) -> KernelError {
    KernelError::new(libc::EBUSY, format!("the kernel would take {other} for it"))
}

fn no_way() -> KernelError {
    KernelError::from_errno(libc::ENETUNREACH)
}

//! The real kernel behind the [`Host`] seam.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;

use crate::error::{Error, Exit};
use crate::host::Host;
use crate::host::apply::{nat, sysctl};
use crate::host::netlink::KernelError;
use crate::host::netlink::pm::{self, Pm};
use crate::host::netlink::rtnl::Rtnl;
use crate::host::netlink::xfrm;
use crate::host::observe::{kernel, managers};
use crate::host::process::privilege;
use mptcpize_model::change::{Change, Item, same_endpoint};
use mptcpize_model::config::Config;
use mptcpize_model::daemon::Silent;
use mptcpize_model::mptcp::{Endpoint, Flags, MOST};
use mptcpize_model::nat::Nat;
use mptcpize_model::net::{Address, Family, IfName, Link, MAIN, Route};
use mptcpize_model::ours::{FIRST_TABLE, PROTOCOL, is_ours};
use mptcpize_model::route_lookup::{self, Hop, RouteLookup};
use mptcpize_model::{Flavour, HostState, Kernel, Source, path_manager, record, vpn};

/// The tables `local` and `default` (rtnetlink(7)): never anybody's own.
const LOCAL_AND_DEFAULT: [u32; 2] = [255, 253];

/// More tables than this in a row that others have taken are not looked at.
const MOST_OCCUPIED: usize = 64;

/// These say that the question was not answered, and nothing about a route: a sandbox, or no memory
/// for the message.
const UNASKED: [i32; 4] = [libc::EPERM, libc::ENOBUFS, libc::ENOMEM, libc::EINTR];

/// The network namespace of this process.
pub struct KernelHost {
    rtnl: Rtnl,
    /// Opened when it is first needed: most of what `run` looks at needs none.
    pm: Option<Pm>,
}

impl KernelHost {
    /// Connects to the kernel. A kernel without a path manager is observed all the same.
    ///
    /// # Errors
    /// A sandbox forbids netlink.
    pub fn open() -> Result<Self, Error> {
        let rtnl = Rtnl::open().map_err(|error| unanswered("talk to the kernel", &error))?;
        Ok(KernelHost { rtnl, pm: None })
    }

    /// Neighbours that do not answer, or have not yet; none where the kernel does not say.
    pub fn silent(&mut self) -> Vec<Silent> {
        self.rtnl.silent().unwrap_or_default()
    }

    /// Does all that messages of rtnetlink(7) tell of look as it was seen? One that cannot be looked at is
    /// changing. The rest is not read again: no change of links, addresses, routes or rules changes it.
    pub fn is_still(&mut self, seen: &HostState, ours: &[Change]) -> bool {
        self.look_again(seen, ours).is_ok_and(|now| now == *seen)
    }

    fn look_again(&mut self, seen: &HostState, ours: &[Change]) -> Result<HostState, KernelError> {
        let mut now = HostState {
            links: self.rtnl.links()?,
            addresses: self.rtnl.addresses()?,
            rules: self.rtnl.rules()?,
            ways: Vec::new(),
            ..seen.clone()
        };
        mark_our_addresses(&mut now.addresses, ours);
        now.routes = self.routes(&now, ours)?;
        self.look_up_routes(&mut now)?;
        Ok(now)
    }

    /// Default routes of all tables, and everything in our own.
    fn routes(&mut self, state: &HostState, ours: &[Change]) -> Result<Vec<Route>, KernelError> {
        let mut found: Vec<Route> = Vec::new();
        let mut add = |routes: Vec<Route>| {
            for route in routes {
                if !found.contains(&route) && (route.to.is_none() || is_ours(route.protocol)) {
                    found.push(route);
                }
            }
        };
        for link in state.links.iter().filter(|link| could_be_a_path(link)) {
            match self.rtnl.default_routes(link, &state.addresses) {
                Ok(routes) => add(routes),
                // It went away since it was listed.
                Err(error) if error.errno == libc::ENODEV => {}
                Err(error) => return Err(error),
            }
        }
        let own = own_tables(state, ours);
        for family in Family::BOTH {
            for table in &own {
                add(self.rtnl.routes_in(*table, family)?);
            }
            // A foreign table may hold all routes of the Internet.
            for table in foreign_tables(state).iter().filter(|table| !own.contains(table)) {
                add(self.rtnl.default_routes_in(*table, family)?);
            }
        }
        Ok(found)
    }
}

/// The tables in which routes of ours may be: those of our rules and our journal, and those that
/// we would take next.
fn own_tables(state: &HostState, ours: &[Change]) -> BTreeSet<u32> {
    let ruled = state.rules.iter().filter(|rule| is_ours(rule.protocol)).map(|rule| rule.table);
    let recorded = ours.iter().filter_map(|change| match change {
        Change::Add(Item::Route(route)) => Some(route.table),
        _ => None,
    });
    let links = state.links.iter().filter(|link| could_be_a_path(link)).count();
    let next = (FIRST_TABLE..).take(links + state.occupied.len());
    ruled.chain(recorded).chain(next).filter(|table| is_readable(*table)).collect()
}

/// The tables that rules of others name.
fn foreign_tables(state: &HostState) -> BTreeSet<u32> {
    state.rules.iter().map(|rule| rule.table).filter(|table| is_readable(*table)).collect()
}

/// Main is asked route by route, 0 is no table, and the kernel's own two hold no way out.
fn is_readable(table: u32) -> bool {
    table != 0 && table != MAIN && !LOCAL_AND_DEFAULT.contains(&table)
}

fn could_be_a_path(link: &Link) -> bool {
    link.up && !link.loopback && link.master.is_none()
}

impl Host for KernelHost {
    fn observe(&mut self, ours: &[Change]) -> Result<HostState, Error> {
        let failed = |error: KernelError| unanswered("look at the host", &error);
        let mut state = HostState {
            links: self.rtnl.links().map_err(failed)?,
            addresses: self.rtnl.addresses().map_err(failed)?,
            rules: self.rtnl.rules().map_err(failed)?,
            managers: managers::running(),
            kernel: kernel(),
            ..HostState::default()
        };
        mark_our_addresses(&mut state.addresses, ours);
        state.occupied = self.occupied(&state).map_err(failed)?;
        state.routes = self.routes(&state, ours).map_err(failed)?;
        state.nat = translations(&state, ours);
        if let Ok(pm) = self.pm() {
            state.endpoints = pm.endpoints().map_err(failed)?;
            state.limits = Some(pm.limits().map_err(failed)?);
            let candidates = state.addresses.iter().filter(|address| address.global).count();
            if candidates > MOST {
                // Only then does it matter, and the answer costs a network namespace.
                let capacity = pm::capacity().unwrap_or(pm::LEAST);
                state.kernel.most_endpoints = capacity.endpoints;
                state.kernel.most_subflows = capacity.subflows;
            }
        }
        state.sysctls = sysctls(&state.links, ours);
        state.sysctls_read_only = sysctl::are_read_only();
        state.ours = state
            .endpoints
            .iter()
            .filter(|endpoint| {
                ours.iter().any(|change| {
                    matches!(change,
                Change::Add(Item::Endpoint(own)) if same_endpoint(own, endpoint))
                })
            })
            .map(|endpoint| endpoint.address)
            .collect();
        state.recorded = record::uplinks(ours);
        state.sources = self.sources(&state);
        state.policies = xfrm::policies();
        self.look_up_routes(&mut state).map_err(failed)?;
        Ok(state)
    }

    fn apply(&mut self, change: &Change) -> Result<(), KernelError> {
        match change {
            Change::Add(Item::Address(address)) => self.rtnl.add_address(address)?,
            Change::Remove(Item::Address(address)) => self.rtnl.delete_address(address)?,
            Change::Add(Item::Nat(translation)) => nat::add(translation)?,
            Change::Remove(Item::Nat(translation)) => nat::remove(translation)?,
            Change::Add(Item::Route(route)) => self.rtnl.add_route(route)?,
            Change::Remove(Item::Route(route)) => self.rtnl.delete_route(route)?,
            Change::Add(Item::Rule(rule)) => self.rtnl.add_rule(rule)?,
            Change::Remove(Item::Rule(rule)) => self.rtnl.delete_rule(rule)?,
            Change::Add(Item::Endpoint(endpoint)) => self.pm()?.add(endpoint)?,
            Change::Remove(Item::Endpoint(endpoint)) => self.remove_endpoint(endpoint)?,
            // Whoever has some looks at them too: `host::gateway`.
            Change::Add(Item::Gateway(_)) | Change::Remove(Item::Gateway(_)) => {
                return Err(KernelError::from_errno(libc::EOPNOTSUPP));
            }
            Change::Flags { endpoint, to } => self.set_flags(endpoint, *to)?,
            Change::Limits { to, .. } => self.pm()?.set_limits(*to)?,
            Change::Sysctl { key, to, .. } => sysctl::write(key, to).map_err(|error| {
                KernelError::from_errno(error.raw_os_error().unwrap_or(libc::EIO))
            })?,
        }
        Ok(())
    }
}

impl KernelHost {
    /// Which of the tables that we would take next others have something in. As many are looked
    /// at as there are links, and one more for each that is taken.
    fn occupied(&mut self, state: &HostState) -> Result<Vec<u32>, KernelError> {
        let mut wanted = state.links.iter().filter(|link| could_be_a_path(link)).count();
        let mut occupied = Vec::new();
        if wanted < 2 {
            return Ok(occupied);
        }
        for table in (FIRST_TABLE..).take(wanted + MOST_OCCUPIED) {
            if self.rtnl.is_occupied(table, PROTOCOL)? {
                occupied.push(table);
            } else {
                wanted -= 1;
            }
            if wanted == 0 {
                break;
            }
        }
        Ok(occupied)
    }

    /// Which address the kernel gives to what leaves by a link, where a link has more than one.
    fn sources(&mut self, state: &HostState) -> Vec<Source> {
        let mut found = Vec::new();
        for link in state.links.iter().filter(|link| could_be_a_path(link)) {
            for family in Family::BOTH {
                let of_link = |address: &&Address| {
                    address.dev == link.name
                        && address.global
                        && Family::of(address.address) == family
                };
                if state.addresses.iter().filter(of_link).count() < 2 {
                    continue;
                }
                let to = route_lookup::destinations(family).next();
                let route = to.and_then(|to| self.rtnl.route_get(to, None, Some(&link.name)).ok());
                let dev = link.name.clone();
                found.extend(
                    route.and_then(|route| route.src).map(|address| Source { dev, address }),
                );
            }
        }
        found
    }

    /// Where unbound traffic goes, if the host has several links; where something takes it that is
    /// no uplink, where subflows would go beside it.
    fn look_up_routes(&mut self, state: &mut HostState) -> Result<(), KernelError> {
        let several = |family: Family| {
            let mut links: Vec<&IfName> = state
                .addresses
                .iter()
                .filter(|address| address.global && Family::of(address.address) == family)
                .filter(|address| state.link(&address.dev).is_some_and(could_be_a_path))
                .map(|address| &address.dev)
                .collect();
            links.dedup();
            links.len() > 1
        };
        if !Family::BOTH.into_iter().any(several) {
            return Ok(());
        }
        for to in route_lookup::DESTINATIONS {
            // A family without a single address has no traffic.
            let family = Family::of(to);
            let used = |it: &Address| {
                it.global
                    && Family::of(it.address) == family
                    && state.link(&it.dev).is_some_and(|link| !link.loopback)
            };
            if state.addresses.iter().any(used) {
                state.ways.push(self.look_up(None, to, None)?);
            }
        }
        let Some(captured) = vpn::captured(state, &Config::default()) else { return Ok(()) };
        for endpoint in state.endpoints.clone() {
            if Family::of(endpoint.address) == Family::of(captured.to) {
                let lookup = self.subflow(&endpoint, captured.to)?;
                state.ways.push(lookup);
            }
        }
        Ok(())
    }

    /// Where an endpoint's subflows leave. With `dev` they are bound to that link, which in IPv6 is
    /// strict: the kernel passes over every route by another one (`RT6_LOOKUP_F_IFACE`,
    /// net/ipv6/route.c). A look-up from an address is not, and one from nowhere is.
    fn subflow(&mut self, endpoint: &Endpoint, to: IpAddr) -> Result<RouteLookup, KernelError> {
        let (from, dev) = (Some(endpoint.address), endpoint.dev.as_ref());
        let lookup = self.look_up(from, to, dev)?;
        let by_it =
            |lookup: &RouteLookup| lookup.hop.as_ref().is_some_and(|hop| Some(&hop.dev) == dev);
        if dev.is_none() || to.is_ipv4() || by_it(&lookup) {
            return Ok(lookup);
        }
        let strict = RouteLookup { from, ..self.look_up(None, to, dev)? };
        Ok(if by_it(&strict) { strict } else { lookup })
    }

    /// Where this leaves. An answer is also that it does not: no route, or one that forbids it.
    fn look_up(
        &mut self,
        from: Option<IpAddr>,
        to: IpAddr,
        oif: Option<&IfName>,
    ) -> Result<RouteLookup, KernelError> {
        let hop = match self.rtnl.route_get(to, from, oif) {
            Ok(route) => Some(Hop { dev: route.dev, via: route.via, table: route.table }),
            Err(error) if UNASKED.contains(&error.errno) => return Err(error),
            Err(_) => None,
        };
        Ok(RouteLookup { from, to, oif: oif.cloned(), hop })
    }

    fn pm(&mut self) -> Result<&mut Pm, KernelError> {
        if self.pm.is_none() {
            self.pm = Some(Pm::open()?);
        }
        Ok(self.pm.as_mut().expect("it was opened above"))
    }

    /// Gives an endpoint other flags, found as in [`KernelHost::remove_endpoint`]; `ENOENT` where it is
    /// gone.
    fn set_flags(&mut self, endpoint: &Endpoint, flags: Flags) -> Result<(), KernelError> {
        let pm = self.pm()?;
        let all = pm.endpoints()?;
        let found = all.iter().find(|other| same_endpoint(other, endpoint));
        let found = found.ok_or(KernelError::from_errno(libc::ENOENT))?;
        pm.set_flags(found.id, flags)
    }

    /// The kernel deletes by id; ours is found by what it is, because ids are given anew.
    fn remove_endpoint(&mut self, endpoint: &Endpoint) -> Result<(), KernelError> {
        let pm = self.pm()?;
        let all = pm.endpoints()?;
        let found = all.iter().find(|other| same_endpoint(other, endpoint));
        match found {
            Some(found) => Ok(pm.delete(found.id, None)?),
            None => Ok(()),
        }
    }
}

/// So that what our journal says is ours is found where the kernel keeps no mark.
fn mark_our_addresses(addresses: &mut [Address], ours: &[Change]) {
    for own in record::addresses(ours) {
        let same = |it: &&mut Address| (&it.dev, it.address) == (&own.dev, own.address);
        for address in addresses.iter_mut().filter(same) {
            address.protocol = PROTOCOL;
        }
    }
}

/// Looked at only where two links have the same address, or where we translate already: it costs
/// two programs.
fn translations(state: &HostState, ours: &[Change]) -> Nat {
    let used = ours.iter().any(|change| matches!(change, Change::Add(Item::Nat(_))))
        || state.addresses.iter().any(|address| is_ours(address.protocol));
    let twin = |one: &Address| {
        let same = |other: &Address| other.address == one.address && other.dev != one.dev;
        one.global && one.address.is_ipv4() && state.addresses.iter().any(same)
    };
    if used || state.addresses.iter().any(twin) { nat::read() } else { Nat::default() }
}

fn kernel() -> Kernel {
    let release = kernel::release();
    let mptcp = if Path::new("/proc/sys/net/mptcp/mptcp_enabled").exists() {
        Flavour::OutOfTree
    } else if Path::new("/proc/sys/net/mptcp").exists() {
        Flavour::Upstream
    } else {
        Flavour::Absent
    };
    let mptcp_without_ipv6 = kernel::MptcpSocket::is_without_ipv6();
    Kernel { release, mptcp, mptcp_without_ipv6, ..Kernel::default() }
}

/// The parameters that a plan looks at, and those that were changed: a link that is down now is to
/// get its own back all the same.
fn sysctls(links: &[Link], ours: &[Change]) -> BTreeMap<String, String> {
    let host = ["net.mptcp.enabled", "net.ipv4.conf.all.arp_ignore"];
    let mut keys: Vec<String> =
        host.into_iter().chain(path_manager::keys()).map(str::to_owned).collect();
    for link in links.iter().filter(|link| could_be_a_path(link)) {
        let name = link.name.as_str().replace('.', "/");
        keys.push(format!("net.ipv4.conf.{name}.arp_ignore"));
        keys.push(format!("net.ipv4.conf.{name}.ignore_routes_with_linkdown"));
        keys.push(format!("net.ipv6.conf.{name}.ignore_routes_with_linkdown"));
    }
    keys.extend(ours.iter().filter_map(|change| match change {
        Change::Sysctl { key, .. } => Some(key.clone()),
        _ => None,
    }));
    keys.into_iter().filter_map(|key| sysctl::read(&key).map(|value| (key, value))).collect()
}

fn unanswered(doing: &str, error: &KernelError) -> Error {
    let exit = Exit::from(error);
    let what = Error::new(exit, format!("cannot {doing}")).why(error);
    if exit == Exit::NotPermitted { what.fix(privilege::advice()) } else { what }
}

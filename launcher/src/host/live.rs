//! The real kernel behind the [`Host`] seam.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::error::{Error, Exit};
use crate::host::netlink::KernelError;
use crate::host::pm::{self, Pm};
use crate::host::privilege;
use crate::host::rtnl::Rtnl;
use crate::host::{Host, Refused, kernel, managers, sysctl};
use crate::model::change::{Change, Item};
use crate::model::mptcp::{Endpoint, MOST};
use crate::model::net::{Family, Link, MAIN, Route};
use crate::model::policy::{FIRST_TABLE, is_ours};
use crate::model::{Flavour, HostState, Kernel};

/// The tables `local` and `default` (rtnetlink(7)): never anybody's own.
const LOCAL_AND_DEFAULT: [u32; 2] = [255, 253];

/// The network namespace of this process.
pub struct Live {
    rtnl: Rtnl,
    /// Opened when it is first needed: most of what `run` looks at needs none.
    pm: Option<Pm>,
}

impl Live {
    /// Connects to the kernel. A kernel without a path manager is observed all the same.
    ///
    /// # Errors
    /// A sandbox forbids netlink.
    pub fn open() -> Result<Self, Error> {
        let rtnl = Rtnl::open().map_err(|error| unanswered("talk to the kernel", &error))?;
        Ok(Live { rtnl, pm: None })
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
            match self.rtnl.default_routes(link) {
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
    let next = (FIRST_TABLE..).take(links);
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

impl Host for Live {
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
        state.routes = self.routes(&state, ours).map_err(failed)?;
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
        state.sysctls = sysctls(&state.links);
        state.ours = super::journal::endpoints(ours);
        Ok(state)
    }

    fn apply(&mut self, change: &Change) -> Result<(), Refused> {
        match change {
            Change::Add(Item::Route(route)) => self.rtnl.add_route(route)?,
            Change::Remove(Item::Route(route)) => self.rtnl.delete_route(route)?,
            Change::Add(Item::Rule(rule)) => self.rtnl.add_rule(rule)?,
            Change::Remove(Item::Rule(rule)) => self.rtnl.delete_rule(rule)?,
            Change::Add(Item::Endpoint(endpoint)) => self.pm()?.add(endpoint)?,
            Change::Remove(Item::Endpoint(endpoint)) => self.remove_endpoint(endpoint)?,
            Change::Limits { to, .. } => self.pm()?.set_limits(*to)?,
            Change::Sysctl { key, to, .. } => sysctl::write(key, to).map_err(|error| Refused {
                errno: error.raw_os_error().unwrap_or(libc::EIO),
                text: None,
            })?,
        }
        Ok(())
    }
}

impl Live {
    fn pm(&mut self) -> Result<&mut Pm, Refused> {
        if self.pm.is_none() {
            self.pm = Some(Pm::open()?);
        }
        Ok(self.pm.as_mut().expect("it was opened above"))
    }

    /// The kernel deletes by id; ours is found by what it is, because ids are given anew.
    fn remove_endpoint(&mut self, endpoint: &Endpoint) -> Result<(), Refused> {
        let pm = self.pm()?;
        let all = pm.endpoints()?;
        let found = all.iter().find(|other| crate::model::change::same_endpoint(other, endpoint));
        match found {
            Some(found) => Ok(pm.delete(found.id, None)?),
            None => Ok(()),
        }
    }
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
    Kernel { release, mptcp, ..Kernel::default() }
}

/// The parameters that a plan looks at.
fn sysctls(links: &[Link]) -> BTreeMap<String, String> {
    let mut keys = vec!["net.mptcp.enabled".to_owned(), "net.ipv4.conf.all.arp_ignore".to_owned()];
    for link in links.iter().filter(|link| could_be_a_path(link)) {
        let name = link.name.as_str().replace('.', "/");
        keys.push(format!("net.ipv4.conf.{name}.arp_ignore"));
        keys.push(format!("net.ipv4.conf.{name}.ignore_routes_with_linkdown"));
        keys.push(format!("net.ipv6.conf.{name}.ignore_routes_with_linkdown"));
    }
    keys.into_iter().filter_map(|key| sysctl::read(&key).map(|value| (key, value))).collect()
}

fn unanswered(doing: &str, error: &KernelError) -> Error {
    let exit = match error.errno {
        libc::EPERM | libc::EACCES => Exit::NotPermitted,
        _ => Exit::Failed,
    };
    let what = Error::new(exit, format!("cannot {doing}")).why(error);
    if exit == Exit::NotPermitted { what.fix(privilege::advice()) } else { what }
}

impl From<KernelError> for Refused {
    fn from(error: KernelError) -> Self {
        Refused { errno: error.errno, text: error.text }
    }
}

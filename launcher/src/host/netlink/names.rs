//! Link names and indexes. The kernel speaks of links by index; everything above this layer, and
//! every person, by name. Beside them next-hop objects, of which the kernel speaks by number too.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::unix::net::UnixDatagram;

use rustix::net::netdevice;

use crate::host::netlink::KernelError;
use mptcpize_model::net::IfName;

/// The links of a network namespace, as far as they are known.
#[derive(Debug, Default)]
pub struct Names {
    known: BTreeMap<u32, IfName>,
    /// Next-hop objects (ip-nexthop(8)) as far as they were asked for; a group has several.
    hops: BTreeMap<u32, Vec<NextHop>>,
    /// A route named a next-hop object that is not among them.
    unresolved: bool,
}

/// A next-hop object, or one member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::host) struct NextHop {
    /// The index of the link.
    pub link: u32,
    /// The gateway.
    pub via: Option<IpAddr>,
    /// `RTNH_F_ONLINK` and others.
    pub flags: u32,
    /// Packets get another header.
    pub encapsulated: bool,
}

impl Names {
    /// Forgets what is known and takes this instead: links get renamed, and indexes used again.
    pub(in crate::host) fn refill(&mut self, links: impl IntoIterator<Item = (u32, IfName)>) {
        self.known = links.into_iter().collect();
        self.hops.clear();
        self.unresolved = false;
    }

    /// The next hops behind a number; none where they have to be asked for first.
    pub(in crate::host) fn hops(&mut self, number: u32) -> Vec<NextHop> {
        match self.hops.get(&number) {
            Some(hops) => hops.clone(),
            None => {
                self.unresolved = true;
                vec![]
            }
        }
    }

    /// Takes all next-hop objects.
    pub(in crate::host) fn know_hops(&mut self, hops: BTreeMap<u32, Vec<NextHop>>) {
        self.hops = hops;
        self.unresolved = false;
    }

    /// Did a route name a next-hop object that is not known?
    pub(in crate::host) fn lacks_hops(&self) -> bool {
        self.unresolved
    }

    /// The name of a link. One that is not known, because it appeared a moment ago, is asked for.
    pub fn name(&mut self, index: u32) -> Option<IfName> {
        if let Some(name) = self.known.get(&index) {
            return Some(name.clone());
        }
        let socket = UnixDatagram::unbound().ok()?;
        let name = IfName::new(&netdevice::index_to_name(socket, index).ok()?).ok()?;
        self.known.insert(index, name.clone());
        Some(name)
    }

    /// The index of a link.
    ///
    /// # Errors
    /// There is no such link here (`ENODEV`).
    pub fn index(&self, name: &IfName) -> Result<u32, KernelError> {
        if let Some((index, _)) = self.known.iter().find(|(_, known)| *known == name) {
            return Ok(*index);
        }
        // Any socket will do (netdevice(7)), and this kind needs no protocol of the namespace.
        // Not remembered: it may be an alternative name of the link.
        netdevice::name_to_index(UnixDatagram::unbound()?, name.as_str())
            .map_err(|errno| KernelError::new(errno.raw_os_error(), no_link(name)))
    }
}

/// What is said of a link that is not there.
pub fn no_link(name: &IfName) -> String {
    format!("there is no interface {name}")
}

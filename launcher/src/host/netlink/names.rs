//! Link names and indexes. The kernel speaks of links by index; everything above this layer, and
//! every person, by name.

use std::collections::BTreeMap;
use std::os::unix::net::UnixDatagram;

use rustix::net::netdevice;

use mptcp_netlink::KernelError;
use mptcpize_model::net::IfName;

/// The links of a network namespace, as far as they are known.
#[derive(Debug, Default)]
pub struct Names {
    known: BTreeMap<u32, IfName>,
}

impl Names {
    /// Forgets what is known and takes this instead: links get renamed, and indexes used again.
    pub(in crate::host) fn refill(&mut self, links: impl IntoIterator<Item = (u32, IfName)>) {
        self.known = links.into_iter().collect();
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

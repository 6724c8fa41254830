//! The path manager, in the words of [`mptcpize_model::mptcp`]; and how much it takes.

use std::net::{IpAddr, SocketAddr};

use mptcp_netlink::KernelError;
use mptcp_netlink::pm::{Flags as KernelFlags, PathManager};
use mptcpize_model::mptcp::{Endpoint, Flags, Limits, MOST};

use crate::host::netlink::names::Names;
use crate::host::netlink::{from_kernel, to_kernel};
use crate::host::netns;

/// The ids that an endpoint may have end here, and so does any capacity.
const IDS: u32 = 255;

/// How much this kernel takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Endpoints of a namespace.
    pub endpoints: usize,
    /// The highest of both limits.
    pub subflows: u32,
}

/// What every kernel with MPTCP takes.
pub const LEAST: Capacity = Capacity { endpoints: MOST, subflows: MOST as u32 };

/// A connection to the path manager. What it refuses, and why, is said in
/// [`mptcp_netlink::pm::PathManager`].
pub struct Pm(PathManager);

impl Pm {
    /// Opens one in the network namespace of this thread.
    ///
    /// # Errors
    /// `ENOENT`: the kernel has no MPTCP.
    pub fn open() -> Result<Self, KernelError> {
        PathManager::open().map(Pm)
    }

    /// Every endpoint, in the kernel's order, which is that of use.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn endpoints(&mut self) -> Result<Vec<Endpoint>, KernelError> {
        let mut names = Names::default();
        let all = self.0.endpoints()?;
        Ok(all.iter().map(|one| from_kernel::endpoint(one, &mut names)).collect())
    }

    /// One endpoint.
    ///
    /// # Errors
    /// There is none with that id.
    pub fn get(&mut self, id: u8) -> Result<Endpoint, KernelError> {
        Ok(from_kernel::endpoint(&self.0.get(id)?, &mut Names::default()))
    }

    /// Adds an endpoint; where its id is 0 the kernel chooses one.
    ///
    /// # Errors
    /// The kernel refuses, or the link is gone (`ENODEV`).
    pub fn add(&mut self, endpoint: &Endpoint) -> Result<(), KernelError> {
        self.0.add(&on_its_link(endpoint)?)
    }

    /// Deletes an endpoint, and with it its subflows in every connection. Id 0 stands for the
    /// address on which a connection began, and wants that address.
    ///
    /// # Errors
    /// There is none with that id, or no `CAP_NET_ADMIN`.
    pub fn delete(&mut self, id: u8, address: Option<IpAddr>) -> Result<(), KernelError> {
        match (id, address) {
            (0, Some(address)) => self.0.delete_initial(address),
            _ => self.0.delete(id),
        }
    }

    /// Gives an endpoint these flags. Only `backup` and `fullmesh` can change; both are set to
    /// what `flags` says.
    ///
    /// # Errors
    /// There is no such endpoint, or no `CAP_NET_ADMIN`.
    pub fn set_flags(&mut self, id: u8, flags: Flags) -> Result<(), KernelError> {
        self.0.set_flags(id, KernelFlags(flags.0))
    }

    /// Deletes every endpoint.
    ///
    /// # Errors
    /// No `CAP_NET_ADMIN`.
    pub fn flush(&mut self) -> Result<(), KernelError> {
        self.0.flush()
    }

    /// The limits.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn limits(&mut self) -> Result<Limits, KernelError> {
        self.0.limits().map(from_kernel::limits)
    }

    /// Sets both limits.
    ///
    /// # Errors
    /// One is higher than this kernel takes, or no `CAP_NET_ADMIN`.
    pub fn set_limits(&mut self, limits: Limits) -> Result<(), KernelError> {
        self.0.set_limits(to_kernel::limits(limits))
    }

    /// Announces an address, which needs an id, to the peer of the connection with this token.
    ///
    /// # Errors
    /// The kernel refuses: another path manager, no such connection, no `CAP_NET_ADMIN`.
    pub fn announce(&mut self, token: u32, endpoint: &Endpoint) -> Result<(), KernelError> {
        self.0.connection(token).announce(&on_its_link(endpoint)?)
    }

    /// Withdraws an address, and ends the subflows with its id.
    ///
    /// # Errors
    /// As [`Pm::announce`]; and nothing of this connection has that id.
    pub fn remove(&mut self, token: u32, id: u8) -> Result<(), KernelError> {
        self.0.connection(token).remove(id)
    }

    /// Begins a subflow from a local address, which needs an id, to a remote one. Success means that
    /// the peer was asked, not that it has answered.
    ///
    /// # Errors
    /// As [`Pm::announce`]; and no way leads there.
    pub fn create(
        &mut self,
        token: u32,
        endpoint: &Endpoint,
        remote: SocketAddr,
    ) -> Result<(), KernelError> {
        self.0.connection(token).create(&on_its_link(endpoint)?, remote)
    }

    /// Ends one subflow.
    ///
    /// # Errors
    /// As [`Pm::announce`]; and there is no such subflow (`ESRCH`).
    pub fn destroy(
        &mut self,
        token: u32,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Result<(), KernelError> {
        self.0.connection(token).destroy(local, remote)
    }

    /// Makes one subflow a backup, or no more one, and tells the peer (MP_PRIO).
    ///
    /// # Errors
    /// As [`Pm::destroy`].
    pub fn prioritise(
        &mut self,
        token: u32,
        local: SocketAddr,
        remote: SocketAddr,
        backup: bool,
    ) -> Result<(), KernelError> {
        self.0.connection(token).set_backup(local, remote, backup)
    }

    /// How many endpoints fit, and how high the limits go, tried out in this namespace.
    fn fill(&mut self) -> Result<Capacity, KernelError> {
        let mut endpoints = 0;
        for host in 1..=IDS {
            let endpoint = Endpoint {
                id: 0,
                // Documentation addresses (RFC 5737); they need not be on a link.
                address: IpAddr::from((0xc000_0200 + host).to_be_bytes()),
                port: None,
                dev: None,
                flags: Flags::SUBFLOW,
            };
            match self.add(&endpoint) {
                Ok(()) => endpoints += 1,
                Err(error) if endpoints == 0 => return Err(error),
                Err(_) => break,
            }
        }
        // The highest that is taken, by halves.
        let (mut good, mut bad) = (0, IDS + 1);
        while bad - good > 1 {
            let middle = (good + bad) / 2;
            match self.set_limits(Limits { subflows: middle, add_addr_accepted: middle }) {
                Ok(()) => good = middle,
                Err(_) => bad = middle,
            }
        }
        Ok(Capacity { endpoints, subflows: good })
    }
}

/// The endpoint as the kernel takes it, its link by index.
fn on_its_link(endpoint: &Endpoint) -> Result<mptcp_netlink::pm::Endpoint, KernelError> {
    let link = endpoint.dev.as_ref().map(|dev| Names::default().index(dev)).transpose()?;
    Ok(to_kernel::endpoint(endpoint, link))
}

/// How many endpoints and how high limits this kernel takes: what it says itself, in a network
/// namespace made for the question and gone after it. Asked only by who wants more than
/// [`MOST`], which every kernel takes; wants `CAP_SYS_ADMIN`.
///
/// # Errors
/// No namespace can be made, or the kernel has no MPTCP.
pub fn capacity() -> Result<Capacity, KernelError> {
    netns::aside(|| Pm::open()?.fill())
}

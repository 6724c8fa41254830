//! The kernel's path manager for MPTCP: endpoints, limits and flags (generic netlink `mptcp_pm`,
//! Documentation/netlink/specs/mptcp_pm.yaml, ip-mptcp(8)).
//!
//! Everything is of one network namespace: that of the thread that opened the connection. Reading
//! is for everybody; changes want `CAP_NET_ADMIN`.
//!
//! ```
//! use mptcp_netlink::pm::{Endpoint, Flags, Limits, PathManager};
//!
//! # mptcp_netlink::namespace::enter_new()?;
//! let mut pm = PathManager::open()?;
//! pm.set_limits(Limits { subflows: 4, add_addr_accepted: 4 })?;
//! pm.add(&Endpoint::new([192, 0, 2, 7]).id(3).subflow().backup())?;
//! let [only] = &pm.endpoints()?[..] else { panic!("one was added") };
//! assert_eq!(only.flags, Flags::SUBFLOW.with(Flags::BACKUP));
//! pm.set_flags(3, Flags::FULLMESH)?;
//! assert_eq!(pm.get(3)?.flags.to_string(), "subflow fullmesh");
//! pm.delete(3)?;
//! assert!(pm.endpoints()?.is_empty());
//! # Ok::<(), mptcp_netlink::KernelError>(())
//! ```

mod connection;
mod endpoint;
mod event;
mod events;
mod flags;
pub(crate) mod wire;

use std::net::IpAddr;

use netlink_packet_core::DefaultNla;
use netlink_sys::protocols::NETLINK_GENERIC;

use crate::error::KernelError;
use crate::exchange::Exchange;
use crate::genl::Protocol;

pub use connection::OfConnection;
pub use endpoint::{Endpoint, Limits};
pub use event::{Event, EventKind};
pub(crate) use events::decode;
pub use events::{Events, News, has_events};
pub use flags::Flags;

/// A connection to the path manager.
pub struct PathManager {
    exchange: Exchange,
    protocol: u16,
}

impl PathManager {
    /// Opens one in the network namespace of this thread.
    ///
    /// # Errors
    /// `ENOENT`: the kernel has no MPTCP.
    pub fn open() -> Result<Self, KernelError> {
        let mut exchange = Exchange::open(NETLINK_GENERIC)?;
        let protocol = Protocol::find(&mut exchange, wire::NAME)?.id;
        Ok(PathManager { exchange, protocol })
    }

    /// Every endpoint, in the kernel's order, which is that of use.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn endpoints(&mut self) -> Result<Vec<Endpoint>, KernelError> {
        let request = wire::message(wire::GET, vec![]);
        self.exchange.dump(self.protocol, &request, |message, list| {
            list.extend(wire::read_endpoint(message));
        })
    }

    /// The endpoint with this id, 1 to 255.
    ///
    /// # Errors
    /// There is none (`EINVAL`, with the text `address not found`).
    pub fn get(&mut self, id: u8) -> Result<Endpoint, KernelError> {
        let request = wire::message(wire::GET, vec![wire::by_id(id, None)]);
        let found = self.exchange.request(self.protocol, 0, &request, wire::read_endpoint)?;
        found.ok_or(KernelError::from_errno(libc::ENOENT))
    }

    /// Adds an endpoint; where its id is 0 the kernel chooses one. Connections that exist use it
    /// too, as far as the limits allow.
    ///
    /// # Errors
    /// It is there (`EEXIST`), its id is in use (`EBUSY`), there are 8 already (`ERANGE`), its flags
    /// contradict each other (`EINVAL`), nothing can listen on its port (`EADDRINUSE`,
    /// `EADDRNOTAVAIL`), or no `CAP_NET_ADMIN` (`EPERM`).
    pub fn add(&mut self, endpoint: &Endpoint) -> Result<(), KernelError> {
        self.tell(wire::ADD, vec![wire::endpoint(endpoint)])
    }

    /// Deletes the endpoint with this id, 1 to 255, and with it its subflows in every connection.
    ///
    /// # Errors
    /// There is none with that id (`EINVAL`), or no `CAP_NET_ADMIN` (`EPERM`).
    pub fn delete(&mut self, id: u8) -> Result<(), KernelError> {
        self.tell(wire::DELETE, vec![wire::by_id(id, None)])
    }

    /// Ends the subflows of id 0 from this address: those on which connections began.
    ///
    /// # Errors
    /// No `CAP_NET_ADMIN` (`EPERM`).
    pub fn delete_initial(&mut self, address: impl Into<IpAddr>) -> Result<(), KernelError> {
        self.tell(wire::DELETE, vec![wire::by_id(0, Some(address.into()))])
    }

    /// Gives an endpoint these flags. Only [`Flags::BACKUP`] and [`Flags::FULLMESH`] can change;
    /// both are set to what `flags` says, in connections that exist too.
    ///
    /// # Errors
    /// There is no such endpoint, or it cannot have the flags (`EINVAL`); or no `CAP_NET_ADMIN`
    /// (`EPERM`).
    pub fn set_flags(&mut self, id: u8, flags: Flags) -> Result<(), KernelError> {
        self.tell(wire::SET_FLAGS, vec![wire::flags_of(id, flags)])
    }

    /// Deletes every endpoint.
    ///
    /// # Errors
    /// No `CAP_NET_ADMIN` (`EPERM`).
    pub fn flush(&mut self) -> Result<(), KernelError> {
        self.tell(wire::FLUSH, vec![])
    }

    /// The limits.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn limits(&mut self) -> Result<Limits, KernelError> {
        let request = wire::message(wire::GET_LIMITS, vec![]);
        let found = self.exchange.request(self.protocol, 0, &request, wire::read_limits)?;
        found.ok_or_else(|| KernelError::new(libc::EBADMSG, "the kernel does not say its limits"))
    }

    /// Sets both limits.
    ///
    /// # Errors
    /// One is higher than this kernel takes (`EINVAL`), or no `CAP_NET_ADMIN` (`EPERM`).
    pub fn set_limits(&mut self, limits: Limits) -> Result<(), KernelError> {
        self.tell(wire::SET_LIMITS, wire::limits(limits))
    }

    fn tell(&mut self, command: u8, attributes: Vec<DefaultNla>) -> Result<(), KernelError> {
        let request = wire::message(command, attributes);
        self.exchange.request(self.protocol, 0, &request, |_| None::<()>).map(|_| ())
    }
}

//! Subflows of one connection, made and ended one by one: what the kernel lets a path manager in
//! user space do, for connections that began while `net.mptcp.path_manager` was `userspace`.

use std::net::SocketAddr;

use netlink_packet_core::DefaultNla;

use crate::host::netlink::KernelError;
use crate::host::netlink::names::Names;
use crate::host::netlink::pm::{FLAGS, ID, LINK, Pm, SET_FLAGS, address_of, nest, nest_as};
use mptcpize_model::mptcp::{Endpoint, Flags};

/// The commands.
const ANNOUNCE: u8 = 8;
const REMOVE: u8 = 9;
const CREATE: u8 = 10;
const DESTROY: u8 = 11;

/// Further attributes of a message.
const TOKEN: u16 = 4;
const LOCAL_ID: u16 = 5;
const REMOTE: u16 = 6;

impl Pm {
    /// Announces an address to the peer (ADD_ADDR). It needs an id; the kernel announces what has
    /// the flag `signal` alone.
    ///
    /// # Errors
    /// The kernel refuses: another path manager, no such connection, no `CAP_NET_ADMIN`.
    pub fn announce(&mut self, token: u32, endpoint: &Endpoint) -> Result<(), KernelError> {
        let local = local(endpoint)?;
        self.tell(ANNOUNCE, vec![token_of(token), local])
    }

    /// Withdraws an address (REMOVE_ADDR), and ends the subflows with its id.
    ///
    /// # Errors
    /// As [`Pm::announce`]; and nothing of this connection has that id.
    pub fn remove(&mut self, token: u32, id: u8) -> Result<(), KernelError> {
        self.tell(REMOVE, vec![token_of(token), DefaultNla::new(LOCAL_ID, vec![id])])
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
        let local = local(endpoint)?;
        self.tell(CREATE, vec![token_of(token), local, end(REMOTE, remote)])
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
        self.tell(
            DESTROY,
            vec![
                token_of(token),
                end(crate::host::netlink::pm::ENDPOINT, local),
                end(REMOTE, remote),
            ],
        )
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
        let mut parts = address_of(local.ip(), Some(local.port()));
        let flags = if backup { Flags::BACKUP } else { Flags::default() };
        parts.push(DefaultNla::new(FLAGS, flags.0.to_ne_bytes().into()));
        self.tell(SET_FLAGS, vec![token_of(token), nest(&parts), end(REMOTE, remote)])
    }
}

fn token_of(token: u32) -> DefaultNla {
    DefaultNla::new(TOKEN, token.to_ne_bytes().into())
}

fn end(kind: u16, address: SocketAddr) -> DefaultNla {
    nest_as(kind, &address_of(address.ip(), Some(address.port())))
}

fn local(endpoint: &Endpoint) -> Result<DefaultNla, KernelError> {
    let mut parts = address_of(endpoint.address, endpoint.port);
    parts.push(DefaultNla::new(ID, vec![endpoint.id]));
    parts.push(DefaultNla::new(FLAGS, endpoint.flags.0.to_ne_bytes().into()));
    if let Some(dev) = &endpoint.dev {
        let index = Names::default().index(dev)?;
        parts.push(DefaultNla::new(LINK, index.to_ne_bytes().into()));
    }
    Ok(nest(&parts))
}

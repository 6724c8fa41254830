//! Endpoints and limits: what the kernel's path manager may use, and how much of it.

use std::net::IpAddr;

use crate::pm::flags::Flags;

/// An address that the path manager may use (ip-mptcp(8)).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Endpoint {
    /// 1 to 255, or 0 where the kernel is to choose.
    pub id: u8,
    /// The address. The kernel takes one that is on no link, and keeps one that has left its link;
    /// subflows from it fail. An IPv4 address inside IPv6 (`::ffff:192.0.2.1`) is kept as IPv6.
    pub address: IpAddr,
    /// The port to listen on and to announce, for [`Flags::SIGNAL`]; none for that of the
    /// connection.
    pub port: Option<u16>,
    /// The index of the link that subflows are bound to; none where the routes decide.
    pub link: Option<u32>,
    /// What it is for.
    pub flags: Flags,
}

impl Endpoint {
    /// An endpoint without flags, which the kernel keeps and does not use.
    pub fn new(address: impl Into<IpAddr>) -> Self {
        let flags = Flags::default();
        Endpoint { id: 0, address: address.into(), port: None, link: None, flags }
    }

    /// Gives it an id, 1 to 255, by which the peer knows the address (RFC 8684 section 3.4). An
    /// endpoint without one gets a free one; in a [connection's own commands](crate::pm::OfConnection)
    /// none stands for 0, the address on which the connection began.
    #[must_use]
    pub fn id(mut self, id: u8) -> Self {
        self.id = id;
        self
    }

    /// Listens on a port of its own and announces it, with [`Endpoint::signal`].
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Binds its subflows to the link with this index.
    #[must_use]
    pub fn link(mut self, index: u32) -> Self {
        self.link = Some(index);
        self
    }

    /// Adds flags to those that it has.
    #[must_use]
    pub fn flags(mut self, flags: Flags) -> Self {
        self.flags = self.flags.with(flags);
        self
    }

    /// Announces it to the peer ([`Flags::SIGNAL`]).
    #[must_use]
    pub fn signal(self) -> Self {
        self.flags(Flags::SIGNAL)
    }

    /// Opens subflows from it ([`Flags::SUBFLOW`]).
    #[must_use]
    pub fn subflow(self) -> Self {
        self.flags(Flags::SUBFLOW)
    }

    /// Uses its subflows only when no other can carry data ([`Flags::BACKUP`]).
    #[must_use]
    pub fn backup(self) -> Self {
        self.flags(Flags::BACKUP)
    }

    /// Opens subflows from it to every address of the peer ([`Flags::FULLMESH`]).
    #[must_use]
    pub fn fullmesh(self) -> Self {
        self.flags(Flags::FULLMESH)
    }

    /// Opens one subflow to each address that the peer announces ([`Flags::LAMINAR`]).
    #[must_use]
    pub fn laminar(self) -> Self {
        self.flags(Flags::LAMINAR)
    }
}

/// How much the kernel's path manager may do in one connection. The defaults of a network
/// namespace are 2 subflows and 0 announced addresses; 8 is the highest of either through Linux
/// 6.18 (`MPTCP_PM_ADDR_MAX`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Limits {
    /// Additional subflows, beside the one on which the connection began.
    pub subflows: u32,
    /// Addresses announced by the peer that are taken up.
    pub add_addr_accepted: u32,
}

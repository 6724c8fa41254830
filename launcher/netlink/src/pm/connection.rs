//! Subflows of one connection, made and ended one by one: what the kernel lets a path manager in
//! user space do, for connections that began while `net.mptcp.path_manager` was `userspace`
//! (`net.mptcp.pm_type` was 1, before Linux 6.16).
//!
//! In one connection an address of this host has one id (RFC 8684 section 3.4): the address on which
//! the connection began has 0, any other the one under which it was first announced or used, until
//! [`OfConnection::remove`] or the end of its last subflow.

use std::net::{IpAddr, SocketAddr};

use netlink_packet_core::DefaultNla;

use crate::error::KernelError;
use crate::pm::endpoint::Endpoint;
use crate::pm::flags::Flags;
use crate::pm::{PathManager, wire};

/// The commands for one connection; [`PathManager::connection`] makes it.
///
/// ```
/// use mptcp_netlink::pm::{Endpoint, PathManager};
///
/// # mptcp_netlink::namespace::enter_new()?;
/// let mut pm = PathManager::open()?;
/// let mut connection = pm.connection(0x0f3a_01c2);
/// let local = Endpoint::new([192, 0, 2, 7]).id(2).subflow();
/// let refused = connection.create(&local, ([203, 0, 113, 9], 443).into());
/// assert_eq!(refused.expect_err("nobody has this token").to_string(), "invalid token");
/// # Ok::<(), mptcp_netlink::KernelError>(())
/// ```
pub struct OfConnection<'a> {
    pm: &'a mut PathManager,
    token: u32,
}

impl PathManager {
    /// The commands for the connection with this token, which [events](crate::pm::Events) and
    /// [`connections`](crate::sock_diag::connections) tell. They want `CAP_NET_ADMIN` and a
    /// connection that is left to user space; the kernel manages all others alone, and answers
    /// `EINVAL` with the text `userspace PM not selected`.
    pub fn connection(&mut self, token: u32) -> OfConnection<'_> {
        OfConnection { pm: self, token }
    }
}

impl OfConnection<'_> {
    /// Announces an address to the peer (ADD_ADDR, RFC 8684 section 3.4.1). The endpoint needs an
    /// id, 1 to 255, and [`Flags::SIGNAL`]. Success means that it was sent; nobody says that the peer
    /// has taken it up but a subflow that it opens.
    ///
    /// # Errors
    /// `EINVAL`, with a text: no such connection (`invalid token`), one that is not left to user space
    /// (`userspace PM not selected`), no id (`invalid addr id`), no [`Flags::SIGNAL`] (`invalid addr
    /// flags`), or the address has another id in this connection, or the id another address (`did not
    /// match address and id`). `EPERM` without `CAP_NET_ADMIN`.
    pub fn announce(&mut self, endpoint: &Endpoint) -> Result<(), KernelError> {
        self.tell(wire::ANNOUNCE, vec![wire::local(endpoint)])
    }

    /// Withdraws an address by its id (REMOVE_ADDR, RFC 8684 section 3.4.2), and ends the subflows
    /// with that id; 0 ends those from the address on which the connection began. This is also how to
    /// end subflows over a link that is gone: [`SubflowClosed`](crate::pm::EventKind::SubflowClosed)
    /// follows, which may take seconds there.
    ///
    /// # Errors
    /// As [`OfConnection::announce`]; and nothing of this connection has that id (`EINVAL`).
    pub fn remove(&mut self, id: u8) -> Result<(), KernelError> {
        self.tell(wire::REMOVE, vec![wire::local_id(id)])
    }

    /// Begins a subflow (MP_JOIN, RFC 8684 section 3.2) from a local address to a remote one. The
    /// endpoint needs an id: 1 to 255, or 0 for the address on which the connection began (from Linux
    /// 6.4 on). The subflow starts from a free port, so another one from the same address to the same
    /// remote end is no error but one more subflow.
    ///
    /// Success means that the peer was asked. That it has answered is told by
    /// [`SubflowEstablished`](crate::pm::EventKind::SubflowEstablished), that it refused or never
    /// answered by [`SubflowClosed`](crate::pm::EventKind::SubflowClosed) with an error (111, 110), each
    /// with the local address and id.
    ///
    /// # Errors
    /// As [`OfConnection::announce`]; and the address is not of this host (`EADDRNOTAVAIL`), or no
    /// route leads there (`ENETUNREACH`).
    pub fn create(&mut self, local: &Endpoint, remote: SocketAddr) -> Result<(), KernelError> {
        self.tell(wire::CREATE, vec![wire::local(local), wire::remote_end(remote)])
    }

    /// Ends one subflow. Both ports are needed: [`connections`](crate::sock_diag::connections) has
    /// them.
    ///
    /// # Errors
    /// As [`OfConnection::announce`]; and there is no such subflow (`ESRCH`).
    pub fn destroy(&mut self, local: SocketAddr, remote: SocketAddr) -> Result<(), KernelError> {
        let mut end = |local, remote| {
            self.tell(wire::DESTROY, vec![wire::local_end(local), wire::remote_end(remote)])
        };
        match (end(local, remote), local.is_ipv4() && remote.is_ipv4()) {
            // The first subflow of a program with an IPv6 socket, whose ends the kernel compares as
            // the IPv6 addresses that they are there (net/mptcp/pm_userspace.c).
            (Err(error), true) if error.errno == libc::ESRCH => end(mapped(local), mapped(remote)),
            (outcome, _) => outcome,
        }
    }

    /// Makes one subflow a backup, or no more one, and tells the peer (MP_PRIO, RFC 8684 section
    /// 3.3.8).
    ///
    /// # Errors
    /// As [`OfConnection::destroy`].
    pub fn set_backup(
        &mut self,
        local: SocketAddr,
        remote: SocketAddr,
        backup: bool,
    ) -> Result<(), KernelError> {
        let flags = if backup { Flags::BACKUP } else { Flags::default() };
        let ends = vec![wire::local_end_with(local, flags), wire::remote_end(remote)];
        self.tell(wire::SET_FLAGS, ends)
    }

    fn tell(&mut self, command: u8, parts: Vec<DefaultNla>) -> Result<(), KernelError> {
        let token = wire::token(self.token);
        self.pm.tell(command, [token].into_iter().chain(parts).collect())
    }
}

/// An IPv4 address inside IPv6 (RFC 4291 section 2.5.5.2).
fn mapped(end: SocketAddr) -> SocketAddr {
    match end.ip() {
        IpAddr::V4(address) => SocketAddr::new(address.to_ipv6_mapped().into(), end.port()),
        IpAddr::V6(_) => end,
    }
}

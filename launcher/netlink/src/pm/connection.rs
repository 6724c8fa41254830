//! Subflows of one connection, made and ended one by one: what the kernel lets a path manager in
//! user space do, for connections that began while `net.mptcp.path_manager` was `userspace`
//! (`net.mptcp.pm_type` was 1, before Linux 6.16).

use std::net::SocketAddr;

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
    /// id and [`Flags::SIGNAL`]; an address without that flag is known to the kernel and not
    /// announced.
    ///
    /// # Errors
    /// The kernel refuses: no such connection, one that is not left to user space, no id
    /// (`EINVAL`), or no `CAP_NET_ADMIN` (`EPERM`).
    pub fn announce(&mut self, endpoint: &Endpoint) -> Result<(), KernelError> {
        self.tell(wire::ANNOUNCE, vec![wire::local(endpoint)])
    }

    /// Withdraws an address by its id (REMOVE_ADDR, RFC 8684 section 3.4.2), and ends the subflows
    /// with that id.
    ///
    /// # Errors
    /// As [`OfConnection::announce`]; and nothing of this connection has that id (`EINVAL`).
    pub fn remove(&mut self, id: u8) -> Result<(), KernelError> {
        self.tell(wire::REMOVE, vec![wire::local_id(id)])
    }

    /// Begins a subflow (MP_JOIN, RFC 8684 section 3.2) from a local address, which needs an id,
    /// to a remote one. Success means that the peer was asked; that it has answered is told by an
    /// [event](crate::pm::EventKind::SubflowEstablished).
    ///
    /// # Errors
    /// As [`OfConnection::announce`]; and no route leads there (`ENETUNREACH`).
    pub fn create(&mut self, local: &Endpoint, remote: SocketAddr) -> Result<(), KernelError> {
        self.tell(wire::CREATE, vec![wire::local(local), wire::remote_end(remote)])
    }

    /// Ends one subflow. Both ports are needed.
    ///
    /// # Errors
    /// As [`OfConnection::announce`]; and there is no such subflow (`ESRCH`).
    pub fn destroy(&mut self, local: SocketAddr, remote: SocketAddr) -> Result<(), KernelError> {
        self.tell(wire::DESTROY, vec![wire::local_end(local), wire::remote_end(remote)])
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

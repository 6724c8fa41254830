//! Listening to policies that come and go (`XFRMNLGRP_POLICY`, include/uapi/linux/xfrm.h). A message
//! says that something happened; what is true is asked again ([`policies`](super::policies)).

use std::os::fd::{AsFd, BorrowedFd};

use netlink_sys::{Socket, SocketAddr};

use super::NETLINK_XFRM;
use crate::error::KernelError;
use crate::exchange::receive;

/// The group of policies that were added, changed or removed.
const POLICIES: u32 = 4;

/// Room for one datagram: a policy and its templates.
const ROOM: usize = 16 * 1024;

/// A subscription. Its descriptor ([`AsFd`]) is readable when [`Changes::drain`] has news.
pub struct Changes {
    socket: Socket,
    buffer: Vec<u8>,
}

impl Changes {
    /// Begins to listen, in the network namespace of this thread.
    ///
    /// # Errors
    /// No `CAP_NET_ADMIN` (`EPERM`), or a kernel without IPsec (`EPROTONOSUPPORT`).
    pub fn open() -> Result<Self, KernelError> {
        let mut socket = Socket::new(NETLINK_XFRM)?;
        socket.set_non_blocking(true)?;
        socket.bind(&SocketAddr::new(0, 0))?;
        socket.add_membership(POLICIES)?;
        Ok(Changes { socket, buffer: vec![0; ROOM] })
    }

    /// Reads what waits, and says whether anything did; does not block. Messages that were lost are
    /// news too.
    ///
    /// # Errors
    /// The socket fails.
    pub fn drain(&mut self) -> Result<bool, KernelError> {
        let mut any = false;
        loop {
            match receive(&self.socket, &mut self.buffer) {
                Ok(_) => any = true,
                Err(error) if [libc::ENOBUFS, libc::EMSGSIZE].contains(&error.errno) => any = true,
                Err(error) if error.errno == libc::EAGAIN => return Ok(any),
                Err(error) => return Err(error),
            }
        }
    }
}

impl AsFd for Changes {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

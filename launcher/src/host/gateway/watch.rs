//! Tables of the packet filter that go: a firewall that is loaded anew flushes all tables, ours among
//! them (nfnetlink, `NFNLGRP_NFTABLES`).

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::netlink::{NETFILTER, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};

/// The bit of `NFNLGRP_NFTABLES` (include/uapi/linux/netfilter/nfnetlink.h), which is 7.
const NFTABLES: u32 = 1 << 6;

/// The type of the message about a table that is deleted: `NFNL_SUBSYS_NFTABLES` (10) and
/// `NFT_MSG_DELTABLE` (2).
const DELETED: u16 = 10 << 8 | 2;

/// `struct nlmsghdr`: length, type, flags, sequence, port.
const HEADER: usize = 16;

/// Listens to changes of the packet filter.
#[derive(Debug)]
pub struct Tables(OwnedFd);

impl Tables {
    /// Begins to listen, in the network namespace of this thread.
    ///
    /// # Errors
    /// A sandbox forbids netlink, or the kernel has no nftables.
    pub fn open() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(NETFILTER))?;
        bind(&socket, &SocketAddrNetlink::new(0, NFTABLES))?;
        Ok(Tables(socket))
    }

    /// Reads all messages that wait: has a table gone, or may one have?
    pub fn drain(&self) -> bool {
        let mut gone = false;
        let mut bytes = vec![0; 32 << 10];
        loop {
            match recv(&self.0, bytes.as_mut_slice(), RecvFlags::empty()) {
                Ok((length, _)) => gone |= is_deletion(bytes.get(..length).unwrap_or_default()),
                // Messages were lost.
                Err(Errno::NOBUFS) => gone = true,
                Err(Errno::INTR) => {}
                Err(_) => return gone,
            }
        }
    }
}

impl AsFd for Tables {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Is one of the messages of a datagram about a table that is deleted?
fn is_deletion(mut datagram: &[u8]) -> bool {
    while let Some((header, _)) = datagram.split_first_chunk::<HEADER>() {
        let [a, b, c, d, e, f, ..] = *header;
        if u16::from_ne_bytes([e, f]) == DELETED {
            return true;
        }
        let length = u32::from_ne_bytes([a, b, c, d]) as usize;
        let next = length.max(HEADER).next_multiple_of(4);
        datagram = datagram.get(next..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, length: u32) -> Vec<u8> {
        let mut bytes = [length.to_ne_bytes().as_slice(), &kind.to_ne_bytes()].concat();
        bytes.resize(length.max(16) as usize, 0);
        bytes
    }

    #[test]
    fn a_table_that_goes_is_seen_among_other_messages() {
        let other = message(10 << 8, 20);
        let gone = message(DELETED, 20);
        assert!(is_deletion(&[other.clone(), gone.clone()].concat()));
        assert!(!is_deletion(&other));
        for end in 0..gone.len() {
            let _ = is_deletion(&gone[..end]);
        }
        assert!(!is_deletion(&message(1, 0)));
    }
}

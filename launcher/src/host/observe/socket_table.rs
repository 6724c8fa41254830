//! All sockets of TCP and MPTCP in this thread's network namespace that listen or are connected, by
//! inode, and whether MPTCP is to be had there at all.
//!
//! An MPTCP socket is in both of the kernel's lists: its subflow is a TCP socket of the same inode.
//! Not here: who holds a socket (`unit_sockets`), subflows and byte counts (`diag`).

use std::collections::BTreeMap;
use std::net::SocketAddr;

use mptcp_netlink::sock_diag::{Socket, mptcp_sockets, tcp_sockets};

use crate::host::apply::sysctl;
use crate::host::netlink::KernelError;

/// The switch of a namespace, as a sysctl.
const SWITCH: &str = "net.mptcp.enabled";

/// A socket.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// It is one of MPTCP.
    pub mptcp: bool,
    /// It listens.
    pub listens: bool,
    /// Its own address.
    pub local: SocketAddr,
    /// Its peer's.
    pub remote: SocketAddr,
    /// It has keys for MD5 signatures (RFC 2385).
    pub md5: bool,
}

/// The sockets of a namespace.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// By inode.
    pub entries: BTreeMap<u32, Entry>,
    /// `net.mptcp.enabled` is 0.
    pub off: bool,
}

impl Table {
    /// Asks the kernel.
    ///
    /// # Errors
    /// It has no sock_diag(7), or a sandbox forbids netlink.
    pub fn read() -> Result<Self, KernelError> {
        let entry = |socket: Socket, mptcp| {
            let Socket { inode, listens, local, remote, md5, .. } = socket;
            (inode, Entry { mptcp, listens, local, remote, md5 })
        };
        let mut entries: BTreeMap<u32, Entry> =
            tcp_sockets()?.into_iter().map(|socket| entry(socket, false)).collect();
        // MPTCP last, so that it has the say about a socket that is in both.
        match mptcp_sockets() {
            Ok(sockets) => entries.extend(sockets.into_iter().map(|socket| entry(socket, true))),
            // A kernel without MPTCP, or without its module for this.
            Err(error) if error.errno == libc::ENOENT => {}
            Err(error) => return Err(error),
        }
        // One without a descriptor.
        entries.remove(&0);
        Ok(Table { entries, off: sysctl::read(SWITCH).is_some_and(|value| value == "0") })
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn a_listener_and_both_ends_of_its_connection_are_in_the_table() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is up");
        let client =
            TcpStream::connect(listener.local_addr().expect("it is bound")).expect("it listens");
        let (server, _) = listener.accept().expect("the client has connected");
        let table = Table::read().expect("the kernel has sock_diag");
        let entry = |fd: i32| {
            let link = std::fs::read_link(format!("/proc/self/fd/{fd}")).expect("procfs is there");
            let link = link.to_string_lossy().into_owned();
            let inode = link.trim_start_matches("socket:[").trim_end_matches(']').parse();
            table.entries[&inode.expect("it is a socket")]
        };
        let [at_listener, at_client, at_server] =
            [listener.as_raw_fd(), client.as_raw_fd(), server.as_raw_fd()].map(entry);
        assert!(at_listener.listens && !at_client.listens && !at_server.listens);
        assert_eq!(at_client.remote, at_listener.local);
        assert_eq!(at_client.local, at_server.remote);
        assert!(![at_listener, at_client, at_server].iter().any(|entry| entry.md5));
    }
}

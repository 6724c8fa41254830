//! Every socket of TCP or MPTCP that listens or is connected, whoever holds it.

use std::net::SocketAddr;

use crate::error::KernelError;
use crate::exchange::Exchange;
use crate::message::attribute;
use crate::network::Family;
use crate::sock_diag::socket::{
    BY_FAMILY, CONNECTED, HEAD, Head, Kind, LISTEN, Request, SOCK_DIAG,
};

/// `INET_DIAG_MD5SIG`: the kernel adds it for whoever has `CAP_NET_ADMIN`; getsockopt(2) tells
/// nobody.
const MD5: u16 = 18;

/// A socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Socket {
    /// Its inode, as `/proc/PID/fd` shows it; 0 for one without a descriptor.
    pub inode: u32,
    /// It listens.
    pub listens: bool,
    /// Its own address.
    pub local: SocketAddr,
    /// Its peer's; unspecified for one that listens.
    pub remote: SocketAddr,
    /// It has keys for MD5 signatures (RFC 2385). Told to `CAP_NET_ADMIN` alone; never of MPTCP.
    pub md5: bool,
}

/// Every TCP socket that listens or is connected. A subflow is one of them, with the inode of its
/// MPTCP socket.
///
/// # Errors
/// A kernel without sock_diag(7) (`ENOENT`), or a sandbox forbids netlink.
pub fn tcp_sockets() -> Result<Vec<Socket>, KernelError> {
    sockets(Kind::Tcp)
}

/// Every MPTCP socket that listens or is connected.
///
/// # Errors
/// `ENOENT`: the kernel cannot list MPTCP sockets (no MPTCP, or without the module mptcp_diag);
/// else as [`tcp_sockets`].
pub fn mptcp_sockets() -> Result<Vec<Socket>, KernelError> {
    sockets(Kind::Mptcp)
}

fn sockets(kind: Kind) -> Result<Vec<Socket>, KernelError> {
    let mut exchange = Exchange::open(SOCK_DIAG)?;
    let mut all = Vec::new();
    for family in Family::BOTH {
        let states = CONNECTED | 1 << LISTEN;
        let request = Request { family: family.number(), states, token: 0 }.of(kind);
        all.extend(exchange.dump(BY_FAMILY, &request, |message, list| {
            list.extend(socket(message, kind));
        })?);
    }
    Ok(all)
}

fn socket(message: &[u8], kind: Kind) -> Option<Socket> {
    let head = Head::read(message)?;
    let keys = attribute(&message[HEAD..], MD5).is_some_and(|keys| !keys.is_empty());
    Some(Socket {
        inode: head.inode,
        listens: head.state == LISTEN,
        local: head.local,
        remote: head.remote,
        md5: kind == Kind::Tcp && keys,
    })
}

//! The fixed parts of sock_diag(7): a request, and what an answer says of any socket
//! (include/uapi/linux/inet_diag.h).

use std::net::{IpAddr, SocketAddr};

use netlink_packet_core::{DefaultNla, Emitable};

use crate::message::{Body, number, of_number};
use crate::network::Family;

/// `NETLINK_SOCK_DIAG` (include/uapi/linux/netlink.h).
pub(super) const SOCK_DIAG: isize = 4;
/// `SOCK_DIAG_BY_FAMILY`.
pub(super) const BY_FAMILY: u16 = 20;

/// `IPPROTO_MPTCP`; the request's own field is too narrow for it.
const MPTCP: u32 = 262;
/// `INET_DIAG_REQ_PROTOCOL`, the attribute that is wide enough. With any other number the kernel
/// answers with TCP sockets, and says nothing.
const PROTOCOL: u16 = 3;

/// `INET_DIAG_INFO`, an attribute of an answer.
pub(super) const INFO: u16 = 2;
/// `INET_DIAG_ULP_INFO`, an attribute of an answer.
pub(super) const ULP: u16 = 19;
/// `INET_ULP_INFO_MPTCP`, within that.
pub(super) const ULP_MPTCP: u16 = 3;
/// `MPTCP_SUBFLOW_ATTR_TOKEN_LOC`, within that.
pub(super) const TOKEN: u16 = 2;

/// States of a socket (include/net/tcp_states.h).
pub(super) const ESTABLISHED: u8 = 1;
pub(super) const SYN_SENT: u8 = 2;
pub(super) const LISTEN: u8 = 10;

/// Which states to ask for: those of a connection that began and has not ended. Without TIME_WAIT
/// and CLOSE, which have no program any more, and SYN_RECV, which has none yet.
pub(super) const CONNECTED: u32 =
    1 << ESTABLISHED | 1 << SYN_SENT | 1 << 4 | 1 << 5 | 1 << 8 | 1 << 9 | 1 << 11;

/// Which sockets to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// TCP sockets, subflows among them.
    Tcp,
    /// MPTCP sockets.
    Mptcp,
}

/// The fixed part of a request (`struct inet_diag_req_v2`): family, protocol, extensions, states,
/// and an address to look for, which is empty.
#[derive(Default)]
pub(super) struct Request {
    pub(super) family: u8,
    pub(super) states: u32,
    /// An MPTCP socket is asked for by its token, in the place of a cookie.
    pub(super) token: u32,
}

impl Emitable for Request {
    fn buffer_len(&self) -> usize {
        56
    }

    fn emit(&self, buffer: &mut [u8]) {
        buffer.fill(0);
        buffer[0] = self.family;
        buffer[1] = libc::IPPROTO_TCP as u8;
        // Each extension is one bit; this one brings the ULP along.
        buffer[2] = 1 << (INFO - 1);
        buffer[4..8].copy_from_slice(&self.states.to_ne_bytes());
        buffer[48..52].copy_from_slice(&self.token.to_ne_bytes());
    }
}

impl Request {
    /// The whole request for sockets of one kind.
    pub(super) fn of(self, kind: Kind) -> Body<Request> {
        let protocol: Option<DefaultNla> =
            (kind == Kind::Mptcp).then(|| of_number(PROTOCOL, MPTCP));
        Body(self, protocol.into_iter().collect())
    }
}

/// The fixed part of an answer (`struct inet_diag_msg`).
pub(super) struct Head {
    pub(super) state: u8,
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    pub(super) bound: Option<u32>,
    pub(super) uid: u32,
    pub(super) inode: u32,
    /// The memory of what was received and is not read yet, also out of order, in bytes.
    pub(super) queued: u32,
}

/// Its length.
pub(super) const HEAD: usize = 72;

impl Head {
    pub(super) fn read(message: &[u8]) -> Option<Head> {
        let head: &[u8; HEAD] = message.first_chunk()?;
        let port = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
        let address = |at: usize| -> Option<IpAddr> {
            let whole: [u8; 16] = head[at..at + 16].try_into().ok()?;
            match Family::from_number(head[0]) {
                Some(Family::V4) => whole.first_chunk::<4>().map(|four| IpAddr::from(*four)),
                // As the program meant it: an IPv4 address inside IPv6 (RFC 4291 section 2.5.5.2)
                // as IPv4.
                _ => Some(IpAddr::from(whole).to_canonical()),
            }
        };
        Some(Head {
            state: head[1],
            local: SocketAddr::new(address(8)?, port(4)),
            remote: SocketAddr::new(address(24)?, port(6)),
            bound: word(head, 40).filter(|index| *index != 0),
            queued: word(head, 56)?,
            uid: word(head, 64)?,
            inode: word(head, 68)?,
        })
    }
}

pub(super) fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4).and_then(number)
}

pub(super) fn long(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

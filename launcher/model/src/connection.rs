//! MPTCP connections and their subflows, as the kernel has them at one moment.

use std::net::SocketAddr;

use serde::Serialize;

/// A connection that a program asked to be MPTCP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// What the path manager calls it; none for one that was accepted as plain TCP.
    pub token: Option<u32>,
    /// The inode of its socket, by which its program is found.
    pub inode: u32,
    /// The user that the socket belongs to.
    pub uid: u32,
    /// Where it began on this host; later subflows may leave from elsewhere.
    pub local: SocketAddr,
    /// The peer's address as the program knows it.
    pub remote: SocketAddr,
    /// How far it is.
    pub phase: Phase,
    /// Why it is plain TCP, if it is.
    pub fallback: Option<Fallback>,
    /// Bytes sent, first transmissions alone where the kernel says so (6.5), else those of the
    /// subflows that there are.
    pub sent: u64,
    /// Bytes received.
    pub received: u64,
    /// What carries it.
    pub subflows: Vec<Subflow>,
}

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The peer has not answered yet.
    Connecting,
    /// It can carry data.
    Open,
    /// One side has closed it.
    Closing,
}

/// Why a connection is plain TCP (RFC 8684 section 3.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fallback {
    /// The peer answered without MPTCP: it has none, or a middlebox took the option out.
    PeerWithout,
    /// The peer asked without MPTCP; this end listens for both.
    AskedWithout,
    /// It began as MPTCP, and then something on the way changed its options or data.
    OnTheWay,
}

/// A TCP connection that is part of an MPTCP one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subflow {
    /// Its local end.
    pub local: SocketAddr,
    /// Its remote end.
    pub remote: SocketAddr,
    /// The index of the link that it is bound to; none where the routes decide.
    pub bound: Option<u32>,
    /// The local address's id.
    pub local_id: u8,
    /// The remote address's id.
    pub remote_id: u8,
    /// It can carry data.
    pub open: bool,
    /// The smoothed round trip.
    pub rtt_us: u32,
    /// Bytes sent, with those that were sent again.
    pub sent: u64,
    /// Bytes of them that were sent again.
    pub resent: u64,
    /// Bytes received.
    pub received: u64,
    /// Milliseconds since data went either way.
    pub idle_ms: u32,
    /// To be used only when no other can, as either side wishes.
    pub backup: bool,
    /// Data is out, and the retransmission timer has run out twice in a row or more without an
    /// answer. The kernel's own mark of a stale subflow is not shown to anybody; this comes close.
    pub stale: bool,
}

impl Connection {
    /// Subflows that can carry data.
    pub fn open_subflows(&self) -> impl Iterator<Item = &Subflow> {
        self.subflows.iter().filter(|subflow| subflow.open)
    }

    /// Milliseconds since data went either way on any subflow.
    pub fn idle_ms(&self) -> Option<u32> {
        self.subflows.iter().map(|subflow| subflow.idle_ms).min()
    }
}

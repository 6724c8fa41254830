//! MPTCP connections and their subflows, as the kernel has them at one moment.
//!
//! The kernel lists both apart, connections as MPTCP sockets and subflows as TCP sockets; [`join`]
//! puts them together by the token, a number that no two connections of a namespace share.

use std::cmp::Reverse;
use std::net::SocketAddr;

/// A connection that a program asked to be MPTCP.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Connection {
    /// What the path manager calls it; none for one that was accepted as plain TCP.
    pub token: Option<u32>,
    /// The inode of its socket, as `/proc/PID/fd` shows it; 0 while no program has accepted it.
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
    /// Bytes sent: first transmissions alone where the kernel says so (Linux 6.5), else those of
    /// the subflows that there are.
    pub sent: u64,
    /// Bytes received.
    pub received: u64,
    /// What carries it; the subflow on which it began comes first.
    pub subflows: Vec<Subflow>,
}

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Phase {
    /// The peer has not answered yet (`SYN_SENT`).
    Connecting,
    /// It can carry data (`ESTABLISHED`).
    Open,
    /// One side has closed it.
    Closing,
}

/// Why a connection is plain TCP (RFC 8684 section 3.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Fallback {
    /// The peer answered without MPTCP: it has none, or a middlebox took the option out.
    PeerWithout,
    /// The peer asked without MPTCP; this end listens for both.
    AskedWithout,
    /// It began as MPTCP, and then something on the way changed its options or data.
    OnTheWay,
}

/// A TCP connection that is part of an MPTCP one (`struct tcp_info` and `enum
/// mptcp_subflow_attrs`, include/uapi/linux/tcp.h and mptcp.h).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Subflow {
    /// Its local end.
    pub local: SocketAddr,
    /// Its remote end.
    pub remote: SocketAddr,
    /// The index of the link that it is bound to; none where the routes decide.
    pub bound: Option<u32>,
    /// The local address's id (RFC 8684 section 3.4); 0 where the connection began.
    pub local_id: u8,
    /// The remote address's id.
    pub remote_id: u8,
    /// It can carry data.
    pub open: bool,
    /// The smoothed round trip, in microseconds; 0 before the first.
    pub rtt_us: u32,
    /// Bytes sent, with those that were sent again.
    pub sent: u64,
    /// Bytes of them that were sent again (Linux 4.19).
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
}

/// Gives each subflow to the connection with its token, and orders connections by how much they
/// carried, most first. A subflow whose connection is not listed, because it closed a moment ago,
/// is left out.
pub(crate) fn join(
    mut connections: Vec<Connection>,
    mut subflows: Vec<(u32, Subflow)>,
) -> Vec<Connection> {
    connections.sort_unstable_by_key(|connection| connection.token);
    // The first subflow of a connection stays the first: the sort is stable.
    subflows.sort_by_key(|(token, _)| *token);
    let mut rest = subflows.into_iter().peekable();
    for connection in &mut connections {
        let Some(token) = connection.token else { continue };
        while rest.next_if(|(other, _)| *other < token).is_some() {}
        while let Some((_, subflow)) = rest.next_if(|(other, _)| *other == token) {
            connection.subflows.push(subflow);
        }
        // The initial subflow has id 0 on this side.
        connection.subflows.sort_by_key(|subflow| (subflow.local_id, subflow.remote_id));
        if connection.sent == 0 && connection.received == 0 {
            let of_all = |amount: fn(&Subflow) -> u64| connection.subflows.iter().map(amount).sum();
            connection.sent = of_all(|subflow| subflow.sent.saturating_sub(subflow.resent));
            connection.received = of_all(|subflow| subflow.received);
        }
    }
    connections.sort_by_key(|connection| {
        let carried = connection.sent.saturating_add(connection.received);
        (Reverse(carried), connection.local.port(), connection.token)
    });
    connections
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection from 10.0.0.1.
    fn connection(token: u32, remote: &str) -> Connection {
        Connection {
            token: Some(token),
            inode: token,
            uid: 0,
            local: "10.0.0.1:40000".parse().expect("a literal address"),
            remote: remote.parse().expect("a literal address"),
            phase: Phase::Open,
            fallback: None,
            sent: 0,
            received: 0,
            subflows: Vec::new(),
        }
    }

    /// A subflow that is open.
    fn subflow(local: &str, id: u8) -> Subflow {
        Subflow {
            local: local.parse().expect("a literal address"),
            remote: "203.0.113.9:443".parse().expect("a literal address"),
            bound: None,
            local_id: id,
            remote_id: 0,
            open: true,
            rtt_us: 18_000,
            sent: 1_000,
            resent: 100,
            received: 10,
            idle_ms: 5,
            backup: false,
            stale: false,
        }
    }

    #[test]
    fn subflows_come_to_the_connection_with_their_token() {
        let connections = vec![
            connection(7, "203.0.113.9:443"),
            connection(3, "203.0.113.9:443"),
            Connection { token: None, ..connection(0, "192.0.2.80:80") },
            Connection { sent: 5_000, ..connection(5, "192.0.2.80:80") },
        ];
        let subflows = vec![
            (9, subflow("10.0.0.1:40000", 0)),
            (7, subflow("10.0.0.2:40002", 2)),
            (3, subflow("10.0.0.1:40001", 0)),
            (7, subflow("10.0.0.1:40000", 0)),
            (1, subflow("10.0.0.1:40000", 0)),
        ];
        let joined = join(connections, subflows);
        let seen: Vec<_> = joined
            .iter()
            .map(|one| (one.token, one.subflows.len(), one.sent, one.received))
            .collect();
        assert_eq!(
            seen,
            [
                (Some(5), 0, 5_000, 0),
                (Some(7), 2, 1_800, 20),
                (Some(3), 1, 900, 10),
                (None, 0, 0, 0)
            ]
        );
        assert_eq!(joined[1].subflows[0].local.port(), 40_000, "the initial one comes first");
    }
}

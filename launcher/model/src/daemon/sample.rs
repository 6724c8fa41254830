//! How TCP connections get on at one moment, as far as decisions about paths follow from it.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::net::{Bytes, IfName};

/// A look at what moves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Every TCP connection that begins or is open.
    pub flows: Vec<Flow>,
    /// Neighbours that do not answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub silent: Vec<Silent>,
    /// The time of day here, in seconds since 1970 by the calendar of this place; it may be set.
    #[serde(default)]
    pub local_s: u64,
    /// The byte counters of each link, which begin anew when it is made anew; empty where
    /// [`Daemon::counts`](super::Daemon::counts) says that nobody needs them.
    pub links: BTreeMap<IfName, Bytes>,
    /// The memory of what each connection received and has not read, in bytes, by token; of those
    /// that [`Daemon::suspects`](super::Daemon::suspects) names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub queues: BTreeMap<u32, u32>,
}

/// A neighbour whose link address is not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silent {
    /// The link.
    pub dev: IfName,
    /// Its address.
    pub address: IpAddr,
    /// It was asked and did not answer (`NUD_FAILED`); else it is being asked (`NUD_INCOMPLETE`).
    pub failed: bool,
}

/// A TCP connection, plain or a subflow, with what `struct tcp_info` counts
/// (include/uapi/linux/tcp.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// Its local end.
    pub local: SocketAddr,
    /// Its remote end.
    pub remote: SocketAddr,
    /// The MPTCP connection that it is part of; none for plain TCP, and before the peer answers.
    pub token: Option<u32>,
    /// The peer has answered; else its first packet is on the way.
    pub open: bool,
    /// How often in a row the retransmission timer has run out without an answer.
    pub timeouts: u8,
    /// Segments out that the peer has not confirmed.
    pub unconfirmed: u32,
    /// The retransmission timeout that is waited for now, in microseconds.
    pub rto_us: u32,
    /// Milliseconds since the peer last confirmed anything.
    pub confirmed_ms: u32,
    /// Milliseconds since data was last sent.
    pub sent_ms: u32,
    /// Milliseconds since data last came.
    pub received_ms: u32,
    /// The smoothed round trip, in microseconds; 0 before the first.
    pub rtt_us: u32,
    /// The shortest round trip of the last minutes, in microseconds.
    pub min_rtt_us: u32,
    /// Segments with data sent, with those that were sent again.
    pub segments: u32,
    /// Segments that were sent again.
    pub resent: u32,
    /// Bytes that were written and wait to be sent for the first time.
    #[serde(default)]
    pub unsent: u32,
    /// Bytes that the peer confirmed.
    pub confirmed: u64,
    /// Bytes received.
    pub received: u64,
}

impl Flow {
    /// Its local address: IPv4 also where a socket of IPv6 has it.
    pub(super) fn local_ip(&self) -> IpAddr {
        self.local.ip().to_canonical()
    }

    /// The peer's address, in that form.
    pub(super) fn remote_ip(&self) -> IpAddr {
        self.remote.ip().to_canonical()
    }
}

#[cfg(test)]
impl Flow {
    /// An open connection between these ends of which nothing more is known.
    pub(super) fn between(local: &str, remote: &str) -> Flow {
        let end = |text: &str| text.parse().expect("a literal address");
        Flow {
            local: end(local),
            remote: end(remote),
            token: None,
            open: true,
            timeouts: 0,
            unconfirmed: 0,
            rto_us: 0,
            confirmed_ms: 0,
            sent_ms: 0,
            received_ms: 0,
            rtt_us: 0,
            min_rtt_us: 0,
            segments: 0,
            resent: 0,
            unsent: 0,
            confirmed: 0,
            received: 0,
        }
    }
}

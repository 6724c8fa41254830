//! What the path manager tells about connections and subflows as they come and go.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// What happened (`enum mptcp_event_type`, include/uapi/linux/mptcp_pm.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum EventKind {
    /// A connection began (1). Told before the handshake ends; the peer may yet speak TCP alone.
    Created,
    /// A connection can have more subflows (2).
    Established,
    /// A connection ended (3).
    Closed,
    /// The peer announced an address (6, ADD_ADDR).
    Announced,
    /// The peer withdrew an address (7, REMOVE_ADDR).
    Removed,
    /// A subflow can carry data (10).
    SubflowEstablished,
    /// A subflow ended (11), or one that was asked for was refused or never answered. It may be told
    /// seconds after it was asked for, where the link is gone.
    SubflowClosed,
    /// A subflow became a backup, or stopped being one (13).
    SubflowPriority,
    /// A socket listens (15).
    ListenerCreated,
    /// A socket listens no more (16).
    ListenerClosed,
    /// One of a later kernel, by its number.
    Other(u8),
}

impl EventKind {
    /// By their numbers, with the names that `ip mptcp monitor` prints.
    const ALL: [(u8, &'static str, EventKind); 10] = [
        (1, "CREATED", EventKind::Created),
        (2, "ESTABLISHED", EventKind::Established),
        (3, "CLOSED", EventKind::Closed),
        (6, "ANNOUNCED", EventKind::Announced),
        (7, "REMOVED", EventKind::Removed),
        (10, "SF_ESTABLISHED", EventKind::SubflowEstablished),
        (11, "SF_CLOSED", EventKind::SubflowClosed),
        (13, "SF_PRIO", EventKind::SubflowPriority),
        (15, "LISTENER_CREATED", EventKind::ListenerCreated),
        (16, "LISTENER_CLOSED", EventKind::ListenerClosed),
    ];

    /// The kind with this number.
    pub fn from_number(number: u8) -> Self {
        let known = EventKind::ALL.iter().find(|(known, _, _)| *known == number);
        known.map_or(EventKind::Other(number), |(_, _, kind)| *kind)
    }

    /// The kernel's number.
    pub fn number(self) -> u8 {
        match self {
            EventKind::Other(number) => number,
            known => EventKind::ALL
                .iter()
                .find(|(_, _, kind)| *kind == known)
                .map_or(0, |(number, _, _)| *number),
        }
    }
}

impl fmt::Display for EventKind {
    /// As `ip mptcp monitor` writes it, and `UNKNOWN 77` for one of a later kernel.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match EventKind::ALL.iter().find(|(_, _, kind)| kind == self) {
            Some((_, name, _)) => f.pad(name),
            None => write!(f, "UNKNOWN {}", self.number()),
        }
    }
}

/// An event (`enum mptcp_event_attr`); what the kernel did not say is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// The connection, as this end knows it; none for a listener.
    pub token: Option<u32>,
    /// The local address's id (RFC 8684 section 3.4).
    pub local_id: Option<u8>,
    /// The remote address's id.
    pub remote_id: Option<u8>,
    /// The local address, as the subflow's socket has it: `::ffff:192.0.2.1` where a program uses
    /// IPv4 through an IPv6 socket. To compare it with those of other modules, see
    /// [`Event::local_end`].
    pub local: Option<IpAddr>,
    /// The remote address, as the subflow's socket has it; of [`EventKind::Announced`] the address
    /// that the peer announced.
    pub remote: Option<IpAddr>,
    /// The local port.
    pub local_port: Option<u16>,
    /// The remote port; of [`EventKind::Announced`] 0 where the peer announced none, which is that of
    /// the connection.
    pub remote_port: Option<u16>,
    /// 1 where the subflow is a backup, 0 where not.
    pub backup: Option<u8>,
    /// Why the subflow ended, as in errno(3): 104 after a reset, 110 after all retransmissions.
    pub error: Option<u8>,
    /// `MPTCP_PM_EV_FLAG_*` (Linux 6.18), raw: 1 the peer allows no subflows to its first address
    /// and port, 2 this end accepted the connection.
    pub flags: Option<u16>,
    /// For how many milliseconds the connection waits for another subflow.
    pub timeout: Option<u32>,
    /// The index of the link that the subflow is bound to; 0 for none.
    pub link: Option<u32>,
    /// Why the subflow was reset, as the peer says (RFC 8684 section 3.6).
    pub reset_reason: Option<u32>,
    /// The flags of that reset: 1 is `T`, transient.
    pub reset_flags: Option<u32>,
    /// `Some(true)`: this end accepted the connection (from Linux 5.19 on). The end that connected
    /// says `Some(false)` or, from 6.18 on, nothing.
    pub server_side: Option<bool>,
}

impl Event {
    /// The local address and port, where both are said: an IPv4 address as IPv4, also where it is
    /// inside IPv6, as [`sock_diag`](crate::sock_diag) and [`rtnl`](crate::rtnl) have it.
    pub fn local_end(&self) -> Option<SocketAddr> {
        end(self.local, self.local_port)
    }

    /// The remote address and port, where both are said, in the form of [`Event::local_end`].
    pub fn remote_end(&self) -> Option<SocketAddr> {
        end(self.remote, self.remote_port)
    }

    pub(crate) fn new(kind: EventKind) -> Self {
        Event {
            kind,
            token: None,
            local_id: None,
            remote_id: None,
            local: None,
            remote: None,
            local_port: None,
            remote_port: None,
            backup: None,
            error: None,
            flags: None,
            timeout: None,
            link: None,
            reset_reason: None,
            reset_flags: None,
            server_side: None,
        }
    }
}

fn end(address: Option<IpAddr>, port: Option<u16>) -> Option<SocketAddr> {
    Some(SocketAddr::new(address?.to_canonical(), port?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_stands_for_one_kind() {
        for number in 0..=u8::MAX {
            assert_eq!(EventKind::from_number(number).number(), number);
        }
        assert_eq!(EventKind::from_number(13).to_string(), "SF_PRIO");
        assert_eq!(EventKind::from_number(77).to_string(), "UNKNOWN 77");
    }
}

//! What the path manager tells: connections and subflows as they come and go
//! (Documentation/netlink/specs/mptcp_pm.yaml).

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::net::IfName;
use crate::program::Program;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A connection began.
    Created,
    /// A connection can have more subflows.
    Established,
    /// A connection ended.
    Closed,
    /// The peer announced an address (ADD_ADDR).
    Announced,
    /// The peer withdrew an address (REMOVE_ADDR).
    Removed,
    /// A subflow can carry data.
    SubflowEstablished,
    /// A subflow ended.
    SubflowClosed,
    /// A subflow became a backup, or stopped being one.
    SubflowPriority,
    /// A socket listens.
    ListenerCreated,
    /// A socket listens no more.
    ListenerClosed,
    /// Nothing happened: a subflow that there is, told after events were lost.
    Present,
    /// One that this program does not know.
    Other(u8),
}

impl Kind {
    /// By their numbers, with the names that `ip mptcp monitor` prints.
    const ALL: [(u8, &'static str, Kind); 10] = [
        (1, "CREATED", Kind::Created),
        (2, "ESTABLISHED", Kind::Established),
        (3, "CLOSED", Kind::Closed),
        (6, "ANNOUNCED", Kind::Announced),
        (7, "REMOVED", Kind::Removed),
        (10, "SF_ESTABLISHED", Kind::SubflowEstablished),
        (11, "SF_CLOSED", Kind::SubflowClosed),
        (13, "SF_PRIO", Kind::SubflowPriority),
        (15, "LISTENER_CREATED", Kind::ListenerCreated),
        (16, "LISTENER_CLOSED", Kind::ListenerClosed),
    ];

    /// By its number.
    pub fn of(number: u8) -> Self {
        let known = Kind::ALL.iter().find(|(known, _, _)| *known == number);
        known.map_or(Kind::Other(number), |(_, _, kind)| *kind)
    }

    /// Its name, where it has one.
    pub fn name(self) -> Option<&'static str> {
        if self == Kind::Present {
            return Some("PRESENT");
        }
        Kind::ALL.iter().find(|(_, _, kind)| *kind == self).map(|(_, name, _)| *name)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.name()) {
            (Kind::Other(number), _) => write!(f, "UNKNOWN {number}"),
            (_, name) => f.pad(name.unwrap_or_default()),
        }
    }
}

/// An event; what the kernel did not say is `None`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// What happened.
    pub kind: Kind,
    /// The connection, as this end knows it.
    pub token: Option<u32>,
    /// The local address's id (RFC 8684 section 3.4).
    pub local_id: Option<u8>,
    /// The remote address's id.
    pub remote_id: Option<u8>,
    /// The local address.
    pub local: Option<IpAddr>,
    /// The remote address.
    pub remote: Option<IpAddr>,
    /// The local port.
    pub local_port: Option<u16>,
    /// The remote port.
    pub remote_port: Option<u16>,
    /// The subflow is a backup.
    pub backup: Option<u8>,
    /// Why the subflow ended, as in errno(3).
    pub error: Option<u8>,
    /// `MPTCP_PM_EV_FLAG_*`.
    pub flags: Option<u16>,
    /// How long the connection waits for another subflow.
    pub timeout: Option<u32>,
    /// The link that the subflow is bound to; 0 for none.
    pub link: Option<u32>,
    /// Why it was reset (RFC 8684 section 3.6).
    pub reset_reason: Option<u32>,
    /// The flags of that reset.
    pub reset_flags: Option<u32>,
    /// This end accepted the connection.
    pub server_side: Option<bool>,
}

impl Event {
    /// An event of which nothing more is known.
    pub fn new(kind: Kind) -> Self {
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

/// An event, and what this host knows about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// What the kernel said.
    pub event: Event,
    /// When it was read, in milliseconds since 1970.
    pub time_ms: u64,
    /// The link that it is about.
    pub dev: Option<IfName>,
    /// The program that holds the connection.
    pub program: Option<Program>,
}

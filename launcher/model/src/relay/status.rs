//! What both ends of a relay say of themselves when they are asked: one JSON object each, written by
//! mptcpize-relay and read by `status`, `top`, `metrics`, `check` and `relay user list`.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::agent::Fallback;
use super::name::Name;

/// The form that is written and read. Additions keep it.
pub const VERSION: u32 = 1;

/// Connections that an agent tells one by one, those that moved most bytes.
pub const MOST_CONNECTIONS: usize = 256;

/// The longest text that is believed, in bytes.
pub const MOST_BYTES: u64 = 1 << 20;

/// The state of the server end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// [`VERSION`].
    pub version: u32,
    /// Its process.
    pub pid: u32,
    /// For how long it has run, in milliseconds.
    pub running_ms: u64,
    /// It listens with MPTCP; otherwise the kernel has none, and it speaks TCP.
    pub mptcp: bool,
    /// What all users together carried since the start.
    pub all: Amounts,
    /// By user: since the beginning where counts are kept, else since the start. `""` is whoever has
    /// the server's key, where there are no users.
    pub users: BTreeMap<String, UserState>,
    /// Connections that have not authenticated yet.
    pub strangers: u32,
    /// What was turned away, by reason: `key` (wrong key or no Shadowsocks at all), `clock` (right key,
    /// clock more than 30 s off), `replay`, `slow`, `crowd` (too many strangers), `private`, `limit`,
    /// `unreachable`.
    #[serde(default)]
    pub refused: BTreeMap<String, u64>,
    /// Addresses of clients with the right key whose clock is off, with how far, in seconds (theirs less
    /// ours): the last 16.
    #[serde(default)]
    pub clocks: Vec<(std::net::IpAddr, i64)>,
}

/// What connections carried, without the headers of packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amounts {
    /// Connections that are open now.
    pub open: u32,
    /// Connections that were ever carried.
    pub carried: u64,
    /// Those of them that speak MPTCP between client and relay.
    #[serde(default)]
    pub mptcp: u64,
    /// Bytes from clients.
    pub up_bytes: u64,
    /// Bytes to clients.
    pub down_bytes: u64,
}

/// A user as the server sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserState {
    /// All that it carried.
    #[serde(flatten)]
    pub amounts: Amounts,
    /// Bytes both ways in this calendar month (UTC).
    #[serde(default)]
    pub month_bytes: u64,
}

/// The state of the client end. A gateway's relay has `Relays` alone, in its own state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// [`VERSION`].
    pub version: u32,
    /// Its process.
    pub pid: u32,
    /// Its network namespace, as in the state of a gateway.
    pub netns: u64,
    /// For how long it has run, in milliseconds.
    pub running_ms: u64,
    /// The relays, and how connections go.
    #[serde(flatten)]
    pub relays: Relays,
}

/// How connections go: through a relay, or directly.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relays {
    /// The relays, in the order of the settings.
    #[serde(default)]
    pub relays: Vec<Relay>,
    /// The one that new connections take; nothing where none can be reached.
    #[serde(default)]
    pub chosen: Option<Name>,
    /// What is done where none can be reached.
    #[serde(default)]
    pub fallback: Fallback,
    /// What went directly over MPTCP.
    #[serde(default)]
    pub multipath: Amounts,
    /// What went directly in plain TCP.
    #[serde(default)]
    pub direct: Amounts,
    /// Open connections, those that moved most first: [`MOST_CONNECTIONS`] at most.
    #[serde(default)]
    pub connections: Vec<Connection>,
    /// Connections that were not carried, by reason.
    #[serde(default)]
    pub refused: BTreeMap<String, u64>,
}

/// A relay as its client sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relay {
    /// Its name in the settings.
    pub name: Name,
    /// Host and port as they stand in the settings.
    pub address: String,
    /// The last handshake with it took that long, in microseconds; nothing before the first one.
    #[serde(default)]
    pub rtt_us: Option<u64>,
    /// Why it cannot be used now, as a clause; empty where it can.
    #[serde(default)]
    pub fault: String,
    /// It speaks MPTCP; nothing before the first connection.
    #[serde(default)]
    pub mptcp: Option<bool>,
    /// What went through it.
    pub amounts: Amounts,
}

/// One connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// Who opened it.
    pub from: SocketAddr,
    /// Where it goes: ADDRESS:PORT, or NAME:PORT where a proxy client gave a name.
    pub to: String,
    /// How.
    pub via: Via,
    /// For how long it has been open, in milliseconds.
    pub open_ms: u64,
    /// Bytes from the one who opened it.
    pub up_bytes: u64,
    /// Bytes to it.
    pub down_bytes: u64,
}

/// How a connection goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Via {
    /// Through this relay.
    Relay(Name),
    /// Directly, over MPTCP.
    Multipath,
    /// Directly, in plain TCP.
    Direct,
}

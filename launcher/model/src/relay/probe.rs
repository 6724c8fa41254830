//! What `mptcpize-relay probe` is told, and what it says: whether a relay takes the key, whose clock is
//! off, and how much goes through. Both are JSON; what it says is one object a line.
//!
//! Not here: whether the relay can be reached at all, which the launcher tries by itself
//! ([`crate::checks::peer`]), and what follows from all of it ([`super::test`]).

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::agent::Relay;
use crate::net::IfName;

/// All that a probe is told. It has the key: standard input, or a file of mode 0600.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The relay.
    pub relay: Relay,
    /// The address of it that was reached.
    pub to: SocketAddr,
    /// The best path; nothing where the kernel is to choose.
    #[serde(default)]
    pub path: Option<Source>,
    /// It was found to speak MPTCP.
    pub mptcp: bool,
    /// A round trip to it, in microseconds.
    pub rtt_us: u32,
    /// How long all of it may take, in milliseconds.
    pub millis: u32,
    /// This host's clock counts as so many seconds ahead of what it says: a test cannot set it.
    #[serde(default)]
    pub ahead_s: i64,
    /// The relay's clock less this host's, in seconds, as somebody said who may lie: it is tried in the
    /// place of others.
    #[serde(default)]
    pub hinted_s: Option<i64>,
}

/// Where a connection leaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its address.
    pub from: IpAddr,
    /// Its link, where the socket has to be bound to that.
    #[serde(default)]
    pub dev: Option<IfName>,
}

/// What a probe says, in this order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Line {
    /// What takes so long now.
    Doing {
        /// A clause.
        what: String,
    },
    /// Whether the kernel holds this host's clock for right (adjtimex(2)).
    Clock {
        /// Nothing where it does not say.
        synchronised: Option<bool>,
    },
    /// What the relay said to the key.
    Key(Key),
    /// Whether it has the target of measurements, and how the probe's connection came to it.
    Target(Target),
    /// A measurement.
    Moved(Moved),
}

/// What a relay said to a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// How it answered.
    pub answer: Answer,
    /// Its clock less this host's, in seconds; nothing where it did not tell. To 30 s where it was
    /// found by trying, exact where it answered.
    #[serde(default)]
    pub clock_s: Option<i64>,
}

/// How a relay answers a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It took it.
    Taken,
    /// It took it with another time than this host's: the clocks differ by more than SIP022 allows.
    TakenAtOtherTime,
    /// Not a byte, and no end: what a server of Shadowsocks 2022 does with a key that it does not know.
    Silent,
    /// It ended the connection, as it does with a key that it cannot know.
    Ended,
    /// It said something that is no answer of this protocol.
    Foreign,
    /// The connection was not made.
    Unreached,
}

/// What the measurements go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// It is there; other servers than mptcpize's have none.
    pub present: bool,
    /// The connection speaks MPTCP at the relay's end.
    #[serde(default)]
    pub mptcp: Option<bool>,
}

/// What a connection through the relay carried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// From the relay, or to it.
    pub direction: Direction,
    /// The connection to the relay spoke MPTCP, unbound; otherwise plain TCP over the best path.
    pub mptcp: bool,
    /// Bits a second of the payload, in the second half of the time.
    pub bit_s: u64,
    /// By source address, what its subflows carried; empty for plain TCP.
    #[serde(default)]
    pub subflows: Vec<(IpAddr, u64)>,
}

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the relay.
    Down,
    /// To the relay.
    Up,
}

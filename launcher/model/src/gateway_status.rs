//! What a relay says of itself when it is asked: who is behind the gateway, what went over which
//! uplink, and what was not carried. One JSON object, written by the relay and read by `status`, `top`,
//! `metrics` and `check`.
//!
//! Not here: what is shown of it ([`crate::status::lan`]), and what a relay is told ([`crate::gateway`]).

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::net::IfName;
use crate::relay::status::Relays;

/// The form that is written and read. Additions keep it.
pub const VERSION: u32 = 1;

/// Clients that are told one by one, those that moved most bytes. A /16 of forged addresses must not
/// become a text that nobody can read.
pub const MOST_CLIENTS: usize = 256;

/// The longest text that is believed, in bytes: several times what [`MOST_CLIENTS`] clients and
/// [`crate::gateway::MOST_UPLINKS`] uplinks take.
pub const MOST_BYTES: u64 = 1 << 20;

/// The state of a relay at one moment. Amounts are since its start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// [`VERSION`].
    pub version: u32,
    /// The relay's process.
    pub pid: u32,
    /// Its network namespace: the cookie (`SO_NETNS_COOKIE`, asm-generic/socket.h), before Linux 5.14 the
    /// inode (namespaces(7)).
    pub netns: u64,
    /// For how long it has run, in milliseconds: the clock of all that it says.
    pub running_ms: u64,
    /// It takes no more connections and waits for those that there are.
    #[serde(default)]
    pub draining: bool,
    /// The interfaces of the LAN.
    pub lan: Vec<IfName>,
    /// Connections that count against the limit: the open ones, and those that are being made.
    #[serde(default)]
    pub connections: u32,
    /// How many of them there may be.
    pub most_connections: u32,
    /// All connections together.
    pub all: Amounts,
    /// How many clients are remembered; `clients` has the first of them.
    pub clients_all: usize,
    /// The clients, those that moved most bytes first.
    pub clients: Vec<Client>,
    /// The uplinks, in the order of the settings.
    pub uplinks: Vec<Uplink>,
    /// Connections that no uplink took: the host's own route leads them elsewhere, as into a VPN.
    pub beside: Amounts,
    /// Connections that were not carried, by [`reason`].
    #[serde(default)]
    pub refused: BTreeMap<String, u64>,
    /// Destinations that are remembered as not speaking MPTCP.
    #[serde(default)]
    pub without_mptcp: usize,
    /// The relays on rented servers, where the LAN goes through them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relays: Option<Relays>,
}

/// What connections carried, without the headers of packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amounts {
    /// Connections that are open now.
    pub open: u32,
    /// Connections that were ever carried, the open ones among them.
    pub carried: u64,
    /// Those of them that speak MPTCP outward.
    #[serde(default)]
    pub mptcp: u64,
    /// Those that moved bytes over two subflows or more.
    #[serde(default)]
    pub multipath: u64,
    /// Bytes from clients.
    pub up_bytes: u64,
    /// Bytes to clients.
    pub down_bytes: u64,
    /// Bytes both ways of the connections that moved bytes over two subflows or more.
    #[serde(default)]
    pub multipath_bytes: u64,
}

impl Amounts {
    /// Bytes both ways.
    pub fn bytes(&self) -> u64 {
        self.up_bytes.saturating_add(self.down_bytes)
    }

    /// The bytes that went with connections over several subflows, in thousandths; none of nothing.
    pub fn multipath_permille(&self) -> Option<u32> {
        let all = u128::from(self.bytes());
        let part = (u128::from(self.multipath_bytes) * 1_000 + all / 2).checked_div(all)?;
        Some(u32::try_from(part).unwrap_or(1_000).min(1_000))
    }
}

/// A device of the LAN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// Its address.
    pub address: IpAddr,
    /// What its connections carried.
    #[serde(flatten)]
    pub amounts: Amounts,
}

/// An uplink as the relay sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uplink {
    /// Its link.
    pub dev: IfName,
    /// Its share of new connections beside the others'.
    pub weight: u32,
    /// It is used only when no other works.
    pub backup: bool,
    /// Connections that began here and are open.
    pub open: u32,
    /// Connections that ever began here.
    pub carried: u64,
    /// Bytes from clients that its address sent, of all connections, whichever uplink they began on.
    pub up_bytes: u64,
    /// Bytes for clients that came to its address.
    pub down_bytes: u64,
    /// Bytes both ways of connections that several others carried, and this one nothing of it though it
    /// had an address of their family.
    #[serde(default)]
    pub missed_bytes: u64,
    /// How often in a row another uplink answered before it, or it could not even be tried.
    #[serde(default)]
    pub failures: u32,
    /// For how long that goes on, in milliseconds.
    #[serde(default)]
    pub failing_ms: Option<u64>,
    /// For how much longer it is tried after all others, in milliseconds.
    #[serde(default)]
    pub last_for_ms: Option<u64>,
}

/// The reasons for which a connection is not carried, as [`State::refused`] and metrics call them, each
/// with the clause that a screen shows.
pub mod reason {
    /// As many connections as `limits.connections`.
    pub const CONNECTIONS: &str = "limit_connections";
    /// The client has as many as `limits.per_client`.
    pub const PER_CLIENT: &str = "limit_per_client";
    /// More in a second than `limits.handshakes_s`.
    pub const HANDSHAKES: &str = "limit_handshakes";
    /// It was for the router itself.
    pub const OWN: &str = "own_address";
    /// It was for loopback, link-local or multicast.
    pub const NOT_ELSEWHERE: &str = "not_elsewhere";
    /// No route leads there, or one forbids it.
    pub const NO_ROUTE: &str = "no_route";
    /// No descriptor was left.
    pub const DESCRIPTORS: &str = "descriptors";
    /// The destination refused it, or was not reached.
    pub const DESTINATION: &str = "destination";
    /// The client gave up before the destination answered.
    pub const CLIENT: &str = "client_gone";

    /// All, in the order in which they are shown.
    pub const ALL: [(&str, &str); 9] = [
        (CONNECTIONS, "at limits.connections"),
        (PER_CLIENT, "at limits.per_client"),
        (HANDSHAKES, "at limits.handshakes_s"),
        (DESCRIPTORS, "without a free descriptor"),
        (OWN, "for the router itself"),
        (NOT_ELSEWHERE, "for loopback, link-local or multicast"),
        (NO_ROUTE, "without a route"),
        (DESTINATION, "that the destination did not take"),
        (CLIENT, "that the client gave up"),
    ];
}

impl State {
    /// Reads the text of a relay. What it says comes from a process without privileges that talks to
    /// strangers, so nothing of it is taken for granted: names of reasons that are not ours are dropped,
    /// lists end where a relay's own would.
    ///
    /// # Errors
    /// A clause.
    pub fn check(mut self) -> Result<Self, String> {
        if self.version != VERSION {
            return Err(format!("it speaks version {}, not {VERSION}", self.version));
        }
        self.clients.truncate(MOST_CLIENTS);
        self.uplinks.truncate(crate::gateway::MOST_UPLINKS);
        self.lan.truncate(crate::gateway::MOST_UPLINKS);
        self.refused.retain(|name, _| reason::ALL.iter().any(|(known, _)| name == known));
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_over_several_subflows_is_a_part_of_all() {
        let amounts =
            |up_bytes, multipath_bytes| Amounts { up_bytes, multipath_bytes, ..Amounts::default() };
        for (amounts, expected) in [
            (amounts(0, 0), None),
            (amounts(3, 2), Some(667)),
            (amounts(u64::MAX, u64::MAX), Some(1_000)),
            (amounts(1, u64::MAX), Some(1_000)),
        ] {
            assert_eq!(amounts.multipath_permille(), expected);
        }
    }

    #[test]
    fn a_text_with_too_much_in_it_is_cut_to_what_a_relay_says() {
        let client =
            Client { address: "10.0.0.1".parse().expect("one"), amounts: Amounts::default() };
        let refused = BTreeMap::from([(reason::OWN.to_owned(), 1), ("\u{1b}[2J".to_owned(), 2)]);
        let state = State {
            version: VERSION,
            clients: vec![client; MOST_CLIENTS + 1],
            refused,
            ..State::default()
        };
        let checked = state.clone().check().expect("the version is known");
        assert_eq!((checked.clients.len(), checked.refused.len()), (MOST_CLIENTS, 1));
        assert!(State { version: 2, ..state }.check().is_err());
    }

    #[test]
    fn a_relay_of_an_earlier_release_is_understood() {
        let text = r#"{"version":1,"pid":7,"netns":1,"running_ms":5,"lan":["br0"],"most_connections":9,
            "all":{"open":0,"carried":0,"up_bytes":0,"down_bytes":0},"clients_all":0,"clients":[],
            "uplinks":[{"dev":"w1","weight":1,"backup":false,"open":0,"carried":0,"up_bytes":0,
            "down_bytes":0}],"beside":{"open":0,"carried":0,"up_bytes":0,"down_bytes":0},"new":1}"#;
        let state: State = serde_json::from_str(text).expect("what is missing has a default");
        assert_eq!((state.without_mptcp, state.uplinks.len()), (0, 1));
    }
}

//! What the client end of a relay is told: the file of `mptcpize-relay agent --settings`, in JSON. The
//! agent takes connections of this host's programs and sends them through a relay, or directly. The file
//! holds keys: mode 0600.
//!
//! The same terms of use stand in the settings of a gateway, whose relay sends a LAN's connections the
//! same way.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::key::{Key, Method};
use super::name::Name;
use crate::net::Prefix;

/// Relays that one host goes by.
pub const MOST_RELAYS: usize = 16;

/// All that an agent is told. Its sockets are handed over by their names (`LISTEN_FDS`,
/// `LISTEN_FDNAMES`, sd_listen_fds(3)):
///
/// * `redirect`: a TCP listener to which the packet filter redirects connections
///   (`SO_ORIGINAL_DST`, linux/netfilter_ipv4.h), of either family; with IP_TRANSPARENT the destination
///   is the socket's own address (TPROXY).
/// * `proxy`: a TCP listener that speaks SOCKS5 (RFC 1928) and HTTP CONNECT (RFC 9110 section 9.3.6).
/// * `dns`: a UDP socket, bound in another network namespace, whose datagrams go to `resolver`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Which connections go where.
    #[serde(flatten)]
    pub terms: Terms,
    /// The addresses of this host's uplinks. What the host's own unbound traffic sends from another
    /// address (a VPN, another network) goes directly and in plain TCP. Empty: everything may go.
    #[serde(default)]
    pub uplinks: Vec<IpAddr>,
    /// Who answers what comes to `dns`.
    #[serde(default)]
    pub resolver: Option<SocketAddr>,
    /// Connections of all programs together.
    #[serde(default = "many")]
    pub connections: u32,
    /// For how long connections live on after it was told to end, in seconds.
    #[serde(default)]
    pub drain_s: u32,
    /// Write a line for each connection that ended.
    #[serde(default)]
    pub log: bool,
}

fn many() -> u32 {
    16_384
}

/// Which connections go through which relay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// The relays. The fastest that answers is taken.
    pub relays: Vec<Relay>,
    /// What goes through them.
    #[serde(default)]
    pub policy: Policy,
    /// Networks to which nothing goes through them.
    #[serde(default)]
    pub never: Vec<Prefix>,
    /// What is done when none can be reached.
    #[serde(default)]
    pub fallback: Fallback,
}

/// A relay as its client knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relay {
    /// What it is called in status and logs.
    pub name: Name,
    /// Its name or address, an IPv6 address without brackets.
    pub host: String,
    /// Its TCP port.
    pub port: u16,
    /// How it encrypts.
    pub method: Method,
    /// Its key; where it has users, the server's first and the user's own last (SIP023).
    pub keys: Vec<Key>,
}

/// What goes through a relay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// All that leaves over an uplink.
    #[default]
    Always,
    /// What goes to a server that was found not to speak MPTCP: the first connection goes directly.
    WithoutMptcp,
}

/// What is done when no relay can be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fallback {
    /// New connections go directly.
    #[default]
    Direct,
    /// New connections are refused.
    Refuse,
}

crate::kind! {
    Policy: "\"always\" or \"without-mptcp\"",
    Fallback: "\"direct\" or \"refuse\"",
}

impl Terms {
    /// Checks what types cannot.
    ///
    /// # Errors
    /// A clause that names the setting.
    pub fn check(&self) -> Result<(), String> {
        if self.relays.is_empty() {
            return Err("relays names none".to_owned());
        }
        if self.relays.len() > MOST_RELAYS {
            return Err(format!("relays names more than {MOST_RELAYS}"));
        }
        for (place, relay) in self.relays.iter().enumerate() {
            relay.check().map_err(|why| format!("relay {}: {why}", relay.name))?;
            if self.relays.iter().take(place).any(|other| other.name == relay.name) {
                return Err(format!("the relay {} is named twice", relay.name));
            }
        }
        Ok(())
    }
}

impl Relay {
    /// Checks what types cannot.
    ///
    /// # Errors
    /// A clause that says what is wrong.
    pub fn check(&self) -> Result<(), String> {
        if self.host.is_empty() || self.port == 0 {
            return Err("it has no address".to_owned());
        }
        if self.keys.is_empty() {
            return Err("it has no key".to_owned());
        }
        if self.keys.len() > 1 && !self.method.has_users() {
            return Err(format!("{} has no keys of users", self.method));
        }
        self.keys.iter().try_for_each(|key| key.check(self.method))
    }
}

impl Settings {
    /// Checks what types cannot.
    ///
    /// # Errors
    /// A clause that names the setting.
    pub fn check(&self) -> Result<(), String> {
        if self.connections == 0 {
            return Err("a limit of 0 takes no connection".to_owned());
        }
        self.terms.check()
    }
}

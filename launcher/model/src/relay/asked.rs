//! What an administrator asks of relays: the section `[relay]` of /etc/mptcpize.toml.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::agent::{Fallback, Policy};
use super::name::Name;
use crate::net::Prefix;

/// The settings. Which relays there are stands in a file of its own ([`super::stored`]), for that holds
/// keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Asked {
    /// All TCP of this host goes through a relay, while `mptcpize relay agent` runs.
    pub host: bool,
    /// Where the agent speaks SOCKS5 and HTTP CONNECT, an address of the loopback interface.
    pub proxy: Option<SocketAddr>,
    /// The one relay to use; the best of all stored ones where nothing is said.
    #[serde(rename = "use")]
    pub only: Option<Name>,
    /// What goes through it.
    pub policy: Policy,
    /// Networks to which nothing goes through it.
    pub never: Vec<Prefix>,
    /// What is done when no relay can be reached.
    pub fallback: Fallback,
}

impl Asked {
    /// Checks what types cannot.
    ///
    /// # Errors
    /// A clause that names the setting.
    pub fn check(&self) -> Result<(), String> {
        match self.proxy {
            Some(proxy) if !proxy.ip().is_loopback() => Err(format!(
                "proxy in [relay] is {proxy}: whoever reaches that could use the relay; it takes a \
                 loopback address, such as 127.0.0.1:1080"
            )),
            Some(proxy) if proxy.port() == 0 => Err("proxy in [relay] names no port".to_owned()),
            _ => Ok(()),
        }
    }
}

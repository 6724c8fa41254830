//! What an administrator asks of relays: the section `[relay]` of /etc/mptcpize.toml.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::agent::{Fallback, Policy};
use super::name::Name;
use crate::net::Prefix;

crate::settings! {
    /// The settings. Which relays there are stands in a file of its own ([`super::stored`]), for that holds
    /// keys.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    pub struct Asked {
        /// Send all TCP of this host through a relay, while `mptcpize relay agent` runs.
        pub host: bool { default "false", example "true" },
        /// Where the agent speaks SOCKS5 and HTTP CONNECT: an address of the loopback interface.
        pub proxy: Option<SocketAddr> { default "nowhere", example "\"127.0.0.1:1080\"" },
        /// The one relay to use.
        pub only as "use": Option<Name> { default "the fastest of all stored ones", example "\"home\"" },
        /// What goes through it: all that leaves over an uplink, or what goes to a server that was found not
        /// to speak MPTCP. The first connection to such a server goes directly.
        pub policy: Policy { default "\"always\"", example "\"without-mptcp\"" },
        /// Networks to which nothing goes through it.
        pub never: Vec<Prefix> { default "[]", example "[\"192.0.2.0/24\"]" },
        /// What is done when no relay can be reached: new connections go directly, or are refused.
        pub fallback: Fallback { default "\"direct\"", example "\"refuse\"" },
    }
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

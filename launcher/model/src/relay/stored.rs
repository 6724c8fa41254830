//! The relays that were stored by `mptcpize relay add`: a file of mode 0600, for it holds keys.

use serde::{Deserialize, Serialize};

use super::agent::Relay;
use super::name::Name;

/// The file, in TOML: /etc/mptcpize-relays.toml, for a user mptcpize/relays.toml below XDG_CONFIG_HOME.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stored {
    /// The relays, in the order in which they were added.
    #[serde(default, rename = "relay")]
    pub relays: Vec<Relay>,
}

impl Stored {
    /// The relay of that name.
    pub fn find(&self, name: &Name) -> Option<&Relay> {
        self.relays.iter().find(|relay| relay.name == *name)
    }
}

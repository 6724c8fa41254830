//! What the administrator asked for: the settings of `setup`, from the command line or from
//! /etc/mptcpize.toml, under the same names.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::model::mptcp::MOST;
use crate::model::net::IfName;
use crate::model::sockets::Sockets;
use crate::model::system::System;

/// The settings of the set-up, and of system-wide use. Everything has a default that suits a
/// client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What this host is in its connections.
    pub role: Role,
    /// Use these links and no others (also tunnels, when named).
    pub only: Vec<IfName>,
    /// Leave these links out.
    pub exclude: Vec<IfName>,
    /// Links that carry data only when no other can.
    pub backup: Vec<IfName>,
    /// Gateways of links that have no route of their own.
    pub gateway: BTreeMap<IfName, IpAddr>,
    /// A subflow from each endpoint to each address of the peer.
    pub fullmesh: bool,
    /// Additional subflows in one connection, at most.
    pub max_subflows: Option<u32>,
    /// Use the uplinks also where a VPN takes what programs leave unbound.
    pub beside_vpn: bool,
    /// What `enable --system` leaves alone.
    #[serde(skip_serializing_if = "is_default")]
    pub system: System,
    /// Which sockets of programs stay TCP. Last, for in TOML it is a table.
    pub sockets: Sockets,
}

fn is_default(system: &System) -> bool {
    *system == System::default()
}

impl Config {
    /// Reads the text of a configuration file.
    ///
    /// # Errors
    /// The text with line and column, as the TOML reader words it.
    pub fn read(text: &str) -> Result<Self, String> {
        let config: Config = toml::from_str(text).map_err(|error| error.to_string())?;
        config.check()?;
        Ok(config)
    }

    /// Checks what types cannot.
    ///
    /// # Errors
    /// A clause that names the setting and its range.
    pub fn check(&self) -> Result<(), String> {
        self.sockets.text().map_err(|error| format!("[sockets]: {error}"))?;
        match self.max_subflows {
            Some(subflows) if subflows as usize > MOST => Err(format!(
                "max_subflows is {subflows}, but the kernel takes 0 to {MOST} (mptcp_pm.h)"
            )),
            _ => Ok(()),
        }
    }
}

/// What the host is in its connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Opens subflows: endpoints are `subflow`.
    #[default]
    Client,
    /// Announces its addresses: endpoints are `signal`.
    Server,
    /// Both.
    Both,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_in_the_file_is_told_with_its_place() {
        let table = [
            ("rolle = \"client\"\n", "rolle", "line 1, column 1"),
            ("role = \"client\"\nonly = 3\n", "invalid type", "line 2, column 8"),
            ("role = \"boss\"\n", "unknown variant", "line 1, column 8"),
            ("only = [\"a/b\"]\n", "interface name", "line 1, column 8"),
            ("[gateway]\nwwan0 = \"10.0.0\"\n", "IP address", "line 2, column 9"),
        ];
        for (text, what, place) in table {
            let error = Config::read(text).expect_err(text);
            assert!(error.contains(what), "{error}");
            assert!(error.contains(place), "{error}");
        }
        assert!(Config::read("max_subflows = 9").expect_err("over the range").contains("0 to 8"));
    }
}

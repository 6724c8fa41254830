//! What the administrator asked for: the settings of `setup`, from the command line or from
//! /etc/mptcpize.toml, under the same names.
//!
//! Not here: the text of that file. Whoever reads it (`config_file` of the launcher) hands over the values.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::budget::Budget;
use crate::congestion::Congestion;
use crate::mptcp::MOST;
use crate::net::IfName;
use crate::socket_policy::Sockets;
use crate::system::System;

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
    /// The congestion control of links; one that is not named keeps its own.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub congestion: BTreeMap<IfName, Congestion>,
    /// A subflow from each endpoint to each address of the peer.
    pub fullmesh: bool,
    /// Additional subflows in one connection, at most.
    pub max_subflows: Option<u32>,
    /// Use the uplinks also where a VPN takes what programs leave unbound.
    pub beside_vpn: bool,
    /// `mptcpize daemon` opens the subflows of every connection, and again those that the network
    /// ended. Unless it is asked to, the kernel opens each once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heal: Option<bool>,
    /// Where `mptcpize daemon` connects over each path again and again, to see whether it passes
    /// anything. An address, for a name would be asked over the path that may be the dead one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe: Option<SocketAddr>,
    /// Links that are up and pass nothing: what the daemon found, not a setting. Where nobody says,
    /// those that the daemon has set aside stay so.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub stalled: Option<BTreeSet<IfName>>,
    /// What links may carry in a period; then `mptcpize daemon` makes them backups.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub budget: BTreeMap<IfName, Budget>,
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
    /// Does `mptcpize daemon` open the subflows?
    pub fn heal(&self) -> bool {
        self.heal.unwrap_or(false)
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
    /// Opens subflows and announces its addresses: endpoints are `subflow signal`.
    Both,
}

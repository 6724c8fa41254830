//! What the administrator asked for: the settings of `setup`, from the command line or from
//! /etc/mptcpize.toml, under the same names.
//!
//! Not here: the text of that file. Whoever reads it (`config_file` of the launcher) hands over the values.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::budget::{Budget, Size};
use crate::congestion::Congestion;
use crate::container::asked::{Container, DeviceName};
use crate::gateway::asked;
use crate::mptcp::MOST;
use crate::net::IfName;
use crate::relay;
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
    /// Gateways of links that have no route of their own. In the section of the file they stand beside
    /// the settings of a gateway ([`gateway::asked`](crate::gateway::asked)), which are passed over here.
    #[serde(deserialize_with = "gateways")]
    pub gateway: BTreeMap<IfName, IpAddr>,
    /// The congestion control of links, or `auto`, by which the daemon chooses; one that is not named
    /// keeps its own.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub congestion: BTreeMap<IfName, Congestion>,
    /// A subflow from each endpoint to each address of the peer.
    pub fullmesh: bool,
    /// Additional subflows in one connection, at most.
    pub max_subflows: Option<u32>,
    /// Use the uplinks also where a VPN takes what programs leave unbound.
    pub beside_vpn: bool,
    /// Whether `mptcpize run` sets the host up unasked: unset, it does where it may, and asks a user who
    /// came over the network first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_setup: Option<bool>,
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
    /// Links that a connection joins only once it has moved or lived enough.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metered: Vec<IfName>,
    /// How much it must have moved; [`METERED_BYTES`] unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metered_after_bytes: Option<Size>,
    /// Or how many seconds it must have lived; [`METERED_SECONDS`] unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metered_after_seconds: Option<u32>,
    /// Subflows of a connection between the same two addresses; one unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subflows_per_path: Option<u32>,
    /// What `enable --system` leaves alone.
    #[serde(skip_serializing_if = "is_default")]
    pub system: System,
    /// What goes through a relay.
    #[serde(skip_serializing_if = "is_default")]
    pub relay: relay::asked::Asked,
    /// Devices for containers beside the usual one: what `enable --containers` writes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub containers: BTreeMap<DeviceName, Container>,
    /// Which sockets of programs stay TCP. Last, for in TOML it is a table.
    pub sockets: Sockets,
}

/// More than most pages and all of ssh's first hour.
pub const METERED_BYTES: u64 = 1_000_000;

/// Longer than what a person waits for.
pub const METERED_SECONDS: u32 = 10;

/// Reads a section of links with addresses, but for the settings of a gateway.
fn gateways<'a, D: Deserializer<'a>>(from: D) -> Result<BTreeMap<IfName, IpAddr>, D::Error> {
    struct Section;
    impl<'a> Visitor<'a> for Section {
        type Value = BTreeMap<IfName, IpAddr>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("links with the addresses of their gateways")
        }

        fn visit_map<A: MapAccess<'a>>(self, mut section: A) -> Result<Self::Value, A::Error> {
            let mut all = BTreeMap::new();
            while let Some(name) = section.next_key::<String>()? {
                if asked::NAMES.contains(&name.as_str()) {
                    section.next_value::<IgnoredAny>()?;
                    continue;
                }
                let Gateway(address) = section.next_value()?;
                all.insert(IfName::new(&name).map_err(A::Error::custom)?, address);
            }
            Ok(all)
        }
    }
    from.deserialize_map(Section)
}

/// The address of a link's gateway. What is none may be a setting whose name is mistaken.
struct Gateway(IpAddr);

impl<'a> Deserialize<'a> for Gateway {
    fn deserialize<D: Deserializer<'a>>(from: D) -> Result<Self, D::Error> {
        IpAddr::deserialize(from).map(Gateway).map_err(|why| {
            let names = asked::NAMES.join(", ");
            let text = why.to_string();
            D::Error::custom(format_args!(
                "{}: this is no IP address of a link's gateway, and the settings beside those are {names}",
                text.trim_end()
            ))
        })
    }
}

fn is_default<T: Default + PartialEq>(setting: &T) -> bool {
    *setting == T::default()
}

impl Config {
    /// Does `mptcpize daemon` open the subflows?
    pub fn heal(&self) -> bool {
        self.heal.unwrap_or(false)
    }

    /// After how many bytes, and after how long, a connection joins metered links.
    pub fn metered_after(&self) -> (u64, Duration) {
        let bytes = self.metered_after_bytes.map_or(METERED_BYTES, |size| size.0);
        let seconds = self.metered_after_seconds.unwrap_or(METERED_SECONDS);
        (bytes, Duration::from_secs(seconds.into()))
    }

    /// Checks what types cannot.
    ///
    /// # Errors
    /// A clause that names the setting and its range.
    pub fn check(&self) -> Result<(), String> {
        self.sockets.text().map_err(|error| format!("[sockets]: {error}"))?;
        self.relay.check()?;
        for (name, container) in &self.containers {
            container.check().map_err(|error| format!("[containers.{name}]: {error}"))?;
        }
        if self.subflows_per_path.is_some_and(|each| each == 0 || each as usize > MOST) {
            return Err(format!("subflows_per_path is none of 1 to {MOST}"));
        }
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

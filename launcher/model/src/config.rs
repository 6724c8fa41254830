//! What the administrator asked for: the settings of `setup`, from the command line or from
//! /etc/mptcpize.toml, under the same names.
//!
//! What stands on each key is what the manual page mptcpize.toml(5) says of it
//! ([`settings`](mod@crate::settings)).
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

crate::settings! {
    /// The settings of the set-up, and of system-wide use. Everything has a default that suits a
    /// client.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    pub struct Config {
        /// What this host is in its connections: a client opens subflows from each of its links, a server
        /// announces its addresses to each client, and both does both.
        pub role: Role { default "\"client\"", example "\"server\"" },
        /// Links that `mptcpize setup` uses, and no others; tunnels too, when they are named.
        pub only: Vec<IfName> { default "all that have a gateway", example "[\"eth0\", \"wlan0\"]" },
        /// Links that are left out.
        pub exclude: Vec<IfName> { default "[]", example "[\"docker0\"]" },
        /// Links that carry data only while no other can.
        pub backup: Vec<IfName> { default "[]", example "[\"wwan0\"]" },
        /// What `mptcpize gateway` serves, under the names of its options; and, for all verbs, the gateways
        /// of links that have no default route.
        #[serde(deserialize_with = "gateways")]
        pub gateway: BTreeMap<IfName, IpAddr> {
            links "The gateway of this link, which has no default route of its own. Without one, such a link is \
                   left out.",
            default "none", examples [("wwan0", "\"10.64.9.1\"")], beside asked::Asked
        },
        /// The congestion control of links that lose packets, for subflows that begin from then on.
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        pub congestion: BTreeMap<IfName, Congestion> {
            links "What subflows over this link have. With \"auto\", `mptcpize daemon` gives the link bbr while \
                   it loses packets without a queue.",
            default "what the link has", examples [("wwan0", "\"bbr\""), ("wwan1", "\"auto\"")]
        },
        /// Open a subflow from each endpoint to each address of the peer.
        pub fullmesh: bool { default "false", example "true" },
        /// Subflows beside the first that a connection may have: 0 to 8.
        pub max_subflows: Option<u32> { default "8", example "4" },
        /// Set up also where a VPN takes what programs leave unbound. Subflows then leave outside of it.
        pub beside_vpn: bool { default "false", example "true" },
        /// Whether `mptcpize run` sets the host up unasked. Where it is not said, it does so where it may, and asks
        /// a user who came over the network first.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub run_setup: Option<bool> { default "true, but over ssh it asks", example "false" },
        /// Let `mptcpize daemon` open the subflows of every connection, and again those that the network
        /// ended. While it runs net.mptcp.path_manager is "userspace". Otherwise the kernel opens each once.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub heal: Option<bool> { default "false", example "true" },
        /// Where `mptcpize daemon` connects over each path every ten seconds, to see whether it passes
        /// anything. It is an address, for a name would be asked over the path that may be the dead one.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub probe: Option<SocketAddr> {
            default "none: the daemon goes by the connections that there are",
            example "\"192.0.2.1:443\""
        },
        /// What links may carry in a day, week or month, both directions together. `mptcpize daemon` makes
        /// a link a backup that has used it, until the next period.
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        pub budget: BTreeMap<IfName, Budget> {
            links "What this link may carry: 500 MB/day, 5 GB/week from sunday, 20 GB/month from 15.",
            default "without end", examples [
                ("wwan0", "\"20 GB/month from 15\""), ("wwan1", "\"5 GB/week from sunday\"")
            ]
        },
        /// With heal: links that a connection joins only once it has moved so much, or lived so long, as the
        /// next two keys say.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub metered: Vec<IfName> { default "[]", example "[\"wwan0\"]" },
        /// How much a connection must have moved before it joins metered links.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub metered_after_bytes: Option<Size> { default "\"1 MB\"", example "\"500 kB\"" },
        /// Or for how many seconds it must have lived.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub metered_after_seconds: Option<u32> { default "10", example "30" },
        /// With heal: subflows of a connection between the same two addresses, 1 to 8.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub subflows_per_path: Option<u32> { default "1", example "2" },
        /// What `mptcpize enable --system` leaves alone. It counts after another `mptcpize enable --system`.
        #[serde(skip_serializing_if = "is_default")]
        pub system: System { section },
        /// What goes through a relay (`mptcpize relay add`), while `mptcpize relay agent` or the gateway runs.
        #[serde(skip_serializing_if = "is_default")]
        pub relay: relay::asked::Asked { section },
        /// Devices for containers beside the usual one, which is mptcpize.org/shim=run. A container that is
        /// given mptcpize.org/shim=NAME has what this section says. It counts after another
        /// `mptcpize enable --containers`.
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        pub containers: BTreeMap<DeviceName, Container> { named "redis" },
        /// Which sockets of programs stay TCP: in programs of `mptcpize run`, and in what is enabled from
        /// then on. Options of the command line count before it.
        pub sockets: Sockets { section },
    }
    beside {
        /// Links that are up and pass nothing: what the daemon found, not a setting. Where nobody says,
        /// those that the daemon has set aside stay so.
        #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
        pub stalled: Option<BTreeSet<IfName>>,
        /// Of the links that are left out, those that the daemon holds back, which nobody named.
        #[serde(skip_deserializing, skip_serializing_if = "BTreeSet::is_empty")]
        pub held: BTreeSet<IfName>,
    }
}

crate::kind! {
    Role: "\"client\", \"server\" or \"both\"",
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
                if asked::Asked::KEYS.contains(&name.as_str()) {
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
            let names = asked::Asked::KEYS.join(", ");
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
    /// Leaves out links that the daemon holds back for a while.
    pub fn hold(&mut self, links: impl IntoIterator<Item = IfName>) {
        for link in links {
            if !self.exclude.contains(&link) {
                self.held.insert(link.clone());
                self.exclude.push(link);
            }
        }
    }

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

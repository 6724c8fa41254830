//! What the tool knows and decides, without touching anything: no input or output, no clock, no
//! environment.
//!
//! [`HostState`] is what was observed; [`config`] what the administrator asked; [`desired`] derives
//! the [`desired::Desired`] state with a reason for each item; [`plan`] turns the difference into
//! ordered [`change::Change`]s, each with its inverse.

pub mod asked;
pub mod asked_gateway;
pub mod budget;
pub mod calendar;
pub mod change;
pub mod checks;
pub mod config;
pub mod congestion;
pub mod connection;
pub mod container;
pub mod counters;
pub mod daemon;
pub mod desired;
pub mod environment;
pub mod event;
pub mod file_change;
pub mod gateway;
pub mod gateway_status;
pub mod in_force;
pub mod lacks;
pub mod metrics;
pub mod mptcp;
pub mod named_links;
pub mod nat;
pub mod nearest;
pub mod net;
pub mod no_path;
pub mod openmetrics;
pub mod ours;
pub mod path_manager;
pub mod phrase;
pub mod plain;
pub mod plan;
pub mod preload_file;
pub mod program;
pub mod proposal;
pub mod record;
pub mod relay;
pub mod route_lookup;
pub mod rule_order;
pub mod settings;
pub mod shell;
pub mod socket_policy;
pub mod status;
pub mod sysctl;
pub mod system;
pub mod top;
pub mod unit;
pub mod unwanted;
pub mod uplinks;
pub mod vpn;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use mptcp::{Endpoint, Limits};
use nat::Nat;
use net::{Address, Family, IfName, Link, Route, Rule};
use record::Recorded;
use route_lookup::RouteLookup;

/// Everything observed of one network namespace. `setup --json` prints it, and a test case or
/// a bug report is this.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HostState {
    /// What kernel this is.
    pub kernel: Kernel,
    /// Every link, in the kernel's order.
    pub links: Vec<Link>,
    /// Every address.
    pub addresses: Vec<Address>,
    /// Default routes of every table that a rule names, and all routes of our own tables.
    pub routes: Vec<Route>,
    /// Every rule, in the kernel's order.
    pub rules: Vec<Rule>,
    /// Every endpoint of the path manager, in its order.
    pub endpoints: Vec<Endpoint>,
    /// The path manager's limits; `None` where it does not answer.
    pub limits: Option<Limits>,
    /// The sysctls that matter, by their dotted name.
    pub sysctls: BTreeMap<String, String>,
    /// Other software that manages links or endpoints here.
    pub managers: Vec<Manager>,
    /// Where traffic goes that programs leave unbound, and that of endpoints beside it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ways: Vec<RouteLookup>,
    /// IPsec policies: what leaves encrypted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<vpn::Policy>,
    /// The address that the kernel chooses for what leaves by a link, where it was asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
    /// Tables of those that we would take next in which others have something.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub occupied: Vec<u32>,
    /// Translation of addresses, where two links have the same one.
    #[serde(skip_serializing_if = "Nat::is_default")]
    pub nat: Nat,
    /// What a gateway has made here; looked at only for one.
    #[serde(skip_serializing_if = "gateway::part::Seen::is_default")]
    pub gateway: gateway::part::Seen,
    /// /proc/sys is mounted read-only, as in many containers.
    #[serde(skip_serializing_if = "net::is_false")]
    pub sysctls_read_only: bool,
    /// Endpoints that our journal says are ours, by address.
    pub ours: Vec<std::net::IpAddr>,
    /// The uplinks that our journal says were set up.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recorded: Vec<Recorded>,
}

/// The source address that the kernel chooses for what leaves by a link: by the route's own,
/// the gateway's network, RFC 6724 and the link's preference for privacy addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The link.
    pub dev: IfName,
    /// The address.
    pub address: std::net::IpAddr,
}

impl HostState {
    /// The link of that name.
    pub fn link(&self, name: &net::IfName) -> Option<&Link> {
        self.links.iter().find(|link| link.name == *name)
    }

    /// The address that the kernel chooses for what leaves by a link.
    pub fn source(&self, dev: &IfName, family: Family) -> Option<std::net::IpAddr> {
        let of = |source: &&Source| source.dev == *dev && Family::of(source.address) == family;
        self.sources.iter().find(of).map(|source| source.address)
    }

    /// The endpoints that somebody else made: neither ours nor the kernel's own implicit ones.
    pub fn foreign_endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.endpoints
            .iter()
            .filter(|endpoint| !endpoint.flags.has(mptcp::Flags::IMPLICIT))
            .filter(|endpoint| !self.ours.contains(&endpoint.address))
    }

    /// The value of a sysctl as a number; 0 where it is missing or no number.
    pub fn sysctl(&self, key: &str) -> u32 {
        self.sysctls.get(key).and_then(|value| value.trim().parse().ok()).unwrap_or(0)
    }
}

/// The kernel, as far as MPTCP goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Kernel {
    /// `uname -r`; empty where nobody asked.
    pub release: String,
    /// Which MPTCP it has.
    pub mptcp: Flavour,
    /// How many endpoints it takes (8 through Linux 6.18).
    pub most_endpoints: usize,
    /// The highest limit it takes for subflows and announced addresses (8 through Linux 6.18).
    pub most_subflows: u32,
    /// It is built without CONFIG_MPTCP_IPV6, which wants IPv6 that is no module: no MPTCP sockets and no endpoints
    /// of that family, although it has IPv6.
    #[serde(skip_serializing_if = "net::is_false")]
    pub mptcp_without_ipv6: bool,
}

impl Default for Kernel {
    fn default() -> Self {
        Kernel {
            release: String::new(),
            mptcp: Flavour::Upstream,
            most_endpoints: mptcp::MOST,
            most_subflows: mptcp::MOST as u32,
            mptcp_without_ipv6: false,
        }
    }
}

impl Kernel {
    /// Is the release at least `major.minor`? Unknown releases are not.
    pub fn at_least(&self, major: u32, minor: u32) -> bool {
        let mut parts = self.release.split(|letter: char| !letter.is_ascii_digit());
        let mut number = || parts.next().and_then(|part| part.parse::<u32>().ok());
        matches!((number(), number()), (Some(a), Some(b)) if (a, b) >= (major, minor))
    }

    /// Does its path manager open subflows of the other family than the connection's? From Linux 6.3
    /// on; nothing else tells, and the kernel's own tests go by the release too.
    pub fn mixes_families(&self) -> bool {
        self.at_least(6, 3)
    }
}

/// Which MPTCP a kernel has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flavour {
    /// Linux 5.6 and later (RFC 8684).
    #[default]
    Upstream,
    /// The out-of-tree kernel (RFC 6824, `net.mptcp.mptcp_enabled`).
    OutOfTree,
    /// The kernel has no MPTCP.
    Absent,
}

/// Software that manages links or endpoints beside us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Manager {
    /// Adds `subflow` endpoints by itself since 1.40.
    NetworkManager,
    /// Routes and rules of its own.
    #[serde(rename = "systemd-networkd")]
    Networkd,
    /// Adds and removes endpoints by itself.
    #[serde(rename = "mptcpd")]
    Mptcpd,
}

impl std::fmt::Display for Manager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Manager::NetworkManager => "NetworkManager",
            Manager::Networkd => "systemd-networkd",
            Manager::Mptcpd => "mptcpd",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_compare_by_number() {
        let at_least =
            |release: &str| Kernel { release: release.into(), ..Kernel::default() }.at_least(6, 18);
        for (release, expected) in [
            ("6.18.44-fc-v657", true),
            ("6.18-rc1", true),
            ("7.0", true),
            ("6.2.0", false),
            ("5.15.0-91-generic", false),
            ("", false),
            ("custom", false),
        ] {
            assert_eq!(at_least(release), expected, "{release}");
        }
    }
}

//! Translation of addresses, for links that have the same one: modems of one make hand out the
//! same address to every host. The second link gets an address of its own, and what leaves by the
//! link with it gets the link's real address.

use std::fmt;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::net::{IfName, Prefix};

/// The nftables table that is ours alone (family `ip`).
pub const TABLE: &str = "mptcpize";

/// Addresses that we give to links: a part of 198.18.0.0/15, which RFC 2544 reserves for the
/// benchmarking of devices and which no network that a modem hands out uses; 86 after RFC 8684.
pub const OWN: Prefix =
    Prefix { address: std::net::IpAddr::V4(Ipv4Addr::new(198, 18, 86, 0)), length: 24 };

/// One translation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Translation {
    /// What leaves by this link,
    pub dev: IfName,
    /// from this address of ours,
    pub from: Ipv4Addr,
    /// gets this one of the link.
    pub to: Ipv4Addr,
}

impl fmt::Display for Translation {
    /// As nft(8) writes the rule.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "oifname \"{}\" ip saddr {} snat to {}", self.dev, self.from, self.to)
    }
}

/// What was seen of nftables; looked at only where two links have the same address, or something
/// of ours is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Nat {
    /// Why it cannot be used, where it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unusable: Option<String>,
    /// Translations in our table.
    pub rules: Vec<Translation>,
}

impl Nat {
    /// Nothing was seen of it?
    pub fn is_default(&self) -> bool {
        *self == Nat::default()
    }
}

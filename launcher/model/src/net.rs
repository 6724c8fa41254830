//! Links, addresses, routes and rules, as far as a path is made of them. Named by link name, so
//! that a state reads like `ip` and can be written by hand; the host layer translates to indexes.

mod action;
mod bytes;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use self::action::Action;
pub use self::bytes::Bytes;
use crate::metrics::Metrics;

/// The name of a link, as the kernel takes it (`dev_valid_name`, net/core/dev.c).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IfName(String);

impl IfName {
    /// Checks a name.
    ///
    /// # Errors
    /// It is empty, over 15 bytes, `.` or `..`, or has a slash, a colon or white space.
    pub fn new(name: &str) -> Result<Self, String> {
        let wrong = |why: &str| Err(format!("{name:?} is not an interface name: {why}"));
        match name {
            "" => wrong("it is empty"),
            "." | ".." => wrong("it is a directory's"),
            _ if name.len() > 15 => wrong("it is longer than 15 bytes"),
            _ if name.contains(['/', ':']) => wrong("it has a slash or a colon"),
            _ if name.contains(char::is_whitespace) => wrong("it has white space"),
            _ => Ok(IfName(name.to_owned())),
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for IfName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        IfName::new(&name)
    }
}

impl FromStr for IfName {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        IfName::new(name)
    }
}

impl From<IfName> for String {
    fn from(name: IfName) -> String {
        name.0
    }
}

impl fmt::Display for IfName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Family {
    /// IPv4.
    #[serde(rename = "inet")]
    V4,
    /// IPv6.
    #[serde(rename = "inet6")]
    V6,
}

impl Family {
    /// Both, IPv4 first.
    pub const BOTH: [Family; 2] = [Family::V4, Family::V6];

    /// The family of an address.
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Family::V4 } else { Family::V6 }
    }

    /// Bits of an address.
    pub fn bits(self) -> u8 {
        if self == Family::V4 { 32 } else { 128 }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Family::V4 { "IPv4" } else { "IPv6" })
    }
}

/// A network: an address and how many of its bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Prefix {
    /// Its first address, when made by [`Prefix::network`].
    pub address: IpAddr,
    /// Bits that count.
    pub length: u8,
}

impl Prefix {
    /// One address.
    pub fn host(address: IpAddr) -> Self {
        Prefix { address, length: Family::of(address).bits() }
    }

    /// The network of `address`, its other bits cleared.
    pub fn network(address: IpAddr, length: u8) -> Self {
        let address = match address {
            IpAddr::V4(v4) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(length.min(32))).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from(u32::from(v4) & mask))
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(length.min(128))).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from(u128::from(v6) & mask))
            }
        };
        Prefix { address, length }
    }

    /// Is `address` in it?
    pub fn contains(&self, address: IpAddr) -> bool {
        Family::of(address) == Family::of(self.address)
            && Prefix::network(address, self.length) == Prefix::network(self.address, self.length)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.length == Family::of(self.address).bits() {
            return self.address.fmt(f);
        }
        write!(f, "{}/{}", self.address, self.length)
    }
}

impl FromStr for Prefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not an address or a network");
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let bits = Family::of(address).bits();
        let length = length.map_or(Ok(bits), str::parse).map_err(|_| wrong())?;
        if length > bits { Err(wrong()) } else { Ok(Prefix { address, length }) }
    }
}

impl TryFrom<String> for Prefix {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Prefix> for String {
    fn from(prefix: Prefix) -> String {
        prefix.to_string()
    }
}

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Its name.
    pub name: IfName,
    /// The administrator's switch (`IFF_UP`).
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub up: bool,
    /// A carrier (`IFF_LOWER_UP`).
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub carrier: bool,
    /// The loopback link.
    #[serde(default, skip_serializing_if = "is_false")]
    pub loopback: bool,
    /// Point to point (`IFF_POINTOPOINT`): ppp, a TUN device, many modems.
    #[serde(default, skip_serializing_if = "is_false")]
    pub point_to_point: bool,
    /// The kind of a virtual link (`IFLA_INFO_KIND`): bridge, veth, wireguard …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The bridge or bond that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master: Option<IfName>,
    /// The link of this namespace that it lies over (`IFLA_LINK`): a VLAN's, a macvlan's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lower: Option<IfName>,
}

/// An address of a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// Whose it is.
    pub dev: IfName,
    /// The local address.
    pub address: IpAddr,
    /// Bits of the connected network (of the peer's, on a point-to-point link).
    pub length: u8,
    /// The other end of a point-to-point address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<IpAddr>,
    /// `scope global`, and not link, host or nowhere.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub global: bool,
    /// Its preferred lifetime is over: for old connections only.
    #[serde(default, skip_serializing_if = "is_false")]
    pub deprecated: bool,
    /// Duplicate address detection has not ended, or has failed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub tentative: bool,
    /// A privacy address that will be replaced (RFC 8981).
    #[serde(default, skip_serializing_if = "is_false")]
    pub temporary: bool,
    /// A further address of the same network (`IFA_F_SECONDARY`, IPv4).
    #[serde(default, skip_serializing_if = "is_false")]
    pub secondary: bool,
    /// Who made it (`IFA_PROTO`, Linux 5.18); 0 where that is not said.
    #[serde(default, skip_serializing_if = "is_zero_u8")]
    pub protocol: u8,
}

impl fmt::Display for Address {
    /// As `ip address add` takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} dev {}", self.address, self.length, self.dev)?;
        if self.global { Ok(()) } else { f.write_str(" scope link") }
    }
}

impl Address {
    /// The network that is connected through this address.
    pub fn network(&self) -> Prefix {
        Prefix::network(self.peer.unwrap_or(self.address), self.length)
    }
}

/// A unicast route.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Its table; 254 is main.
    pub table: u32,
    /// IPv4 or IPv6.
    pub family: Family,
    /// Where to; `None` is the default route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Prefix>,
    /// Only for packets from here (IPv6's source-specific routes); `None` is for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Prefix>,
    /// The gateway; none on connected networks and point-to-point links.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<IpAddr>,
    /// The link it leaves by.
    pub dev: IfName,
    /// The source address that it suggests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub src: Option<IpAddr>,
    /// The metric; lower is better.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub metric: u32,
    /// Who made it (`rtm_protocol`, /etc/iproute2/rt_protos).
    pub protocol: u8,
    /// The gateway is taken to be on the link even where no network says so.
    #[serde(default, skip_serializing_if = "is_false")]
    pub onlink: bool,
    /// Its scope (`rtm_scope`, IPv4), where that is not what `ip route` gives by itself: global
    /// (0) with a gateway, link (253) without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<u8>,
    /// What TCP is told of the way.
    #[serde(default, skip_serializing_if = "Metrics::is_empty")]
    pub metrics: Metrics,
    /// Packets get another header on the way (`RTA_ENCAP`: MPLS, SRv6 …), which is not copied.
    #[serde(default, skip_serializing_if = "is_false")]
    pub encapsulated: bool,
}

impl fmt::Display for Route {
    /// As `ip route` writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.to {
            Some(to) => write!(f, "{to}")?,
            None => f.write_str("default")?,
        }
        if let Some(from) = self.from {
            write!(f, " from {from}")?;
        }
        if let Some(via) = self.via {
            write!(f, " via {via}")?;
        }
        write!(f, " dev {}", self.dev)?;
        if self.table != MAIN {
            write!(f, " table {}", self.table)?;
        }
        if let Some(src) = self.src {
            write!(f, " src {src}")?;
        }
        if self.metric != 0 {
            write!(f, " metric {}", self.metric)?;
        }
        if self.onlink {
            f.write_str(" onlink")?;
        }
        match self.scope {
            None => {}
            Some(0) => f.write_str(" scope global")?,
            Some(253) => f.write_str(" scope link")?,
            Some(scope) => write!(f, " scope {scope}")?,
        }
        self.metrics.fmt(f)
    }
}

/// The main routing table (`RT_TABLE_MAIN`).
pub const MAIN: u32 = 254;

/// A rule of the routing policy.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Where in the order; lower comes first.
    pub priority: u32,
    /// IPv4 or IPv6.
    pub family: Family,
    /// Sources that it is for; `None` is all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Prefix>,
    /// Only for what this host itself sends, and not for what it forwards (`iif lo`).
    #[serde(default, skip_serializing_if = "is_false")]
    pub local: bool,
    /// What it does.
    #[serde(default, skip_serializing_if = "Action::is_lookup")]
    pub action: Action,
    /// The table to look in; 0 for an action other than a look-up.
    pub table: u32,
    /// Routes this short or shorter do not count (`suppress_prefixlength`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppress: Option<u32>,
    /// Who made it.
    #[serde(default, skip_serializing_if = "is_zero_u8")]
    pub protocol: u8,
    /// It has conditions (mark, interface, ports …) that this model leaves out.
    #[serde(default, skip_serializing_if = "is_false")]
    pub conditional: bool,
}

impl fmt::Display for Rule {
    /// As `ip rule add` takes it, without the family.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.from {
            Some(from) => write!(f, "from {from}")?,
            None => f.write_str("from all")?,
        }
        if self.local {
            f.write_str(" iif lo")?;
        }
        write!(f, " {}", self.action)?;
        match (self.action, self.table) {
            (Action::Lookup, MAIN) => f.write_str(" main")?,
            (Action::Lookup, table) => write!(f, " {table}")?,
            _ => {}
        }
        if let Some(length) = self.suppress {
            write!(f, " suppress_prefixlength {length}")?;
        }
        write!(f, " pref {}", self.priority)
    }
}

fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_true(value: &bool) -> bool {
    *value
}

pub(super) fn is_false(value: &bool) -> bool {
    !*value
}

fn is_zero(value: &u32) -> bool {
    *value == 0
}

fn is_zero_u8(value: &u8) -> bool {
    *value == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interface_names_are_checked_once() {
        for good in ["eth0", "wlp0s20f3", "a", "enx001122334455", "br-lan", "eth0.10"] {
            assert!(IfName::new(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a b", "a:b", "0123456789abcdef", "a\n"] {
            assert!(IfName::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn networks_are_cut_from_addresses() {
        let table = [
            ("192.168.1.23", 24, "192.168.1.0/24"),
            ("10.1.2.3", 32, "10.1.2.3"),
            ("10.1.2.3", 0, "0.0.0.0/0"),
            ("2001:db8:1:2:3::4", 64, "2001:db8:1:2::/64"),
            ("::1", 0, "::/0"),
        ];
        for (address, length, expected) in table {
            let address = address.parse().expect("a literal address");
            assert_eq!(Prefix::network(address, length).to_string(), expected);
        }
    }

    #[test]
    fn a_network_contains_its_own_family_only() {
        let network: Prefix = "0.0.0.0/0".parse().expect("a literal network");
        assert!(network.contains("1.2.3.4".parse().expect("a literal")));
        assert!(!network.contains("::1".parse().expect("a literal")));
    }
}

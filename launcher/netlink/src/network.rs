//! Address families and networks.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Family {
    /// IPv4 (`AF_INET`).
    V4,
    /// IPv6 (`AF_INET6`).
    V6,
}

impl Family {
    /// Both, IPv4 first.
    pub const BOTH: [Family; 2] = [Family::V4, Family::V6];

    /// The family of an address.
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Family::V4 } else { Family::V6 }
    }

    /// Bits of an address: 32 or 128.
    pub fn bits(self) -> u8 {
        if self == Family::V4 { 32 } else { 128 }
    }

    /// The kernel's number (`AF_INET` is 2, `AF_INET6` is 10).
    pub fn number(self) -> u8 {
        match self {
            Family::V4 => 2,
            Family::V6 => 10,
        }
    }

    /// The family with this number, if it is one of the two.
    pub fn from_number(number: u8) -> Option<Self> {
        Family::BOTH.into_iter().find(|family| family.number() == number)
    }

    /// The unspecified address: `0.0.0.0` or `::`.
    pub(crate) fn zero(self) -> IpAddr {
        match self {
            Family::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Family::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        }
    }
}

/// A network: an address and how many of its leading bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Prefix {
    /// The address. The kernel refuses a route whose address has bits behind `length`.
    pub address: IpAddr,
    /// Bits that count: 0 to 32 for IPv4, 0 to 128 for IPv6.
    pub length: u8,
}

impl Prefix {
    /// A network.
    pub fn new(address: impl Into<IpAddr>, length: u8) -> Self {
        Prefix { address: address.into(), length }
    }

    /// One address.
    pub fn host(address: impl Into<IpAddr>) -> Self {
        let address = address.into();
        Prefix { address, length: Family::of(address).bits() }
    }
}

impl fmt::Display for Prefix {
    /// As `ip` writes it: a host without its length.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.length == Family::of(self.address).bits() {
            return self.address.fmt(f);
        }
        write!(f, "{}/{}", self.address, self.length)
    }
}

//! The path manager's own things: endpoints, their flags, limits (ip-mptcp(8),
//! include/uapi/linux/mptcp_pm.h).

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::net::IfName;

/// `IPPROTO_MPTCP`, the protocol of MPTCP sockets (include/uapi/linux/in.h).
pub const IPPROTO_MPTCP: u32 = 262;

/// How many endpoints a kernel takes, and its highest limit, through Linux 6.18
/// (`MPTCP_PM_ADDR_MAX`, net/mptcp/pm_kernel.c). Newer ones may take more.
pub const MOST: usize = 8;

/// A set of endpoint flags, kept raw so that one the tool does not know survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(pub u32);

impl Flags {
    /// Announced to the peer with ADD_ADDR (RFC 8684 section 3.4.1).
    pub const SIGNAL: Flags = Flags(1);
    /// Used to open subflows with MP_JOIN (section 3.2).
    pub const SUBFLOW: Flags = Flags(2);
    /// Its subflows carry data only when no other can (section 3.3.8).
    pub const BACKUP: Flags = Flags(4);
    /// A subflow to each address of the peer.
    pub const FULLMESH: Flags = Flags(8);
    /// Made by the kernel itself for a connection that came from it.
    pub const IMPLICIT: Flags = Flags(16);
    /// One subflow to each address that the peer announces (Linux 6.18).
    pub const LAMINAR: Flags = Flags(32);

    /// The words of ip-mptcp(8), in the order in which it prints them.
    pub const NAMES: [(&'static str, Flags); 6] = [
        ("signal", Flags::SIGNAL),
        ("subflow", Flags::SUBFLOW),
        ("backup", Flags::BACKUP),
        ("fullmesh", Flags::FULLMESH),
        ("implicit", Flags::IMPLICIT),
        ("laminar", Flags::LAMINAR),
    ];

    /// Are all of `others` in it?
    pub fn has(self, others: Flags) -> bool {
        self.0 & others.0 == others.0
    }

    /// Both sets together.
    #[must_use]
    pub fn with(self, others: Flags) -> Flags {
        Flags(self.0 | others.0)
    }

    /// This set without `others`.
    #[must_use]
    pub fn without(self, others: Flags) -> Flags {
        Flags(self.0 & !others.0)
    }

    /// The words, and `rawflags 40` for bits without one.
    pub fn words(self) -> Vec<String> {
        let mut rest = self;
        let mut words = Vec::new();
        for (name, flag) in Flags::NAMES {
            if self.has(flag) {
                words.push(name.to_owned());
                rest = rest.without(flag);
            }
        }
        if rest.0 != 0 {
            words.push(format!("rawflags {:x}", rest.0));
        }
        words
    }
}

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.words().join(" "))
    }
}

impl FromStr for Flags {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut flags = Flags::default();
        let mut words = text.split_whitespace();
        while let Some(word) = words.next() {
            let known = Flags::NAMES.iter().find(|(name, _)| *name == word);
            let raw = (word == "rawflags")
                .then(|| words.next().and_then(|raw| u32::from_str_radix(raw, 16).ok()))
                .flatten();
            match (known, raw) {
                (Some((_, flag)), _) => flags = flags.with(*flag),
                (None, Some(raw)) => flags = flags.with(Flags(raw)),
                (None, None) => return Err(format!("{word:?} is not a flag of an endpoint")),
            }
        }
        Ok(flags)
    }
}

impl Serialize for Flags {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Flags {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// An address that the path manager may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// 1 to 255, or 0 where the kernel is to choose.
    #[serde(default)]
    pub id: u8,
    /// The address.
    pub address: IpAddr,
    /// A listening port of its own, for `signal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The link that subflows are bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dev: Option<IfName>,
    /// What it is for.
    #[serde(default)]
    pub flags: Flags,
}

impl fmt::Display for Endpoint {
    /// As `ip mptcp endpoint add` takes it, without the id.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)?;
        if let Some(port) = self.port {
            write!(f, " port {port}")?;
        }
        if let Some(dev) = &self.dev {
            write!(f, " dev {dev}")?;
        }
        if self.flags != Flags::default() {
            write!(f, " {}", self.flags)?;
        }
        Ok(())
    }
}

/// How much the path manager may do in one connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Additional subflows.
    pub subflows: u32,
    /// Addresses announced by the peer that are taken up.
    pub add_addr_accepted: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_read_and_write_the_words_of_ip_mptcp() {
        for text in ["signal", "subflow backup", "subflow fullmesh", "subflow laminar", ""] {
            let flags: Flags = text.parse().unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(flags.to_string(), text);
        }
        assert_eq!(Flags(0x42).to_string(), "subflow rawflags 40");
        assert_eq!("subflow rawflags 40".parse(), Ok(Flags(0x42)));
        assert!("subflows".parse::<Flags>().is_err());
    }
}

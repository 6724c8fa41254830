//! What an endpoint is for.

use std::fmt;
use std::str::FromStr;

/// A set of endpoint flags (`MPTCP_PM_ADDR_FLAG_*`, include/uapi/linux/mptcp_pm.h), kept raw so
/// that a flag of a later kernel survives being read and written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Flags(pub u32);

impl Flags {
    /// Announced to the peer with ADD_ADDR (RFC 8684 section 3.4.1).
    pub const SIGNAL: Flags = Flags(1);
    /// Used to open subflows with MP_JOIN (RFC 8684 section 3.2).
    pub const SUBFLOW: Flags = Flags(2);
    /// Its subflows carry data only when no other can (RFC 8684 section 3.3.8).
    pub const BACKUP: Flags = Flags(4);
    /// A subflow to each address of the peer (Linux 5.15). The kernel refuses it with `signal`.
    pub const FULLMESH: Flags = Flags(8);
    /// Made by the kernel itself for a connection that came from the address.
    pub const IMPLICIT: Flags = Flags(16);
    /// One subflow to each address that the peer announces (Linux 6.18). An older kernel stores
    /// the flag, and does nothing for it.
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
}

impl fmt::Display for Flags {
    /// The words of ip-mptcp(8), and `rawflags 40` (in hexadecimal) for bits without one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut rest, mut separator) = (*self, "");
        for (name, flag) in Flags::NAMES.into_iter().filter(|(_, flag)| self.has(*flag)) {
            write!(f, "{separator}{name}")?;
            (rest, separator) = (rest.without(flag), " ");
        }
        match rest.0 {
            0 => Ok(()),
            raw => write!(f, "{separator}rawflags {raw:x}"),
        }
    }
}

impl FromStr for Flags {
    type Err = String;

    /// Reads what [`Flags`] writes; the error names the word that is no flag.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut flags = Flags::default();
        let mut words = text.split_whitespace();
        while let Some(word) = words.next() {
            let known = Flags::NAMES.iter().find(|(name, _)| *name == word).map(|(_, flag)| *flag);
            let mut raw = || u32::from_str_radix(words.next()?, 16).ok().map(Flags);
            let flag = if word == "rawflags" { raw() } else { known };
            flags = flags.with(flag.ok_or_else(|| format!("{word:?} is not a flag"))?);
        }
        Ok(flags)
    }
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
        assert_eq!(Flags(0x40).to_string(), "rawflags 40");
        assert!("subflows".parse::<Flags>().is_err() && "rawflags".parse::<Flags>().is_err());
    }
}

//! Rules of the routing policy.

use crate::network::{Family, Prefix};

/// A rule of the routing policy (`RTM_NEWRULE`, include/uapi/linux/fib_rules.h, ip-rule(8)).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Rule {
    /// Its place in the order; lower comes first. Rules of equal priority keep the order in which
    /// they were added.
    pub priority: u32,
    /// IPv4 or IPv6.
    pub family: Family,
    /// The sources that it is for; `None` is all.
    pub from: Option<Prefix>,
    /// Only for packets that this host itself sends, and not for those that it forwards (`iif lo`).
    pub local: bool,
    /// What it does.
    pub action: Action,
    /// The table to look in; 0 for an action other than a look-up.
    pub table: u32,
    /// Routes with a prefix this long or shorter do not count (`suppress_prefixlength`).
    pub suppress: Option<u32>,
    /// Who made it (`FRA_PROTOCOL`, Linux 4.17).
    pub protocol: u8,
    /// It has conditions (a mark, an interface, ports …) that this type leaves out. Such a rule is
    /// neither written nor deleted.
    pub conditional: bool,
}

/// What a rule does with a packet (`FR_ACT_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Action {
    /// Looks in the rule's table.
    #[default]
    Lookup,
    /// Goes on at the rule of this priority.
    Goto(u32),
    /// Nothing; a place for `goto` to lead to.
    Nop,
    /// Drops the packet without an answer.
    Blackhole,
    /// Refuses the packet: no route to host.
    Unreachable,
    /// Refuses the packet: administratively prohibited.
    Prohibit,
    /// An action of a later kernel, by its number.
    Other(u8),
}

impl Rule {
    /// A rule that looks in `table`, for packets from everywhere.
    pub fn new(family: Family, priority: u32, table: u32) -> Self {
        Rule {
            priority,
            family,
            from: None,
            local: false,
            action: Action::Lookup,
            table,
            suppress: None,
            protocol: 0,
            conditional: false,
        }
    }

    /// Limits it to packets from these sources.
    #[must_use]
    pub fn from(mut self, sources: Prefix) -> Self {
        self.from = Some(sources);
        self
    }

    /// Limits it to packets that this host itself sends (`iif lo`).
    #[must_use]
    pub fn local(mut self) -> Self {
        self.local = true;
        self
    }

    /// Ignores routes with a prefix of this length or shorter: with 0, default routes.
    #[must_use]
    pub fn suppress(mut self, length: u32) -> Self {
        self.suppress = Some(length);
        self
    }

    /// Says who made it (`FRA_PROTOCOL`).
    #[must_use]
    pub fn protocol(mut self, protocol: u8) -> Self {
        self.protocol = protocol;
        self
    }
}

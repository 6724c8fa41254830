//! What a rule of the routing policy does, in the words of ip-rule(8).

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a rule of the routing policy does with a packet (`FR_ACT_*`, include/uapi/linux/fib_rules.h).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Looks in the rule's table.
    #[default]
    Lookup,
    /// Goes on at the rule of this priority.
    Goto(u32),
    /// Nothing; a place for `goto` to lead to.
    Nop,
    /// Drops it without a word.
    Blackhole,
    /// Refuses it: no route to host.
    Unreachable,
    /// Refuses it: administratively prohibited.
    Prohibit,
    /// An action of a later kernel.
    Other(u8),
}

impl Action {
    #[allow(clippy::trivially_copy_pass_by_ref)]
    pub(super) fn is_lookup(&self) -> bool {
        *self == Action::Lookup
    }
}

impl fmt::Display for Action {
    /// As `ip rule` writes it, without the table of a look-up.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Lookup => f.write_str("lookup"),
            Action::Goto(priority) => write!(f, "goto {priority}"),
            Action::Nop => f.write_str("nop"),
            Action::Blackhole => f.write_str("blackhole"),
            Action::Unreachable => f.write_str("unreachable"),
            Action::Prohibit => f.write_str("prohibit"),
            Action::Other(number) => write!(f, "action {number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::net::{Action, Family, MAIN, Rule};

    #[test]
    fn rules_read_as_those_of_ip() {
        let table = [
            (Action::Lookup, MAIN, "from all lookup main pref 100"),
            (Action::Lookup, 7, "from all lookup 7 pref 100"),
            (Action::Goto(32766), 0, "from all goto 32766 pref 100"),
            (Action::Nop, 0, "from all nop pref 100"),
            (Action::Blackhole, 0, "from all blackhole pref 100"),
            (Action::Unreachable, 0, "from all unreachable pref 100"),
            (Action::Prohibit, 0, "from all prohibit pref 100"),
            (Action::Other(9), 0, "from all action 9 pref 100"),
        ];
        for (action, table, expected) in table {
            let rule = Rule {
                priority: 100,
                family: Family::V4,
                from: None,
                local: false,
                action,
                table,
                suppress: None,
                protocol: 0,
                conditional: false,
            };
            assert_eq!(rule.to_string(), expected);
            let written = serde_json::to_string(&rule).expect("it is data");
            assert_eq!(serde_json::from_str::<Rule>(&written).ok(), Some(rule), "{written}");
            assert_eq!(written.contains("action"), action != Action::Lookup, "{written}");
        }
    }
}

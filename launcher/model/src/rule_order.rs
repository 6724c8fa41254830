//! Which rules are asked first: before the main table, after it, and for the host's own addresses
//! (ip-rule(8)).

use crate::HostState;
use crate::net::{MAIN, Rule};

/// The table of this host's own addresses (`RT_TABLE_LOCAL`).
pub const LOCAL: u32 = 255;

/// Is a rule asked before main? Not so where no rule leads all traffic there.
pub fn is_before_main(state: &HostState, rule: &Rule) -> bool {
    let main =
        |other: &&Rule| other.family == rule.family && is_plain(other) && other.table == MAIN;
    state.rules.iter().find(main).is_some_and(|main| rule.priority < main.priority)
}

/// Is it the rule for this host's own addresses?
pub fn is_local(rule: &Rule) -> bool {
    is_plain(rule) && rule.table == LOCAL
}

/// A look-up for everybody and everything.
pub fn is_plain(rule: &Rule) -> bool {
    rule.from.is_none() && !rule.local && rule.suppress.is_none() && !rule.conditional
}

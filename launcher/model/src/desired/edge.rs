//! Where our rules stand among those of others: at main's very edge, behind everything that was
//! asked before main and before main itself, and behind everything there is for the last resort.

use crate::HostState;
use crate::net::{Action, Family, MAIN, Rule};
use crate::ours::is_ours;
use crate::rule_order::{LOCAL, is_plain};

/// `lookup TABLE` for everybody, at the earliest: behind main (32766) and default (32767), with
/// room for those that people add there.
pub const LAST_RESORT: u32 = 32800;

/// The priority of main's rule, unless somebody moves it.
const MAINS_OWN: u32 = 32766;

/// The places of our rules in one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edge {
    /// The priority just before main's. Others may have it too: rules of equal priority are asked
    /// in the order in which they were added, so ours come last.
    pub before_main: u32,
    /// The first priority behind all rules of others; none where there is no room, or where a rule
    /// leads some traffic past main: it is not to reach the last resort either.
    pub last_resort: Option<u32>,
}

/// Where our rules of this family belong: just before main's, and behind all others.
///
/// # Errors
/// A clause that says why there is none.
pub(super) fn find(state: &HostState, family: Family) -> Result<Edge, String> {
    let foreign =
        || state.rules.iter().filter(|rule| rule.family == family && !is_ours(rule.protocol));
    if foreign().next().is_none() {
        // Not read, or a kernel that shows none: what each starts with (fib_default_rules_init).
        return Ok(Edge { before_main: MAINS_OWN - 1, last_resort: Some(LAST_RESORT) });
    }
    let of = |table: u32| move |rule: &Rule| is_plain(rule) && rule.table == table;
    let Some(at) = foreign().position(of(MAIN)) else {
        return Err("no rule leads all traffic to the main table".into());
    };
    let main = foreign().nth(at).map_or(0, |rule| rule.priority);
    if !foreign().take(at).any(of(LOCAL)) {
        return Err("the local table is not asked before main".into());
    }
    if let Some(rule) = foreign().take(at).find(|rule| rule.priority == main) {
        return Err(format!("the rule \"{rule}\" has main's own priority: nothing fits between"));
    }
    let Some(before_main) = main.checked_sub(1) else {
        return Err("main has the first priority: nothing fits before it".into());
    };
    let past_main = |rule: &Rule| matches!(rule.action, Action::Goto(target) if target > main);
    if foreign().any(past_main) {
        return Ok(Edge { before_main, last_resort: None });
    }
    let last = foreign().map(|rule| rule.priority).max().unwrap_or(main);
    Ok(Edge { before_main, last_resort: last.checked_add(1).map(|next| next.max(LAST_RESORT)) })
}

/// Our rules at main's edge that must be added again to come where they belong: those that a rule
/// of somebody else stands behind, and those that do not stand behind the rule that they need.
pub fn misplaced<'a>(state: &'a HostState, family: Family, wanted: &[&Rule]) -> Vec<&'a Rule> {
    let all: Vec<&Rule> = state.rules.iter().filter(|rule| rule.family == family).collect();
    let mut wrong: Vec<&Rule> = Vec::new();
    for (at, rule) in all.iter().enumerate() {
        if !wanted.contains(rule) || rule.from.is_none() && !rule.local {
            continue;
        }
        let beside = |other: &&&Rule| other.priority == rule.priority;
        let overtaken = all[at..].iter().filter(beside).any(|other| !is_ours(other.protocol));
        // For each source main's other routes come first, the link's own table second.
        let same = |other: &&&Rule| (other.from, other.local) == (rule.from, rule.local);
        let first = wanted.iter().filter(same).find(|other| other.suppress.is_some());
        let behind = |other: &&Rule| all[..at].contains(other) && !wrong.contains(other);
        let too_early = rule.suppress.is_none() && first.is_some_and(|first| !behind(first));
        // What has a source goes its own way, whatever is passed by.
        let sources = || wanted.iter().filter(|other| other.from.is_some());
        let overtakes = rule.local && !sources().all(behind);
        if overtaken || too_early || overtakes {
            wrong.push(rule);
        }
    }
    wrong
}

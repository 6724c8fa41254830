//! Does something that is no uplink take the host's traffic, and does anything lead around it; and
//! is the set-up as it was made.

use super::{Context, Finding, SETUP, Severity};
use crate::change::Change;
use crate::proposal;

/// The code of the finding that nothing is set up, because a VPN takes the traffic.
pub(super) const CAPTURED: &str = "vpn.captured";

/// What bonds a host all the same whose traffic a VPN takes: the one remedy that every verb names.
pub const BESIDE: &str = "mptcpize setup --beside-vpn";

pub(super) fn vpn(context: &Context) -> Vec<Finding> {
    let (host, asked) = (&context.seen.host, &context.seen.asked);
    if let Some(leak) = proposal::leak(host, asked) {
        let commands: Vec<&str> = leak.fix.iter().map(String::as_str).collect();
        let finding = Finding::problem("vpn.leak", leak.what).why(leak.why);
        return vec![finding.fix(&commands)];
    }
    let Some(captured) = context.proposal.captured() else { return vec![] };
    let finding = Finding::note(CAPTURED, captured.what());
    let advice =
        format!("{BESIDE}    bonds all the same: subflows leave outside of {}", captured.by());
    if !host.ours.is_empty() {
        let why = format!("{}; what was set up before leads nothing around it", captured.why());
        return vec![finding.why(why).advice(advice)];
    }
    let why = format!("{}; nothing is bonded around it, as is right for one", captured.why());
    vec![finding.why(why).advice(advice)]
}

/// The set-up as a whole, where no finding has told of a fault: whatever `setup` would change is one.
pub(super) fn setup(context: &Context, told: &[Finding]) -> Vec<Finding> {
    let proposal = &context.proposal;
    // A daemon changes what it has its own reasons to: budgets, links that pass nothing or block others.
    if context.seen.followed || context.is_managed() {
        return vec![];
    }
    let wrong = |finding: &Finding| finding.severity >= Severity::Warning;
    if proposal.plan.is_empty() || told.iter().any(wrong) {
        return vec![];
    }
    let count = proposal.plan.steps.len();
    let first = &proposal.plan.steps[0].change;
    // The noun alone would read as if it were to be made.
    let what = match first {
        Change::Add(_) => "add",
        Change::Remove(_) => "remove",
        Change::Flags { .. } | Change::Limits { .. } | Change::Sysctl { .. } => "change",
    };
    let first = format!("{what} the {} {first}", first.noun());
    let changes = match count {
        1 => format!("one change is due: {first}"),
        _ => format!("{count} changes are due, the first: {first}"),
    };
    let finding = if proposal.others_bond(&context.seen.host) {
        Finding::note("setup.others", "others bond the links; mptcpize setup has made nothing")
            .why(changes)
            .advice("mptcpize setup    adds source routing and the rest")
    } else {
        Finding::warning("setup.stale", "the host is not as mptcpize setup makes it")
            .why(changes)
            .fix(&[SETUP])
    };
    vec![finding]
}

//! What rules of others do to the LAN's packets.

use super::{Finding, Gateway, Rule};
use crate::checks::Severity;
use crate::phrase::list;

pub(super) fn filter(gateway: &Gateway) -> Vec<Finding> {
    let fix = |rule: &Rule, finding: Finding| {
        let commands: Vec<&str> = rule.fix.iter().map(String::as_str).collect();
        match commands.is_empty() {
            true => finding,
            false => finding.fix(&commands),
        }
    };
    let mut found: Vec<Finding> = gateway
        .proxies
        .iter()
        .map(|rule| {
            let title = format!("another rule takes TCP of {}", rule.lan);
            let why = format!("{}: what it takes is not bonded", rule.place);
            fix(rule, Finding::warning("gateway.proxy", title).why(why))
        })
        .collect();
    found.extend(gateway.closed.iter().map(|rule| {
        let title = format!("TCP of {} is dropped before the relay gets it", rule.lan);
        let why = format!("{}: what is relayed comes in, whatever it is for", rule.place);
        fix(rule, Finding::problem("gateway.input", title).why(why))
    }));
    found.extend(gateway.drops.iter().map(|rule| {
        let some = rule.uplinks.len() < gateway.settings.uplinks.len();
        let to = if some { format!(" to {}", list(&rule.uplinks)) } else { String::new() };
        let title = format!("what is forwarded from {}{to} is dropped", rule.lan);
        let why = format!(
            "{}: UDP, ICMP and what bypasses the relay do not pass, and TCP does not while no relay \
             runs",
            rule.place
        );
        fix(rule, Finding::problem("gateway.forward", title).why(why))
    }));
    if let Some(why) = &gateway.unread {
        let title = "the rules that the LAN's packets meet were not read";
        let mut unknown = Finding::note("gateway.unread", title);
        unknown.severity = Severity::Unknown;
        found.push(unknown.why(why.clone()));
    }
    found
}

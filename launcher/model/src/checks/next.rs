//! What to do next, from the findings: the end of `check`.

use super::vpn::CAPTURED;
use super::{Finding, Severity};

/// What to do next. `HOST` and `PROGRAM` in a command are for the reader to choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    /// What for: `to mend routing`.
    pub what: String,
    /// Commands that root types first.
    pub by_root: Vec<String>,
    /// Commands that anybody types then.
    pub then: Vec<String>,
}

/// What to type next; nothing where no command is known to help. `peer` is the server that was tried, as
/// `check` takes it.
///
/// A host that is not in order comes first, then a server that speaks MPTCP, then programs.
pub fn next(findings: &[Finding], peer: Option<&str>) -> Option<Next> {
    if let Some(first) = first_to_mend(findings) {
        let again =
            peer.map_or("mptcpize check".to_owned(), |peer| format!("mptcpize check {peer}"));
        let what = format!("to mend {}", first.topic);
        return Some(Next { what, by_root: first.fix.clone(), then: vec![again] });
    }
    let by_anybody = |what: &str, commands: &[&str]| Next {
        what: what.to_owned(),
        by_root: Vec::new(),
        then: commands.iter().map(|command| (*command).to_owned()).collect(),
    };
    if findings.iter().any(|finding| finding.code == "peer.no_mptcp") {
        let what = "to use every path to servers without MPTCP, by a server that you rent";
        return Some(by_anybody(what, &["mptcpize relay --help"]));
    }
    // No command mends what is left, and its advice stands beside it.
    if let Some(fault) = first_to_heed(findings) {
        let again =
            peer.map_or("mptcpize check".to_owned(), |peer| format!("mptcpize check {peer}"));
        let what = format!("when that of {} is mended", fault.topic);
        return Some(Next { what, by_root: Vec::new(), then: vec![again] });
    }
    // Programs go through the tunnel, which is right; a server that speaks MPTCP would change nothing.
    if peer.is_none() && findings.iter().any(|finding| finding.code == CAPTURED) {
        return None;
    }
    Some(match peer {
        None => by_anybody(
            "to see whether a server of yours (or a public one: man mptcpize-check) speaks MPTCP on each path",
            &["mptcpize check HOST"],
        ),
        Some(_) => by_anybody(
            "to use every path, and to see it while the program runs",
            &["mptcpize run PROGRAM", "mptcpize status"],
        ),
    })
}

/// The first problem, or else warning, that a command mends. Counters are passed over: to count anew mends
/// nothing.
fn first_to_mend(findings: &[Finding]) -> Option<&Finding> {
    let of = |severity| {
        findings.iter().find(|finding| {
            finding.severity == severity && !finding.fix.is_empty() && finding.topic != "counters"
        })
    };
    of(Severity::Problem).or_else(|| of(Severity::Warning))
}

/// The first problem, or else warning about this host whose advice is open. That a server or a network on the way
/// does harm is no reason not to run programs.
fn first_to_heed(findings: &[Finding]) -> Option<&Finding> {
    let open = |finding: &&Finding| {
        let elsewhere = ["counters", "peer"].iter().any(|topic| finding.code.starts_with(topic));
        finding.severity == Severity::Warning && finding.advice.is_some() && !elsewhere
    };
    let problem = findings.iter().find(|finding| finding.severity == Severity::Problem);
    problem.or_else(|| findings.iter().find(open))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_comes_before_the_server_and_the_server_before_programs() {
        let fine = || Finding::fine("kernel", "on");
        let mended = |severity, code, command: &str| {
            let mut finding = Finding::new(severity, code, "x");
            finding.fix = vec![command.to_owned()];
            finding
        };
        let (problem, warning) = (Severity::Problem, Severity::Warning);
        let setup = || mended(problem, "routing.elsewhere", "mptcpize setup");
        let limits = || mended(warning, "limits.few_subflows", "mptcpize limits set subflows 8");
        let counted = || mended(warning, "counters.middlebox", "mptcpize counters --since-last");
        let advised = |code| Finding::warning(code, "x").advice("look at it");
        let silent = || Finding::problem("peer.unreachable", "x");
        let plain = || Finding::problem("peer.no_mptcp", "x");
        let relay = vec!["mptcpize relay --help"];
        let host = vec!["mptcpize check HOST"];
        let table = [
            (vec![fine()], None, host.clone()),
            (vec![fine(), counted()], None, host),
            (vec![Finding::note(CAPTURED, "x")], None, vec![]),
            (vec![fine()], Some("a:80"), vec!["mptcpize run PROGRAM", "mptcpize status"]),
            (vec![limits(), setup()], None, vec!["mptcpize setup", "mptcpize check"]),
            (vec![setup(), plain()], Some("a:80"), vec!["mptcpize setup", "mptcpize check a:80"]),
            (
                vec![fine(), limits()],
                None,
                vec!["mptcpize limits set subflows 8", "mptcpize check"],
            ),
            (vec![counted(), plain()], Some("a:80"), relay),
            (vec![fine(), silent()], Some("a:80"), vec!["mptcpize check a:80"]),
            (vec![fine(), advised("paths.carrier")], None, vec!["mptcpize check"]),
            (
                vec![fine(), advised("peer.no_data")],
                Some("a:80"),
                vec!["mptcpize run PROGRAM", "mptcpize status"],
            ),
        ];
        for (findings, peer, expected) in table {
            let next = next(&findings, peer).map(|next| [next.by_root, next.then].concat());
            assert_eq!(next.unwrap_or_default(), expected, "{findings:?}");
        }
    }
}

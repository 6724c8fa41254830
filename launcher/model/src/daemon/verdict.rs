//! What was found at a look, as far as a daemon has it and tells it.

use serde::{Deserialize, Serialize};

use crate::checks::{Finding, Judged, Severity};
use crate::net::IfName;
use crate::phrase;

/// Topics of findings that the daemon does not have: rules of the packet filter, for which nft(8) and
/// iptables(8) are run, and files of `mptcpize enable --system`.
pub const UNHEARD: [&str; 2] = ["firewall", "system"];

/// So many faults stand in a line; `mptcpize status` has the others.
const NAMED: usize = 2;

/// A finding that something should be done about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Its name, such as `paths.carrier`.
    pub code: String,
    /// How bad it is.
    pub severity: Severity,
    /// What is the case, after its topic.
    pub what: String,
    /// Commands that mend it, run in this order by root.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fix: Vec<String>,
}

/// What was judged at the last look.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// What something should be done about, in the order of `mptcpize check`.
    pub findings: Vec<Fault>,
    /// The links that are paths, have a carrier and are not known to pass nothing, best first.
    pub usable_paths: Vec<IfName>,
}

impl Judgement {
    /// The part of a judgement that a daemon has too.
    pub fn by(judged: &Judged) -> Self {
        let heard = |finding: &&Finding| !UNHEARD.contains(&finding.topic.as_str());
        let fault = |finding: &Finding| Fault {
            code: finding.code.to_owned(),
            severity: finding.severity,
            what: format!("{}: {}", finding.topic, finding.title),
            fix: finding.fix.clone(),
        };
        Judgement {
            findings: judged.faults().filter(heard).map(fault).collect(),
            usable_paths: judged.usable_paths.clone(),
        }
    }

    /// What is wrong, as the end of a line; empty where nothing is.
    pub(super) fn tail(&self) -> String {
        let (named, more) = self.findings.split_at(self.findings.len().min(NAMED));
        let mut text: String = named.iter().map(|fault| format!("; {}", fault.what)).collect();
        if !more.is_empty() {
            text.push_str(&format!("; and {}", phrase::count(more.len(), "more fault")));
        }
        text
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::daemon) fn fault(code: &str, what: &str) -> Fault {
        let (code, what) = (code.to_owned(), what.to_owned());
        Fault { code, severity: Severity::Problem, what, fix: vec![] }
    }

    #[test]
    fn a_line_ends_with_the_first_faults_and_the_number_of_the_others() {
        let mut judgement = Judgement::default();
        assert_eq!(judgement.tail(), "");
        judgement.findings = vec![fault("a.b", "a: x"), fault("c.d", "c: y")];
        assert_eq!(judgement.tail(), "; a: x; c: y");
        judgement.findings.extend([fault("e.f", "e: z"), fault("g.h", "g: z")]);
        assert_eq!(judgement.tail(), "; a: x; c: y; and 2 more faults");
    }
}

//! What the judge says of the host at each look ([`crate::checks`]): the findings that `status` and `check`
//! have, so that the daemon does not call a host set up of which these say that it is not.
//!
//! The daemon is woken by messages and judges when it looks for one. What no message tells of and a program
//! or files would have to be read for is left to those two ([`UNHEARD`]).

use serde::{Deserialize, Serialize};

use super::Daemon;
use super::event::Observed;
use crate::HostState;
use crate::asked::Asked;
use crate::checks::{Finding, Glance, Judged, Scope, Severity, judge};
use crate::config::Config;
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

impl Daemon {
    /// Judges what was observed by these settings; nothing where the kernel was not asked.
    pub(super) fn judge(&self, seen: &Observed, config: &Config) -> Option<Judgement> {
        let glance = Glance::clone(seen.glance.as_ref()?);
        // What is set aside for links that pass nothing is made by the daemon, and is no fault of the set-up.
        let config = Config { stalled: None, ..config.clone() };
        let mut observed = glance.with(HostState::clone(&seen.state), config);
        observed.followed = true;
        observed.daemon = self.heal.is_on();
        observed.stalled = self.stall.reasons();
        Some(Judgement::by(&judge(&observed, Scope::Glance)))
    }

    /// The settings that hold on a host whose set-up was asked this, with the links that are held back left out.
    pub fn settings(&self, asked: &Asked) -> Config {
        let asked = self.line.clone().then(asked.clone());
        self.without_held(asked.over(self.file.clone()))
    }

    /// Would this look find something else than the last one did? What is found in the midst of a change is true of
    /// neither side, so whoever looked makes sure first.
    pub fn is_news(&self, seen: &Observed) -> bool {
        let judgement = self.judge(seen, &self.settings(&seen.asked));
        judgement.is_some() && judgement != self.judgement
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::{Event, Millis};

    fn fault(code: &str, what: &str) -> Fault {
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

    #[test]
    fn a_look_that_nobody_judged_leaves_what_was_found_before() {
        let asked = Asked::default();
        let mut daemon = Daemon::new(Millis(1), Config::default(), asked.clone());
        let state = HostState::default();
        let glance = Some(Box::<Glance>::default());
        let seen = Observed { state, asked, glance };
        assert!(daemon.is_news(&seen));
        let unjudged = Observed { glance: None, ..seen.clone() };
        assert!(!daemon.is_news(&unjudged));
        daemon.handle(Millis(2), Event::Observed(Box::new(seen.clone())));
        let found = daemon.status().judged.expect("it was judged");
        assert!(found.findings.iter().any(|fault| fault.code == "paths.none"), "{found:?}");
        assert!(!daemon.is_news(&seen));
        daemon.handle(Millis(3), Event::Observed(Box::new(unjudged)));
        assert_eq!(daemon.status().judged, Some(found));
    }
}

//! The judge: every part of the checks in the order of the screen, what depends on what, and what each
//! verb asks for. Whoever shows paths, endpoints or routing shows these findings, so that no two verbs
//! contradict each other.

use super::{
    Finding, Observed, Severity, SourceLookup, Verdict, conf_key, container, endpoints, gateway,
    host, peer, relays, routing, settings, system, traffic, vpn,
};
use crate::Manager;
use crate::change::Change;
use crate::net::IfName;
use crate::path_manager;
use crate::proposal::Proposal;
use crate::uplinks::{self, Path};

/// How much is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// What a look at the kernel's settings and at the packet filter tells, which any verb can afford.
    Glance,
    /// The rest too: a program that is run, counters, services, a gateway, relays, a peer.
    Whole,
}

/// The judgement of a host.
#[derive(Clone, Debug, Default)]
pub struct Judged {
    /// The findings, in the order of the screen.
    pub findings: Vec<Finding>,
    /// What `mptcpize setup` would do.
    pub proposal: Proposal,
    /// The paths, best first: links, not addresses, and only those with a carrier that are not known to pass
    /// nothing.
    pub usable_paths: Vec<IfName>,
}

impl Judged {
    /// The worst of the findings.
    pub fn verdict(&self) -> Verdict {
        Verdict::of(&self.findings)
    }

    /// The findings that something should be done about.
    pub fn faults(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.is_fault())
    }
}

/// The command that mends most.
pub const SETUP: &str = "mptcpize setup";

/// What the checks share.
pub(super) struct Context<'a> {
    pub(super) seen: &'a Observed,
    /// The paths, best first.
    pub(super) paths: Vec<Path>,
    /// Their links, best first.
    pub(super) links: Vec<IfName>,
    /// Those of the links that have a carrier, but for those that are known to pass nothing.
    pub(super) usable: Vec<IfName>,
    /// What `mptcpize setup` would do.
    pub(super) proposal: Proposal,
}

impl Context<'_> {
    /// Would `mptcpize setup` make such a change?
    pub(super) fn setup_makes(&self, wanted: impl Fn(&Change) -> bool) -> bool {
        self.proposal.plan.steps.iter().any(|step| wanted(&step.change))
    }

    /// There is something to bond.
    pub(super) fn bonds(&self) -> bool {
        self.links.len() > 1
    }

    /// Does mptcpd(8) decide which subflows are opened, by its own rules? The kernel's endpoints and limits
    /// mean nothing then. A daemon of ours goes by the endpoints.
    pub(super) fn is_managed(&self) -> bool {
        let read = |key: &str| self.seen.host.sysctls.get(key).map(String::as_str);
        let manager = path_manager::find(read);
        let by_program = manager.is_some_and(|(parameter, value)| value == parameter.userspace);
        let runs = self.seen.host.managers.contains(&Manager::Mptcpd);
        by_program && runs && !self.seen.daemon
    }

    /// Where packets leave from a path's address to anywhere beyond the gateways, or to the peer.
    pub(super) fn lookup(&self, path: &Path, bound: bool) -> Option<&SourceLookup> {
        let (oif, to) = (bound.then_some(&path.dev), self.seen.beyond.of(path.family));
        let mut lookups = self.seen.ways.iter();
        lookups.find(|lookup| {
            lookup.from == path.source() && lookup.oif.as_ref() == oif && lookup.to == to
        })
    }

    /// Does a packet from the path's address leave as it should?
    pub(super) fn leaves_well(&self, path: &Path, bound: bool) -> bool {
        let hop = self.lookup(path, bound).and_then(|lookup| lookup.hop.as_ref());
        hop.is_some_and(|hop| hop.dev == path.dev && (path.gateway.is_none() || hop.via.is_some()))
    }

    /// The larger of a sysctl's values for all links and for this one (`IN_DEV_MAXCONF`).
    pub(super) fn conf(&self, dev: &IfName, name: &str) -> u32 {
        let host = &self.seen.host;
        let all = host.sysctl(&format!("net.ipv4.conf.all.{name}"));
        all.max(host.sysctl(&conf_key(dev, name)))
    }
}

/// What a host needs that is set up, and one that a VPN has captured does not.
const OF_A_SET_UP: [&str; 5] = ["endpoints", "routing", "arp", "rp_filter", "limits"];

/// What a part finds.
type Check = fn(&Context) -> Vec<Finding>;

/// A part: its topic, the topics that must work for it to mean anything, who asks for it, the check.
type Part = (&'static str, &'static [&'static str], Scope, Check);

/// All parts, in the order of the screen.
const PARTS: [Part; 18] = [
    ("kernel", &[], Scope::Glance, host::kernel),
    ("shim", &["kernel"], Scope::Whole, host::shim),
    ("container", &["kernel"], Scope::Whole, container::container),
    ("paths", &[], Scope::Glance, host::paths),
    ("settings", &[], Scope::Glance, settings::settings),
    ("endpoints", &["kernel"], Scope::Glance, endpoints::endpoints),
    ("routing", &[], Scope::Glance, routing::routing),
    ("arp", &[], Scope::Glance, routing::arp),
    ("rp_filter", &["routing"], Scope::Glance, routing::rp_filter),
    ("limits", &["kernel"], Scope::Glance, host::limits),
    ("managers", &[], Scope::Glance, host::managers),
    ("firewall", &[], Scope::Glance, traffic::firewall),
    ("counters", &["kernel"], Scope::Whole, traffic::counters),
    ("system", &[], Scope::Glance, system::system),
    ("containers", &[], Scope::Whole, system::containers),
    ("services", &["kernel"], Scope::Whole, host::services),
    ("gateway", &[], Scope::Whole, gateway::gateway),
    ("relays", &[], Scope::Whole, relays::relays),
];

/// Judges the whole.
pub fn run(seen: &Observed) -> Vec<Finding> {
    judge(seen, Scope::Whole).findings
}

/// Judges what was observed, as far as `scope` goes. What both scopes judge has the same findings in both.
pub fn judge(seen: &Observed, scope: Scope) -> Judged {
    let proposal = Proposal::of(&seen.host, &seen.asked);
    let paths = proposal.desired.paths.clone();
    let links = uplinks::links(&paths);
    let mut usable = uplinks::usable(&seen.host, &proposal.uplinks);
    usable.retain(|dev| !seen.stalled.contains_key(dev));
    let context = Context { seen, paths, links, usable, proposal };
    // First of all, for it is about what leaves the host unprotected.
    let mut found = vpn::vpn(&context);
    let captured = context.proposal.captured().is_some();
    // What is wrong with the set-up itself is judged by the findings of every scope.
    let mut at_a_glance = found.clone();
    for (topic, needs, of_scope, check) in PARTS {
        if of_scope == Scope::Whole && scope == Scope::Glance {
            continue;
        }
        let result = check(&context);
        if captured && OF_A_SET_UP.contains(&topic) {
            if !result.is_empty() {
                found.push(Finding::skipped(topic, "vpn"));
            }
            continue;
        }
        let result = match broken(&found, needs) {
            // A part with nothing to say has nothing to skip.
            Some(_) if result.is_empty() => result,
            Some(because) => vec![Finding::skipped(topic, &because)],
            None => result,
        };
        if of_scope == Scope::Glance {
            at_a_glance.extend(result.iter().cloned());
        }
        found.extend(result);
    }
    found.extend(vpn::setup(&context, &at_a_glance));
    if let Some(report) = seen.peer.as_ref().filter(|_| scope == Scope::Whole) {
        found.extend(peer::check(&context, report, &found));
        found.extend(relays::way(seen, report));
    }
    let Context { proposal, usable, .. } = context;
    Judged { findings: found, proposal, usable_paths: usable }
}

/// The first of the topics that has a problem.
pub(super) fn broken(found: &[Finding], topics: &[&str]) -> Option<String> {
    let broken = |topic: &&&str| {
        found
            .iter()
            .any(|finding| finding.topic == **topic && finding.severity == Severity::Problem)
    };
    topics.iter().find(broken).map(|topic| (*topic).to_owned())
}

//! Is MPTCP working here, and if not, why not: from what was observed to findings, each with its
//! reason and the line that mends it. One judge for every verb ([`judge()`]): `status`, `top`, `setup --dry-run`
//! and `metrics` ask it at a [`Scope`] that costs little, `check` at the whole.
//!
//! Pure: [`Observed`] is all that the checks know, and `check --json` prints it, so that a report
//! is a test case. What depends on something that is broken is not judged, and says on what it
//! waits. Not here: looking (`host::observe::check`, `host::probe`) and showing (`output::check`).

mod beyond;
pub mod container;
mod endpoints;
mod fixable;
pub mod gateway;
mod glance;
mod host;
mod judge;
pub mod next;
mod paste;
pub mod peer;
mod relays;
mod routing;
mod settings;
mod system;
mod traffic;
mod verdict;
mod vpn;

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

pub use self::beyond::{Beyond, Covered};
pub use self::fixable::FIXABLE;
pub use self::glance::Glance;
pub use self::judge::{Judged, SETUP, Scope, judge, run};
pub use self::paste::Place;
pub use self::verdict::Verdict;
pub use self::vpn::BESIDE;

use self::judge::{Context, broken};
use crate::HostState;
use crate::config::Config;
use crate::counters::Counters;
use crate::desired;
use crate::lacks::Lack;
use crate::net::{IfName, Route};
use crate::relay::status::Relays;
use crate::status::relays::Asked;
use crate::system::Standing;

/// Everything that the checks look at.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Observed {
    /// Links, addresses, routes, endpoints, limits, sysctls, managers.
    pub host: HostState,
    /// What the administrator asked of `setup`: what is meant to be.
    pub asked: Config,
    /// `mptcpize daemon` runs here and opens the subflows that the kernel does not.
    #[serde(skip)]
    pub daemon: bool,
    /// `mptcpize daemon` runs here: what is due it does by itself.
    #[serde(skip)]
    pub followed: bool,
    /// The links that a daemon found to be up and to pass nothing, and how it knows.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub stalled: BTreeMap<IfName, String>,
    /// The links that a daemon leaves out because they come and go, and why, as a clause.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub held: BTreeMap<IfName, String>,
    /// What the kernel said to `socket(…, IPPROTO_MPTCP)`.
    pub socket: Socket,
    /// What this kernel lacks that later ones have.
    pub lacks: Vec<Lack>,
    /// New connections start as TCP, because the kernel believes that a firewall eats MPTCP.
    pub suspended: bool,
    /// The preload library.
    pub shim: Shim,
    /// The destinations that stand for anywhere beyond the gateways.
    pub beyond: Beyond,
    /// The ways that the kernel would take.
    pub ways: Vec<SourceLookup>,
    /// Routes of main beside the default ones that lead through a gateway; read only where a
    /// strict rp_filter makes them matter.
    pub static_routes: Vec<Route>,
    /// Packet filters.
    pub firewall: Firewall,
    /// MPTcpExt since the last `counters --since-last`, or since the namespace was made.
    pub counters: Counters,
    /// Packets that rp_filter dropped, in the same time.
    pub reverse_path_drops: u64,
    /// Units that were set up to use MPTCP.
    pub services: Vec<Service>,
    /// What of units that are switched on is TCP all the same, and why: a line each.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub stayed_tcp: BTreeMap<String, Vec<String>>,
    /// What there is of `enable --system`, where it is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<Standing>,
    /// What containers may be given, as their engines take it: devices, and the seccomp profile.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub containers: Vec<String>,
    /// The gateway that was set up here, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<gateway::Gateway>,
    /// The LAN that the settings name, whether or not a gateway runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lan: Vec<IfName>,
    /// What the agents of relays said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<Asked>,
    /// What the gateway's relay said of relays, where the LAN goes through them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway_relays: Option<Relays>,
    /// The container that the tool runs in, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<container::Within>,
    /// What was tried with the peer, if one was named.
    pub peer: Option<peer::Report>,
}

/// What the kernel says to the wish for an MPTCP socket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Socket {
    /// It gives one.
    #[default]
    On,
    /// `net.mptcp.enabled` is 0.
    Off,
    /// It has none to give.
    Absent,
    /// Something else forbids it; the text of the error.
    Refused(String),
}

/// What became of a program with the library preloaded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shim {
    /// It was not tried.
    #[default]
    Untried,
    /// The library at this place upgraded the socket of this program.
    Upgrades {
        /// The library.
        library: String,
        /// The program that was run.
        program: String,
    },
    /// There is a library, but no program that could be tried with it.
    NoProgram {
        /// The library.
        library: String,
    },
    /// The program got TCP, or the library was not loaded.
    Fails {
        /// The library.
        library: String,
        /// The program that was run.
        program: String,
        /// What was seen.
        why: String,
    },
    /// The program was not through in the time that there was: nothing follows.
    Late {
        /// The library.
        library: String,
        /// The program that was run.
        program: String,
    },
    /// The library can be placed nowhere.
    Nowhere {
        /// What is wrong with each place.
        why: String,
        /// What would help.
        fix: String,
    },
}

/// Where packets from an address leave, as the kernel answers a route look-up for them (`ip route get`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceLookup {
    /// From this address.
    pub from: IpAddr,
    /// To this one.
    pub to: IpAddr,
    /// Bound to this link (`oif`), as subflows of an endpoint with `dev` are; or not bound.
    pub oif: Option<IfName>,
    /// The next step; none where the kernel has no route.
    pub hop: Option<Hop>,
}

/// A link, and the gateway behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// The link that packets leave by.
    pub dev: IfName,
    /// The gateway; none where the destination is taken to be on the link.
    pub via: Option<IpAddr>,
}

/// What packet filters do to MPTCP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firewall {
    /// Rules that name MPTCP, or TCP option 30, and harm it.
    pub rules: Vec<FirewallRule>,
    /// Why the rules could not be read, where they could not.
    pub unread: Option<String>,
}

/// A rule that harms MPTCP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirewallRule {
    /// Where it stands, in the words of its tool.
    pub place: String,
    /// The hook of its chain (`output`, `forward`), where that is known.
    pub hook: Option<String>,
    /// What it does.
    pub harm: Harm,
    /// For joins alone (subtype 1).
    pub joins_only: bool,
    /// The command that deletes it.
    pub delete: String,
}

/// What a rule does to MPTCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Harm {
    /// Drops or rejects the packets.
    Drops,
    /// Takes the option out of them.
    Strips,
}

/// A unit with a drop-in of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Its name, such as `nginx.service`.
    pub unit: String,
    /// Its processes that could be looked at.
    pub processes: usize,
    /// Those of them that lack the library.
    pub without: Vec<u32>,
    /// Its processes that could not be looked at.
    pub unreadable: usize,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// As it should be.
    Fine,
    /// Worth knowing, and no reason to do anything.
    Note,
    /// It could not be looked at.
    Unknown,
    /// Not judged, because of another finding.
    Skipped,
    /// It may do harm.
    Warning,
    /// It does not work.
    Problem,
}

/// The answer of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// A name that stays, such as `routing.elsewhere`.
    pub code: &'static str,
    /// The first column: `routing`.
    pub topic: String,
    /// How bad it is.
    pub severity: Severity,
    /// What is the case.
    pub title: String,
    /// The cause, or what follows from it.
    pub why: Option<String>,
    /// What a person can do where no command helps.
    pub advice: Option<String>,
    /// Commands that mend it, run in this order by root.
    pub fix: Vec<String>,
    /// Other commands that mend it too.
    pub or: Vec<String>,
    /// The topic that has to be mended first.
    pub depends_on: Option<String>,
}

impl Finding {
    /// Should something be done about it?
    pub fn is_fault(&self) -> bool {
        self.severity >= Severity::Warning
    }

    /// Is nothing to be done about it, and does it say why paths are used as they are, or are fewer than there are
    /// links? Whoever shows paths shows it.
    pub fn explains_paths(&self) -> bool {
        let lone = self.code == "paths.one" && self.why.is_some();
        self.severity == Severity::Note && ["vpn", "endpoints"].contains(&self.topic.as_str())
            || lone
    }

    fn new(severity: Severity, code: &'static str, title: impl Into<String>) -> Self {
        // The topic of `routing.elsewhere` is `routing`.
        let topic = code.split('.').next().unwrap_or(code).to_owned();
        let (why, advice, depends_on) = (None, None, None);
        let (fix, or) = (vec![], vec![]);
        Finding { code, topic, severity, title: title.into(), why, advice, fix, or, depends_on }
    }

    fn fine(code: &'static str, title: impl Into<String>) -> Self {
        Finding::new(Severity::Fine, code, title)
    }

    fn note(code: &'static str, title: impl Into<String>) -> Self {
        Finding::new(Severity::Note, code, title)
    }

    fn warning(code: &'static str, title: impl Into<String>) -> Self {
        Finding::new(Severity::Warning, code, title)
    }

    fn problem(code: &'static str, title: impl Into<String>) -> Self {
        Finding::new(Severity::Problem, code, title)
    }

    /// Not judged because of a finding of the topic `because`.
    fn skipped(code: &'static str, because: &str) -> Self {
        let mut finding =
            Finding::new(Severity::Skipped, code, format!("not tried: see {because}"));
        finding.depends_on = Some(because.to_owned());
        finding
    }

    fn topic(mut self, topic: impl Into<String>) -> Self {
        self.topic = topic.into();
        self
    }

    fn why(mut self, why: impl Into<String>) -> Self {
        self.why = Some(why.into());
        self
    }

    fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    fn fix(mut self, commands: &[&str]) -> Self {
        debug_assert!(FIXABLE.contains(&self.code), "{} is not in FIXABLE", self.code);
        self.fix = commands.iter().map(|command| (*command).to_owned()).collect();
        self
    }

    fn or(mut self, commands: &[&str]) -> Self {
        self.or = commands.iter().map(|command| (*command).to_owned()).collect();
        self
    }
}

/// The dotted name of a parameter of a link, as sysctl(8) takes it.
pub fn conf_key(dev: &IfName, name: &str) -> String {
    format!("net.ipv4.conf.{}.{name}", desired::sysctl_name(dev))
}

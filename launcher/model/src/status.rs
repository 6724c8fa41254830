//! What `mptcpize status` says, worked out from what was seen: which paths there are and what they
//! are used for, what the connections are, and what wants attention.
//!
//! Quick answers only. Whether packets really leave where they should is for `check`.

pub mod daemon;
mod findings;
pub mod lan;
mod paths;
mod rates;
pub mod relays;
mod seen;
pub mod served;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::Serialize;

use crate::checks::{Scope, Verdict, judge};
use crate::connection::{Connection, Fallback, Phase, Subflow};
use crate::daemon::Judgement;
use crate::mptcp::Limits;
use crate::net::{IfName, Link};
use crate::system::Standing;
use crate::{Flavour, HostState, Manager};

pub use crate::program::{Container, Program};
pub use findings::Finding;
pub use paths::{AddressRow, PathRow, Use};
pub use rates::Rates;
pub use seen::Seen;

/// Whether the host has MPTCP, by the kernel's own settings. Whether socket(2) gives a socket, which a
/// security policy may forbid, is asked by `check`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Availability {
    /// socket(2) gives MPTCP sockets.
    #[default]
    On,
    /// `net.mptcp.enabled` is 0.
    Off,
    /// The kernel has none.
    Absent,
    /// The kernel has the out-of-tree one.
    OutOfTree,
}

/// What a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Two subflows or more.
    Multipath,
    /// MPTCP with one subflow.
    SinglePath,
    /// Fell back to TCP.
    Tcp,
    /// The peer has not answered yet.
    Connecting,
    /// One side has closed it.
    Closing,
}

/// A subflow on the screen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SubflowRow {
    /// The link it leaves by, as its binding or its address says.
    pub link: Option<IfName>,
    /// Its local end.
    pub local: std::net::SocketAddr,
    /// Its remote end.
    pub remote: std::net::SocketAddr,
    /// The local address's id.
    pub local_id: u8,
    /// The remote address's id.
    pub remote_id: u8,
    /// It can carry data.
    pub open: bool,
    /// The kernel keeps it open though its link is off, without a carrier or gone, or its address is.
    pub down: bool,
    /// The smoothed round trip; none before the first.
    pub rtt_us: Option<u32>,
    /// Bytes sent, again ones included.
    pub sent_bytes: u64,
    /// Bytes sent again.
    pub resent_bytes: u64,
    /// Bytes received.
    pub received_bytes: u64,
    /// Since when no data went either way.
    pub idle_ms: u32,
    /// Only used when no other can be.
    pub backup: bool,
    /// It does not answer.
    pub stale: bool,
}

/// A connection on the screen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConnectionRow {
    /// The program that holds it, as far as this user may see.
    pub program: Option<Program>,
    /// The user of the socket.
    pub uid: u32,
    /// What the path manager calls it, in hexadecimal as `ss` and `ip mptcp monitor` write it.
    pub token: Option<String>,
    /// Where it began here.
    pub local: std::net::SocketAddr,
    /// The peer.
    pub remote: std::net::SocketAddr,
    /// What it is.
    pub state: State,
    /// Why it is TCP, if it is.
    pub fallback: Option<Fallback>,
    /// Bytes sent.
    pub sent_bytes: u64,
    /// Bytes received.
    pub received_bytes: u64,
    /// Its subflows.
    pub subflows: Vec<SubflowRow>,
}

/// What is in another network namespace of this host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Elsewhere {
    /// A process in it, by which `--netns` finds it.
    pub pid: u32,
    /// The container of that process.
    #[serde(flatten, serialize_with = "Container::or_null")]
    pub container: Option<Container>,
    /// Its connections.
    pub connections: Vec<ConnectionRow>,
}

/// How many connections there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// All connections.
    pub all: usize,
    /// Those with several subflows.
    pub multipath: usize,
    /// Those that are plain TCP.
    pub fallback: usize,
}

/// All that the screen shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Of this form: additions keep it, anything else raises it.
    pub version: u32,
    /// Whether the host has MPTCP, by the kernel's own settings. Whether socket(2) gives a socket, which a
    /// security policy may forbid, is asked by `check`.
    pub mptcp: Availability,
    /// Does anything want attention?
    pub attention: bool,
    /// The worst of the findings; `mptcpize check` says the same of what both look at.
    pub verdict: Verdict,
    /// What wants it, and what is worth knowing.
    pub findings: Vec<Finding>,
    /// The links that are paths, have a carrier and are not known to pass nothing, best first: what is counted.
    pub usable_paths: Vec<IfName>,
    /// The paths, best first, those without a carrier too.
    pub paths: Vec<PathRow>,
    /// Links that were set up here and are no path now.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub away: Vec<IfName>,
    /// How long the rates were measured; none where nothing had moved for a second.
    pub rates_over_ms: Option<u64>,
    /// How many connections there are; none where the kernel does not say.
    pub counts: Option<Counts>,
    /// The first of them.
    pub connections: Vec<ConnectionRow>,
    /// The other network namespaces with connections, where they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elsewhere: Option<Vec<Elsewhere>>,
    /// Why a program may be missing.
    pub programs_hidden: Option<&'static str>,
    /// The path manager's limits.
    pub limits: Option<Limits>,
    /// Which scheduler chooses among subflows.
    pub scheduler: Option<String>,
    /// Who decides about subflows.
    pub path_manager: Option<String>,
    /// Endpoints that others made.
    pub foreign_endpoints: usize,
    /// Who else manages links or endpoints.
    pub managers: Vec<Manager>,
    /// Seconds since `mptcpize setup` changed something here.
    pub set_up_s: Option<u64>,
    /// The daemon that follows this host's links, if one runs.
    pub daemon: Option<daemon::Daemon>,
    /// The LAN behind this host, if it is a gateway.
    pub gateway: Option<lan::Lan>,
    /// How connections go where they may go through a relay.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub relays: Vec<relays::Through>,
    /// The relay that this host is, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub served: Option<served::Served>,
    /// What there is of `enable --system`; none where it is off.
    pub system: Option<Standing>,
    /// The names by which engines give containers the library, as devices; none where that is off.
    pub containers: Vec<String>,
    /// The seccomp profile that containers can be given; none where that is off.
    pub seccomp_profile: Option<&'static str>,
    /// Units that are switched on.
    pub services: Vec<String>,
    /// What those of them are that the kernel knows not to be wholly MPTCP.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub services_tcp: BTreeMap<String, String>,
}

/// The rows of the first `shown` connections alone.
pub fn connection_rows(seen: &Seen, shown: usize) -> Vec<ConnectionRow> {
    let whereabouts = Whereabouts::of(seen);
    let all = seen.connections.iter().flatten().take(shown);
    all.map(|one| row(one, seen, &whereabouts)).collect()
}

/// Works out the report, with the first `shown` connections.
pub fn report(seen: &Seen, shown: usize) -> Report {
    let all = seen.connections.as_deref().unwrap_or_default();
    let whereabouts = Whereabouts::of(seen);
    let judged = judge(&seen.observed, Scope::Glance);
    let paths = paths::path_rows(seen, &judged.proposal.uplinks, &whereabouts);
    let mptcp = availability(&seen.observed.host);
    let findings = findings::find(seen, &judged, mptcp, &paths, &whereabouts);
    let now = Judgement::by(&judged);
    let worst = findings.iter().map(|finding| Verdict::by(finding.severity)).max();
    Report {
        version: 1,
        mptcp,
        attention: findings.iter().any(|finding| finding.attention),
        verdict: worst.unwrap_or_default(),
        findings,
        usable_paths: judged.usable_paths,
        away: paths::away(seen, &paths),
        paths,
        rates_over_ms: seen.rates.as_ref().map(|rates| rates.over_ms),
        counts: seen.connections.as_deref().map(|all| counts(all, &whereabouts)),
        connections: all.iter().take(shown).map(|one| row(one, seen, &whereabouts)).collect(),
        elsewhere: None,
        programs_hidden: seen.programs_hidden,
        limits: seen.observed.host.limits,
        scheduler: seen.scheduler.clone(),
        path_manager: seen.path_manager.clone(),
        foreign_endpoints: seen.observed.host.foreign_endpoints().count(),
        managers: seen.observed.host.managers.clone(),
        set_up_s: seen.set_up_s,
        daemon: seen.daemon.clone().map(|daemon| daemon.beside(&now, &seen.place)),
        gateway: lan::lan(&seen.relay, seen.relay_before.as_deref()),
        relays: relays::through(seen),
        served: served::served(seen),
        system: seen.observed.system.clone(),
        containers: seen.containers.clone(),
        seccomp_profile: seen.seccomp_profile,
        services: seen.services.clone(),
        services_tcp: seen.services_tcp.clone(),
    }
}

fn availability(state: &HostState) -> Availability {
    match state.kernel.mptcp {
        Flavour::Absent => Availability::Absent,
        Flavour::OutOfTree => Availability::OutOfTree,
        Flavour::Upstream if state.sysctl("net.mptcp.enabled") == 0 => Availability::Off,
        Flavour::Upstream => Availability::On,
    }
}

fn counts(all: &[Connection], whereabouts: &Whereabouts<'_>) -> Counts {
    let count = |wanted| all.iter().filter(|one| state_of(one, whereabouts) == wanted).count();
    Counts { all: all.len(), multipath: count(State::Multipath), fallback: count(State::Tcp) }
}

/// What a connection is.
pub fn state_of(connection: &Connection, whereabouts: &Whereabouts<'_>) -> State {
    match (connection.phase, connection.fallback) {
        (Phase::Connecting, _) => State::Connecting,
        (Phase::Closing, _) => State::Closing,
        (Phase::Open, Some(_)) => State::Tcp,
        (Phase::Open, None) if whereabouts.open(connection).count() > 1 => State::Multipath,
        (Phase::Open, None) => State::SinglePath,
    }
}

/// Which link a subflow uses, and whether that can carry anything.
pub struct Whereabouts<'a> {
    /// Links that are off or have no carrier.
    down: BTreeSet<&'a IfName>,
    /// Addresses of endpoints that are on no link.
    vanished: BTreeSet<IpAddr>,
    bound: &'a BTreeMap<u32, IfName>,
    by_address: BTreeMap<IpAddr, &'a IfName>,
    loopback: Option<&'a IfName>,
}

impl<'a> Whereabouts<'a> {
    /// Of this host.
    pub fn of(seen: &'a Seen) -> Self {
        let addresses = &seen.observed.host.addresses;
        let links = seen.observed.host.links.iter();
        let has = |address| addresses.iter().any(|one| one.address == address);
        let endpoints = seen.observed.host.endpoints.iter().map(|endpoint| endpoint.address);
        let is_down = |link: &&Link| !link.up || !link.carrier;
        Whereabouts {
            vanished: endpoints.filter(|address| !has(*address)).collect(),
            down: links.filter(is_down).map(|link| &link.name).collect(),
            bound: &seen.links,
            // Of links with the same address the first has it; the others have one from us.
            by_address: addresses.iter().rev().map(|one| (one.address, &one.dev)).collect(),
            loopback: seen
                .observed
                .host
                .links
                .iter()
                .find(|link| link.loopback)
                .map(|link| &link.name),
        }
    }

    /// The subflows that can carry data. The kernel keeps one open for minutes whose link is switched off.
    pub fn open<'c>(&self, connection: &'c Connection) -> impl Iterator<Item = &'c Subflow> {
        connection.open_subflows().filter(|subflow| !self.is_down(subflow))
    }

    /// Is its link off, without a carrier or gone, or its address? One that is on no link and is no endpoint's may
    /// be a peer's, which a proxy answers for (`IP_TRANSPARENT`).
    fn is_down(&self, subflow: &Subflow) -> bool {
        // The number of a link that is there has a name.
        let gone = subflow.bound.is_some_and(|index| !self.bound.contains_key(&index));
        gone || self.vanished.contains(&subflow.local.ip())
            || self.link(subflow).is_some_and(|link| self.down.contains(link))
    }

    /// The link that it is bound to, or else the one that has its address.
    pub fn link(&self, subflow: &Subflow) -> Option<&'a IfName> {
        let address = subflow.local.ip();
        subflow
            .bound
            .and_then(|index| self.bound.get(&index))
            .or_else(|| self.by_address.get(&address).copied())
            .or(self.loopback.filter(|_| address.is_loopback()))
    }
}

/// One connection as it is shown.
pub fn row(connection: &Connection, seen: &Seen, whereabouts: &Whereabouts<'_>) -> ConnectionRow {
    let subflow = |subflow: &Subflow| SubflowRow {
        link: whereabouts.link(subflow).cloned(),
        local: subflow.local,
        remote: subflow.remote,
        local_id: subflow.local_id,
        remote_id: subflow.remote_id,
        open: subflow.open && !whereabouts.is_down(subflow),
        down: subflow.open && whereabouts.is_down(subflow),
        rtt_us: Some(subflow.rtt_us).filter(|rtt| *rtt > 0),
        sent_bytes: subflow.sent,
        resent_bytes: subflow.resent,
        received_bytes: subflow.received,
        idle_ms: subflow.idle_ms,
        backup: subflow.backup,
        stale: subflow.stale,
    };
    ConnectionRow {
        program: seen.programs.get(&connection.inode).cloned(),
        uid: connection.uid,
        token: connection.token.map(|token| format!("{token:08x}")),
        local: connection.local,
        remote: connection.remote,
        state: state_of(connection, whereabouts),
        fallback: connection.fallback,
        sent_bytes: connection.sent,
        received_bytes: connection.received,
        subflows: connection.subflows.iter().map(subflow).collect(),
    }
}

//! What `mptcpize status` says, worked out from what was seen: which paths there are and what they
//! are used for, what the connections are, and what wants attention.
//!
//! Quick answers only. Whether packets really leave where they should is for `check`.

pub mod daemon;
mod findings;
pub mod lan;
mod rates;
pub mod relays;
mod seen;
pub mod served;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::Serialize;

use crate::connection::{Connection, Fallback, Phase, Subflow};
use crate::mptcp::{Flags, Limits};
use crate::net::{Family, IfName};
use crate::uplinks::Path;
use crate::{Flavour, HostState, Manager};

pub use crate::program::{Container, Program};
pub use findings::Finding;
pub use rates::Rates;
pub use seen::Seen;

/// Whether the host has MPTCP, by the kernel's own settings. Whether socket(2) gives a socket, which a
/// security policy may forbid, is asked by `check`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Availability {
    /// socket(2) gives MPTCP sockets.
    On,
    /// `net.mptcp.enabled` is 0.
    Off,
    /// The kernel has none.
    Absent,
    /// The kernel has the out-of-tree one.
    OutOfTree,
}

/// What a path is used for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Use {
    /// As the flags of its endpoint say.
    Endpoint(Flags),
    /// It has no endpoint, and connections begin here.
    Initial,
    /// It has no endpoint, and nothing leads here.
    Nothing,
    /// A path manager in user space decides.
    Userspace,
}

/// A path on the screen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PathRow {
    /// Its link.
    pub link: IfName,
    /// Its address.
    pub address: IpAddr,
    /// Its next hop.
    pub gateway: Option<IpAddr>,
    /// What it is used for.
    #[serde(rename = "use")]
    pub usage: Use,
    /// Open subflows on the link, in this family.
    pub subflows: usize,
    /// Does the link have a carrier?
    pub carrier: bool,
    /// What the link receives, all programs together; on the first path of a link.
    pub received_bit_s: Option<u64>,
    /// What it sends.
    pub sent_bit_s: Option<u64>,
    /// Since when no subflow here has carried data; none without one.
    pub idle_ms: Option<u32>,
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
    /// What wants it, and what is worth knowing.
    pub findings: Vec<Finding>,
    /// The paths, best first.
    pub paths: Vec<PathRow>,
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
    let proposal = seen.proposal();
    let paths = path_rows(seen, &proposal.uplinks, &whereabouts);
    let mptcp = availability(&seen.state);
    let findings = findings::find(seen, &proposal, mptcp, &paths, &whereabouts);
    Report {
        version: 1,
        mptcp,
        attention: findings.iter().any(|finding| finding.attention),
        findings,
        paths,
        rates_over_ms: seen.rates.as_ref().map(|rates| rates.over_ms),
        counts: seen.connections.as_deref().map(counts),
        connections: all.iter().take(shown).map(|one| row(one, seen, &whereabouts)).collect(),
        elsewhere: None,
        programs_hidden: seen.programs_hidden,
        limits: seen.state.limits,
        scheduler: seen.scheduler.clone(),
        path_manager: seen.path_manager.clone(),
        foreign_endpoints: seen.state.foreign_endpoints().count(),
        managers: seen.state.managers.clone(),
        set_up_s: seen.set_up_s,
        daemon: seen.daemon.clone(),
        gateway: lan::lan(&seen.relay, seen.relay_before.as_deref()),
        relays: relays::through(seen),
        served: served::served(seen),
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

fn counts(all: &[Connection]) -> Counts {
    let count = |wanted| all.iter().filter(|one| state_of(one) == wanted).count();
    Counts { all: all.len(), multipath: count(State::Multipath), fallback: count(State::Tcp) }
}

/// What a connection is.
pub fn state_of(connection: &Connection) -> State {
    match (connection.phase, connection.fallback) {
        (Phase::Connecting, _) => State::Connecting,
        (Phase::Closing, _) => State::Closing,
        (Phase::Open, Some(_)) => State::Tcp,
        (Phase::Open, None) if connection.open_subflows().count() > 1 => State::Multipath,
        (Phase::Open, None) => State::SinglePath,
    }
}

/// Which link a subflow uses.
pub struct Whereabouts<'a> {
    bound: &'a BTreeMap<u32, IfName>,
    by_address: BTreeMap<IpAddr, &'a IfName>,
    loopback: Option<&'a IfName>,
}

impl<'a> Whereabouts<'a> {
    /// Of this host.
    pub fn of(seen: &'a Seen) -> Self {
        let addresses = &seen.state.addresses;
        Whereabouts {
            bound: &seen.links,
            // Of links with the same address the first has it; the others have one from us.
            by_address: addresses.iter().rev().map(|one| (one.address, &one.dev)).collect(),
            loopback: seen.state.links.iter().find(|link| link.loopback).map(|link| &link.name),
        }
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

fn path_rows(seen: &Seen, paths: &[Path], whereabouts: &Whereabouts<'_>) -> Vec<PathRow> {
    // One walk over all subflows, however many paths there are.
    let mut carried: BTreeMap<(&IfName, bool), (usize, u32)> = BTreeMap::new();
    for connection in seen.connections.iter().flatten() {
        for subflow in connection.open_subflows() {
            if let Some(link) = whereabouts.link(subflow) {
                let of_link =
                    carried.entry((link, subflow.local.is_ipv4())).or_insert((0, u32::MAX));
                of_link.0 += 1;
                of_link.1 = of_link.1.min(subflow.idle_ms);
            }
        }
    }
    let mut rows: Vec<PathRow> = Vec::new();
    for path in paths {
        let carried = carried.get(&(&path.dev, path.family == Family::V4));
        let first_of_link = !rows.iter().any(|row| row.link == path.dev);
        let rates = seen.rates.as_ref().filter(|_| first_of_link);
        let rates = rates.map(|rates| rates.of(path.dev.as_str()));
        let first_of_family =
            !rows.iter().any(|row| row.address.is_ipv4() == path.address.is_ipv4());
        rows.push(PathRow {
            link: path.dev.clone(),
            address: path.address,
            gateway: path.gateway,
            usage: usage(seen, path, first_of_family),
            subflows: carried.map_or(0, |(count, _)| *count),
            carrier: seen.state.link(&path.dev).is_none_or(|link| link.carrier),
            received_bit_s: rates.map(|(received, _)| received),
            sent_bit_s: rates.map(|(_, sent)| sent),
            idle_ms: carried.map(|(_, idle)| *idle),
        });
    }
    rows
}

fn usage(seen: &Seen, path: &Path, first_of_family: bool) -> Use {
    // A daemon that opens subflows goes by the endpoints, as the kernel's own path manager does.
    let daemons = seen.daemon.as_ref().is_some_and(|daemon| daemon.healed.is_some());
    if seen.path_manager.as_deref() == Some("userspace") && !daemons {
        return Use::Userspace;
    }
    let of_path = |address: &IpAddr| *address == path.source() || path.others.contains(address);
    match seen.state.endpoints.iter().find(|endpoint| of_path(&endpoint.address)) {
        Some(endpoint) => Use::Endpoint(endpoint.flags),
        None if first_of_family => Use::Initial,
        None => Use::Nothing,
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
        open: subflow.open,
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
        state: state_of(connection),
        fallback: connection.fallback,
        sent_bytes: connection.sent,
        received_bytes: connection.received,
        subflows: connection.subflows.iter().map(subflow).collect(),
    }
}

/// The distinct links of paths.
fn links(paths: &[PathRow]) -> BTreeSet<&IfName> {
    paths.iter().map(|path| &path.link).collect()
}

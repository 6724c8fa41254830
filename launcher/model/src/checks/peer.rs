//! What a peer answered over each path, judged.
//!
//! The trial itself is `host::probe`: each path once with TCP and once with MPTCP, then one MPTCP
//! connection that the path manager may join its other paths to, with a little data on it.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::{Context, Finding, Severity, broken};
use crate::mptcp::{Endpoint, Flags};
use crate::net::{Family, IfName};
use crate::uplinks::Path;

/// What was tried.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The name or address that was asked for.
    pub name: String,
    /// The port.
    pub port: u16,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Why the name has none.
    pub unknown_name: Option<String>,
    /// Each path in turn.
    pub tries: Vec<Try>,
    /// The connections that were to use all paths; one for each family.
    pub joint: Vec<Joint>,
}

/// One path, tried alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Try {
    /// The link; none where the connection was not bound (a peer on this host).
    pub dev: Option<IfName>,
    /// From this address.
    pub from: Option<IpAddr>,
    /// To this one.
    pub to: SocketAddr,
    /// With a TCP socket.
    pub tcp: Answer,
    /// With an MPTCP socket.
    pub mptcp: Answer,
    /// The first data on it, where it spoke MPTCP.
    pub carried: Option<Carried>,
}

/// What became of the first data of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// Bytes that the peer acknowledged, where the kernel says so.
    pub acked_bytes: Option<u64>,
    /// MPTCP was still in use then.
    pub mptcp: bool,
}

/// What became of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It was not tried: there was no time left, or nothing to gain.
    #[default]
    Untried,
    /// It was connected.
    Connected {
        /// The round-trip time of the handshake.
        rtt_us: u32,
        /// MPTCP is in use.
        mptcp: bool,
    },
    /// It was refused; the text of the error.
    Failed(String),
    /// Nothing came for so long.
    Silent {
        /// How long was waited.
        waited_ms: u64,
    },
}

impl Answer {
    fn connected(&self) -> bool {
        matches!(self, Answer::Connected { .. })
    }

    fn speaks_mptcp(&self) -> bool {
        matches!(self, Answer::Connected { mptcp: true, .. })
    }
}

/// One connection over all paths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joint {
    /// It was MPTCP, and stayed so when data flowed.
    pub mptcp: bool,
    /// The peer hung up while it was looked at.
    pub hung_up: bool,
    /// Its subflows, the first one first.
    pub subflows: Vec<Subflow>,
    /// How long it was watched for more of them.
    pub waited_ms: u64,
}

/// A subflow of [`Joint`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subflow {
    /// From this address.
    pub from: IpAddr,
    /// To this one.
    pub to: SocketAddr,
    /// The handshake is done.
    pub established: bool,
    /// Smoothed round-trip time; this and what follows, where the kernel says so.
    pub rtt_us: Option<u32>,
    /// The scheduler gave it data to send.
    pub has_sent: Option<bool>,
    /// Bytes that the peer acknowledged.
    pub acked_bytes: Option<u64>,
}

/// Judges the report. `found` are the findings about this host.
pub(super) fn check(context: &Context, report: &Report, found: &[Finding]) -> Vec<Finding> {
    if let Some(because) = broken(found, &["kernel", "paths"]) {
        return vec![Finding::skipped("peer", &because)];
    }
    let name = &report.name;
    if let Some(why) = &report.unknown_name {
        return vec![
            Finding::problem("peer.name", format!("{name} has no address"))
                .why(why.clone())
                .advice("check the spelling and the name servers, or give an address"),
        ];
    }
    let mut list = vec![speaks(report)];
    for tried in &report.tries {
        list.push(path(context, report, tried, found));
    }
    for other in context.paths.iter().filter(|path| !was_tried(report, path)) {
        let family = if other.family == Family::V4 { "IPv4" } else { "IPv6" };
        let same_link_tried =
            report.tries.iter().any(|tried| tried.dev.as_ref() == Some(&other.dev));
        // A link with both families is judged by the one that the peer has.
        if !same_link_tried && !report.tries.iter().any(|tried| tried.dev.is_none()) {
            list.push(
                Finding::note("peer.family", format!("not tried: {name} has no {family} address"))
                    .topic(topic(Some(&other.dev))),
            );
        }
    }
    list
}

fn was_tried(report: &Report, path: &Path) -> bool {
    report.tries.iter().any(|tried| tried.from == Some(path.address))
}

fn topic(dev: Option<&IfName>) -> String {
    dev.map_or("peer here".into(), |dev| format!("peer via {dev}"))
}

/// Is it there, and does it have MPTCP?
fn speaks(report: &Report) -> Finding {
    let Report { name, port, tries, .. } = report;
    let place = match report.addresses.first() {
        Some(address) if address.to_string() != *name => format!("{name} ({address}) port {port}"),
        _ => format!("{name} port {port}"),
    };
    if tries.iter().any(|tried| tried.mptcp.speaks_mptcp()) {
        return Finding::fine("peer", format!("{place} speaks MPTCP"));
    }
    let connected: Vec<&Try> = tries.iter().filter(|tried| tried.tcp.connected()).collect();
    if connected.is_empty() {
        let why = tries.iter().find_map(|tried| match &tried.tcp {
            Answer::Failed(error) => Some(error.clone()),
            Answer::Silent { waited_ms } => Some(format!("nothing came in {waited_ms} ms")),
            _ => None,
        });
        return Finding::problem("peer.unreachable", format!("{place} does not answer"))
            .why(why.unwrap_or_else(|| "there was no time to try, or no path in its family".into()))
            .advice("see that it runs and listens there; give another port as HOST:PORT");
    }
    if connected.iter().all(|tried| tried.mptcp == Answer::Untried) {
        let mut late = Finding::skipped("peer.late", "--timeout");
        late.title = format!("{place} answers TCP; there was no time left for MPTCP");
        return late.topic("peer");
    }
    let vanish = |tried: &&&Try| matches!(tried.mptcp, Answer::Silent { .. } | Answer::Failed(_));
    if connected.iter().any(|tried| vanish(&tried)) {
        return Finding::problem("peer.blocked", format!("{place} answers TCP, and not MPTCP"))
            .why("SYNs with MPTCP are dropped or refused on the way, or by its firewall")
            .advice(
                "let TCP option 30 pass there; until then connections are TCP, and seconds late",
            );
    }
    Finding::problem("peer.no_mptcp", format!("{place} speaks TCP alone"))
        .why("its answer had no MPTCP: it has none, or something before it takes the option out")
        .advice("on a Linux server: mptcpize run PROGRAM, or a proxy in front that speaks MPTCP")
}

/// One path.
fn path(context: &Context, report: &Report, tried: &Try, found: &[Finding]) -> Finding {
    let finding = judge(context, report, tried, found);
    finding.topic(topic(tried.dev.as_ref()))
}

fn judge(context: &Context, report: &Report, tried: &Try, found: &[Finding]) -> Finding {
    let any = |test: fn(&Answer) -> bool, of: fn(&Try) -> &Answer| {
        report.tries.iter().any(|tried| test(of(tried)))
    };
    let rtt = match &tried.tcp {
        Answer::Connected { rtt_us, .. } => format_ms(*rtt_us),
        Answer::Untried => return Finding::skipped("peer.path", "--timeout"),
        _ if !any(Answer::connected, |tried| &tried.tcp) => {
            return Finding::skipped("peer.path", "peer");
        }
        Answer::Failed(error) => return unreachable(error.clone()),
        Answer::Silent { waited_ms } => {
            return unreachable(format!("no answer to plain TCP in {waited_ms} ms"));
        }
    };
    match &tried.mptcp {
        Answer::Connected { mptcp: true, .. } => {}
        Answer::Untried => return Finding::skipped("peer.path", "--timeout"),
        _ if !any(Answer::speaks_mptcp, |tried| &tried.mptcp) => {
            let mut plain =
                Finding::new(Severity::Skipped, "peer.path", format!("{rtt}, TCP: see peer"));
            plain.depends_on = Some("peer".into());
            return plain;
        }
        Answer::Connected { .. } => {
            return Finding::problem(
                "peer.stripped",
                format!("{rtt}, MPTCP options are lost here"),
            )
            .why("over another path the same peer speaks MPTCP: a device on this one removes them")
            .advice("turn off \"TCP optimisation\" in that network, or use a VPN over this link");
        }
        Answer::Silent { .. } | Answer::Failed(_) => {
            return Finding::problem(
                "peer.dropped",
                format!("{rtt}, packets with MPTCP are dropped"),
            )
            .why("plain TCP is answered here, and over another path the peer speaks MPTCP")
            .advice("let TCP option 30 pass in that network's firewall");
        }
    }
    match tried.carried {
        Some(Carried { mptcp: false, .. }) => {
            Finding::problem("peer.lost_later", format!("{rtt}, MPTCP is lost with the first data"))
                .why("a device on the way takes the option out of packets that carry data")
                .advice(
                    "turn off \"TCP optimisation\" in that network, or use a VPN over this link",
                )
        }
        Some(Carried { acked_bytes: Some(0), .. }) => Finding::problem(
            "peer.carries_nothing",
            format!("{rtt}, MPTCP, but no data arrive"),
        )
        .why("the handshake is answered, and packets with data are not")
        .advice("try a lower MTU on this link; large or marked packets may be lost in its network"),
        _ => joined(context, report, tried, &rtt, found),
    }
}

fn unreachable(why: String) -> Finding {
    Finding::problem("peer.path_dead", "the peer cannot be reached")
        .why(why)
        .advice("over another path it can: look at this link, its gateway and what filters there")
}

/// Did the path take part in the connection over all of them?
fn joined(
    context: &Context,
    report: &Report,
    tried: &Try,
    rtt: &str,
    found: &[Finding],
) -> Finding {
    let family = Family::of(tried.to.ip());
    let Some(joint) = report
        .joint
        .iter()
        .find(|joint| joint.subflows.iter().any(|subflow| Family::of(subflow.to.ip()) == family))
    else {
        return Finding::fine("peer.path", format!("{rtt}, MPTCP"));
    };
    let carried = tried.carried.and_then(|carried| carried.acked_bytes).unwrap_or(0);
    let Some(from) = tried.from else {
        return Finding::fine("peer.path", format!("{rtt}, MPTCP, {carried} bytes arrived"));
    };
    let endpoint = context.seen.host.endpoints.iter().find(|it| it.address == from);
    let backup = endpoint.is_some_and(|endpoint| endpoint.flags.has(Flags::BACKUP));
    let at = joint.subflows.iter().position(|subflow| subflow.from == from);
    match at.map(|at| (at, &joint.subflows[at])) {
        Some((_, subflow))
            if subflow.established
                && subflow.has_sent == Some(true)
                && subflow.acked_bytes == Some(0) =>
        {
            Finding::warning(
                "peer.join_carries_nothing",
                format!("{rtt}, joined, but no data arrive"),
            )
            .why("alone this path carries data; beside another one its data are lost")
            .advice("mptcpize status --watch during a large transfer shows what it carries")
        }
        Some((at, subflow)) if subflow.established => {
            let part = match (at, backup) {
                (0, _) => "first path",
                (_, true) => "joined as backup",
                (_, false) => "joined",
            };
            let bytes = carried + subflow.acked_bytes.unwrap_or(0);
            Finding::fine("peer.path", format!("{rtt}, {part}, {bytes} bytes arrived"))
        }
        at => not_joined(context, joint, endpoint, rtt, at.is_some(), found),
    }
}

fn not_joined(
    context: &Context,
    joint: &Joint,
    endpoint: Option<&Endpoint>,
    rtt: &str,
    tried: bool,
    found: &[Finding],
) -> Finding {
    let _ = context;
    if let Some(because) = broken(found, &["endpoints", "routing", "limits", "firewall"]) {
        let mut skipped = Finding::skipped("peer.path", &because);
        skipped.title = format!("{rtt}, MPTCP alone; the join was not tried: see {because}");
        return skipped;
    }
    if !joint.mptcp {
        return Finding::skipped("peer.path", "the first path");
    }
    let opens = endpoint.is_some_and(|endpoint| endpoint.flags.has(Flags::SUBFLOW));
    if !opens {
        let title = format!("{rtt}, MPTCP; no endpoint opens subflows from here");
        return Finding::note("peer.no_endpoint", title);
    }
    if joint.hung_up {
        return Finding::note(
            "peer.hung_up",
            format!("{rtt}, MPTCP; the peer hung up before it joined"),
        )
        .why("it takes no half request; try another port of it");
    }
    let waited = joint.waited_ms;
    let title = format!("{rtt}, MPTCP alone works, joining does not");
    let why = match tried {
        true => format!("its MP_JOIN got no answer in {waited} ms: a firewall drops it"),
        false => format!(
            "no subflow came in {waited} ms: the peer refuses joins, or its limits are reached"
        ),
    };
    Finding::problem("peer.no_join", title).why(why).advice(
        "on the peer: mptcpize check, limits set subflows 8; on the way: let packets with MP_JOIN pass",
    )
}

/// `18 ms`, `1.8 ms`, `0.18 ms`.
fn format_ms(us: u32) -> String {
    match us {
        0..1_000 => format!("{:.2} ms", f64::from(us) / 1000.0),
        1_000..10_000 => format!("{:.1} ms", f64::from(us) / 1000.0),
        _ => format!("{} ms", us / 1000),
    }
}

//! What `mptcpize top` knows from one look to the next, and what its keys do. No clock and no
//! terminal: times come in, a [`Snapshot`] goes out.

mod moved;
mod view;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;

use crate::checks::Verdict;
use crate::connection::Connection;
use crate::net::Bytes;
use crate::net::IfName;
use crate::status::lan::{Lan, lan};
use crate::status::relays::{self, Through};
use crate::status::{
    Availability, ConnectionRow, Finding, PathRow, Program, Rates, Seen, State, SubflowRow,
    Whereabouts, report, row,
};

pub use moved::{Moved, Rate};
pub use view::{Key, Sort, View};

/// Looks that are remembered for the little graphs.
pub const HISTORY: usize = 16;

/// Connections that are followed one by one; the busiest since their begin. All are counted.
pub const FOLLOWED: usize = 500;

/// Events that are remembered.
const EVENTS: usize = 50;

/// What rounds to 0.0 Mbit/s is no traffic: neighbours that ask for each other, and the like.
pub const STILL_BIT_S: u64 = 50_000;

/// A path on the screen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PathLine {
    /// Its link.
    pub link: String,
    /// The lowest round trip of its subflows.
    pub rtt_us: Option<u32>,
    /// The part of its bytes that were sent again since the last look, in thousandths.
    pub loss_permille: Option<u32>,
    /// It has no carrier.
    pub cut: bool,
    /// It is up, and the daemon found that nothing passes it.
    pub stalled: bool,
    /// What the link receives, in bits a second.
    pub received_bit_s: u64,
    /// What it sends.
    pub sent_bit_s: u64,
    /// Both together, look by look, the latest last.
    pub history: Vec<u64>,
    /// Its part of what all paths carry, in thousandths; none where they carry nothing worth a share.
    pub share_permille: Option<u32>,
    /// It carries data only when no other can.
    pub backup: bool,
}

/// A connection on the screen.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectionLine {
    /// What `status` shows of it.
    pub row: ConnectionRow,
    /// Bits a second, both directions, since the last look.
    pub rate_bit_s: u64,
    /// Seconds since it was first seen.
    pub age_s: u64,
    /// It was there before the first look, so it is older than that.
    pub older: bool,
    /// What each subflow carried, look by look.
    pub histories: Vec<Vec<u64>>,
}

/// All that a frame shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// The time on the wall.
    pub clock: String,
    /// Seconds since the first look.
    pub up_s: u64,
    /// How many connections there are.
    pub connections_all: usize,
    /// The worst of the findings, as in `status`.
    pub verdict: Verdict,
    /// Whether the host has MPTCP, as in `status`.
    pub mptcp: Availability,
    /// What wants attention, and what explains the paths, as in `status`.
    pub findings: Vec<Finding>,
    /// How many links are paths and have a carrier.
    pub usable_paths: usize,
    /// The paths, best first.
    pub paths: Vec<PathLine>,
    /// The LAN behind this host, if it is a gateway.
    pub lan: Option<Lan>,
    /// How connections go where they may go through a relay.
    pub relays: Vec<Through>,
    /// What those relays and connections move.
    pub moved: Moved,
    /// The connections that the view lets through, in its order.
    pub connections: Vec<ConnectionLine>,
    /// The latest events, the latest last.
    pub events: Vec<String>,
    /// What the user has chosen.
    pub view: View,
    /// Seconds between two looks at the connections, where that is more than one.
    pub every_s: u64,
    /// Why something is missing.
    pub remark: Option<String>,
}

/// A subflow, from look to look.
type SubflowKey = (u32, SocketAddr, SocketAddr);

/// What is remembered of a subflow.
#[derive(Clone, Debug, Default)]
struct Followed {
    bytes: u64,
    history: VecDeque<u64>,
}

/// What is remembered of all.
#[derive(Debug, Default)]
pub struct Tracker {
    began_ms: Option<u64>,
    counted: Option<(u64, BTreeMap<String, Bytes>)>,
    rates: Rates,
    histories: BTreeMap<String, VecDeque<u64>>,
    looked_ms: u64,
    seen: Option<Seen>,
    subflows: HashMap<SubflowKey, Followed>,
    /// Sent and sent again, of each link, at the last look and since the one before.
    losses: BTreeMap<IfName, (Bytes, Option<u32>)>,
    first_seen: HashMap<u32, (u64, bool)>,
    moved: Moved,
    events: VecDeque<String>,
}

impl Tracker {
    /// The byte counters of the links at a moment, in milliseconds of any clock.
    pub fn count(&mut self, counters: BTreeMap<String, Bytes>, now_ms: u64) {
        if let Some((then, before)) = &self.counted {
            self.rates = Rates::between(before, &counters, now_ms.saturating_sub(*then));
            for link in counters.keys() {
                let (received, sent) = self.rates.of(link);
                let history = self.histories.entry(link.clone()).or_default();
                push(history, received.saturating_add(sent), HISTORY);
            }
        }
        self.histories.retain(|link, _| counters.contains_key(link));
        self.counted = Some((now_ms, counters));
    }

    /// A look at the connections.
    pub fn look(&mut self, mut seen: Seen, now_ms: u64) {
        // What the relay said last time, unless whoever looked knows better.
        let before = self.seen.as_ref().and_then(|seen| seen.relay.state()).cloned();
        seen.relay_before = seen.relay_before.or_else(|| before.map(Box::new));
        let first = self.began_ms.is_none();
        self.began_ms.get_or_insert(now_ms);
        let elapsed = now_ms.saturating_sub(self.looked_ms).max(1);
        let mut subflows = HashMap::new();
        let mut first_seen = HashMap::new();
        for connection in seen.connections.iter().flatten().take(FOLLOWED) {
            let Some(token) = connection.token else { continue };
            let known = self.first_seen.get(&token).copied();
            first_seen.insert(token, known.unwrap_or((now_ms, first)));
            for subflow in &connection.subflows {
                let key = (token, subflow.local, subflow.remote);
                let bytes = subflow.sent.saturating_add(subflow.received);
                let mut followed = self.subflows.remove(&key).unwrap_or_default();
                if !first {
                    let moved = bytes.saturating_sub(followed.bytes);
                    push(&mut followed.history, moved.saturating_mul(8_000) / elapsed, HISTORY);
                }
                followed.bytes = bytes;
                subflows.insert(key, followed);
            }
        }
        self.subflows = subflows;
        self.first_seen = first_seen;
        self.losses = self.lost(&seen);
        self.moved = self.moved.after(&relays::through(&seen), elapsed);
        self.seen = Some(seen);
        self.looked_ms = now_ms;
    }

    /// What each link's subflows sent and sent again, and the part of the latter since before.
    fn lost(&self, seen: &Seen) -> BTreeMap<IfName, (Bytes, Option<u32>)> {
        let whereabouts = Whereabouts::of(seen);
        let mut now: BTreeMap<IfName, Bytes> = BTreeMap::new();
        for subflow in seen.connections.iter().flatten().flat_map(|one| &one.subflows) {
            if let Some(link) = whereabouts.link(subflow) {
                if !now.contains_key(link) {
                    now.insert(link.clone(), Bytes::default());
                }
                let of_link = now.get_mut(link).expect("it was inserted above");
                of_link.sent += subflow.sent;
                // In the place of what is received: what was sent again.
                of_link.received += subflow.resent;
            }
        }
        now.into_iter()
            .map(|(link, bytes)| {
                let before = self.losses.get(&link).map_or_else(Bytes::default, |(then, _)| *then);
                // A subflow that ended takes its bytes along; then there is nothing to compare.
                let sent = bytes.sent.checked_sub(before.sent).filter(|sent| *sent > 0);
                let again = bytes.received.checked_sub(before.received);
                let part = sent.zip(again).map(|(sent, again)| {
                    u32::try_from(again.saturating_mul(1_000) / sent).unwrap_or(1_000).min(1_000)
                });
                (link, (bytes, part))
            })
            .collect()
    }

    /// One more event, as a line.
    pub fn event(&mut self, line: String) {
        push(&mut self.events, line, EVENTS);
    }

    /// A frame.
    pub fn snapshot(&self, view: &View, clock: String, now_ms: u64, every_s: u64) -> Snapshot {
        let nothing = Seen::default();
        let seen = self.seen.as_ref().unwrap_or(&nothing);
        let mut connections = self.connections(seen, now_ms);
        view.arrange(&mut connections);
        let mut view = view.clone();
        view.selected = view.selected.min(connections.len().saturating_sub(1));
        let all = seen.connections.as_ref().map_or(0, Vec::len);
        let mut report = report(seen, 0);
        let paths = self.paths(seen, &report.paths);
        report.findings.retain(|finding| finding.attention || finding.explains_paths);
        Snapshot {
            clock,
            up_s: now_ms.saturating_sub(self.began_ms.unwrap_or(now_ms)) / 1_000,
            connections_all: all,
            remark: remark(&paths, all),
            verdict: report.verdict,
            mptcp: report.mptcp,
            findings: report.findings,
            usable_paths: report.usable_paths.len(),
            paths,
            lan: lan(&seen.relay, seen.relay_before.as_deref()),
            relays: relays::through(seen),
            moved: self.moved.clone(),
            connections,
            events: self.events.iter().cloned().collect(),
            view,
            every_s,
        }
    }

    fn connections(&self, seen: &Seen, now_ms: u64) -> Vec<ConnectionLine> {
        let whereabouts = Whereabouts::of(seen);
        let line = |connection: &Connection| {
            let token = connection.token.unwrap_or(0);
            let history = |subflow: &SubflowRow| {
                let followed = self.subflows.get(&(token, subflow.local, subflow.remote));
                followed.map(|one| one.history.iter().copied().collect()).unwrap_or_default()
            };
            let row = row(connection, seen, &whereabouts);
            let histories: Vec<Vec<u64>> = row.subflows.iter().map(history).collect();
            let (since, older) = self.first_seen.get(&token).copied().unwrap_or((now_ms, false));
            ConnectionLine {
                rate_bit_s: histories.iter().filter_map(|history| history.last()).sum(),
                row,
                age_s: now_ms.saturating_sub(since) / 1_000,
                older,
                histories,
            }
        };
        seen.connections.iter().flatten().take(FOLLOWED).map(line).collect()
    }

    /// One line for each link that is a path, in the order of `status`.
    fn paths(&self, seen: &Seen, rows: &[PathRow]) -> Vec<PathLine> {
        let mut lines: Vec<PathLine> = Vec::new();
        let mut round_trips: BTreeMap<&IfName, u32> = BTreeMap::new();
        let whereabouts = Whereabouts::of(seen);
        let open = |connection| whereabouts.open(connection);
        for subflow in seen.connections.iter().flatten().flat_map(open) {
            if let Some(link) = whereabouts.link(subflow).filter(|_| subflow.rtt_us > 0) {
                let lowest = round_trips.entry(link).or_insert(u32::MAX);
                *lowest = (*lowest).min(subflow.rtt_us);
            }
        }
        for row in rows {
            let link = row.link.as_str();
            let (received_bit_s, sent_bit_s) = self.rates.of(link);
            let history = self.histories.get(link);
            lines.push(PathLine {
                link: link.to_owned(),
                rtt_us: round_trips.get(&row.link).copied(),
                loss_permille: self.losses.get(&row.link).and_then(|(_, part)| *part),
                cut: !row.carrier,
                stalled: row.stalled.is_some(),
                received_bit_s,
                sent_bit_s,
                history: history.map(|all| all.iter().copied().collect()).unwrap_or_default(),
                share_permille: None,
                backup: row.is_backup(),
            });
        }
        let of = |line: &PathLine| u128::from(line.received_bit_s) + u128::from(line.sent_bit_s);
        let all: u128 = lines.iter().map(of).sum();
        for line in lines.iter_mut().filter(|_| all >= u128::from(STILL_BIT_S)) {
            let share = (of(line) * 1_000 + all / 2) / all;
            line.share_permille = Some(u32::try_from(share).unwrap_or(1_000));
        }
        lines
    }
}

fn remark(paths: &[PathLine], all: usize) -> Option<String> {
    if paths.is_empty() {
        return Some("no path: no link has an address and a gateway".into());
    }
    (all > FOLLOWED).then(|| format!("the {FOLLOWED} busiest of {all} connections are followed"))
}

fn push<T>(list: &mut VecDeque<T>, one: T, most: usize) {
    while list.len() >= most {
        list.pop_front();
    }
    list.push_back(one);
}

/// The name of a connection's program and its container, as far as they are known.
pub fn name(program: Option<&Program>) -> Cow<'_, str> {
    program.map_or(Cow::Borrowed("?"), Program::label)
}

/// Is the connection one that can still carry data?
pub fn is_alive(row: &ConnectionRow) -> bool {
    row.state != State::Closing
}

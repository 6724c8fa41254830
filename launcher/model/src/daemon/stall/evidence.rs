//! What one sample says of each link: whether anything was heard over it, and whether what was not
//! heard is the link's fault.
//!
//! A connection that waits says little: its server may be dead. So a link counts as stalled only where
//! nothing at all is heard over it and more than one peer's silence would be needed to explain that: its
//! gateway does not answer, what the same connection sends over another link is confirmed, or several
//! peers stopped answering at once.
//!
//! Whoever receives hears of no retransmission: a subflow over which nothing comes any more may have
//! nothing to receive. Where others of its connection receive on, the link is suspected, and only a
//! question tells; so where a single peer does not answer.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::Serialize;

use super::super::sample::{Flow, Sample};
use crate::net::{IfName, Prefix};

/// So many peers do not stop answering at once unless the link does: the two addresses of a server
/// that is down are one machine.
const PEERS: usize = 3;

/// Nothing was heard for so many retransmission timeouts. The first expires after one to one and a half
/// (a probe of the tail comes before it, RFC 8985), and what it sent again has had time for an answer.
const SILENT_RTOS: u64 = 2;

/// A connection whose timer has grown so far sends again later than a link that is back is to be used,
/// in microseconds.
const DEEP_US: u32 = 1_000_000;

/// What was heard within so many milliseconds was heard lately: longer than a round trip.
const LATELY_MS: u32 = 1_000;

/// A subflow that receives hears something within so many milliseconds.
const MOVES_MS: u32 = 200;

/// One that has heard nothing for so long has nothing to receive.
const IDLE_MS: u32 = 10_000;

/// A subflow over which so many bytes came was in use, and not only opened.
const USED: u64 = 64 * 1024;

/// An answer over a link lays a suspicion to rest for so long: connections to a server that is down wait
/// for minutes.
const ASK_AGAIN_MS: u32 = 10_000;

/// What is watched of a link.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(in crate::daemon) struct Place {
    /// The addresses that connections over it have.
    pub(in crate::daemon) sources: BTreeSet<IpAddr>,
    /// Its own networks: what is in them is reached without a gateway.
    pub(in crate::daemon) networks: Vec<Prefix>,
    /// Its gateways.
    pub(in crate::daemon) gateways: BTreeSet<IpAddr>,
}

/// Why a link is taken to pass nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum Evidence {
    /// Its gateway does not answer.
    Gateway,
    /// A connection is confirmed over another link and not over this one.
    Sibling,
    /// Several peers are silent over it.
    Peers(usize),
    /// A peer that is heard over another link does not answer over this one.
    Unanswered,
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Evidence::Gateway => f.write_str("its gateway does not answer"),
            Evidence::Sibling => f.write_str("its subflows wait, and the others of them do not"),
            Evidence::Peers(peers) => write!(f, "{peers} peers stopped answering over it at once"),
            Evidence::Unanswered => f.write_str("a peer answers over another link alone"),
        }
    }
}

/// What a sample says of a link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Connections beyond its gateway.
    pub(super) flows: usize,
    /// Something moves over it, or waits to be confirmed.
    pub(super) moves: bool,
    /// It may pass nothing, but only a question tells.
    pub(super) suspected: bool,
    /// A retransmission timer has just run out.
    pub(super) suspicious: bool,
    /// Milliseconds since anything was heard over it, where a connection could tell.
    pub(super) heard_ms: Option<u32>,
    /// It passes nothing.
    pub(super) stalled: Option<Evidence>,
    /// Subflows of this or the other side would not use it for a while though it passes again.
    pub(super) deep: bool,
    /// Each MPTCP connection that has a subflow here has one over another link too.
    pub(super) spare: bool,
    /// Peers that could be asked over this link: those that are heard over others first.
    pub(super) peers: Vec<SocketAddr>,
    /// The first of them is heard over another link now.
    pub(super) witness: bool,
    /// Its gateway is not known to answer.
    pub(super) silent_gateway: bool,
}

/// What a sample says of each link. `answered_ms` are the milliseconds since the last answer to a probe
/// over a link.
pub(super) fn judge(
    places: &BTreeMap<IfName, Place>,
    answered_ms: &BTreeMap<IfName, u32>,
    sample: &Sample,
) -> BTreeMap<IfName, Seen> {
    let of = |flow: &Flow| {
        let (local, remote) = (flow.local.ip().to_canonical(), flow.remote.ip().to_canonical());
        let (dev, place) = places.iter().find(|(_, place)| place.sources.contains(&local))?;
        let beyond = !place.networks.iter().any(|network| network.contains(remote));
        beyond.then_some((dev, *flow))
    };
    let all: Vec<(&IfName, Flow)> = sample.flows.iter().filter_map(of).collect();
    let mut by_token: BTreeMap<u32, Vec<(&IfName, Flow)>> = BTreeMap::new();
    for (dev, flow) in &all {
        if let Some(token) = flow.token {
            by_token.entry(token).or_default().push((*dev, *flow));
        }
    }
    let seen = |(dev, place): (&IfName, &Place)| {
        let flows: Vec<Flow> =
            all.iter().filter(|(on, _)| *on == dev).map(|(_, flow)| *flow).collect();
        let siblings = |flow: &Flow| {
            let all = flow.token.and_then(|token| by_token.get(&token)).into_iter().flatten();
            all.filter(|(on, other)| *on != dev && other.open).map(|(_, other)| *other)
        };
        let heard_ms = flows.iter().filter(|flow| flow.open).map(heard_ms).min();
        let answered_ms = answered_ms.get(dev).copied().unwrap_or(u32::MAX);
        let on_link_ms = heard_ms.into_iter().chain([answered_ms]).min();
        let receives_no_more = |flow: &Flow| {
            let silence = silence_ms(flow);
            let active = || {
                siblings(flow).any(|other| {
                    other.remote.ip() == flow.remote.ip() && other.received_ms < MOVES_MS
                })
            };
            flow.open
                && flow.received >= USED
                && on_link_ms.is_some_and(|ms| ms >= silence)
                && (silence..IDLE_MS).contains(&self::heard_ms(flow))
                && active()
        };
        let others = || {
            let of = |(on, flow): &(&IfName, Flow)| *on != dev && flow.open && can_ask(place, flow);
            all.iter().filter(move |one| of(one)).map(|(_, flow)| *flow)
        };
        let stuck: Vec<&Flow> = flows.iter().filter(|flow| is_stuck(flow, on_link_ms)).collect();
        let answered = |flow: &&&Flow| {
            siblings(flow).any(|other| {
                other.remote.ip() == flow.remote.ip() && self::heard_ms(&other) < silence_ms(flow)
            })
        };
        let gateway = |failed: bool| {
            sample.silent.iter().any(|silent| {
                silent.dev == *dev
                    && place.gateways.contains(&silent.address)
                    && (silent.failed || !failed)
            })
        };
        let peers: BTreeSet<IpAddr> = stuck.iter().map(|flow| flow.remote.ip()).collect();
        let stalled = if gateway(true) {
            Some(Evidence::Gateway)
        } else if stuck.iter().any(|flow| answered(&flow)) {
            Some(Evidence::Sibling)
        } else {
            (peers.len() >= PEERS).then_some(Evidence::Peers(peers.len()))
        };
        let subflows = || flows.iter().filter(|flow| flow.token.is_some());
        let seen = Seen {
            flows: flows.len(),
            moves: flows
                .iter()
                .any(|flow| flow.unconfirmed > 0 || !flow.open || self::heard_ms(flow) < LATELY_MS),
            suspected: !stuck.is_empty() && answered_ms >= ASK_AGAIN_MS
                || flows.iter().any(|flow| receives_no_more(flow)) && heard_ms < Some(answered_ms),
            suspicious: flows.iter().any(|flow| flow.timeouts == 1),
            heard_ms,
            stalled,
            deep: subflows().any(|flow| {
                let ours = flow.unconfirmed > 0 && flow.rto_us >= DEEP_US;
                let active = || siblings(flow).any(|other| other.received_ms < LATELY_MS);
                self::heard_ms(flow) >= LATELY_MS && (ours || active())
            }),
            spare: subflows().all(|flow| siblings(flow).next().is_some()),
            witness: others().any(|flow| self::heard_ms(&flow) < LATELY_MS),
            peers: askable(place, &all, dev),
            silent_gateway: gateway(false),
        };
        (dev.clone(), seen)
    };
    places.iter().map(seen).collect()
}

/// Milliseconds since the peer of an open connection was heard.
fn heard_ms(flow: &Flow) -> u32 {
    flow.confirmed_ms.min(flow.received_ms)
}

/// After how many milliseconds of silence a connection counts as stuck.
fn silence_ms(flow: &Flow) -> u32 {
    // Each timeout doubles it.
    let first_us = u64::from(flow.rto_us) >> flow.timeouts.min(31);
    u32::try_from(first_us * SILENT_RTOS / 1_000).unwrap_or(u32::MAX)
}

/// Does a connection wait in vain, on a link over which nobody was heard for so long?
fn is_stuck(flow: &Flow, on_link_ms: Option<u32>) -> bool {
    let silent = |ms: u32| ms >= silence_ms(flow);
    // What was last sent before the link was heard may be answered by what is sent next. Of a SYN no
    // time is told; it is sent again within a second (`tcp_syn_linear_timeouts`).
    let asked_since = |ms: u32| !flow.open || flow.sent_ms < ms;
    let waits = !flow.open || flow.unconfirmed > 0 && silent(heard_ms(flow));
    flow.timeouts > 0 && waits && on_link_ms.is_none_or(|ms| silent(ms) && asked_since(ms))
}

/// Can this peer be asked from the addresses of a link?
fn can_ask(place: &Place, flow: &Flow) -> bool {
    let remote = flow.remote.ip().to_canonical();
    place.sources.iter().any(|source| source.is_ipv4() == remote.is_ipv4())
}

/// Whom to ask over a link whether it passes anything.
fn askable(place: &Place, all: &[(&IfName, Flow)], dev: &IfName) -> Vec<SocketAddr> {
    let mut flows: Vec<&(&IfName, Flow)> = all.iter().collect();
    flows.sort_by_key(|(on, flow)| (*on == dev, !flow.open, heard_ms(flow)));
    let mut peers: Vec<SocketAddr> = Vec::new();
    for (_, flow) in flows {
        let ip = flow.remote.ip().to_canonical();
        let peer = SocketAddr::new(ip, flow.remote.port());
        if can_ask(place, flow) && !peers.contains(&peer) && peers.len() < PEERS {
            peers.push(peer);
        }
    }
    peers
}

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

/// A connection beyond the gateway of the link that it uses.
type OnLink<'a> = (&'a IfName, &'a Flow);

/// What a sample says of each link. `answered_ms` are the milliseconds since the last answer to a probe
/// over a link.
pub(super) fn judge(
    places: &BTreeMap<IfName, Place>,
    answered_ms: &BTreeMap<IfName, u32>,
    sample: &Sample,
) -> BTreeMap<IfName, Seen> {
    let on_link = |flow| {
        let (local, remote) = (Flow::local_ip(flow), Flow::remote_ip(flow));
        let (dev, place) = places.iter().find(|(_, place)| place.sources.contains(&local))?;
        let beyond = !place.networks.iter().any(|network| network.contains(remote));
        beyond.then_some((dev, flow))
    };
    let all: Vec<OnLink> = sample.flows.iter().filter_map(on_link).collect();
    let mut by_token: BTreeMap<u32, Vec<OnLink>> = BTreeMap::new();
    for (dev, flow) in &all {
        if let Some(token) = flow.token {
            by_token.entry(token).or_default().push((dev, flow));
        }
    }
    let seen = |(dev, place)| {
        let answered_ms = answered_ms.get(dev).copied().unwrap_or(u32::MAX);
        let view = View { dev, place, all: &all, by_token: &by_token, answered_ms };
        (dev.clone(), view.seen(sample))
    };
    places.iter().map(seen).collect()
}

/// One link in the midst of all connections.
struct View<'a> {
    dev: &'a IfName,
    place: &'a Place,
    all: &'a [OnLink<'a>],
    by_token: &'a BTreeMap<u32, Vec<OnLink<'a>>>,
    /// Milliseconds since a probe was last answered over it.
    answered_ms: u32,
}

impl<'a> View<'a> {
    fn seen(&self, sample: &Sample) -> Seen {
        let heard_ms = self.flows().filter(|flow| flow.open).map(heard_ms).min();
        let on_link_ms = heard_ms.into_iter().chain([self.answered_ms]).min();
        let stuck: Vec<&Flow> = self.flows().filter(|flow| is_stuck(flow, on_link_ms)).collect();
        let peers: BTreeSet<IpAddr> = stuck.iter().map(|flow| flow.remote_ip()).collect();
        let stalled = if self.is_gateway_silent(sample, true) {
            Some(Evidence::Gateway)
        } else if stuck.iter().any(|flow| self.goes_on_elsewhere(flow)) {
            Some(Evidence::Sibling)
        } else {
            (peers.len() >= PEERS).then_some(Evidence::Peers(peers.len()))
        };
        let subflows = || self.flows().filter(|flow| flow.token.is_some());
        let mut others = self.all.iter().filter(|(on, flow)| *on != self.dev && flow.open);
        // A silence is asked about once.
        let receives_no_more = heard_ms < Some(self.answered_ms)
            && self.flows().any(|flow| self.receives_no_more(flow, on_link_ms));
        Seen {
            flows: self.flows().count(),
            moves: self
                .flows()
                .any(|flow| flow.unconfirmed > 0 || !flow.open || self::heard_ms(flow) < LATELY_MS),
            suspected: receives_no_more || !stuck.is_empty() && self.answered_ms >= ASK_AGAIN_MS,
            suspicious: self.flows().any(is_suspicious),
            heard_ms,
            stalled,
            deep: subflows().any(|flow| self.is_deep(flow)),
            spare: subflows().all(|flow| self.siblings(flow).next().is_some()),
            witness: others
                .any(|(_, flow)| can_ask(self.place, flow) && self::heard_ms(flow) < LATELY_MS),
            peers: askable(self.place, self.all, self.dev),
            silent_gateway: self.is_gateway_silent(sample, false),
        }
    }

    fn flows(&self) -> impl Iterator<Item = &'a Flow> + use<'a> {
        let dev = self.dev;
        self.all.iter().filter(move |(on, _)| *on == dev).map(|(_, flow)| *flow)
    }

    /// The other open subflows of its connection, over other links.
    fn siblings(&self, flow: &Flow) -> impl Iterator<Item = &'a Flow> + use<'a> {
        let dev = self.dev;
        let all = flow.token.and_then(|token| self.by_token.get(&token)).into_iter().flatten();
        all.filter(move |(on, other)| *on != dev && other.open).map(|(_, other)| *other)
    }

    /// Is its connection heard over another link, by the same address of the peer?
    fn goes_on_elsewhere(&self, flow: &Flow) -> bool {
        self.siblings(flow).any(|other| {
            other.remote_ip() == flow.remote_ip() && heard_ms(other) < silence_ms(flow)
        })
    }

    /// Did it receive, and does its connection receive over another link alone by now?
    fn receives_no_more(&self, flow: &Flow, on_link_ms: Option<u32>) -> bool {
        let silence = silence_ms(flow);
        let goes_on =
            |other: &Flow| other.remote_ip() == flow.remote_ip() && other.received_ms < MOVES_MS;
        flow.open
            && flow.received >= USED
            && on_link_ms.is_some_and(|ms| ms >= silence)
            && (silence..IDLE_MS).contains(&heard_ms(flow))
            && self.siblings(flow).any(goes_on)
    }

    /// Does this side or the other wait in a long pause, for a connection that receives elsewhere or
    /// hears nothing anywhere?
    fn is_deep(&self, flow: &Flow) -> bool {
        let ours = flow.unconfirmed > 0 && flow.rto_us >= DEEP_US;
        let receives = || self.siblings(flow).any(|other| other.received_ms < LATELY_MS);
        let is_silent = || self.siblings(flow).all(|other| heard_ms(other) >= LATELY_MS);
        heard_ms(flow) >= LATELY_MS && (ours || receives() || is_silent())
    }

    fn is_gateway_silent(&self, sample: &Sample, failed: bool) -> bool {
        sample.silent.iter().any(|silent| {
            silent.dev == *self.dev
                && self.place.gateways.contains(&silent.address)
                && (silent.failed || !failed)
        })
    }
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
    place.sources.iter().any(|source| source.is_ipv4() == flow.remote_ip().is_ipv4())
}

/// Has its timer just run out, or is it about to? Only so long: a server that is down stays silent.
fn is_suspicious(flow: &Flow) -> bool {
    let silence = silence_ms(flow);
    let silent = (silence / 4..silence.saturating_mul(2)).contains(&heard_ms(flow));
    flow.open && flow.unconfirmed > 0 && silent
}

/// Whom to ask over a link whether it passes anything.
fn askable(place: &Place, all: &[OnLink], dev: &IfName) -> Vec<SocketAddr> {
    let mut flows: Vec<&OnLink> = all.iter().collect();
    flows.sort_by_key(|(on, flow)| (*on == dev, !flow.open, heard_ms(flow)));
    let mut peers: Vec<SocketAddr> = Vec::new();
    for (_, flow) in flows {
        let peer = SocketAddr::new(flow.remote_ip(), flow.remote.port());
        if can_ask(place, flow) && !peers.contains(&peer) && peers.len() < PEERS {
            peers.push(peer);
        }
    }
    peers
}

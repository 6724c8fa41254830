//! Links that became so slow that what waits on them holds their connections back (head-of-line
//! blocking). The kernel has given such a link more than it can carry by now, what others carried waits
//! for that at the receiver, and once the window is full they carry next to nothing.
//!
//! Measured on Linux 6.18, two links of 20 and 10 Mbit/s and 20 ms: where the second falls to 2 Mbit/s
//! the first falls to 4 for two to five seconds, up- and downwards (scripts/bench drive).
//!
//! Such a link carries little beside what the others did, and they fell when it became so. That a
//! program sends or reads less looks alike; so much must wait besides: unsent on the link itself where
//! this host sends, and at the connection, out of order, where it receives.
//!
//! The link's endpoint is made anew as a backup, whereupon both ends send at once over the others what
//! waited on it; a few seconds later it is used again.
//!
//! Not here: links that pass nothing at all ([`super::stall`]). Connections whose subflows the daemon
//! opens itself are left alone.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::Serialize;

use super::event::{Code, Millis, Report};
use super::sample::{Flow, Sample};
use super::status::Held;
use crate::net::IfName;
use crate::uplinks::Path;

/// A link that carries less than a third of what the others did is slow beside them.
const SLOW: u64 = 3;

/// The others fell because a link became slow if they did so at most so much later: windows of some
/// megabytes are full by then.
const FOLLOWS: Duration = Duration::from_secs(5);

/// Both are seen at once, or the one by a rate that is smoothed a little later.
const TOGETHER: Duration = Duration::from_secs(1);

/// So many bytes that wait to be sent over a link hold their connection back. One that is slower than
/// the links has them sent over the fastest, and none waits.
const UNSENT: u32 = 16 * 1024;

/// So much memory at a receiver is more than a program leaves that reads what comes in order.
const QUEUED: u32 = 64 * 1024;

/// Either was seen within such a time: it comes and goes with each window that opens.
const WAITS: Duration = Duration::from_millis(600);

/// For so long the others must have been down: longer than a loss takes to be made good.
const LASTS: Duration = Duration::from_millis(300);

/// And if nothing at all is heard over them: then they may pass nothing, and that is found first.
const LASTS_SILENT: Duration = Duration::from_millis(1_500);

/// Nothing is heard over a link where nothing came for so many milliseconds.
const SILENT_MS: u32 = 250;

/// The first time for which a link is a backup: what fades is gone or back after some seconds.
const FIRST: Duration = Duration::from_secs(3);

/// And the last, each time after twice as long.
const LONGEST: Duration = Duration::from_secs(48);

/// After so long in use a link begins with the first time again.
const CALM: Duration = Duration::from_secs(4);

/// Over how many milliseconds a rate is smoothed.
const SMOOTH_MS: u64 = 150;

/// And in how many the best one fades.
const FADES_MS: u64 = 8_000;

/// A pause between two samples that is longer, in milliseconds, tells nothing of rates.
const LONG_MS: u64 = 1_500;

/// A link that is full, however slow, brings something within so many milliseconds: a packet at
/// 0.2 Mbit/s.
const FULL_MS: u32 = 60;

/// A link that blocks has been full for so long; those that wait for it stand still now and then.
const STEADY: Duration = Duration::from_millis(400);

/// Under so many bytes a second nothing is judged: 1 Mbit/s.
const LITTLE: u64 = 125_000;

/// With more subflows than this nothing is judged: no single one says much of its link.
const MOST: usize = 512;

/// So many receive queues are asked for at once, each by a question of its own.
const MOST_SUSPECTS: usize = 64;

/// Everything that is known of such links.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Blocking {
    /// Whose address is on which link.
    homes: BTreeMap<IpAddr, IfName>,
    /// When the last sample was.
    sampled: Millis,
    /// The subflows of that sample, by their ends, in order.
    flows: Vec<(Ends, Track)>,
    links: BTreeMap<IfName, State>,
    /// Addresses whose endpoints are to be made anew.
    due: BTreeSet<IpAddr>,
    /// Connections that may be held back as receivers.
    suspects: BTreeSet<u32>,
}

/// Both ends of a subflow.
type Ends = (SocketAddr, SocketAddr);

/// How a subflow gets on, in bytes and seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Track {
    /// Carried so far, both ways.
    bytes: u64,
    /// The rate now, and the best of the last seconds.
    rate: u64,
    best: u64,
    /// Since when it is slow beside the others of its connection.
    slow: Option<Millis>,
    /// Since when it is far under its best rate.
    fell: Option<Millis>,
    /// When it was last seen to stand still.
    stood: Option<Millis>,
    /// When so much last waited that its connection is held back.
    waits: Option<Millis>,
}

impl Track {
    /// Has it been full for long enough?
    fn is_full(&self, now: Millis) -> bool {
        self.stood.is_none_or(|at| at + STEADY <= now)
    }
}

/// What moves over a link, and how much of it blocks.
#[derive(Clone, Copy, Default)]
struct Load {
    moving: usize,
    blocking: usize,
    /// What it carries, in bytes a second.
    rate: u64,
}

impl Load {
    /// Does it block most of its connections? One may be slow for a reason of its own.
    fn blocks(&self) -> bool {
        self.blocking > 0 && self.blocking * 2 >= self.moving
    }
}

/// A link that blocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct State {
    /// Until when it is a backup; past once it is used again.
    until: Millis,
    /// For how long that is.
    pause: Duration,
    /// It is one now.
    held: bool,
}

impl Blocking {
    /// Takes over the paths of a look; those of them that are `backup` anyway are not judged, and none
    /// where the daemon opens the subflows itself (`heals`): an endpoint made anew would not help.
    pub(super) fn set(&mut self, paths: &[Path], backup: &[IfName], heals: bool) {
        let judged = |path: &&Path| {
            !heals
                && (!backup.contains(&path.dev)
                    || self.links.get(&path.dev).is_some_and(|it| it.held))
        };
        let homes = paths.iter().filter(judged).flat_map(|path| {
            let addresses = path.others.iter().copied().chain([path.address, path.source()]);
            addresses.map(|address| (address, path.dev.clone()))
        });
        self.homes = homes.collect();
    }

    /// Judges a sample, and returns what is to be told: then a look is due. `others` are links that
    /// are set aside for a reason of their own.
    pub(super) fn sampled(
        &mut self,
        now: Millis,
        sample: &Sample,
        others: &BTreeSet<IfName>,
    ) -> Vec<Report> {
        let mut reports: Vec<Report> = self.end(now).into_iter().collect();
        let passed_ms = now.0.saturating_sub(self.sampled.0);
        if passed_ms < SMOOTH_MS {
            return reports;
        }
        self.sampled = now;
        let on_link = |flow: &&Flow| flow.open && self.homes.contains_key(&flow.local_ip());
        self.suspects.clear();
        let flows: Vec<(u32, &Flow)> = sample
            .flows
            .iter()
            .filter(on_link)
            .filter_map(|flow| Some((flow.token?, flow)))
            .take(MOST + 1)
            .collect();
        if flows.len() > MOST {
            self.flows.clear();
            return reports;
        }
        let mut tracks: Vec<Track> =
            flows.iter().map(|(_, flow)| self.track(now, passed_ms, flow)).collect();
        let mut links: BTreeMap<&IfName, Load> = BTreeMap::new();
        for (at, (token, flow)) in flows.iter().enumerate() {
            let Some(dev) = self.homes.get(&flow.local_ip()) else { continue };
            let siblings = || {
                flows.iter().zip(&tracks).filter(|((its, other), _)| {
                    its == token && self.homes.get(&other.local_ip()) != Some(dev)
                })
            };
            let best: u64 = siblings().map(|(_, track)| track.best).sum();
            let fastest = siblings().max_by_key(|(_, track)| track.best);
            let fell = fastest.and_then(|((_, other), its)| Some((its.fell?, lasts(flow, other))));
            let rate = tracks.get(at).map_or(0, |track| track.rate);
            let is_slowest = siblings().all(|(_, other)| other.rate >= rate || !other.is_full(now));
            let Some(track) = tracks.get_mut(at) else { continue };
            let is_slow = best >= LITTLE && track.rate * SLOW <= best;
            track.slow = if is_slow { track.slow.or(Some(now)) } else { None };
            if flow.unconfirmed == 0 && flow.received_ms >= FULL_MS {
                track.stood = Some(now);
            }
            if track.slow.is_some() && fell.is_some() && self.suspects.len() < MOST_SUSPECTS {
                self.suspects.insert(*token);
            }
            if flow.unsent >= UNSENT || sample.queues.get(token).is_some_and(|it| *it >= QUEUED) {
                track.waits = Some(now);
            }
            if track.rate == 0 {
                continue;
            }
            let load = links.entry(dev).or_default();
            load.rate += track.rate;
            load.moving += 1;
            if let (Some(slow), Some((fell, lasts))) = (track.slow, fell) {
                let waits = track.waits.is_some_and(|at| at + WAITS >= now);
                let follows = slow <= fell + TOGETHER && fell <= slow + FOLLOWS;
                let blocks = waits && follows && fell.max(slow) + lasts <= now;
                load.blocking += usize::from(blocks && is_slowest && track.is_full(now));
            }
        }
        // The slow ones slow down each other; the slowest is the reason.
        let blocks = links
            .into_iter()
            .filter(|(dev, load)| load.blocks() && !others.contains(*dev))
            .min_by_key(|(_, load)| load.rate);
        let blocks = blocks.map(|(dev, _)| dev.clone());
        self.flows = flows.iter().map(|(_, flow)| (flow.local, flow.remote)).zip(tracks).collect();
        self.flows.sort_unstable_by_key(|(ends, _)| *ends);
        reports.extend(blocks.and_then(|dev| self.hold(now, &dev)));
        reports
    }

    /// What this subflow carries by now.
    fn track(&self, now: Millis, passed_ms: u64, flow: &Flow) -> Track {
        let bytes = flow.confirmed + flow.received;
        let before = self.flows.binary_search_by_key(&(flow.local, flow.remote), |(ends, _)| *ends);
        let before = before.ok().and_then(|at| self.flows.get(at)).map(|(_, track)| *track);
        let Some(mut track) = before.filter(|_| passed_ms <= LONG_MS) else {
            return Track { bytes, ..Track::default() };
        };
        let rate = bytes.saturating_sub(track.bytes) * 1_000 / passed_ms.max(1);
        track.bytes = bytes;
        track.rate = (track.rate * SMOOTH_MS + rate * passed_ms) / (SMOOTH_MS + passed_ms);
        track.best = track.rate.max(track.best - track.best * passed_ms / FADES_MS);
        let is_down = track.rate * 5 <= track.best * 3;
        track.fell = if is_down { track.fell.or(Some(now)) } else { None };
        track
    }

    /// Makes a link a backup for a while, unless no other one is left.
    fn hold(&mut self, now: Millis, dev: &IfName) -> Option<Report> {
        let held = |dev: &IfName| self.links.get(dev).is_some_and(|it| it.held);
        if held(dev) || !self.homes.values().any(|other| other != dev && !held(other)) {
            return None;
        }
        let grown = self.links.get(dev).filter(|it| it.until + CALM > now);
        let pause = grown.map_or(FIRST, |it| (it.pause * 2).min(LONGEST));
        self.links.retain(|_, it| it.held || it.until + CALM > now);
        self.links.insert(dev.clone(), State { until: now + pause, pause, held: true });
        let its = self.homes.iter().filter(|(_, home)| *home == dev);
        self.due.extend(its.map(|(address, _)| *address));
        self.flows.clear();
        let text = format!(
            "{dev} became slow and held its connections back: a backup for {} s",
            pause.as_secs()
        );
        Some(Report::about(Code::Blocks, dev, text))
    }

    /// Takes back what has been a backup for long enough.
    pub(super) fn end(&mut self, now: Millis) -> Option<Report> {
        let (dev, state) = self.links.iter_mut().find(|(_, it)| it.held && it.until <= now)?;
        state.held = false;
        let its = self.homes.iter().filter(|(_, home)| *home == dev);
        // Not by its flags alone: the peer is told of those once, by an option that may be lost
        // (MP_PRIO, RFC 8684 section 3.3.8).
        self.due.extend(its.map(|(address, _)| *address));
        // What was carried without it is no measure of what is carried with it.
        self.flows.clear();
        Some(Report::about(Code::Unblocked, dev, format!("{dev} is used again")))
    }

    /// When [`Blocking::end`] has more.
    pub(super) fn deadline(&self) -> Option<Millis> {
        self.links.values().filter(|it| it.held).map(|it| it.until).min()
    }

    /// The tokens of connections whose receive queues tell whether they are held back.
    pub(super) fn suspects(&self) -> impl Iterator<Item = u32> {
        self.suspects.iter().copied()
    }

    /// The links that are backups for now.
    pub(super) fn links(&self) -> impl Iterator<Item = &IfName> {
        self.links.iter().filter(|(_, it)| it.held).map(|(dev, _)| dev)
    }

    /// The addresses whose endpoints are to be made anew.
    pub(super) fn take(&mut self) -> BTreeSet<IpAddr> {
        std::mem::take(&mut self.due)
    }

    /// What `mptcpize status` shows of them.
    pub(super) fn shown(&self) -> impl Iterator<Item = Held> {
        let held = self.links.iter().filter(|(_, it)| it.held);
        held.map(|(dev, it)| Held {
            link: dev.clone(),
            why: "it became slow and held its connections back".to_owned(),
            until: Some(it.until),
        })
    }
}

/// For how long the others must have been down, of which `other` is the fastest, if they are held back
/// by `flow`.
fn lasts(flow: &Flow, other: &Flow) -> Duration {
    let is_silent = other.confirmed_ms.min(other.received_ms) >= SILENT_MS;
    // Whoever sends has nothing to wait for on a link that gets nothing to carry.
    let sends_nothing = flow.unconfirmed > 0 && other.unconfirmed == 0;
    if is_silent && !sends_nothing { LASTS_SILENT } else { LASTS }
}

#[cfg(test)]
mod tests;

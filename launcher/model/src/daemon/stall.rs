//! Paths that stay up and pass nothing: a blackhole, a modem without signal. No event tells of them, so
//! samples of what TCP knows are judged, which sends nothing; see [`evidence`] for what counts.
//!
//! A link that passes nothing is set aside: its endpoints become backups, and where unbound connections
//! would begin over it they begin over another one ([`crate::desired`]). It is asked again and again by a
//! single SYN to a peer that is heard over another link, until anything at all is heard over it: the
//! kernel's own retransmissions come up to two minutes apart. What waits in such a pause is made anew.
//!
//! Nothing wakes the daemon for this while no TCP connection goes beyond a gateway. While one waits for
//! an answer a sample is taken five times a second, and ever less often while none does.
//!
//! Not here: the transaction that sets a link aside, the sockets of probes (launcher, `daemon/probes.rs`).

mod evidence;
mod tempo;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::Serialize;

pub(super) use self::evidence::Place;
use self::evidence::{Evidence, Seen};
use self::tempo::Tempo;
use super::event::{Code, Millis, Report};
use super::pace::Pace;
use super::probe::Probe;
use super::sample::Sample;
use super::status::Held;
use crate::net::IfName;
use crate::uplinks::Path;

/// A link that stalls more often than this in a minute is set aside for a while.
const MOST_STALLS: usize = 5;

/// How often a stalled link is asked at first: it is to be used within a second of its return.
const ASK_FIRST: Duration = Duration::from_millis(500);

/// The pause between two questions where a link is only suspected.
const ASK_SUSPECTED: Duration = Duration::from_millis(250);

/// And at last: a modem without signal for an hour is not asked more than this.
const ASK_LAST: Duration = Duration::from_secs(10);

/// The pause between two questions is this part of the time for which the link has been stalled.
const ASK_SHARE: u64 = 100;

/// How often each path is asked where the settings name a probe.
const PROBE: Duration = Duration::from_secs(10);

/// So many questions in a row without an answer, while a peer is heard over another link.
const MOST_UNANSWERED: u32 = 2;

/// A stalled link over which nobody can be asked is tried after so long: no connection is left.
const TRIAL: Duration = Duration::from_secs(30);

/// For how long a link that passes again is watched: at least, and at most, which is the kernel's
/// longest pause (`TCP_RTO_MAX`).
const WATCH_LEAST: Duration = Duration::from_secs(2);
const WATCH_MOST: Duration = Duration::from_secs(120);

/// Everything that is known of stalled links.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Stall {
    places: BTreeMap<IfName, Place>,
    /// The end that the settings name.
    probe: Option<SocketAddr>,
    links: BTreeMap<IfName, State>,
    tempo: Tempo,
    /// Links that have just come back and have subflows in long pauses.
    back: BTreeSet<IfName>,
}

/// What is remembered of a link.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct State {
    /// It is set aside, since when and why.
    stalled: Option<(Millis, Evidence)>,
    /// How often it stalled.
    falls: Pace,
    /// Whom to ask over it.
    peers: Vec<SocketAddr>,
    /// When it is asked next, and how often it was.
    ask: Option<Millis>,
    asked: usize,
    /// When a probe was last answered over it.
    answered: Option<Millis>,
    /// Questions in a row without an answer; the last one is under way.
    unanswered: u32,
    /// It may pass nothing, and is being asked.
    suspected: bool,
    /// Subflows would not use it for a while though it passes again.
    deep: bool,
    /// Their connections have others.
    spare: bool,
    /// It passes again. Until then it is watched for subflows that wait on in long pauses: who sends to
    /// this host may not have had a reason to try again yet, or they had no others.
    watched: Option<Millis>,
}

impl Stall {
    /// Takes over the paths of a look, and the end that the settings name. With fewer than two links
    /// there is nothing to choose from, and nothing more is judged; but what is known of the one that
    /// is left stays known, for the other may come back before it passes again.
    pub(super) fn set(&mut self, now: Millis, paths: &[Path], probe: Option<SocketAddr>) {
        let mut places: BTreeMap<IfName, Place> = BTreeMap::new();
        for path in paths {
            let place = places.entry(path.dev.clone()).or_default();
            place.sources.extend(path.others.iter().copied().chain([path.address, path.source()]));
            place.networks.extend(path.networks.iter().copied());
            place.gateways.extend(path.gateway);
        }
        if (&self.places, self.probe) != (&places, probe) {
            self.tempo.wake();
            self.links.retain(|dev, _| places.contains_key(dev));
            for (dev, place) in &places {
                // Another address may be another network's.
                let state = self.links.entry(dev.clone()).or_default();
                if self.places.get(dev) != Some(place) {
                    *state = State { falls: std::mem::take(&mut state.falls), ..State::default() };
                }
                let asks = probe.is_some() && places.len() > 1;
                state.ask = state.ask.or(asks.then_some(now));
            }
            (self.places, self.probe) = (places, probe);
        }
    }

    /// Something happened that may have begun connections.
    pub(super) fn wake(&mut self) {
        self.tempo.wake();
    }

    /// How often a sample is needed.
    pub(super) fn period(&self) -> Option<Duration> {
        let any = self.links.values().any(|state| state.stalled.is_some());
        self.tempo.period(any).filter(|_| any || self.places.len() > 1)
    }

    /// Judges a sample, and returns what is to be told: then a look is due.
    pub(super) fn sampled(&mut self, now: Millis, sample: &Sample) -> Vec<Report> {
        let since = |at: Millis| u32::try_from(now.0.saturating_sub(at.0)).unwrap_or(u32::MAX);
        let answered = self.links.iter();
        let answered = answered.filter_map(|(dev, it)| Some((dev.clone(), since(it.answered?))));
        let all = evidence::judge(&self.places, &answered.collect(), sample);
        self.tempo.take(all.values());
        let mut reports = Vec::new();
        for (dev, seen) in &all {
            let Some(state) = self.links.get_mut(dev) else { continue };
            (state.deep, state.spare) = (seen.deep, seen.spare);
            state.peers.clone_from(&seen.peers);
            if let Some(until) = state.watched.filter(|_| state.stalled.is_none()) {
                let waits = seen.deep && seen.spare;
                if waits {
                    self.back.insert(dev.clone());
                }
                if waits || until <= now {
                    state.watched = None;
                }
            }
            if let Some((since, _)) = state.stalled {
                let silent_for = now.0.saturating_sub(since.0);
                let heard = seen.heard_ms.is_some_and(|ms| u64::from(ms) < silent_for);
                if heard || state.is_over(now, seen) {
                    reports.extend(self.passes(now, dev));
                }
            }
        }
        for (dev, seen) in &all {
            if let Some(why) = seen.stalled {
                reports.extend(self.stalls(now, dev, why));
            }
            if let Some(state) = self.links.get_mut(dev).filter(|state| state.stalled.is_none()) {
                state.suspect(now, seen.suspected && seen.witness, self.probe.is_some());
            }
        }
        reports
    }

    /// An answer came over a link.
    pub(super) fn answered(&mut self, now: Millis, link: &IfName) -> Vec<Report> {
        if let Some(state) = self.links.get_mut(link) {
            state.unanswered = 0;
            state.answered = Some(now);
            state.suspect(now, false, self.probe.is_some());
        }
        let mut reports: Vec<Report> = self.passes(now, link).into_iter().collect();
        let silent = |state: &State| state.unanswered > MOST_UNANSWERED;
        let others: Vec<IfName> =
            self.links.iter().filter(|(_, it)| silent(it)).map(|(dev, _)| dev.clone()).collect();
        for dev in others {
            reports.extend(self.stalls(now, &dev, Evidence::Unanswered));
        }
        reports
    }

    /// Sets a link aside, unless it would be the last one.
    fn stalls(&mut self, now: Millis, dev: &IfName, why: Evidence) -> Option<Report> {
        let living = |(other, state): (&IfName, &State)| other != dev && state.stalled.is_none();
        if !self.links.iter().any(living) {
            return None;
        }
        let state = self.links.get_mut(dev).filter(|state| state.stalled.is_none())?;
        state.stalled = Some((now, why));
        state.falls.strike(now, MOST_STALLS);
        state.ask = Some(now);
        (state.asked, state.unanswered, state.suspected) = (0, 0, false);
        self.back.remove(dev);
        let text = format!("{dev} passes nothing: {why}");
        Some(Report::about(Code::Stalled, dev, text))
    }

    /// Takes a link back, unless it comes and goes too often.
    fn passes(&mut self, now: Millis, dev: &IfName) -> Option<Report> {
        let probe = self.probe;
        let state = self.links.get_mut(dev)?;
        state.falls.end(now);
        let (since, _) = state.stalled?;
        if state.falls.until().is_some() {
            return None;
        }
        state.stalled = None;
        state.ask = probe.map(|_| now + PROBE);
        state.unanswered = 0;
        let waits = state.spare && state.deep;
        let lasted = Duration::from_millis(now.0.saturating_sub(since.0));
        if waits {
            self.back.insert(dev.clone());
        }
        // A pause is at most as long as the silence was before it (RFC 6298 section 5.5).
        state.watched = (!waits).then_some(now + lasted.clamp(WATCH_LEAST, WATCH_MOST));
        self.tempo.wake();
        let seconds = lasted.as_secs();
        let text = format!("{dev} passes again, after {seconds} s");
        Some(Report::about(Code::PassesAgain, dev, text))
    }

    /// What is to be asked now, and what is to be told because nobody answered: then a look is due.
    pub(super) fn probes(&mut self, now: Millis) -> (Vec<Probe>, Vec<Report>) {
        let unanswered = |state: &State| {
            state.suspected
                && state.unanswered >= MOST_UNANSWERED
                && state.ask.is_some_and(|at| at <= now)
        };
        let silent: Vec<IfName> = self
            .links
            .iter()
            .filter(|(_, it)| unanswered(it))
            .map(|(dev, _)| dev.clone())
            .collect();
        let mut reports = Vec::new();
        for dev in silent {
            reports.extend(self.stalls(now, &dev, Evidence::Unanswered));
        }
        let mut probes = Vec::new();
        for (dev, state) in &mut self.links {
            let Some(place) =
                self.places.get(dev).filter(|_| state.ask.is_some_and(|at| at <= now))
            else {
                continue;
            };
            state.ask = match state.stalled {
                Some((since, _)) => Some(now + pause(since, now)),
                None if state.suspected => Some(now + ASK_SUSPECTED),
                None => self.probe.map(|_| now + PROBE),
            };
            let gateway = place.gateways.iter().map(|gateway| SocketAddr::new(*gateway, DISCARD));
            let peers: Vec<SocketAddr> = match state.stalled {
                Some((_, Evidence::Gateway)) => gateway.collect(),
                Some(_) => self.probe.into_iter().chain(state.peers.iter().copied()).collect(),
                // Whoever is not heard over another link would prove nothing.
                None if state.suspected => state.peers.iter().copied().take(1).collect(),
                None => self.probe.into_iter().collect(),
            };
            let from = |to: &SocketAddr| {
                let from = place.sources.iter().find(|from| from.is_ipv4() == to.is_ipv4())?;
                Some((*from, *to))
            };
            let ends: Vec<(IpAddr, SocketAddr)> = peers.iter().filter_map(from).collect();
            if let Some((from, to)) = ends.get(state.asked % ends.len().max(1)).copied() {
                probes.push(Probe { link: dev.clone(), from, to });
                state.asked += 1;
                state.unanswered += 1;
            }
        }
        (probes, reports)
    }

    /// When [`Stall::probes`] has more.
    pub(super) fn deadline(&self) -> Option<Millis> {
        self.links.values().filter_map(|state| state.ask).min()
    }

    /// The links that are set aside.
    pub(super) fn links(&self) -> BTreeSet<IfName> {
        let stalled = self.links.iter().filter(|(_, state)| state.stalled.is_some());
        stalled.map(|(dev, _)| dev.clone()).collect()
    }

    /// Those links, and how it is known that nothing passes them.
    pub(super) fn reasons(&self) -> BTreeMap<IfName, String> {
        let reason = |(dev, state): (&IfName, &State)| {
            let (_, why) = state.stalled?;
            Some((dev.clone(), why.to_string()))
        };
        self.links.iter().filter_map(reason).collect()
    }

    /// Is a look due, by which such links are taken back?
    pub(super) fn is_back(&self) -> bool {
        !self.back.is_empty()
    }

    /// The addresses of links that have just come back and have subflows in long pauses.
    pub(super) fn take_back(&mut self) -> BTreeSet<IpAddr> {
        let back = std::mem::take(&mut self.back);
        let places = back.iter().filter_map(|dev| self.places.get(dev));
        places.flat_map(|place| place.sources.iter().copied()).collect()
    }

    /// What `mptcpize status` shows of them.
    pub(super) fn shown(&self) -> Vec<Held> {
        let held = |(dev, state): (&IfName, &State)| {
            let (_, why) = state.stalled?;
            let why = format!("nothing passes it: {why}");
            Some(Held { link: dev.clone(), why, until: state.falls.until() })
        };
        self.links.iter().filter_map(held).collect()
    }
}

/// The port of the discard service (RFC 863): whatever a gateway answers, it is there.
const DISCARD: u16 = 9;

impl State {
    /// Has it asked, or no more. `probed` says whether the settings have it asked anyway.
    fn suspect(&mut self, now: Millis, suspected: bool, probed: bool) {
        if suspected && !self.suspected {
            (self.ask, self.asked, self.unanswered) = (Some(now), 0, 0);
        } else if !suspected && self.suspected {
            self.ask = probed.then_some(now + PROBE);
            self.unanswered = 0;
        }
        self.suspected = suspected;
    }

    /// Is what kept it from passing over, though nothing was heard?
    fn is_over(&self, now: Millis, seen: &Seen) -> bool {
        match self.stalled {
            Some((since, Evidence::Gateway)) => now > since && !seen.silent_gateway,
            Some((since, _)) => seen.peers.is_empty() && since + TRIAL <= now,
            None => false,
        }
    }
}

/// How long to wait before a link that is stalled since then is asked again.
fn pause(since: Millis, now: Millis) -> Duration {
    let share = Duration::from_millis(now.0.saturating_sub(since.0) / ASK_SHARE);
    share.clamp(ASK_FIRST, ASK_LAST)
}

#[cfg(test)]
mod tests;

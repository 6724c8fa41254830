//! Which uplink a new connection goes out by. Pure: the clock and the counters are handed in.
//!
//! A connection over MPTCP uses every uplink, wherever its first subflow starts. One whose server
//! speaks plain TCP stays where it was placed, and nobody knows beforehand which it will be: so each is
//! placed, on the uplink where it can expect most. A client stays on one uplink towards one address,
//! because some servers end a login that comes from another address.
//!
//! Not here: the sockets (gateway/dial.rs) and the reading of counters (gateway/counters.rs).

pub mod bounded;
pub mod load;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use mptcpize_model::gateway::Uplink;
use mptcpize_model::net::{Family, Prefix};

use self::bounded::Bounded;
use self::load::Load;

/// Pairs of client and destination that are remembered: some dozen for each device of a household.
const MOST_PAIRS: usize = 4_096;
/// For how long after its last connection a client stays on an uplink: longer than a page is read,
/// shorter than most logins live, which tell browsers to come back themselves.
const PAIR_LIFETIME: Duration = Duration::from_secs(600);
/// Destinations without MPTCP that are remembered. By address and port: behind one address some servers
/// speak it and others do not.
const MOST_PLAIN: usize = 4_096;
/// For how long they are not asked again: once in this time a connection to each finds out whether its
/// server or the networks between have changed.
const PLAIN_LIFETIME: Duration = Duration::from_secs(3_600);
/// An uplink that was passed by is tried first again after this time, doubled with each time in a row.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// The longest of these times: a link that is back is used again within it.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// One way to open a connection: over an uplink, by its place in the settings, or as the kernel's
/// routes have it; and the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The uplink, and the address to bind to.
    pub uplink: Option<(usize, IpAddr)>,
    /// MPTCP, or plain TCP.
    pub multipath: bool,
}

/// What is known of an uplink.
#[derive(Debug)]
struct State {
    uplink: Uplink,
    load: Load,
    /// How often in a row it was passed by, since when, and until when it comes last.
    failures: u32,
    failing: Duration,
    paused: Duration,
}

/// An uplink that others are tried before, or that is as good as any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The uplink.
    pub uplink: Uplink,
    /// How often in a row it was passed by.
    pub failures: u32,
    /// Since when, where it was; since the relay's start.
    pub failing: Duration,
    /// Until when it is tried after all others.
    pub paused: Duration,
}

/// Everything that placement remembers. Times are since the relay's start.
#[derive(Debug)]
pub struct Placement {
    uplinks: Vec<State>,
    pairs: Bounded<(IpAddr, IpAddr), usize>,
    plain: Bounded<SocketAddr, ()>,
}

impl Placement {
    /// Nothing is known but the settings.
    pub fn new(uplinks: &[Uplink]) -> Self {
        Placement {
            uplinks: uplinks.iter().map(State::new).collect(),
            pairs: Bounded::new(MOST_PAIRS, PAIR_LIFETIME),
            plain: Bounded::new(MOST_PLAIN, PLAIN_LIFETIME),
        }
    }

    /// Other settings. What is known of an uplink stays where its name stays.
    pub fn reload(&mut self, uplinks: &[Uplink]) {
        let old = std::mem::take(&mut self.uplinks);
        let mut known: Vec<Option<State>> = old.into_iter().map(Some).collect();
        let mut same_places = known.len() == uplinks.len();
        for (place, uplink) in uplinks.iter().enumerate() {
            let named = |one: &Option<State>| {
                one.as_ref().is_some_and(|state| state.uplink.dev == uplink.dev)
            };
            let at = known.iter().position(named);
            same_places &= at == Some(place);
            let state = at.and_then(|at| known.get_mut(at)).and_then(Option::take);
            let fresh = State::new(uplink);
            self.uplinks.push(match state {
                Some(state) => State { uplink: uplink.clone(), ..state },
                None => fresh,
            });
        }
        if !same_places {
            self.pairs = Bounded::new(MOST_PAIRS, PAIR_LIFETIME);
        }
    }

    /// The names of the uplinks, by place.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.uplinks.iter().map(|state| state.uplink.dev.as_str())
    }

    /// Does what leaves from this address of the router leave by an uplink? In IPv6 a link has addresses
    /// that come and go (RFC 8981), all in one network of 64 bits.
    pub fn is_source(&self, address: IpAddr) -> bool {
        let bits = if address.is_ipv6() { 64 } else { 32 };
        let same = |known: &IpAddr| Prefix::network(*known, bits).contains(address);
        self.uplinks.iter().any(|state| state.uplink.addresses.iter().any(same))
    }

    /// How to connect a client to a destination: the ways in the order in which they are to be tried,
    /// empty where no uplink has an address of the family.
    pub fn attempts(&mut self, now: Duration, client: IpAddr, to: SocketAddr) -> Vec<Attempt> {
        let multipath = self.plain.peek(now, &to).is_none();
        let order = self.order(now, client, to.ip());
        let mut attempts: Vec<_> = order
            .iter()
            .map(|(place, source)| Attempt { uplink: Some((*place, *source)), multipath })
            .collect();
        // Last, for a network that drops every packet with an option it does not know.
        if let (true, Some(first)) = (multipath, attempts.first().copied()) {
            attempts.push(Attempt { multipath: false, ..first });
        }
        attempts
    }

    /// The uplinks that have an address of the family, best first.
    fn order(&mut self, now: Duration, client: IpAddr, to: IpAddr) -> Vec<(usize, IpAddr)> {
        let family = Family::of(to);
        let used = self.pairs.get(now, &(client, to));
        // An uplink of which nothing is known is as good as the best.
        let best = self.uplinks.iter().map(|state| state.load.peak()).fold(1.0, f64::max);
        let mut ranked: Vec<_> = self
            .uplinks
            .iter()
            .enumerate()
            .filter_map(|(place, state)| {
                let source = state.uplink.source(family)?;
                let peak = state.load.peak();
                let capacity = if peak > best / 100.0 { peak } else { best };
                let expected = state.load.expected(capacity) * f64::from(state.uplink.weight);
                let late = (state.paused > now, state.uplink.backup, used != Some(place));
                Some((late, expected, place, source))
            })
            .collect();
        ranked.sort_by(|one, other| {
            let better = other.1.total_cmp(&one.1);
            one.0.cmp(&other.0).then(better).then(one.2.cmp(&other.2))
        });
        ranked.into_iter().map(|(_, _, place, source)| (place, source)).collect()
    }

    /// A connection of a client to an address is about to be made over an uplink. The next one of them
    /// may come before this one has an answer: browsers open several at once.
    pub fn begun(&mut self, now: Duration, client: IpAddr, to: IpAddr, place: usize) {
        self.pairs.put(now, (client, to), place);
        if let Some(state) = self.uplinks.get_mut(place) {
            state.load.place();
        }
    }

    /// A connection was made in this way. `passed_by` are the uplinks of the attempts before it, which
    /// had no answer; `spoke` is whether both sides speak MPTCP.
    pub fn connected(
        &mut self,
        now: Duration,
        (client, to): (IpAddr, SocketAddr),
        made: Attempt,
        passed_by: &[usize],
        spoke: bool,
    ) {
        if let Some((place, _)) = made.uplink {
            self.pairs.put(now, (client, to.ip()), place);
            if let Some(state) = self.uplinks.get_mut(place) {
                state.failures = 0;
                state.paused = Duration::ZERO;
                if spoke {
                    state.load.unplace();
                }
            }
            // Where plain TCP was answered and MPTCP was not, no uplink is to blame.
            let blamed = passed_by.iter().filter(|other| made.multipath && **other != place);
            for other in blamed {
                self.pass_by(now, *other);
            }
        }
        let asked = made.multipath || !passed_by.is_empty();
        if spoke {
            self.plain.forget(&to);
        } else if asked && self.plain.peek(now, &to).is_none() {
            self.plain.put(now, to, ());
        }
    }

    /// An uplink could not even be tried, or another answered before it.
    pub fn pass_by(&mut self, now: Duration, place: usize) {
        if let Some(state) = self.uplinks.get_mut(place) {
            let pause = FIRST_PAUSE.saturating_mul(1 << state.failures.min(8));
            state.paused = now.saturating_add(pause.min(LONGEST_PAUSE));
            if state.failures == 0 {
                state.failing = now;
            }
            state.failures = state.failures.saturating_add(1);
        }
    }

    /// How the uplinks stand, in the order of the settings.
    pub fn standings(&self) -> impl Iterator<Item = Standing> {
        self.uplinks.iter().map(|state| Standing {
            uplink: state.uplink.clone(),
            failures: state.failures,
            failing: state.failing,
            paused: state.paused,
        })
    }

    /// Is it remembered that a destination does not speak MPTCP?
    pub fn is_plain(&self, now: Duration, to: SocketAddr) -> bool {
        self.plain.peek(now, &to).is_some()
    }

    /// Destinations that are remembered as not speaking MPTCP.
    pub fn without_mptcp(&self, now: Duration) -> usize {
        self.plain.iter(now).count()
    }

    /// A connection ended that was among the busy ones of the last sample.
    pub fn ended(&mut self, place: usize) {
        if let Some(state) = self.uplinks.get_mut(place) {
            state.load.ended();
        }
    }

    /// What the counters of an uplink's link say (bytes received and sent), and how many connections
    /// moved bytes since the last time.
    pub fn sample(&mut self, now: Duration, place: usize, counters: (u64, u64), busy: u32) {
        if let Some(state) = self.uplinks.get_mut(place) {
            state.load.sample(now, counters.0, counters.1, busy);
        }
    }
}

impl State {
    fn new(uplink: &Uplink) -> Self {
        State {
            uplink: uplink.clone(),
            load: Load::default(),
            failures: 0,
            failing: Duration::ZERO,
            paused: Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

//! Which relay a new connection takes. Pure: the clock is handed in.
//!
//! The fastest is taken, by how long its handshakes took, and kept: servers end a login that comes from
//! another address, so a relay that is a little faster is no reason to change. One that fails is left
//! alone for a while, and asked in the background before connections of programs go to it again.
//!
//! Not here: sockets (relays/dial.rs) and what is asked in the background (relays/scout.rs).

use std::time::Duration;

use mptcpize_model::relay::name::Name;

/// A relay that failed is asked again after this time, doubled with each failure in a row.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// The longest of these times: a relay that is back is used again within it.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How often the others are measured, as long as there are connections.
const MEASURE: Duration = Duration::from_secs(300);
/// A relay takes the place of another if its handshakes take at most three quarters of the time, and at
/// least so much less.
const CLEARLY: Duration = Duration::from_millis(5);

/// What is known of a relay. Times are since the start of the process.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Its name in the settings.
    pub name: Name,
    /// How long handshakes with it take, smoothed.
    pub rtt: Option<Duration>,
    /// The last one spoke MPTCP.
    pub mptcp: Option<bool>,
    /// Why it cannot be used; empty where it can.
    pub fault: String,
    /// How often in a row it failed, and until when it is left alone.
    failures: u32,
    paused: Duration,
    /// When it was last asked in the background, and whether it is being asked.
    measured: Option<Duration>,
    asked: bool,
}

impl Standing {
    fn new(name: Name) -> Self {
        Standing {
            name,
            rtt: None,
            mptcp: None,
            fault: String::new(),
            failures: 0,
            paused: Duration::ZERO,
            measured: None,
            asked: false,
        }
    }

    /// Can it be used, as far as is known?
    pub fn is_up(&self) -> bool {
        self.failures == 0
    }

    /// The time by which relays are compared; one that was never measured is the slowest.
    fn time(&self) -> Duration {
        self.rtt.unwrap_or(Duration::MAX)
    }
}

/// The relays of the settings, in their order.
#[derive(Debug, Default)]
pub struct Choice {
    relays: Vec<Standing>,
    chosen: Option<usize>,
}

impl Choice {
    /// Nothing is known but their names.
    pub fn new(names: impl IntoIterator<Item = Name>) -> Self {
        let relays: Vec<_> = names.into_iter().map(Standing::new).collect();
        let chosen = (!relays.is_empty()).then_some(0);
        Choice { relays, chosen }
    }

    /// Other settings. What is known of a relay stays where `same` says that it is the same one.
    pub fn reload(&mut self, names: impl IntoIterator<Item = Name>, same: impl Fn(&Name) -> bool) {
        let chosen = self.chosen().cloned();
        let known =
            |name: &Name| self.relays.iter().find(|one| one.name == *name && same(name)).cloned();
        let relays =
            names.into_iter().map(|name| known(&name).unwrap_or_else(|| Standing::new(name)));
        self.relays = relays.collect();
        self.chosen = chosen.and_then(|name| self.place(&name));
        self.choose();
    }

    /// All of them.
    pub fn standings(&self) -> &[Standing] {
        &self.relays
    }

    /// The one that the next connection takes; nothing where none can be used.
    pub fn chosen(&self) -> Option<&Name> {
        self.relays.get(self.chosen?).map(|one| &one.name)
    }

    /// The order in which a connection tries those that can be used.
    pub fn order(&self) -> Vec<Name> {
        self.ordered(true)
    }

    /// The order of those that cannot, for a connection that has nothing else.
    pub fn rest(&self) -> Vec<Name> {
        self.ordered(false)
    }

    fn ordered(&self, up: bool) -> Vec<Name> {
        let mut places: Vec<_> =
            self.relays.iter().enumerate().filter(|(_, one)| one.is_up() == up).collect();
        places.sort_by_key(|(place, one)| (self.chosen != Some(*place), one.time(), *place));
        places.into_iter().map(|(_, one)| one.name.clone()).collect()
    }

    /// Those that are to be asked in the background now; each until [`Choice::answered`] or
    /// [`Choice::failed`].
    pub fn to_ask(&mut self, now: Duration) -> Vec<Name> {
        let due = |one: &&mut Standing| {
            let due = if one.is_up() {
                one.measured.is_none_or(|last| now.saturating_sub(last) >= MEASURE)
            } else {
                now >= one.paused
            };
            due && !one.asked
        };
        let mut names = Vec::new();
        for one in self.relays.iter_mut().filter(due) {
            one.asked = true;
            one.measured = Some(now);
            names.push(one.name.clone());
        }
        names
    }

    /// Something is odd about a relay: it is asked at once, unless it has just been.
    pub fn suspect(&mut self, now: Duration, name: &Name) {
        if let Some(one) = self.find(name)
            && one.measured.is_none_or(|last| now.saturating_sub(last) >= FIRST_PAUSE)
        {
            one.measured = None;
        }
    }

    /// A connection of a program was made to a relay: its handshake took that long. One that had failed
    /// is asked what it is worth.
    pub fn connected(&mut self, name: &Name, took: Duration, mptcp: bool) {
        if let Some(one) = self.find(name) {
            one.measure(took, mptcp);
            one.paused = Duration::ZERO;
        }
        self.choose();
    }

    /// A relay has answered what it was asked in the background.
    pub fn answered(&mut self, name: &Name, took: Duration, mptcp: bool) {
        if let Some(one) = self.find(name) {
            one.measure(took, mptcp);
            one.asked = false;
            one.failures = 0;
            one.fault = String::new();
        }
        self.choose();
    }

    /// A relay could not be used.
    pub fn failed(&mut self, now: Duration, name: &Name, why: String) {
        if let Some(one) = self.find(name) {
            let pause = FIRST_PAUSE.saturating_mul(1 << one.failures.min(8));
            one.paused = now.saturating_add(pause.min(LONGEST_PAUSE));
            one.failures = one.failures.saturating_add(1);
            one.fault = why;
            one.asked = false;
        }
        self.choose();
    }

    fn place(&self, name: &Name) -> Option<usize> {
        self.relays.iter().position(|one| one.name == *name)
    }

    fn find(&mut self, name: &Name) -> Option<&mut Standing> {
        self.relays.iter_mut().find(|one| one.name == *name)
    }

    /// Keeps the chosen one, unless it failed or another is clearly faster.
    fn choose(&mut self) {
        let up = || self.relays.iter().enumerate().filter(|(_, one)| one.is_up());
        let best = up().min_by_key(|(place, one)| (one.time(), *place));
        let kept = up().find(|(place, _)| Some(*place) == self.chosen);
        self.chosen = match (kept, best) {
            (Some((place, kept)), Some((faster, best))) => {
                let clearly = best.time() <= kept.time() / 4 * 3
                    && best.time().saturating_add(CLEARLY) <= kept.time();
                Some(if clearly { faster } else { place })
            }
            (_, best) => best.map(|(place, _)| place),
        };
    }
}

impl Standing {
    fn measure(&mut self, took: Duration, mptcp: bool) {
        // As TCP smooths what it measures (RFC 6298 section 2).
        self.rtt = Some(self.rtt.map_or(took, |rtt| rtt / 8 * 7 + took / 8));
        self.mptcp = Some(mptcp);
    }
}

#[cfg(test)]
mod tests;

//! One connection: which subflows it has, which it lacks, and when to try again.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::Serialize;

use super::super::event::Millis;
use super::super::join::{Join, Listed};
use super::few::Few;
use crate::mptcp::{Endpoint, Flags};
use crate::net::Family;

/// A subflow that lived so long was no failure: its loss is made good at once.
const LIVED: Duration = Duration::from_secs(1);

/// The pause before the second attempt; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// After so many refusals in a row (`RST` to the SYN) the peer does not want it.
const REFUSALS: u32 = 8;

/// `ETIMEDOUT`: nobody answered, which is the path's fault and may pass.
const TIMED_OUT: u8 = 110;

/// Both ends of a subflow.
type Ends = (SocketAddr, SocketAddr);

/// The ends between which one subflow is wanted; the local port is the kernel's choice.
type Pair = (IpAddr, SocketAddr);

/// A connection that this host began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Connection {
    /// The kernel's own path manager has it.
    kernels: bool,
    /// A subflow was opened for it.
    has_joined: bool,
    /// Where the peer began, and what it announced, by the address's id.
    pub(super) remotes: Few<u8, SocketAddr>,
    /// The port that announced addresses have unless they name one.
    pub(super) port: u16,
    /// Both ends of each subflow, and since when it is known.
    pub(super) subflows: Few<(SocketAddr, SocketAddr), Millis>,
    /// The subflow on which it began, as long as it is not known to be gone.
    began: Option<Ends>,
    /// Subflows that are being closed.
    closing: Vec<Ends>,
    /// The id of each address that was used (RFC 8684 section 3.4): the kernel refuses another one for
    /// the same address, and the same one for another, as an endpoint that is made again may have.
    ids: Few<IpAddr, u8>,
    /// Attempts that are not over, and those that failed.
    attempts: Vec<(Pair, Attempt)>,
}

/// What is known of the subflow between two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Attempt {
    state: State,
    /// How often in a row it failed, or ended soon after it had begun.
    failures: u32,
    /// It is to replace one that was lost.
    lost: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
enum State {
    /// The peer was asked and has not answered.
    Asked,
    /// It carries data.
    Open,
    /// There is none, and the next attempt is due at this moment.
    Waits(Millis),
    /// Either side ended it on purpose, or the peer refuses it.
    Unwanted,
}

impl Connection {
    /// One that has its first subflow. Not every peer allows more of them to that address.
    pub(super) fn begun(now: Millis, ends: (SocketAddr, SocketAddr), joinable: bool) -> Self {
        let (_, remote) = ends;
        let (port, began) = (remote.port(), Some(ends));
        let mut connection = Connection { port, began, ..Connection::default() };
        connection.remotes.extend(joinable.then_some((0, remote)));
        connection.subflows.insert(ends, now);
        connection
    }

    /// The kernel did not begin a subflow: no route leads there, or the address is away.
    pub(super) fn not_begun(&mut self, now: Millis, pair: Pair) {
        if let Some(attempt) = self.attempt(pair) {
            self.failed(now, pair, attempt);
        }
    }

    /// What sock_diag(7) says of it: attempts that were on their way are among the subflows.
    pub(super) fn listed(&mut self, now: Millis, one: Listed) {
        self.remotes.get_or_insert(0, one.remote);
        self.port = one.remote.port();
        let addresses = one.subflows.iter().map(|subflow| (subflow.local.ip(), subflow.id));
        self.ids.extend(addresses.filter(|(_, id)| *id != 0));
        let first = one.subflows.iter().find(|subflow| subflow.id == 0);
        self.began = first.map(|subflow| (subflow.local, subflow.remote));
        let ends = one.subflows.iter().map(|subflow| (subflow.local, subflow.remote));
        self.subflows = ends.map(|ends| (ends, now)).collect();
        self.closing.retain(|ends| self.subflows.keys().any(|there| there == ends));
        self.attempts.retain(|(_, attempt)| attempt.state == State::Unwanted);
    }

    /// Another path may lead where the last one did not.
    pub(super) fn forgive(&mut self) {
        self.attempts.retain(|(_, it)| matches!(it.state, State::Asked | State::Open));
    }

    /// The first moment at which there is something to open; `otherwise` where nothing waits.
    pub(super) fn next(&self, otherwise: Millis) -> Millis {
        let waits = self.attempts.iter().filter_map(|(_, attempt)| match attempt.state {
            State::Waits(at) => Some(at),
            _ => None,
        });
        waits.chain([otherwise]).min().unwrap_or(otherwise)
    }

    /// The subflows that are wanted and not there; they count as asked for from now on. `most` there may
    /// be beside the first, and `each` between the same two addresses, which are opened one after the
    /// other.
    pub(super) fn missing(
        &mut self,
        now: Millis,
        token: u32,
        endpoints: &[&Endpoint],
        (most, each): (u32, usize),
    ) -> Vec<Join> {
        let mut joins = Vec::new();
        if self.kernels {
            self.attempts.clear();
            return joins;
        }
        for endpoint in endpoints {
            let family = Family::of(endpoint.address);
            let all = self.remotes.values().filter(|remote| Family::of(remote.ip()) == family);
            // The peer's other addresses are for links that cannot reach the first, or for all.
            let some = if endpoint.flags.has(Flags::FULLMESH) { usize::MAX } else { 1 };
            for remote in all.take(some).copied().collect::<Vec<_>>() {
                let pair = (endpoint.address, remote);
                let before = self.attempt(pair);
                let due = match before.map(|attempt| attempt.state) {
                    None | Some(State::Open) => true,
                    Some(State::Waits(at)) => at <= now,
                    Some(State::Asked | State::Unwanted) => false,
                };
                // The limit is of those beside the first.
                if !due || self.between(pair) >= each || self.count() > most as usize {
                    continue;
                }
                let (failures, lost) = before.map_or((0, false), |it| (it.failures, it.lost));
                self.set(pair, Attempt { state: State::Asked, failures, lost });
                let local = Endpoint { id: self.id_of(endpoint), ..(*endpoint).clone() };
                joins.push(Join { token, local, remote });
            }
        }
        // Nothing leads there any more, or there is no room: whatever changes that is told.
        let over = |state| matches!(state, State::Waits(at) if at <= now);
        self.attempts.retain(|(_, attempt)| !over(attempt.state));
        joins
    }

    fn id_of(&mut self, endpoint: &Endpoint) -> u8 {
        let taken = |id: &u8| self.ids.values().any(|other| other == id);
        let free = std::iter::once(endpoint.id).chain(1..=u8::MAX).find(|id| !taken(id));
        *self.ids.get_or_insert(endpoint.address, free.unwrap_or(endpoint.id))
    }

    /// The path manager refuses a subflow: that of the kernel has the connection, unless there was
    /// one before.
    pub(super) fn not_ours(&mut self, now: Millis, pair: Pair) {
        self.kernels = !self.has_joined;
        self.not_begun(now, pair);
    }

    /// Has it subflows from this address, or may it have one in a moment?
    pub(super) fn is_from(&self, address: IpAddr) -> bool {
        let asked = self.attempts.iter().filter(|(_, it)| it.state == State::Asked);
        let mut asked = asked.map(|((from, _), _)| *from);
        self.subflows.keys().any(|(local, _)| local.ip() == address)
            || asked.any(|from| from == address)
    }

    /// The subflows from these addresses, to be closed, but for one where no other is left.
    pub(super) fn leave(&mut self, gone: &BTreeSet<IpAddr>) -> impl Iterator<Item = Ends> {
        let open = self.subflows.keys().filter(|ends| !self.closing.contains(ends)).copied();
        let (mut leave, stay): (Vec<Ends>, Vec<Ends>) =
            open.partition(|(local, _)| gone.contains(&local.ip()));
        if stay.is_empty() {
            let first = leave.iter().position(|ends| self.began == Some(*ends));
            if !leave.is_empty() {
                leave.remove(first.unwrap_or(0));
            }
        }
        self.closing.extend(&leave);
        leave.into_iter()
    }

    /// Subflows that there are, or may be in a moment.
    fn count(&self) -> usize {
        let asked = self.attempts.iter().filter(|(_, it)| it.state == State::Asked);
        self.subflows.len() + asked.count()
    }

    /// How many subflows there are between two addresses.
    fn between(&self, (from, to): Pair) -> usize {
        let of_pair =
            |(local, remote): &&(SocketAddr, SocketAddr)| (local.ip(), *remote) == (from, to);
        self.subflows.keys().filter(of_pair).count()
    }

    fn attempt(&self, pair: Pair) -> Option<Attempt> {
        self.attempts.iter().find(|(other, _)| *other == pair).map(|(_, attempt)| *attempt)
    }

    fn set(&mut self, pair: Pair, attempt: Attempt) {
        self.attempts.retain(|(other, _)| *other != pair);
        self.attempts.push((pair, attempt));
    }

    /// Notes that a subflow carries data; true where it replaces one that was lost.
    pub(super) fn opened(&mut self, (local, remote): (SocketAddr, SocketAddr)) -> bool {
        let pair = (local.ip(), remote);
        let before = self.attempt(pair);
        let failures = before.map_or(0, |attempt| attempt.failures);
        self.set(pair, Attempt { state: State::Open, failures, lost: false });
        self.has_joined |= before.is_some_and(|attempt| attempt.state == State::Asked);
        before.is_some_and(|attempt| attempt.lost)
    }

    /// Notes that a subflow ended, with an error as in errno(3); `each` are wanted between two addresses.
    pub(super) fn ended(
        &mut self,
        now: Millis,
        (local, remote): (SocketAddr, SocketAddr),
        error: u8,
        each: usize,
    ) {
        let (pair, ends) = ((local.ip(), remote), (local, remote));
        let since = self.subflows.remove(&ends);
        if self.began == Some(ends) {
            self.began = None;
        }
        if let Some(at) = self.closing.iter().position(|other| *other == ends) {
            self.closing.swap_remove(at);
            // Its endpoint went, and may come back.
            return self.attempts.retain(|(other, _)| *other != pair);
        }
        if self.between(pair) >= each {
            return;
        }
        let mut attempt =
            self.attempt(pair).unwrap_or(Attempt { state: State::Open, failures: 0, lost: false });
        if since.is_some_and(|since| since + LIVED <= now) {
            attempt.failures = 0;
        }
        attempt.lost |= since.is_some();
        let refused = since.is_none() && error != TIMED_OUT && attempt.failures + 1 >= REFUSALS;
        // Without an error somebody closed it who may: the program, the peer, a path manager.
        if error == 0 || refused {
            return self.set(pair, Attempt { state: State::Unwanted, ..attempt });
        }
        self.failed(now, pair, attempt);
    }

    fn failed(&mut self, now: Millis, pair: Pair, attempt: Attempt) {
        let failures = attempt.failures + 1;
        let pause = match failures {
            1 => Duration::ZERO,
            more => (FIRST_PAUSE * 2u32.pow((more - 2).min(10))).min(LONGEST_PAUSE),
        };
        self.set(pair, Attempt { state: State::Waits(now + pause), failures, ..attempt });
    }
}

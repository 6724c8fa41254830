//! A connection to a relay: the chosen one is asked first, the next a moment later, and the first that
//! answers is taken.
//!
//! Sockets are bound to no address: the host's endpoints give an MPTCP connection its other paths.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::io::Errno;
use tokio::io::Interest;
use tokio::time::{Instant, sleep_until};

use super::known::Known;
use crate::gateway::dial::start;
use crate::gateway::socket::Socket;
use crate::placement;
use crate::race::state;

/// How long an attempt is alone. With the handshake of the next relay a new connection takes less than
/// 300 ms where that one answers in 100.
const ALONE: Duration = Duration::from_millis(200);

/// One way to a relay.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The relay.
    pub known: Arc<Known>,
    /// One of its addresses.
    pub to: SocketAddr,
    /// MPTCP, or plain TCP.
    pub multipath: bool,
}

/// A socket that is connected to a relay.
#[derive(Debug)]
pub struct Won {
    /// The relay.
    pub known: Arc<Known>,
    /// The socket.
    pub socket: Socket,
    /// How long its handshake took.
    pub took: Duration,
}

/// How long a connection waits where the name of no relay is resolved: as long as resolvers wait for one
/// server (resolv.conf(5)).
const FOR_A_NAME: Duration = Duration::from_secs(5);

/// The attempts in their order: each relay's addresses over MPTCP, and at last the first in plain TCP,
/// for a network that drops every packet with an option it does not know. A relay whose name is being
/// resolved is waited for only where there is no other.
pub async fn attempts(relays: &[Arc<Known>]) -> Vec<Attempt> {
    let until = Instant::now() + FOR_A_NAME;
    relays.iter().for_each(Known::refresh);
    let mut attempts: Vec<Attempt> =
        relays.iter().flat_map(|known| over_mptcp(known, known.places())).collect();
    for known in relays {
        if !attempts.is_empty() {
            break;
        }
        attempts.extend(over_mptcp(known, known.resolved(until).await));
    }
    if let Some(first) = attempts.first() {
        attempts.push(Attempt { multipath: false, ..first.clone() });
    }
    attempts
}

fn over_mptcp(known: &Arc<Known>, places: Vec<SocketAddr>) -> impl Iterator<Item = Attempt> {
    let attempt = |to| Attempt { known: Arc::clone(known), to, multipath: true };
    places.into_iter().map(attempt)
}

/// One that is on its way.
struct Running {
    attempt: Attempt,
    socket: Socket,
    since: Instant,
}

/// How connecting ended.
#[derive(Debug)]
pub struct Dialled {
    /// The connection, or the last error; ECONNABORTED where the program was reset, ETIMEDOUT where
    /// nobody answered.
    pub won: io::Result<Won>,
    /// Relays that refused, or that had the time to answer when another did.
    pub failed: Vec<(Arc<Known>, io::Error)>,
}

/// Connects to a relay. `patience` is for how long the last attempt is waited for. Ends early where the
/// program, which waits, is reset.
pub async fn dial(attempts: &[Attempt], near: Option<&Socket>, patience: Duration) -> Dialled {
    let mut race = Race { left: attempts.iter(), running: Vec::new(), failed: Vec::new() };
    let mut timer = pin!(sleep_until(Instant::now()));
    let mut end = None;
    let gone = async {
        match near {
            Some(near) => drop(near.events().ready(Interest::ERROR).await),
            None => std::future::pending().await,
        }
    };
    let mut gone = pin!(gone);
    let won = poll_fn(|context| {
        if gone.as_mut().poll(context).is_ready() {
            race.failed.clear();
            return Poll::Ready(Err(Errno::CONNABORTED.into()));
        }
        loop {
            if let Some(won) = race.answered(context) {
                race.failed.retain(|(known, _)| !Arc::ptr_eq(known, &won.known));
                race.give_up(|one| {
                    !Arc::ptr_eq(&one.attempt.known, &won.known) && one.since.elapsed() >= ALONE
                });
                return Poll::Ready(Ok(won));
            }
            if !race.running.is_empty() && timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            if let Some(attempt) = race.left.next() {
                if race.begin(attempt) {
                    timer.as_mut().reset(Instant::now() + ALONE);
                }
                continue;
            }
            let end = *end.get_or_insert_with(|| Instant::now() + patience.saturating_sub(ALONE));
            if race.running.is_empty() || Instant::now() >= end {
                race.give_up(|_| true);
                let last = race.failed.last().and_then(|(_, error)| error.raw_os_error());
                let last = last.map(io::Error::from_raw_os_error);
                return Poll::Ready(Err(last.unwrap_or_else(|| Errno::TIMEDOUT.into())));
            }
            timer.as_mut().reset(end);
        }
    })
    .await;
    Dialled { won, failed: race.failed }
}

/// The attempts.
struct Race<'a> {
    left: std::slice::Iter<'a, Attempt>,
    running: Vec<Running>,
    failed: Vec<(Arc<Known>, io::Error)>,
}

impl Race<'_> {
    /// Sends the first packet of an attempt, if that can be.
    fn begin(&mut self, attempt: &Attempt) -> bool {
        let way = placement::Attempt { uplink: None, multipath: attempt.multipath };
        match start(attempt.to, way) {
            Ok(socket) => {
                let since = Instant::now();
                self.running.push(Running { attempt: attempt.clone(), socket, since });
                true
            }
            Err(unsent) => {
                self.failed.push((Arc::clone(&attempt.known), unsent.error));
                false
            }
        }
    }

    /// Takes out what has an answer.
    fn answered(&mut self, context: &mut Context<'_>) -> Option<Won> {
        let mut won = None;
        for one in std::mem::take(&mut self.running) {
            match state(context, &one.socket) {
                Poll::Ready(Ok(())) if won.is_none() => {
                    let took = one.since.elapsed();
                    won = Some(Won { known: one.attempt.known, socket: one.socket, took });
                }
                Poll::Ready(Err(error)) => self.failed.push((one.attempt.known, error)),
                _ => self.running.push(one),
            }
        }
        won
    }

    /// Waits for some of them no longer.
    fn give_up(&mut self, late: impl Fn(&Running) -> bool) {
        for one in self.running.drain(..).filter(|one| late(one)) {
            self.failed.push((one.attempt.known, Errno::TIMEDOUT.into()));
        }
    }
}

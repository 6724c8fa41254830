//! Outward connections of which the first that is answered is taken: each is tried a moment after the
//! one before it (as RFC 8305 does with addresses).
//!
//! Not here: what the ways are, and how the first packet of one is sent.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{getpeername, sockopt};
use tokio::io::Interest;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::gateway::socket::Socket;

/// How long an attempt is alone: RFC 8305 (section 5) has 250 ms, and mobile links answer within it
/// unless they were asleep.
const ALONE: Duration = Duration::from_millis(300);
/// When nobody has answered. Linux itself repeats the first packet for 127 s; browsers give up sooner.
const PATIENCE: Duration = Duration::from_secs(60);

/// An outward connection.
#[derive(Debug)]
pub struct Dialled {
    /// The connected socket.
    pub socket: Socket,
    /// The place of the attempt that was answered.
    pub place: usize,
}

/// Connects in the first of these ways that is answered. `start` sends the first packet of one. Ends
/// early where the client, which waits, is reset.
///
/// # Errors
/// The error of the last attempt that failed; ECONNABORTED for the client, ETIMEDOUT when nobody
/// answered.
pub async fn race(
    client: &Socket,
    ways: usize,
    mut start: impl FnMut(usize) -> io::Result<Socket>,
) -> io::Result<Dialled> {
    let mut reset = pin!(client.events().ready(Interest::ERROR));
    let end = Instant::now() + PATIENCE;
    let mut race = Race { ways, next: 0, running: Vec::new(), last: None };
    // One for both times, because each that is started wakes the event loop (tokio's timer writes to its
    // own descriptor when a time comes before all others).
    let mut timer = pin!(sleep_until(Instant::now()));
    poll_fn(|context| {
        if reset.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(Errno::CONNABORTED.into()));
        }
        race.poll(context, timer.as_mut(), end, &mut start)
    })
    .await
}

/// The attempts that are on their way.
struct Race {
    ways: usize,
    next: usize,
    running: Vec<(usize, Socket)>,
    last: Option<io::Error>,
}

impl Race {
    fn poll(
        &mut self,
        context: &mut Context<'_>,
        mut timer: Pin<&mut Sleep>,
        end: Instant,
        start: &mut impl FnMut(usize) -> io::Result<Socket>,
    ) -> Poll<io::Result<Dialled>> {
        loop {
            if let Some(won) = self.answered(context) {
                return Poll::Ready(Ok(won));
            }
            let waits = !self.running.is_empty();
            if waits {
                ready!(timer.as_mut().poll(context));
                if timer.deadline() >= end {
                    return Poll::Ready(Err(Errno::TIMEDOUT.into()));
                }
            }
            if self.next >= self.ways {
                if waits {
                    timer.as_mut().reset(end);
                    continue;
                }
                let none = || Errno::NETUNREACH.into();
                return Poll::Ready(Err(self.last.take().unwrap_or_else(none)));
            }
            match start(self.next) {
                Ok(socket) => {
                    self.running.push((self.next, socket));
                    timer.as_mut().reset(Instant::now() + ALONE);
                }
                Err(error) => self.last = Some(error),
            }
            self.next += 1;
        }
    }

    /// Takes out what has an answer: the first connection, and attempts that failed.
    fn answered(&mut self, context: &mut Context<'_>) -> Option<Dialled> {
        let mut won = None;
        for (place, socket) in std::mem::take(&mut self.running) {
            match state(context, &socket) {
                Poll::Ready(Ok(())) if won.is_none() => won = Some(Dialled { socket, place }),
                Poll::Ready(Err(error)) => self.last = Some(error),
                _ => self.running.push((place, socket)),
            }
        }
        won
    }
}

/// Has the kernel an answer?
pub(crate) fn state(context: &mut Context<'_>, socket: &Socket) -> Poll<io::Result<()>> {
    loop {
        let Poll::Ready(events) = socket.events().poll_write_ready(context) else {
            return Poll::Pending;
        };
        let mut events = events?;
        sockopt::socket_error(socket)??;
        if getpeername(socket).is_ok() {
            return Poll::Ready(Ok(()));
        }
        events.clear_ready();
    }
}

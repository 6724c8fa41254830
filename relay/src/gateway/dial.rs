//! The outward connection: several ways are tried, each a moment after the one before it, and the first
//! that is answered is taken (as RFC 8305 does with addresses).
//!
//! So an uplink that swallows packets costs a new connection a moment and not the minutes of the
//! kernel's repetitions.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, Protocol, SocketFlags, SocketType, bind, connect, getpeername, socket_with,
    sockopt,
};
use tokio::io::Interest;
use tokio::time::{Instant, Sleep, sleep_until};

use super::socket::Socket;
use crate::placement::Attempt;
use crate::sys;

/// `IPPROTO_MPTCP` (linux/in.h).
const MPTCP: Option<NonZeroU32> = NonZeroU32::new(262);
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

/// Connects to a destination in one of these ways. Ends early where the client, which waits, is reset.
///
/// # Errors
/// The error of the last attempt that failed; ECONNABORTED for the client, ETIMEDOUT when nobody
/// answered. With each attempt that could not be sent for its uplink's sake `unusable` is called.
pub async fn dial(
    to: SocketAddr,
    attempts: &[Attempt],
    client: &Socket,
    mut unusable: impl FnMut(&Attempt),
) -> io::Result<Dialled> {
    let mut reset = pin!(client.events().ready(Interest::ERROR));
    let end = Instant::now() + PATIENCE;
    let mut race = Race { to, attempts, next: 0, running: Vec::new(), last: None };
    // One for both times, because each that is started wakes the event loop (tokio's timer writes to its
    // own descriptor when a time comes before all others).
    let mut timer = pin!(sleep_until(Instant::now()));
    poll_fn(|context| {
        if reset.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(Errno::CONNABORTED.into()));
        }
        race.poll(context, timer.as_mut(), end, &mut unusable)
    })
    .await
}

/// The attempts that are on their way.
struct Race<'a> {
    to: SocketAddr,
    attempts: &'a [Attempt],
    next: usize,
    running: Vec<(usize, Socket)>,
    last: Option<io::Error>,
}

impl Race<'_> {
    fn poll(
        &mut self,
        context: &mut Context<'_>,
        mut timer: Pin<&mut Sleep>,
        end: Instant,
        unusable: &mut impl FnMut(&Attempt),
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
            let Some(attempt) = self.attempts.get(self.next) else {
                if waits {
                    timer.as_mut().reset(end);
                    continue;
                }
                let none = || Errno::NETUNREACH.into();
                return Poll::Ready(Err(self.last.take().unwrap_or_else(none)));
            };
            match start(self.to, *attempt) {
                Ok(socket) => {
                    self.running.push((self.next, socket));
                    timer.as_mut().reset(Instant::now() + ALONE);
                }
                Err(Unsent { error, by_uplink }) => {
                    if by_uplink {
                        unusable(attempt);
                    }
                    self.last = Some(error);
                }
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
fn state(context: &mut Context<'_>, socket: &Socket) -> Poll<io::Result<()>> {
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

/// Why an attempt was not sent.
struct Unsent {
    error: io::Error,
    /// The uplink is not usable: its address is gone, or no route leads over it.
    by_uplink: bool,
}

impl Unsent {
    fn here(error: impl Into<io::Error>) -> Self {
        Unsent { error: error.into(), by_uplink: false }
    }

    fn by_uplink(error: impl Into<io::Error>) -> Self {
        Unsent { error: error.into(), by_uplink: true }
    }
}

/// Sends the first packet of an attempt.
fn start(to: SocketAddr, attempt: Attempt) -> Result<Socket, Unsent> {
    let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let open = |protocol: Option<NonZeroU32>| {
        socket_with(family, SocketType::STREAM, flags, protocol.map(Protocol::from_raw))
    };
    let (socket, mptcp) = match open(MPTCP.filter(|_| attempt.multipath)) {
        Ok(socket) => (socket, attempt.multipath),
        // No MPTCP in this kernel, switched off, or forbidden.
        Err(_) if attempt.multipath => (open(None).map_err(Unsent::here)?, false),
        Err(error) => return Err(Unsent::here(error)),
    };
    if let Some((_, source)) = attempt.uplink {
        // Without it a source address has no more connections than ports.
        let _ = sys::set_bind_address_no_port(&socket);
        bind(&socket, &SocketAddr::new(source, 0)).map_err(Unsent::by_uplink)?;
    }
    match connect(&socket, &to) {
        Ok(()) | Err(Errno::INPROGRESS) => Socket::outward(socket, mptcp).map_err(Unsent::here),
        // All ports of this source are in use towards this destination (connect(2)); others have some.
        Err(error @ Errno::ADDRNOTAVAIL) => Err(Unsent::here(error)),
        Err(error) => Err(Unsent::by_uplink(error)),
    }
}

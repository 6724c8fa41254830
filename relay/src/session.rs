//! One relayed connection, from the moment both ends are connected until both are closed.
//!
//! Each end sees what a direct connection would show it: a half that was closed while the other goes
//! on (FIN), and a reset where the other end was reset. Not here: how the outward end is made
//! (gateway/dial.rs).

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::Interest;
use tokio::time::{Instant, Sleep, sleep};

use crate::gateway::pipes::Pipes;
use crate::gateway::socket::{Socket, end_at_close};
use crate::gateway::splice::{Direction, End};
use crate::sys;

/// How long what was sent before a reset may take to be acknowledged; then it is lost with the reset,
/// as it may be in a direct connection.
const FLUSH: Duration = Duration::from_secs(5);
/// The first look whether it has been, doubled each time.
const FIRST_LOOK: Duration = Duration::from_millis(2);

/// What a connection carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carried {
    /// Bytes from the client.
    pub up: u64,
    /// Bytes to the client.
    pub down: u64,
    /// It ended by a reset and not by both FINs.
    pub reset: bool,
}

/// Who is told how much a connection has moved.
pub trait Watch {
    /// It has moved so many bytes since its start.
    fn moved(&mut self, up: u64, down: u64);

    /// One of its halves has ended.
    fn half_ended(&mut self) {}
}

/// Carries bytes both ways until both ends have ended. Closing the server's socket is left to the
/// caller.
pub async fn carry(
    client: Socket,
    server: &Socket,
    pipes: &Pipes,
    watch: &mut impl Watch,
) -> Carried {
    let client = &client;
    let (mut up, mut down) = (Direction::new(), Direction::new());
    let (mut up_end, mut down_end) = (None, None);
    let mut client_lost = pin!(client.events().ready(Interest::ERROR));
    let mut server_lost = pin!(server.events().ready(Interest::ERROR));
    let (mut lost, mut halves) = (None, 2);
    let broken = poll_fn(|context| {
        if up_end.is_none()
            && let Poll::Ready(end) = up.poll(context, client, server, pipes)
        {
            up_end = Some(end);
        }
        if down_end.is_none()
            && let Poll::Ready(end) = down.poll(context, server, client, pipes)
        {
            down_end = Some(end);
        }
        let moved = up.moved().saturating_add(down.moved());
        watch.moved(up.moved(), down.moved());
        let open = u8::from(up_end.is_none()) + u8::from(down_end.is_none());
        if open < halves {
            watch.half_ended();
            halves = open;
        }
        if lost.is_none() {
            if client_lost.as_mut().poll(context).is_ready() {
                lost = Some(Lost::new(server, moved));
            } else if server_lost.as_mut().poll(context).is_ready() {
                lost = Some(Lost::new(client, moved));
            }
        }
        match (verdict(up_end, down_end, client, server), &mut lost) {
            (Poll::Pending, Some(lost)) => lost.poll(context, moved).map(Some),
            (verdict, _) => verdict,
        }
    })
    .await;
    end(broken, lost, [client, server]).await;
    Carried { up: up.moved(), down: down.moved(), reset: broken.is_some() }
}

/// What the ends of both directions mean for the connection: it goes on, both streams have ended, or it
/// is broken, and this end is left.
pub fn verdict<'a>(
    up: Option<End>,
    down: Option<End>,
    client: &'a Socket,
    server: &'a Socket,
) -> Poll<Option<&'a Socket>> {
    match (up, down) {
        (Some(End::SourceGone), _) => Poll::Ready(Some(server)),
        (_, Some(End::SourceGone)) => Poll::Ready(Some(client)),
        // A sink that takes no more may still have sent something that is on its way.
        (Some(End::SinkGone), Some(_)) => Poll::Ready(Some(client)),
        (Some(_), Some(End::SinkGone)) => Poll::Ready(Some(server)),
        (Some(End::Finished), Some(End::Finished)) => Poll::Ready(None),
        _ => Poll::Pending,
    }
}

/// Prepares both sockets to be closed: they end their streams, or what is left of a broken connection is
/// reset, once its peer has acknowledged what came before.
pub async fn end(broken: Option<&Socket>, lost: Option<Lost<'_>>, both: [&Socket; 2]) {
    let Some(survivor) = broken else { return both.into_iter().for_each(end_at_close) };
    // Of a survivor that has taken nothing for that time, nothing more is to be hoped for.
    if !lost.is_some_and(|lost| lost.timer.is_elapsed()) {
        flush(survivor).await;
    }
}

/// A reset that no direction has read of: the one that would has ended, or waits for its sink.
#[derive(Debug)]
pub struct Lost<'a> {
    survivor: &'a Socket,
    moved: u64,
    timer: Pin<Box<Sleep>>,
}

impl<'a> Lost<'a> {
    /// This end is left, when so many bytes had moved.
    pub fn new(survivor: &'a Socket, moved: u64) -> Self {
        Lost { survivor, moved, timer: Box::pin(sleep(FLUSH)) }
    }

    /// Ready when nothing has moved for [`FLUSH`]: what came before the reset is let through as long as
    /// somebody takes it.
    pub fn poll(&mut self, context: &mut Context<'_>, moved: u64) -> Poll<&'a Socket> {
        if self.moved != moved {
            self.moved = moved;
            self.timer.as_mut().reset(Instant::now() + FLUSH);
        }
        self.timer.as_mut().poll(context).map(|()| self.survivor)
    }
}

/// Waits until the peer has acknowledged what was sent to it: a reset discards the rest.
async fn flush(socket: &Socket) {
    let (mut look, mut passed) = (FIRST_LOOK, Duration::ZERO);
    while passed < FLUSH && sys::unacknowledged(socket).is_ok_and(|bytes| bytes > 0) {
        tokio::time::sleep(look).await;
        passed += look;
        look *= 2;
    }
}

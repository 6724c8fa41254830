//! One relayed connection, from the moment both ends are connected until both are closed.
//!
//! Each end sees what a direct connection would show it: a half that was closed while the other goes
//! on (FIN), and a reset where the other end was reset. Not here: how the outward end is made
//! (gateway/dial.rs).

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use crate::gateway::activity::Activity;
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

/// Carries bytes both ways until both ends have ended.
pub async fn carry(client: Socket, server: Socket, pipes: &Pipes, activity: &Activity) -> Carried {
    let (mut up, mut down) = (Direction::new(), Direction::new());
    let (mut up_end, mut down_end) = (None, None);
    let mut seen = activity.start();
    let broken = poll_fn(|context| {
        if up_end.is_none()
            && let Poll::Ready(end) = up.poll(context, &client, &server, pipes)
        {
            up_end = Some(end);
        }
        if down_end.is_none()
            && let Poll::Ready(end) = down.poll(context, &server, &client, pipes)
        {
            down_end = Some(end);
        }
        activity.note(&mut seen, up.moved().saturating_add(down.moved()));
        match (up_end, down_end) {
            (Some(End::SourceGone), _) => Poll::Ready(Some(&server)),
            (_, Some(End::SourceGone)) => Poll::Ready(Some(&client)),
            // A sink that takes no more may still have sent something that is on its way.
            (Some(End::SinkGone), Some(_)) => Poll::Ready(Some(&client)),
            (Some(_), Some(End::SinkGone)) => Poll::Ready(Some(&server)),
            (Some(End::Finished), Some(End::Finished)) => Poll::Ready(None),
            _ => Poll::Pending,
        }
    })
    .await;
    if let Some(survivor) = broken {
        flush(survivor).await;
    } else {
        end_at_close(&client);
        end_at_close(&server);
    }
    Carried { up: up.moved(), down: down.moved(), reset: broken.is_some() }
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

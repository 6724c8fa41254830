//! What signals ask of a relay.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// SIGHUP: read the settings again.
    Reload,
    /// SIGTERM, SIGINT: end.
    Stop,
}

/// The signals that are waited for. From then on they end nothing by themselves.
#[derive(Debug)]
pub struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Waits for them from now on.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn open() -> io::Result<Self> {
        Ok(Signals {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// What is asked next; the end before anything else.
    pub async fn next(&mut self) -> Asked {
        poll_fn(|context| {
            let ends = [&mut self.terminate, &mut self.interrupt];
            if ends.into_iter().any(|signal| signal.poll_recv(context).is_ready()) {
                return Poll::Ready(Asked::Stop);
            }
            self.hangup.poll_recv(context).map(|_| Asked::Reload)
        })
        .await
    }

    /// Waits until `empty` is over, at most for `limit`; the next signal that asks for the end is obeyed
    /// at once. Other settings do not matter any more.
    pub async fn drain(&mut self, limit: Duration, empty: impl Future<Output = ()>) {
        let again = async { while self.next().await != Asked::Stop {} };
        let (mut again, mut empty) = (pin!(again), pin!(timeout(limit, empty)));
        poll_fn(|context| {
            if again.as_mut().poll(context).is_ready() || empty.as_mut().poll(context).is_ready() {
                return Poll::Ready(());
            }
            Poll::Pending
        })
        .await;
    }
}

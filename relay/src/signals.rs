//! What signals ask of the gateway.

use std::future::poll_fn;
use std::io;
use std::task::Poll;

use tokio::signal::unix::{Signal, SignalKind, signal};

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
}

//! Reads a fast sender less often: in a bulk transfer each packet would wake the relay by itself, and
//! what a wake costs is most of what the transfer costs.
//!
//! While a direction is fast, the kernel is asked to tell of its bytes only when there are many of them
//! (SO_RCVLOWAT, socket(7)), and a timer reads what has come until then. Directions that are slow
//! (a keystroke, a request, the last bytes of a file) are read at once, as always.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::socket::Socket;
use crate::sys;

/// A direction is fast from this rate on, in bytes a second: three packets in a pause.
const FAST: f64 = 2_000_000.0;
/// Bytes that a fast direction is woken by: what comes in a pause at 1 Gbit/s. The kernel makes the
/// receive buffer twice as large where it is smaller.
const MANY: usize = 256 * 1024;
/// The rate is of at least this time.
const WINDOW: Duration = Duration::from_millis(4);
/// The longest that bytes of a fast direction wait: a tenth of what they waited in a home router's queue.
const PAUSE: Duration = Duration::from_millis(2);

/// How one direction is read.
#[derive(Debug)]
pub struct Pace {
    since: Instant,
    bytes: usize,
    /// There while the direction is fast: when it is read next.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Pace {
    /// A direction is slow at first.
    pub fn new() -> Self {
        Pace { since: Instant::now(), bytes: 0, timer: None }
    }

    /// So many bytes have come.
    pub fn came(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// The source has no more for now.
    pub fn drained(&mut self, source: &Socket) {
        let now = Instant::now();
        let passed = now.saturating_duration_since(self.since);
        if passed >= WINDOW {
            let fast = self.bytes as f64 >= FAST * passed.as_secs_f64();
            (self.since, self.bytes) = (now, 0);
            if fast != self.timer.is_some() {
                let least = if fast { MANY } else { 1 };
                // Where the kernel refuses, every packet wakes; it costs time and nothing else.
                let _ = sys::set_low_water(source, least);
                self.timer = fast.then(|| Box::pin(sleep_until(now)));
            }
        }
        if let Some(timer) = &mut self.timer {
            timer.as_mut().reset(now + PAUSE);
        }
    }

    /// Is the source to be read although the kernel has told of nothing?
    pub fn is_due(&mut self, context: &mut Context<'_>) -> bool {
        self.timer.as_mut().is_some_and(|timer| timer.as_mut().poll(context).is_ready())
    }
}

impl Default for Pace {
    fn default() -> Self {
        Pace::new()
    }
}

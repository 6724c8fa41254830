//! One connection of a program through a relay, from the moment the relay is connected until both ends
//! are closed.
//!
//! Not here: the two directions and their ends (shadowsocks/carry.rs), and connections that go directly
//! (session.rs).

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use rustix::net::{RecvFlags, recv};
use tokio::io::Interest;
use tokio::time::timeout;

use super::known::Known;
use crate::gateway::socket::Socket;
use crate::session::{Carried, Watch};
use crate::shadowsocks::buffers;
use crate::shadowsocks::carry::{self, Meter};
use crate::shadowsocks::client::{Address, Tunnel};
use crate::shadowsocks::wire::Wire;

/// How long the request waits for the first bytes of a program whose connection was taken just now.
/// They go in one packet, and hide how long the request is (SIP022 section 3.1.3). Programs that speak
/// first have done so before a relay that is further away than this has answered; those that do not, as
/// in SSH and SMTP, lose no more than this.
const FIRST_BYTES: Duration = Duration::from_millis(1);

/// The most of them that go with the request.
const MOST: usize = 8 * 1024;

/// What became of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// What it carried.
    pub carried: Carried,
    /// The relay has answered nothing that could be read with the key.
    pub suspect: bool,
}

/// The first bytes of a program.
#[derive(Debug)]
pub struct First {
    /// When it was free to send.
    pub since: Instant,
    /// What was read of it already.
    pub early: Vec<u8>,
}

/// Carries bytes both ways until both ends have ended. `far` is connected to the relay.
pub async fn through(
    known: &Known,
    near: Socket,
    far: Arc<Socket>,
    to: Address,
    first: First,
    watch: &mut impl Watch,
) -> Ended {
    let near = Arc::new(near);
    // Not kept for the life of the connection.
    let mut buffer = buffers::take();
    let bytes = match first.early.as_slice() {
        [] => {
            let into = buffer.get_mut(..MOST).unwrap_or_default();
            first_bytes(&near, first.since, into).await
        }
        early => early,
    };
    let sent = bytes.len() as u64;
    let opened = known.access.open(Arc::clone(&far), to, bytes).await;
    drop(first);
    buffers::give(buffer);
    let Ok(mut tunnel) = opened else {
        let carried = Carried { up: 0, down: 0, reset: true };
        return Ended { carried, suspect: true };
    };
    watch.moved(sent, 0);
    let mut meter = Metered { known, watch, up: sent, down: 0 };
    let mut plain = Wire::plain(near);
    let carried = carry::carry(&mut tunnel, &far, &mut plain, &mut meter).await;
    let carried =
        Carried { up: carried.back.saturating_add(sent), down: carried.out, reset: carried.reset };
    Ended { carried, suspect: is_suspect(&tunnel) }
}

fn is_suspect(tunnel: &Tunnel) -> bool {
    !tunnel.answered() || tunnel.garbled()
}

/// What a program has sent by now, or sends in a moment.
async fn first_bytes<'a>(near: &Socket, since: Instant, into: &'a mut [u8]) -> &'a [u8] {
    let mut read = || recv(near, &mut *into, RecvFlags::DONTWAIT).ok();
    let length = match read() {
        Some((length, _)) => length,
        None => {
            let left = FIRST_BYTES.saturating_sub(since.elapsed());
            let came = !left.is_zero()
                && timeout(left, near.events().ready(Interest::READABLE)).await.is_ok();
            let again = if came { read() } else { None };
            again.map_or(0, |(length, _)| length)
        }
    };
    into.get(..length).unwrap_or_default()
}

/// Tells what moves.
struct Metered<'a, W> {
    known: &'a Known,
    watch: &'a mut W,
    up: u64,
    down: u64,
}

impl<W: Watch> Meter for Metered<'_, W> {
    fn poll_may(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn moved(&mut self, out: usize, back: usize) {
        if self.down == 0 && out > 0 {
            self.known.has_answered();
        }
        self.down = self.down.saturating_add(out as u64);
        self.up = self.up.saturating_add(back as u64);
        self.watch.moved(self.up, self.down);
    }
}

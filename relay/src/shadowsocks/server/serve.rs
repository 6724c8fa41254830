//! One connection of a client, from its first byte to its end.
//!
//! Until it has authenticated nothing is written to it, whatever it sends: what fails is read to its end
//! or for as long as a handshake may take, so that a wrong key, random bytes and a replay look alike, and
//! like a port that waits (SIP022 section 3.1.5).

use std::fmt::Display;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};
use shadowsocks::relay::Address;
use shadowsocks::relay::tcprelay::ProxyServerStream;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};

use super::names::resolve;
use super::reason::{Reason, of_handshake};
use super::shared::{Guest, Stranger};
use super::speed;
use crate::gateway::socket::{Socket, end_at_close};
use crate::log;
use crate::race::race;
use crate::shadowsocks::carry::{Meter, carry};
use crate::shadowsocks::protocol::SPEED;
use crate::shadowsocks::wire::Wire;
use crate::sys;

/// Carries a connection of a client to its end. The descriptor resets the client when it is closed.
pub async fn serve(stranger: Stranger, descriptor: OwnedFd, client: SocketAddr) {
    let shared = Arc::clone(stranger.shared());
    let limit = Duration::from_secs(shared.settings().limits.handshake_s.into());
    let until = Instant::now() + limit;
    let Ok(socket) = Socket::accepted(descriptor) else {
        return shared.refuse(Reason::Limit, &client);
    };
    let socket = Arc::new(socket);
    let mut stream = shared.keys().stream(&shared.context, Arc::clone(&socket));
    let to = match timeout_at(until, stream.handshake()).await {
        Ok(Ok(to)) => to,
        Ok(Err(error)) => {
            drop(stream);
            let (reason, ahead) = of_handshake(&error);
            if reason == Reason::Clock {
                shared.note_clock(client.ip(), ahead);
            }
            shared.refuse(reason, &client);
            let _ = timeout_at(until, listen(&socket)).await;
            return;
        }
        Err(_) => return shared.refuse(Reason::Slow, &client),
    };
    let mptcp = sys::is_multipath(&socket);
    let guest = match shared.begin(stream.user_key(), mptcp) {
        Ok(guest) => guest,
        Err(reason) => return shared.refuse(reason, &client),
    };
    drop(stranger);
    let mut ends = guest.ends.clone();
    let mut ended = pin!(ends.changed());
    let mut carried = pin!(authenticated(&guest, stream, &socket, &client, to));
    // What is dropped here is reset at both ends.
    poll_fn(|context| {
        if ended.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        carried.as_mut().poll(context)
    })
    .await;
}

/// Reads what a stranger sends, to its end.
async fn listen(socket: &Arc<Socket>) {
    let mut wire = Wire::plain(Arc::clone(socket));
    let mut piece = [0; 512];
    loop {
        let mut into = ReadBuf::new(&mut piece);
        let read = poll_fn(|context| Pin::new(&mut wire).poll_read(context, &mut into)).await;
        if read.is_err() || into.filled().is_empty() {
            return end_at_close(socket);
        }
    }
}

/// Connects an authenticated stream to where it wants to go, and carries it.
async fn authenticated(
    guest: &Guest,
    mut stream: ProxyServerStream<Wire>,
    socket: &Arc<Socket>,
    client: &SocketAddr,
    to: Address,
) {
    let shared = guest.shared();
    let begun = Instant::now();
    let mut meter = Metered { guest, timer: None };
    let wanted = to.to_string();
    let tell = |what: &dyn Display| {
        if shared.settings().log {
            let user = &guest.account.name;
            let user = if user.is_empty() { String::new() } else { format!(" of {user}") };
            log::line(format_args!("{client}{user} to {}: {what}", wanted.escape_debug()));
        }
    };
    if let Address::DomainNameAddress(name, port) = &to
        && name == SPEED
    {
        return speed::answer(&mut stream, socket, *port, &mut meter).await;
    }
    let ways = match resolve(shared, to).await {
        Ok(ways) => ways,
        Err(reason) => {
            shared.refuse(reason, &client);
            return tell(&reason);
        }
    };
    let start = |place: usize| begin(*ways.get(place).ok_or(Errno::NETUNREACH)?);
    let far = match race(socket, ways.len(), start).await {
        Ok(far) => Arc::new(far.socket),
        Err(error) => {
            shared.refuse(Reason::Unreachable, &client);
            return tell(&error);
        }
    };
    let mut plain = Wire::plain(far);
    // The kernel does not know it any more once both halves have ended.
    let mptcp = sys::is_multipath(socket);
    let carried = carry(&mut stream, socket, &mut plain, &mut meter).await;
    tell(&format_args!(
        "{}, {} bytes up, {} down, {} ms{}",
        if mptcp { "multipath" } else { "TCP" },
        carried.out,
        carried.back,
        begun.elapsed().as_millis(),
        if carried.reset { ", reset" } else { "" },
    ));
}

/// Sends the first packet to a destination.
fn begin(to: SocketAddr) -> std::io::Result<Socket> {
    let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    match connect(&socket, &to) {
        Ok(()) | Err(Errno::INPROGRESS) => Socket::outward(socket, false),
        Err(error) => Err(error.into()),
    }
}

/// Counts what a connection moves, and holds it to its user's rate.
struct Metered<'a> {
    guest: &'a Guest,
    /// There while it waits.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Meter for Metered<'_> {
    fn poll_may(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while let Some(until) = self.guest.account.waits_until() {
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(until)));
            if timer.deadline() != until {
                timer.as_mut().reset(until);
            }
            ready!(timer.as_mut().poll(context));
        }
        self.timer = None;
        Poll::Ready(())
    }

    fn moved(&mut self, out: usize, back: usize) {
        self.guest.moved(out, back);
    }
}

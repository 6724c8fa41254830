//! A connection to the relay: over MPTCP as programs make it, or in plain TCP over one path.

use std::io;
use std::net::{SocketAddr, TcpStream as Plain};
use std::num::NonZeroU32;
use std::time::Duration;

use rustix::net::{AddressFamily, Protocol, SocketFlags, SocketType, bind, socket_with, sockopt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::Relay;
use crate::sys;

/// `IPPROTO_MPTCP` (linux/in.h).
const MPTCP: Option<NonZeroU32> = NonZeroU32::new(262);

/// How long a connection is waited for beside four round trips: a SYN that is lost is sent again after a
/// second.
const PATIENCE: Duration = Duration::from_millis(1_200);

/// Connects over MPTCP, unbound, so that endpoints give the other paths; where that way is dead, over the
/// best path.
///
/// # Errors
/// The last way's.
pub(super) async fn multipath(relay: &Relay<'_>) -> io::Result<TcpStream> {
    match connect(relay, true, false).await {
        Err(_) if relay.settings.path.is_some() => connect(relay, true, true).await,
        outcome => outcome,
    }
}

/// Connects in plain TCP over the best path.
///
/// # Errors
/// As connect(2).
pub(super) async fn plain(relay: &Relay<'_>) -> io::Result<TcpStream> {
    connect(relay, false, true).await
}

async fn connect(relay: &Relay<'_>, mptcp: bool, bound: bool) -> io::Result<TcpStream> {
    let to = relay.settings.to;
    let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let protocol = MPTCP.filter(|_| mptcp).map(Protocol::from_raw);
    let socket = socket_with(family, SocketType::STREAM, flags, protocol)?;
    if let Some(path) = relay.settings.path.as_ref().filter(|_| bound) {
        if let Some(dev) = &path.dev {
            // Before 5.7 only root may; the address decides then.
            let _ = sys::bind_to_device(&socket, dev.as_str());
        }
        bind(&socket, &SocketAddr::new(path.from, 0))?;
    }
    let _ = sockopt::set_tcp_nodelay(&socket, true);
    // What was sent and is not read any more is of no use to anybody.
    let _ = sockopt::set_socket_linger(&socket, Some(Duration::ZERO));
    let socket = TcpSocket::from_std_stream(Plain::from(socket));
    let patience = PATIENCE + relay.round_trips(4);
    timeout(patience, socket.connect(to)).await?
}

//! The outward connection of a client of the LAN: over several uplinks, of which the first that is
//! answered is taken ([`crate::race`]).
//!
//! So an uplink that swallows packets costs a new connection a moment and not the minutes of the
//! kernel's repetitions.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU32;

use rustix::io::Errno;
use rustix::net::{AddressFamily, Protocol, SocketFlags, SocketType, bind, connect, socket_with};

use super::socket::Socket;
use crate::placement::Attempt;
use crate::race::{Dialled, race};
use crate::sys;

/// `IPPROTO_MPTCP` (linux/in.h).
const MPTCP: Option<NonZeroU32> = NonZeroU32::new(262);

/// Connects to a destination in one of these ways. Ends early where the client, which waits, is reset.
///
/// # Errors
/// As [`race`]. With each attempt that could not be sent for its uplink's sake `unusable` is called.
pub async fn dial(
    to: SocketAddr,
    attempts: &[Attempt],
    client: &Socket,
    mut unusable: impl FnMut(&Attempt),
) -> io::Result<Dialled> {
    let begin = |place: usize| {
        let attempt = attempts.get(place).ok_or(Errno::NETUNREACH)?;
        start(to, *attempt).map_err(|Unsent { error, by_uplink }| {
            if by_uplink {
                unusable(attempt);
            }
            error
        })
    };
    race(client, attempts.len(), begin).await
}

/// Why an attempt was not sent.
pub(crate) struct Unsent {
    /// What the kernel said.
    pub(crate) error: io::Error,
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
pub(crate) fn start(to: SocketAddr, attempt: Attempt) -> Result<Socket, Unsent> {
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

//! One end of a relayed connection: a socket that does not block, known to the event loop.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{SendFlags, send, sockopt};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::sys;

/// A client that vanished without a word is noticed after this time and [`PROBES`] more questions:
/// sooner than the two hours of Linux, and later than a phone sleeps between two packets.
const CLIENT_IDLE: Duration = Duration::from_secs(600);
/// Between two questions to a silent client.
const INTERVAL: Duration = Duration::from_secs(30);
/// Questions without an answer that end the connection of a client.
const PROBES: u32 = 4;
/// An idle outward connection is kept alive at each interval: some mobile networks forget one that is
/// silent for five minutes (RFC 5382 asks for 124), and what a client sends for that purpose ends here.
/// How many questions may stay without an answer is left to Linux (11 minutes): as many as an uplink may
/// be away.
const SERVER_IDLE: Duration = Duration::from_secs(120);

/// A connected or connecting stream socket.
#[derive(Debug)]
pub struct Socket {
    descriptor: AsyncFd<OwnedFd>,
    copies: bool,
}

impl Socket {
    /// Registers an outward socket, connecting or connected, with the event loop of the calling task.
    /// `mptcp`: it was made with IPPROTO_MPTCP.
    ///
    /// # Errors
    /// The kernel watches no more descriptors (epoll(7), max_user_watches).
    pub fn outward(descriptor: OwnedFd, mptcp: bool) -> io::Result<Self> {
        set_common_options(&descriptor, SERVER_IDLE);
        if !mptcp {
            set_oobinline(&descriptor);
        }
        Socket::watched(descriptor, mptcp)
    }

    /// Registers a socket of a client, which has the options of its listener ([`set_options`]).
    ///
    /// # Errors
    /// As [`Socket::outward`].
    pub fn accepted(descriptor: OwnedFd) -> io::Result<Self> {
        Socket::watched(descriptor, false)
    }

    fn watched(descriptor: OwnedFd, copies: bool) -> io::Result<Self> {
        let descriptor = sys::watch(descriptor, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Socket { descriptor, copies })
    }

    /// The descriptor with its state in the event loop.
    pub fn events(&self) -> &AsyncFd<OwnedFd> {
        &self.descriptor
    }

    /// Does splice(2) out of it copy into pages that it makes for as many bytes as it is asked for? An
    /// MPTCP socket has no splice_read of its own (net/mptcp/protocol.c, Linux 6.18).
    pub fn copies(&self) -> bool {
        self.copies
    }
}

/// How many bytes of a client wait here at most for a server that is slower: what a device of the LAN
/// sends at 1 Gbit/s in 8 ms. Left to itself the kernel takes up to 32 MB (`tcp_rmem` of Linux 6.18), and a
/// client believed 25 MB sent of which the server had 2. The kernel doubles it for its own use
/// (socket(7), `SO_RCVBUFFORCE`).
const WINDOW: usize = 1 << 20;

/// Sets the options of the clients' sockets at their listener: what it accepts has them too
/// (sk_clone_lock() in net/core/sock.c), which saves the calls for each connection.
pub fn set_options(listener: impl AsFd) {
    set_common_options(&listener, CLIENT_IDLE);
    set_oobinline(&listener);
    let _ = sockopt::set_tcp_keepintvl(&listener, INTERVAL);
    let _ = sockopt::set_tcp_keepcnt(&listener, PROBES);
    let _ = sockopt::set_socket_recv_buffer_size_force(&listener, WINDOW);
}

/// As [`set_options`] for clients that are far away, whose window the kernel has to open as wide as the
/// way to them is long.
pub fn set_remote_options(listener: impl AsFd) {
    set_common_options(&listener, CLIENT_IDLE);
    let _ = sockopt::set_tcp_keepintvl(&listener, INTERVAL);
    let _ = sockopt::set_tcp_keepcnt(&listener, PROBES);
}

fn set_common_options(socket: impl AsFd, idle: Duration) {
    // Whatever ends a connection before both of its halves have ended resets it, the death of this
    // process included: the end of a stream would be taken for the end of a file.
    reset_at_close(&socket);
    // Older kernels refuse some of them for MPTCP; a connection works without.
    let _ = sockopt::set_tcp_nodelay(&socket, true);
    let _ = sockopt::set_socket_keepalive(&socket, true);
    let _ = sockopt::set_tcp_keepidle(&socket, idle);
}

/// Urgent bytes of TCP stop splice(2), which leaves them to recv(2). MPTCP has none.
fn set_oobinline(socket: impl AsFd) {
    let _ = sockopt::set_socket_oobinline(socket, true);
}

/// Makes close(2) reset the connection, which discards what the peer has not acknowledged (SO_LINGER
/// with 0, socket(7)).
fn reset_at_close(socket: impl AsFd) {
    // It fails for no TCP socket; one that is gone needs no reset.
    let _ = sockopt::set_socket_linger(socket, Some(Duration::ZERO));
}

/// Lets close(2) send what is left and end the stream, where [`set_options`] had it reset the connection.
pub fn end_at_close(socket: impl AsFd) {
    let _ = sockopt::set_socket_linger(socket, None);
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// Writes all of it.
///
/// # Errors
/// As send(2).
pub async fn write_all(socket: &Socket, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let mut events = socket.events().writable().await?;
        match send(socket, bytes, SendFlags::NOSIGNAL) {
            Ok(sent) => bytes = bytes.get(sent..).unwrap_or_default(),
            Err(Errno::AGAIN) => events.clear_ready(),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

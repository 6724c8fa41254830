//! One end of a relayed connection: a socket that does not block, known to the event loop.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::net::sockopt;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::sys;

/// A peer that vanished without a word is noticed after this time and [`PROBES`] more questions:
/// sooner than the two hours of Linux, and later than a phone sleeps between two packets.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(600);
/// Between two questions to a silent peer.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
/// Questions without an answer that end a connection.
const PROBES: u32 = 4;

/// A connected or connecting stream socket.
#[derive(Debug)]
pub struct Socket {
    descriptor: AsyncFd<OwnedFd>,
    copies: bool,
}

impl Socket {
    /// Registers a socket with the event loop of the calling task. `mptcp`: it was made with
    /// IPPROTO_MPTCP.
    ///
    /// # Errors
    /// The kernel watches no more descriptors (epoll(7), max_user_watches).
    pub fn new(descriptor: OwnedFd, mptcp: bool) -> io::Result<Self> {
        set_options(&descriptor);
        Socket::accepted(descriptor, mptcp)
    }

    /// Registers a socket that has the options of its listener ([`set_options`]).
    ///
    /// # Errors
    /// As [`Socket::new`].
    pub fn accepted(descriptor: OwnedFd, mptcp: bool) -> io::Result<Self> {
        Ok(Socket {
            descriptor: sys::watch(descriptor, Interest::READABLE | Interest::WRITABLE)?,
            copies: mptcp,
        })
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

/// Sets the options of an end. What a listener accepts has those of the listener (sk_clone_lock() in
/// net/core/sock.c), which saves the calls for each connection.
pub fn set_options(socket: impl AsFd) {
    // Whatever ends a connection before both of its halves have ended resets it, the death of this
    // process included: the end of a stream would be taken for the end of a file.
    reset_at_close(&socket);
    // MPTCP has no urgent bytes. Those of TCP stop splice(2), which leaves them to recv(2).
    let _ = sockopt::set_socket_oobinline(&socket, true);
    // Older kernels refuse some of them for MPTCP; a connection works without.
    let _ = sockopt::set_tcp_nodelay(&socket, true);
    let _ = sockopt::set_socket_keepalive(&socket, true);
    let _ = sockopt::set_tcp_keepidle(&socket, KEEPALIVE_IDLE);
    let _ = sockopt::set_tcp_keepintvl(&socket, KEEPALIVE_INTERVAL);
    let _ = sockopt::set_tcp_keepcnt(&socket, PROBES);
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

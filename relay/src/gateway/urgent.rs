//! Urgent bytes of TCP (RFC 6093), as FTP and Telnet send them. splice(2) stops before one and says
//! EAGAIN from then on (tcp_read_sock() in net/ipv4/tcp.c), so this passes it on: as an ordinary byte
//! in its place, for MPTCP has no other.

use rustix::io::{Errno, read, write};

use super::pipes::Pipe;
use super::socket::Socket;
use crate::sys;

/// Moves the urgent byte that a source has next into an empty pipe: 1, or 0 at the end of the stream.
///
/// # Errors
/// EAGAIN where the next byte is not urgent or has not come.
pub fn pass(source: &Socket, pipe: &Pipe) -> Result<usize, Errno> {
    if !sys::is_at_mark(source).unwrap_or(false) {
        return Err(Errno::AGAIN);
    }
    let mut byte = [0];
    match read(source, &mut byte)? {
        0 => Ok(0),
        _ => write(pipe.inlet(), &byte),
    }
}

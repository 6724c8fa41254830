//! Where a redirected connection was going.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;

use rustix::io::Errno;
use rustix::net::getsockname;

use crate::sys;

/// The destination of a connection that was accepted. `transparent`: its listener is that of TPROXY, whose
/// sockets have the address that the program connected to.
///
/// # Errors
/// It was made to the listener itself: sent on, it would come here again.
pub fn destination(
    socket: impl AsFd,
    from: SocketAddr,
    transparent: bool,
) -> io::Result<SocketAddr> {
    let own = SocketAddr::try_from(getsockname(&socket)?).map_err(|_| Errno::INVAL)?;
    if transparent {
        return Ok(plain(own));
    }
    let v6 = from.ip().to_canonical().is_ipv6();
    let to = sys::original_destination(&socket, v6)?;
    if plain(to) == plain(own) {
        return Err(Errno::LOOP.into());
    }
    Ok(plain(to))
}

/// Without the disguise that IPv4 has in a socket of both families (RFC 4291 section 2.5.5.2).
fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

//! Takes connections from a listener, for whoever asks for them.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{SocketFlags, acceptfrom_with};
use tokio::io::Interest;

use crate::log;
use crate::sys;

/// After an error that does not go away by itself: no memory, no descriptor.
const PAUSE: Duration = Duration::from_millis(50);

/// Takes connections until it is dropped. `take` gets each with its peer's address, and waits for
/// nothing.
pub async fn accept(listener: OwnedFd, mut take: impl FnMut(OwnedFd, SocketAddr)) {
    let Ok(listener) = sys::watch(listener, Interest::READABLE) else {
        log::line("cannot watch a listener: no descriptor is left");
        return;
    };
    loop {
        let Ok(mut events) = listener.readable().await else { return };
        match acceptfrom_with(&listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
            Ok((socket, client)) => {
                let client = client.and_then(|client| SocketAddr::try_from(client).ok());
                if let Some(client) = client {
                    take(socket, client);
                }
            }
            Err(Errno::AGAIN) => events.clear_ready(),
            // The client was gone before it was taken, or the network told of an error (accept(2)).
            Err(
                Errno::INTR
                | Errno::CONNABORTED
                | Errno::PROTO
                | Errno::NETDOWN
                | Errno::HOSTDOWN
                | Errno::HOSTUNREACH
                | Errno::NETUNREACH
                | Errno::NONET
                | Errno::NOPROTOOPT
                | Errno::OPNOTSUPP
                | Errno::PERM,
            ) => {}
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

//! Takes connections from a listener and gives each to an event loop.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{SocketFlags, acceptfrom_with};
use tokio::io::Interest;

use super::refusals::Reason;
use super::serve::serve;
use super::shared::Shared;
use super::socket::set_options;
use crate::log;
use crate::sys;
use crate::workers::Workers;

/// After an error that does not go away by itself: no memory, no descriptor.
const PAUSE: Duration = Duration::from_millis(50);

/// Takes connections until it is dropped.
pub async fn accept(listener: OwnedFd, shared: Arc<Shared>, workers: Arc<Workers>) {
    set_options(&listener);
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
                    take(socket, client, &shared, &workers);
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

fn take(socket: OwnedFd, client: SocketAddr, shared: &Arc<Shared>, workers: &Workers) {
    match (shared.admit(client.ip()), workers.next()) {
        (Ok(admitted), Some(worker)) => {
            worker.spawn(serve(admitted, socket, client));
        }
        (Err(refusal), _) => shared.refuse(Reason::Limit(refusal), &client),
        (Ok(_), None) => {}
    }
}

//! Asks a relay in the background whether it can be used: by one connection of the kind that programs'
//! connections are.
//!
//! A server that was not given the right key is silent (SIP022 section 3.2), and so is one whose clock is
//! off by more than 30 s: nobody can tell that from a server at the other end that takes its time. So
//! it is asked for a destination to which no kernel connects: whoever can read that ends the connection at
//! once, without a packet to anybody. Only silence means that it could not read what it was asked.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::timeout;

use super::dial::{self, Won};
use super::known::Known;
use crate::shadowsocks::client::{Address, Tunnel};
use crate::sys;

/// Where nobody is: connect(2) refuses a broadcast address in TCP. Not a name, for a relay whose resolver
/// is slow or gone may well carry connections to addresses.
const NOBODY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::BROADCAST), 1);
/// How long a relay may take for its handshake, and then for its answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a relay is worth.
#[derive(Debug)]
pub struct Found {
    /// How long its handshake took.
    pub took: Duration,
    /// It speaks MPTCP.
    pub mptcp: bool,
}

/// Asks it.
///
/// # Errors
/// Why it cannot be used, as a clause.
pub async fn ask(known: &Arc<Known>) -> Result<Found, String> {
    let attempts = dial::attempts(std::slice::from_ref(known)).await;
    if attempts.is_empty() {
        return Err(unresolved(known));
    }
    let dialled = dial::dial(&attempts, None, PATIENCE).await;
    let Won { socket, took, .. } = dialled.won.map_err(|error| why(&error))?;
    let mptcp = sys::is_multipath(&socket);
    let to = Address::SocketAddress(NOBODY);
    let before = known.answers();
    let mut tunnel =
        known.access.open(Arc::new(socket), to, &[]).await.map_err(|error| why(&error))?;
    match timeout(PATIENCE, answer(&mut tunnel)).await {
        Ok(Ok(())) => Ok(Found { took, mptcp }),
        // An end is an answer, of a relay that found nobody of that name; a reset may be.
        Ok(Err(_)) if tunnel.is_silent() => Ok(Found { took, mptcp }),
        Ok(Err(_)) => Err(garbled()),
        // It answers others, so the key is right.
        Err(_) if known.answers() > before => Ok(Found { took, mptcp }),
        Err(_) => Err(silent()),
    }
}

/// What has no address.
pub fn unresolved(known: &Known) -> String {
    format!("its name {} cannot be resolved", known.relay.host)
}

/// What does not answer.
fn silent() -> String {
    "it does not answer: the key is wrong, or one of the clocks by more than 30 s".to_owned()
}

/// What answers nonsense.
fn garbled() -> String {
    "what it answers is not of Shadowsocks 2022 with this key".to_owned()
}

/// Why it cannot be connected to.
pub fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "nobody listens at its port".to_owned(),
        io::ErrorKind::TimedOut => "it does not answer, or a firewall drops its port".to_owned(),
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => {
            "no route leads to it".to_owned()
        }
        _ => error.to_string(),
    }
}

/// Waits for the first bytes of the answer, or the end.
async fn answer(tunnel: &mut Tunnel) -> io::Result<()> {
    let mut bytes = [0; 256];
    poll_fn(|context| {
        let mut into = ReadBuf::new(&mut bytes);
        Pin::new(&mut *tunnel).poll_read(context, &mut into)
    })
    .await
}

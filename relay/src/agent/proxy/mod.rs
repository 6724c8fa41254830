//! Programs that have a proxy setting: SOCKS5 (RFC 1928) and HTTP CONNECT (RFC 9110 section 9.3.6) at one
//! port. The first byte tells which.
//!
//! Names stay names: the relay resolves them. What a program says is bounded in length and time. Errors
//! are said in the words of the program's protocol.

pub mod http;
pub mod socks;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{RecvFlags, Shutdown, recv, shutdown};
use tokio::time::timeout;

use super::names::is_local;
use super::refusal::Refusal;
use super::serve::{Failure, Outward, Program, carried, failed, reach, refused};
use super::shared::{Admitted, Shared};
use crate::gateway::socket::{Socket, end_at_close, write_all};
use crate::relays::Reached;
use crate::shadowsocks::client::Address;
use mptcpize_model::relay::agent::Policy;

/// How long a program may take to say where it wants to go.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most that it may say before.
const MOST: usize = 8 * 1024;
/// What is read of one that was refused, so that the answer is not lost with a reset, and for how long.
const AFTERWARDS: usize = 64 * 1024;
const LEAVE: Duration = Duration::from_secs(1);

/// What a program has said so far.
#[derive(Debug)]
pub struct Heard<'a> {
    near: &'a Socket,
    /// Not yet understood.
    pub bytes: Vec<u8>,
}

impl Heard<'_> {
    /// Reads some more.
    ///
    /// # Errors
    /// The program ended or was reset; ENOBUFS where it has said more than it may.
    pub async fn more(&mut self) -> io::Result<()> {
        loop {
            let room = MOST.saturating_sub(self.bytes.len()).min(1024);
            if room == 0 {
                return Err(Errno::NOBUFS.into());
            }
            let mut events = self.near.events().readable().await?;
            let mut piece = [0; 1024];
            match recv(self.near, piece.get_mut(..room).unwrap_or_default(), RecvFlags::empty()) {
                Ok((0, _)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok((length, _)) => {
                    self.bytes.extend_from_slice(piece.get(..length).unwrap_or_default());
                    return Ok(());
                }
                Err(Errno::AGAIN) => events.clear_ready(),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Forgets what was understood.
    pub fn take(&mut self, length: usize) {
        self.bytes.drain(..length.min(self.bytes.len()));
    }

    /// Says something.
    ///
    /// # Errors
    /// As send(2).
    pub async fn say(&self, bytes: &[u8]) -> io::Result<()> {
        write_all(self.near, bytes).await
    }
}

/// Which protocol it is.
#[derive(Clone, Copy, Debug)]
enum Spoken {
    Socks,
    Http,
}

/// Serves a program's connection to its end. The descriptor resets it when it is closed.
pub async fn serve(admitted: Admitted, descriptor: OwnedFd, from: SocketAddr) {
    let shared = admitted.shared();
    let Ok(near) = Socket::accepted(descriptor) else {
        return shared.refuse(Refusal::Descriptors, &from);
    };
    let mut heard = Heard { near: &near, bytes: Vec::new() };
    let asked = timeout(PATIENCE, ask(&mut heard)).await;
    let (spoken, to) = match asked {
        Ok(Ok(Some(asked))) => asked,
        // An answer was given that says what is wrong.
        Ok(Ok(None)) => return leave(&near).await,
        Ok(Err(_)) | Err(_) => return,
    };
    let outward = destination(shared, &near, &to).await;
    let answer = match (spoken, &outward) {
        (Spoken::Socks, Ok(_)) => socks::granted(),
        (Spoken::Http, Ok(_)) => http::granted(),
        (Spoken::Socks, Err(failure)) => socks::refused(failure),
        (Spoken::Http, Err(failure)) => http::refused(failure),
    };
    let said = heard.say(&answer).await;
    match outward {
        Ok(outward) if said.is_ok() => {
            let early = heard.bytes;
            let program = Program { near, from, since: Instant::now(), early };
            carried(shared, program, outward, to).await;
        }
        Ok(_) => {}
        Err(failure) => {
            failed(shared, &failure, from, &to);
            leave(&near).await;
        }
    }
}

/// Finds out where a program wants to go; nothing where it was told that it cannot.
async fn ask(heard: &mut Heard<'_>) -> io::Result<Option<(Spoken, Address)>> {
    heard.more().await?;
    match heard.bytes.first() {
        Some(5) => Ok(socks::ask(heard).await?.map(|to| (Spoken::Socks, to))),
        Some(first) if first.is_ascii_uppercase() => {
            Ok(http::ask(heard).await?.map(|to| (Spoken::Http, to)))
        }
        // SOCKS4 is answered in its own words (91, rejected); its programs cannot name an IPv6 address.
        Some(4) => heard.say(&[0, 91, 0, 0, 0, 0, 0, 0]).await.map(|()| None),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Ends a connection so that the last answer arrives: what is not read resets it.
async fn leave(near: &Socket) {
    let _ = shutdown(near, Shutdown::Write);
    let mut rest = Heard { near, bytes: Vec::new() };
    let _ = timeout(LEAVE, async {
        let mut read = 0;
        while read < AFTERWARDS && rest.more().await.is_ok() {
            read += rest.bytes.len();
            rest.bytes.clear();
        }
    })
    .await;
    end_at_close(near);
}

/// A host and a port as an address: a name only where it is one that the protocol can carry.
pub fn address(host: &str, port: u16) -> Option<Address> {
    if let Ok(literal) = host.parse::<IpAddr>() {
        return Some(Address::SocketAddress(SocketAddr::new(literal.to_canonical(), port)));
    }
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let name = !host.is_empty() && host.len() <= 253 && host.bytes().all(sound);
    name.then(|| Address::DomainNameAddress(host.to_owned(), port))
}

/// Connects outward on behalf of a program that named its destination.
async fn destination(shared: &Shared, near: &Socket, to: &Address) -> Result<Outward, Failure> {
    let (name, port) = match to {
        Address::SocketAddress(to) => return reach(shared, near, *to).await,
        Address::DomainNameAddress(name, port) => (name, *port),
    };
    let terms = shared.relays.terms();
    // Where addresses decide, they have to be known here.
    let here = is_local(name) || terms.policy != Policy::Always || !terms.never.is_empty();
    if !here {
        match shared.relays.reach(near).await {
            Reached::Relay(won) => return Ok(Outward::Relay(won)),
            Reached::Refused(error) => return Err(refused(error)),
            Reached::Directly => {}
        }
    }
    let mut last = Failure {
        refusal: Refusal::Destination,
        error: Some(io::ErrorKind::HostUnreachable.into()),
    };
    for to in shared.lookups.find(name, port).await {
        match reach(shared, near, to).await {
            Ok(outward) => return Ok(outward),
            Err(failure) => last = failure,
        }
    }
    Err(last)
}

/// The arguments of a failure that answers go by: what the kernel said, if it said something.
pub fn kind(failure: &Failure) -> Option<io::ErrorKind> {
    failure.error.as_ref().map(io::Error::kind)
}

#[cfg(test)]
mod tests;

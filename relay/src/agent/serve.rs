//! One connection of a program: through a relay, or directly, until both ends are closed.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

use super::refusal::Refusal;
use super::shared::{Admitted, Shared};
use crate::destination::{self, Way};
use crate::gateway::dial;
use crate::gateway::socket::{Socket, write_all};
use crate::log;
use crate::placement::Attempt;
use crate::refusals::Reason;
use crate::relays::Reached;
use crate::relays::carry::{First, through};
use crate::relays::dial::Won;
use crate::relays::route::{Route, Seen, route};
use crate::session;
use crate::shadowsocks::client::Address;
use crate::sys;
use mptcpize_model::relay::status::Via;

/// Why there is no outward connection, and what the kernel said where it said something.
#[derive(Debug)]
pub struct Failure {
    /// The reason.
    pub refusal: Refusal,
    /// The error.
    pub error: Option<io::Error>,
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Failure { refusal, error: None }
    }
}

/// An outward connection.
#[derive(Debug)]
pub enum Outward {
    /// To a relay.
    Relay(Won),
    /// To the destination itself; whether over MPTCP.
    Directly(Socket, bool),
}

/// Carries a connection that the packet filter redirected.
pub async fn redirected(admitted: Admitted, descriptor: OwnedFd, from: SocketAddr, to: SocketAddr) {
    let shared = admitted.shared();
    let since = Instant::now();
    let Ok(near) = Socket::accepted(descriptor) else {
        return shared.refuse(Refusal::Descriptors, &from);
    };
    match reach(shared, &near, to).await {
        Ok(outward) => {
            let to = Address::SocketAddress(to);
            let program = Program { near, from, since, early: Vec::new() };
            carried(shared, program, outward, to).await;
        }
        // The end of `near` resets the program's connection.
        Err(failure) => failed(shared, &failure, from, &to),
    }
}

/// Counts a connection that came to nothing.
pub fn failed(shared: &Shared, failure: &Failure, from: SocketAddr, to: &impl fmt::Display) {
    let Failure { refusal, error } = failure;
    match refusal {
        Refusal::Destination | Refusal::Gone => {
            shared.relays.books.refuse(refusal.code());
            if shared.settings().log {
                let why = error.as_ref().map_or_else(|| refusal.to_string(), io::Error::to_string);
                log::line(format_args!("{from} to {to}: {why}"));
            }
        }
        _ => shared.refuse(*refusal, &from),
    }
}

/// Connects outward on behalf of a program.
///
/// # Errors
/// Why that cannot be.
pub async fn reach(shared: &Shared, near: &Socket, to: SocketAddr) -> Result<Outward, Failure> {
    let way = match destination::way(to.ip()) {
        Ok(way) => way,
        Err(_) => return Err(Refusal::Descriptors.into()),
    };
    let seen = Seen {
        way,
        by_uplink: matches!(way, Way::From(source) if shared.is_uplink(source)),
        is_relay: shared.relays.is_relay(to.ip()),
        without_mptcp: shared.is_plain(to),
    };
    match route(&shared.relays.terms(), to.ip(), seen) {
        Route::Nowhere => Err(Refusal::NoRoute.into()),
        Route::Direct => directly(shared, near, to, false).await,
        Route::Multipath => directly(shared, near, to, true).await,
        Route::Relay => match shared.relays.reach(near).await {
            Reached::Relay(won) => Ok(Outward::Relay(won)),
            Reached::Directly if way == Way::None => Err(Refusal::NoRoute.into()),
            Reached::Directly => directly(shared, near, to, true).await,
            Reached::Refused(error) => Err(refused(error)),
        },
    }
}

/// What a refusal of the relays is to a program.
pub fn refused(error: io::Error) -> Failure {
    let gone = error.kind() == io::ErrorKind::ConnectionAborted;
    let refusal = if gone { Refusal::Gone } else { Refusal::NoRelay };
    Failure { refusal, error: Some(error) }
}

/// Connects to the destination itself.
async fn directly(
    shared: &Shared,
    near: &Socket,
    to: SocketAddr,
    multipath: bool,
) -> Result<Outward, Failure> {
    let multipath = multipath && !shared.is_plain(to);
    let way = |multipath| Attempt { uplink: None, multipath };
    let attempts = if multipath { vec![way(true), way(false)] } else { vec![way(false)] };
    match dial::dial(to, &attempts, near, |_| ()).await {
        Ok(dialled) => {
            let spoke = sys::is_multipath(&dialled.socket);
            if multipath {
                shared.found(to, spoke);
            }
            Ok(Outward::Directly(dialled.socket, spoke))
        }
        Err(error) => {
            let gone = error.kind() == io::ErrorKind::ConnectionAborted;
            let refusal = if gone { Refusal::Gone } else { Refusal::Destination };
            Err(Failure { refusal, error: Some(error) })
        }
    }
}

/// A program's end of a connection.
#[derive(Debug)]
pub struct Program {
    /// Its socket.
    pub near: Socket,
    /// Its address.
    pub from: SocketAddr,
    /// When it was free to send.
    pub since: Instant,
    /// What it has sent already, as far as that is for the destination.
    pub early: Vec<u8>,
}

/// Carries a connection whose ends are both connected.
pub async fn carried(shared: &Arc<Shared>, program: Program, outward: Outward, to: Address) {
    let Program { near, from, since, early } = program;
    let relays = &shared.relays;
    let text = to.to_string();
    let (how, carried) = match outward {
        Outward::Relay(won) => {
            let Won { known, socket, .. } = won;
            let name = &known.relay.name;
            let via = Via::Relay(name.clone());
            let mptcp = sys::is_multipath(&socket);
            let mut entry = relays.books.begin(from, text.clone(), via, mptcp);
            let first = First { since, early };
            let ended = through(&known, near, Arc::new(socket), to, first, &mut entry).await;
            if ended.suspect {
                relays.suspect(&known);
            }
            (format!("the relay {name}"), ended.carried)
        }
        Outward::Directly(far, mptcp) => {
            let via = if mptcp { Via::Multipath } else { Via::Direct };
            let how = if mptcp { "MPTCP" } else { "TCP" };
            let mut entry = relays.books.begin(from, text.clone(), via, mptcp);
            if write_all(&far, &early).await.is_err() {
                return;
            }
            let carried = session::carry(near, &far, &shared.pipes, &mut entry).await;
            (how.to_owned(), carried)
        }
    };
    if shared.settings().log {
        log::line(format_args!(
            "{from} to {text}: over {how}, {} bytes up, {} down, {} ms{}",
            carried.up,
            carried.down,
            since.elapsed().as_millis(),
            if carried.reset { ", reset" } else { "" },
        ));
    }
}

//! A connection of a client of the LAN that goes through a relay on a rented server.
//!
//! Not here: which of them goes there (relays/route.rs), and those that go to their destinations
//! themselves (gateway/serve.rs).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use mptcpize_model::relay::status::Via;
use rustix::net::getsockname;

use super::shared::Shared;
use super::socket::Socket;
use super::watch::Watch;
use crate::destination::{self, Way};
use crate::log;
use crate::relays::carry::{First, through};
use crate::relays::dial::Won;
use crate::relays::route::{Route, Seen, route};
use crate::relays::{Reached, Relays};
use crate::shadowsocks::client::Address;
use crate::sys;

/// Does a connection to this destination go through a relay?
pub fn takes(shared: &Shared, relays: &Relays, to: SocketAddr) -> bool {
    // What cannot be asked of the routes is refused with its reason by those who carry it directly.
    let Ok(way) = destination::way(to.ip()) else { return false };
    let placement = shared.placement();
    let seen = Seen {
        way,
        by_uplink: matches!(way, Way::From(source) if placement.is_source(source)),
        is_relay: relays.is_relay(to.ip()),
        without_mptcp: placement.is_plain(shared.now(), to),
    };
    drop(placement);
    destination::is_elsewhere(to.ip()) && route(&relays.terms(), to.ip(), seen) == Route::Relay
}

/// Carries a connection to its end. Gives the client's socket back where no relay can be reached and it
/// may go directly.
pub async fn serve(
    shared: &Shared,
    relays: &Arc<Relays>,
    near: Socket,
    (client, to): (SocketAddr, SocketAddr),
    begun: Instant,
) -> Option<Socket> {
    let tell = |what: &dyn std::fmt::Display| {
        if shared.settings().log {
            log::line(format_args!("{client} to {to}: {what}"));
        }
    };
    let Won { known, socket, .. } = match relays.reach(&near).await {
        Reached::Relay(won) => won,
        Reached::Directly => return Some(near),
        Reached::Refused(error) => {
            shared.refusals().failed(&error);
            relays.books.refuse("no_relay");
            tell(&error);
            return None;
        }
    };
    let far = Arc::new(socket);
    let spoke = sys::is_multipath(&*far);
    let source = source(&far);
    // What is multipath is busy on all uplinks: the rates of their links tell of it. In plain TCP it is on
    // the one of the default route, which nobody placed there.
    let activity = shared.activity(None);
    let (number, live) = shared.tally.begin(client.ip(), source, spoke, &far, &shared.settings());
    let via = Via::Relay(known.relay.name.clone());
    let entry = Some(relays.books.begin(client, to.to_string(), via, spoke));
    let mut watch = Watch { activity, seen: activity.start(), live: &live, entry };
    let first = First { since: begun, early: Vec::new() };
    let address = Address::SocketAddress(to);
    let ended = through(&known, near, Arc::clone(&far), address, first, &mut watch).await;
    drop(watch);
    if ended.suspect {
        relays.suspect(&known);
    }
    shared.tally.end(shared.now(), number, &shared.settings().uplinks);
    let carried = ended.carried;
    tell(&format_args!(
        "over the relay {}, {} bytes up, {} down, {} ms{}",
        known.relay.name,
        carried.up,
        carried.down,
        begun.elapsed().as_millis(),
        if carried.reset { ", reset" } else { "" },
    ));
    None
}

/// The router's address that a connection was made from.
fn source(far: &Socket) -> Option<IpAddr> {
    let own = getsockname(far).ok()?;
    SocketAddr::try_from(own).ok().map(|own| own.ip())
}

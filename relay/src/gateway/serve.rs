//! One connection that the packet filter handed over: to its own destination, or refused.
//!
//! The kernel has completed the client's handshake before anybody here hears of it, so a destination
//! that refuses is refused to the client by a reset right after: nothing of the client's was read by
//! then. See relay/README.md for what was measured.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

use mptcpize_model::phrase::list;
use mptcpize_model::relay::status::Via;
use rustix::net::getsockname;

use super::dial;
use super::refusals::Reason;
use super::relayed;
use super::shared::{Admitted, Shared};
use super::socket::Socket;
use super::watch::Watch;
use crate::destination::{self, Way};
use crate::log;
use crate::placement::Attempt;
use crate::race::Dialled;
use crate::session;
use crate::sys;

/// Carries a connection of a client to its end. The descriptor resets the client when it is closed.
pub async fn serve(admitted: Admitted, descriptor: OwnedFd, client: SocketAddr) {
    let shared = admitted.shared();
    // What the client connected to (TPROXY leaves it as it was).
    let to = getsockname(&descriptor).ok().and_then(|own| SocketAddr::try_from(own).ok());
    let (Some(to), Ok(near)) = (to, Socket::accepted(descriptor)) else {
        return shared.refuse(Reason::Descriptors, &client);
    };
    let begun = Instant::now();
    let relays = shared.relays();
    let near = match relays.as_ref().filter(|relays| relayed::takes(shared, relays, to)) {
        None => near,
        Some(relays) => match relayed::serve(shared, relays, near, (client, to), begun).await {
            // No relay can be reached.
            Some(near) => near,
            None => return,
        },
    };
    let attempts = match attempts(shared, client.ip(), to) {
        Ok(attempts) => attempts,
        Err(reason) => return shared.refuse(reason, &client),
    };
    let unusable = |attempt: &Attempt| {
        if let Some((place, _)) = attempt.uplink {
            shared.placement().pass_by(shared.now(), place);
        }
    };
    let dialled = dial::dial(to, &attempts, &near, unusable).await;
    let tell = |what: &dyn std::fmt::Display| {
        if shared.settings().log {
            log::line(format_args!("{client} to {to}: {what}"));
        }
    };
    let (far, made, passed_by) = match dialled.map(|dialled| won(dialled, &attempts)) {
        Ok(Some(won)) => won,
        Ok(None) => return,
        Err(error) => {
            shared.refusals().failed(&error);
            return tell(&error);
        }
    };
    let spoke = sys::is_multipath(&far);
    shared.placement().connected(shared.now(), (client.ip(), to), made, &passed_by, spoke);
    drop((attempts, passed_by));
    let uplink = made.uplink.map(|(place, _)| place);
    // What is multipath is busy on all uplinks: the rates of their links tell of it.
    let counted = uplink.filter(|_| !spoke);
    let activity = shared.activity(counted);
    let far = Arc::new(far);
    let source = made.uplink.map(|(_, source)| source);
    let (number, live) = shared.tally.begin(client.ip(), source, spoke, &far, &shared.settings());
    let via = if spoke { Via::Multipath } else { Via::Direct };
    let entry = relays.as_ref().map(|all| all.books.begin(client, to.to_string(), via, spoke));
    let mut watch = Watch { activity, seen: activity.start(), live: &live, entry };
    let carried = session::carry(near, &far, &shared.pipes, &mut watch).await;
    let seen = watch.seen;
    drop(watch);
    let settings = shared.settings();
    shared.tally.end(shared.now(), number, &settings.uplinks);
    drop(far);
    if let Some(place) = counted.filter(|_| activity.was_counted(&seen)) {
        shared.placement().ended(place);
    }
    if !settings.log {
        return;
    }
    let over = match live.carriers(&settings.uplinks) {
        none if none.is_empty() => "the host's own route".to_owned(),
        links => list(&links),
    };
    tell(&format_args!(
        "{} over {}, {} bytes up, {} down, {} ms{}",
        if spoke { "multipath" } else { "TCP" },
        over,
        carried.up,
        carried.down,
        begun.elapsed().as_millis(),
        if carried.reset { ", reset" } else { "" },
    ));
}

/// The ways to a destination.
fn attempts(shared: &Shared, client: IpAddr, to: SocketAddr) -> Result<Vec<Attempt>, Reason> {
    if !destination::is_elsewhere(to.ip()) {
        return Err(Reason::NotElsewhere);
    }
    let way = destination::way(to.ip()).map_err(|_| Reason::Descriptors)?;
    let mut placement = shared.placement();
    match way {
        Way::Own => Err(Reason::Own),
        Way::Forbidden => Err(Reason::NoRoute),
        // A VPN, or a network beside the uplinks: what the host's own unbound traffic takes, and over
        // nothing else.
        Way::From(source) if !placement.is_source(source) => {
            Ok(vec![Attempt { uplink: None, multipath: false }])
        }
        Way::From(_) | Way::None => {
            let attempts = placement.attempts(shared.now(), client, to);
            if attempts.is_empty() {
                return Err(Reason::NoRoute);
            }
            // The others are placed before this one has an answer.
            if let Some((place, _)) = attempts.first().and_then(|first| first.uplink) {
                placement.begun(shared.now(), client, to.ip(), place);
            }
            Ok(attempts)
        }
    }
}

/// The socket of the attempt that was answered, the attempt, and the uplinks of those before it.
fn won(dialled: Dialled, attempts: &[Attempt]) -> Option<(Socket, Attempt, Vec<usize>)> {
    let made = *attempts.get(dialled.place)?;
    let before = attempts.iter().take(dialled.place);
    let passed_by = before.filter_map(|attempt| attempt.uplink).map(|(place, _)| place).collect();
    Some((dialled.socket, made, passed_by))
}

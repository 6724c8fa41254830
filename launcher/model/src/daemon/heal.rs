//! Subflows of every connection, opened one by one, and opened again where the network ended them.
//!
//! The kernel's own path manager opens a subflow once and never again. This takes its place for the
//! connections of this host, with `net.mptcp.path_manager=userspace` and the commands for one
//! connection (`MPTCP_PM_CMD_SUBFLOW_CREATE`, Documentation/netlink/specs/mptcp_pm.yaml): each
//! endpoint of the kernel's list is to have its subflow in each connection, as far as the limit
//! goes. A subflow that is missing is opened, whatever it is missing for: the connection is new, the
//! endpoint is, or the subflow was reset.
//!
//! Measured on Linux 6.18, two links of 15 Mbit/s that a second connection keeps busy, a queue of
//! 5 ms, `ss -K` on one subflow, 20 rounds, from `SUB_CLOSED` to `SUB_ESTABLISHED`:
//!
//! | what | median | the other connection | why not |
//! |---|---|---|---|
//! | one command for that connection | 17 ms | keeps its subflow | |
//! | a spare endpoint, limits as many as wanted | 12 ms | keeps its subflow | the kernel takes the first spare of the list, also one of another link: both subflows then share a link. The initial subflow never comes back. |
//! | the spare added after the loss | 16 ms | keeps its subflow | a connection uses each endpoint once; there are eight |
//! | endpoint deleted and added | 44 ms | loses its subflow | |
//!
//! All of it is the round trip through the busy queue. A connection that began under the kernel's
//! path manager answers `EINVAL` and is left to it.
//!
//! Not here: which links are paths, and VPNs ([`crate::proposal`]). Endpoints that the set-up does
//! not want open nothing. Server roles, whose addresses the kernel announces.

mod connection;
mod few;
mod leave;
mod metered;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;

use self::connection::Connection;
use self::leave::Leaving;
use self::metered::Metered;
use super::event::Millis;
use super::join::{Join, Listed};
use super::sample::Flow;
use super::terms::Terms;
use crate::event::{Event, Kind};
use crate::mptcp::Endpoint;

/// So many subflows are asked for in [`WINDOW`]: 10,000 connections that lose one at once have it
/// again within 7 s, and a peer never sees a burst of more SYNs than this.
const AT_ONCE: usize = 150;

/// The period of [`AT_ONCE`].
const WINDOW: Duration = Duration::from_millis(100);

/// A thousand that come back are a few lines.
const QUIET: Duration = Duration::from_secs(1);

/// So many connections are remembered; those beyond keep the one subflow that they have.
const MOST_CONNECTIONS: usize = 65_536;

/// What is known of all connections.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Heal {
    /// Subflows are opened by the daemon.
    on: bool,
    /// From where.
    endpoints: Vec<Endpoint>,
    /// How many subflows a connection may have beside its first.
    most: u32,
    /// How many a connection has between the same two addresses.
    each: usize,
    /// Links that only some connections use.
    metered: Metered,
    connections: BTreeMap<u32, Connection>,
    /// Connections to look at, and when.
    due: BTreeSet<(Millis, u32)>,
    /// Subflows to close.
    leaving: Leaving,
    /// The end of the window that is on, and how many joins and closures were asked for in it.
    window: (Millis, usize),
    /// Subflows that were lost and are back, not told yet.
    back: usize,
    /// Until when nothing is told.
    quiet: Millis,
    /// Subflows that came back, ever.
    healed: u64,
}

impl Heal {
    /// Takes over what follows from a look: whether to act at all, from which endpoints, and how
    /// many additional subflows a connection may have. Says whether it has just been switched on,
    /// so that nothing is known of connections.
    pub(super) fn set(
        &mut self,
        now: Millis,
        on: bool,
        endpoints: Vec<Endpoint>,
        most: u32,
    ) -> bool {
        let begins = on && !self.on;
        if !on {
            *self = Heal { healed: self.healed, ..Heal::default() };
            return false;
        }
        self.on = true;
        if (&self.endpoints, self.most) != (&endpoints, most) {
            (self.endpoints, self.most) = (endpoints, most);
            for connection in self.connections.values_mut() {
                connection.forgive();
            }
            self.due.extend(self.connections.keys().map(|token| (now, *token)));
        }
        begins
    }

    /// Takes over what the settings say of metered links, and how many subflows a connection is to have
    /// between the same two addresses.
    pub(super) fn terms(&mut self, now: Millis, metered: Terms, each: u32) {
        let each = each.max(1) as usize;
        if self.metered.set(metered) || self.each != each {
            self.each = each;
            self.due.extend(self.connections.keys().map(|token| (now, *token)));
        }
    }

    /// Looks how much the connections have moved that wait for that.
    pub(super) fn sampled(&mut self, now: Millis, flows: &[Flow]) {
        let moved = self.metered.sampled(flows);
        self.due.extend(moved.into_iter().map(|token| (now, token)));
    }

    /// How often such a sample is needed.
    pub(super) fn sample_period(&self) -> Option<Duration> {
        self.metered.period()
    }

    /// Is it the daemon that opens subflows?
    pub(super) fn is_on(&self) -> bool {
        self.on
    }

    /// How many lost subflows came back since the daemon began.
    pub(super) fn healed(&self) -> u64 {
        self.healed
    }

    /// How many came back since this was last asked; none within a second of the last answer.
    pub(super) fn take_back(&mut self, now: Millis) -> usize {
        if self.back == 0 || now < self.quiet {
            return 0;
        }
        self.quiet = now + QUIET;
        std::mem::take(&mut self.back)
    }

    /// The connections that there are, after messages were lost or at the start.
    pub(super) fn listed(&mut self, now: Millis, all: Vec<Listed>) {
        let mut before = std::mem::take(&mut self.connections);
        self.due.clear();
        for one in all.into_iter().take(MOST_CONNECTIONS) {
            let mut connection = before.remove(&one.token).unwrap_or_default();
            let token = one.token;
            connection.listed(now, one);
            self.connections.insert(token, connection);
            self.due.insert((now, token));
        }
    }

    /// Takes a message of the path manager into account.
    pub(super) fn told(&mut self, now: Millis, event: &Event) {
        let Some(token) = event.token.filter(|_| self.on) else { return };
        if event.kind == Kind::Closed {
            self.connections.remove(&token);
            self.metered.ended(token);
            return;
        }
        if event.kind == Kind::Established {
            self.began(now, token, event);
        }
        let Some(connection) = self.connections.get_mut(&token) else { return };
        match event.kind {
            Kind::Announced => {
                if let (Some(id), Some(address)) = (event.remote_id, event.remote) {
                    let port = event.remote_port.filter(|port| *port != 0);
                    let address = address.to_canonical();
                    let remote = SocketAddr::new(address, port.unwrap_or(connection.port));
                    connection.remotes.insert(id, remote);
                }
            }
            Kind::Removed => {
                if let Some(id) = event.remote_id {
                    connection.remotes.remove(&id);
                }
            }
            Kind::SubflowEstablished => {
                if let Some(ends) = ends(event) {
                    connection.subflows.insert(ends, now);
                    let back = connection.opened(ends);
                    self.leaving.joined(token);
                    self.back += usize::from(back);
                    self.healed += u64::from(back);
                }
            }
            Kind::SubflowClosed => {
                if let Some(ends) = ends(event) {
                    connection.ended(now, ends, event.error.unwrap_or(0), self.each.max(1));
                }
            }
            _ => {}
        }
        self.due.insert((connection.next(now), token));
    }

    fn began(&mut self, now: Millis, token: u32, event: &Event) {
        // `MPTCP_PM_EV_FLAG_SERVER_SIDE` and `_DENY_JOIN_ID0` (include/uapi/linux/mptcp_pm.h).
        let flags = event.flags.unwrap_or(0);
        let accepted = event.server_side == Some(true) || flags & 2 != 0;
        let Some((local, remote)) = ends(event).filter(|_| !accepted) else { return };
        if self.connections.len() >= MOST_CONNECTIONS || self.connections.contains_key(&token) {
            return;
        }
        let connection = Connection::begun(now, (local, remote), flags & 1 == 0);
        self.connections.insert(token, connection);
        self.metered.began(now, token);
    }

    /// The kernel did not begin this subflow.
    pub(super) fn refused(&mut self, now: Millis, join: &Join, errno: i32) {
        let Some(connection) = self.connections.get_mut(&join.token) else { return };
        let pair = (join.local.address, join.remote);
        match errno {
            // EINVAL: another path manager, or the connection is gone.
            22 => connection.not_ours(now, pair),
            _ => connection.not_begun(now, pair),
        }
        self.due.insert((connection.next(now), join.token));
    }

    /// What is to be opened now.
    pub(super) fn joins(&mut self, now: Millis) -> Vec<Join> {
        let aged = self.metered.aged(now);
        self.due.extend(aged.into_iter().map(|token| (now, token)));
        let mut joins = Vec::new();
        while let Some((at, token)) = self.due.first().copied() {
            if at > now || !self.has_room(now, joins.len()) {
                break;
            }
            self.due.pop_first();
            let Some(connection) = self.connections.get_mut(&token) else { continue };
            let admitted = |it: &&Endpoint| self.metered.admits(token, it.address);
            let endpoints: Vec<&Endpoint> = self.endpoints.iter().filter(admitted).collect();
            joins.extend(connection.missing(now, token, &endpoints, (self.most, self.each.max(1))));
            let next = connection.next(Millis(u64::MAX));
            if next != Millis(u64::MAX) {
                self.due.insert((next, token));
            }
        }
        if !joins.is_empty() {
            self.window.1 += joins.len();
        }
        joins
    }

    fn has_room(&mut self, now: Millis, more: usize) -> bool {
        if self.window.0 <= now {
            self.window = (now + WINDOW, 0);
        }
        self.window.1 + more < AT_ONCE
    }

    /// When [`Heal::joins`], [`Heal::leaves`] or [`Heal::take_back`] has more.
    pub(super) fn deadline(&self) -> Option<Millis> {
        let full = self.window.1 >= AT_ONCE;
        let next = self.due.first().map(|(next, _)| *next);
        let next = next.map(|next| if full { self.window.0.max(next) } else { next });
        let leave = self.leaving.is_due().then_some(self.window.0);
        let others = [leave, (self.back > 0).then_some(self.quiet), self.metered.deadline()];
        next.into_iter().chain(others.into_iter().flatten()).min()
    }
}

/// Both ends that a message names.
fn ends(event: &Event) -> Option<(SocketAddr, SocketAddr)> {
    let local = SocketAddr::new(event.local?.to_canonical(), event.local_port?);
    let remote = SocketAddr::new(event.remote?.to_canonical(), event.remote_port?);
    Some((local, remote))
}

#[cfg(test)]
mod tests;

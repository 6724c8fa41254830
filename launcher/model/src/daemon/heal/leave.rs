//! Subflows of endpoints that went: a renewed address, a link that is left out, a VPN. The kernel's own
//! path manager closes them with the endpoint; for connections of the userspace one the daemon does
//! (`MPTCP_PM_CMD_SUBFLOW_DESTROY`), as many at once as it opens.
//!
//! The last subflow of a connection stays, the one on which it began where there is a choice: without
//! any the connection ends after `net.mptcp.close_timeout`, 60 s. It is closed when another one carries
//! data. An address that is away for a moment has its endpoint still, and nothing of it is closed.
//!
//! Closed too, to be opened anew, is what waits for a link that was away or passed nothing: by the time
//! the link is back its retransmission timer may have grown to two minutes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::Serialize;

use super::super::event::Millis;
use super::super::join::Leave;
use super::Heal;
use super::connection::Connection;

/// The endpoints that went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Leaving {
    /// The addresses that had an endpoint at the last look.
    there: BTreeSet<IpAddr>,
    /// Those that have none any more, as long as a connection has subflows from them.
    gone: BTreeSet<IpAddr>,
    /// Connections to go through.
    due: BTreeSet<u32>,
    /// The addresses whose subflows are to be opened anew, and the connections to go through for
    /// that, each once.
    anew: (BTreeSet<IpAddr>, BTreeSet<u32>),
}

impl Leaving {
    fn look(&mut self, there: BTreeSet<IpAddr>, connections: &BTreeMap<u32, Connection>) {
        self.gone.extend(self.there.difference(&there));
        let used = |address: &IpAddr| connections.values().any(|one| one.is_from(*address));
        self.gone.retain(|address| !there.contains(address) && used(address));
        self.there = there;
        if !self.gone.is_empty() {
            self.due.extend(connections.keys());
        }
    }

    /// A subflow of this connection carries data: one that had to stay may go.
    pub(super) fn joined(&mut self, token: u32) {
        if !self.gone.is_empty() {
            self.due.insert(token);
        }
    }

    /// Are there connections to go through?
    pub(super) fn is_due(&self) -> bool {
        !self.due.is_empty() || !self.anew.1.is_empty()
    }
}

impl Heal {
    /// Takes over from a look which addresses have an endpoint.
    pub(in super::super) fn have_endpoints(&mut self, addresses: BTreeSet<IpAddr>) {
        if self.on {
            self.leaving.look(addresses, &self.connections);
        }
    }

    /// Subflows from these addresses, in connections that have others, are to be closed. Their
    /// endpoints are there, so each is opened again when it has ended.
    pub(in super::super) fn replace(&mut self, addresses: &BTreeSet<IpAddr>) {
        if self.on && !addresses.is_empty() {
            self.leaving.anew.0.extend(addresses);
            self.leaving.anew.1.extend(self.connections.keys());
        }
    }

    /// What is to be closed now.
    pub(in super::super) fn leaves(&mut self, now: Millis) -> Vec<Leave> {
        let mut leaves = Vec::new();
        while self.leaving.is_due() && self.has_room(now, leaves.len()) {
            let Leaving { gone, due, anew: (again, waiting), .. } = &mut self.leaving;
            let due = due.pop_first().map(|token| (token, &*gone));
            let Some((token, which)) =
                due.or_else(|| waiting.pop_first().map(|token| (token, &*again)))
            else {
                break;
            };
            let Some(connection) = self.connections.get_mut(&token) else { continue };
            let ends = connection.leave(which);
            leaves.extend(ends.map(|(local, remote)| Leave { token, local, remote }));
        }
        if self.leaving.anew.1.is_empty() {
            self.leaving.anew.0.clear();
        }
        self.window.1 += leaves.len();
        leaves
    }
}

//! Subflows of endpoints that went: a renewed address, a link that is left out, a VPN. The kernel's own
//! path manager closes them with the endpoint; for connections of the userspace one the daemon does
//! (`MPTCP_PM_CMD_SUBFLOW_DESTROY`), as many at once as it opens.
//!
//! The last subflow of a connection stays, the one on which it began where there is a choice: without
//! any the connection ends after `net.mptcp.close_timeout`, 60 s. It is closed when another one carries
//! data. Subflows are closed too that wait in a long pause for a path that passes again. An address that is away for a moment has its endpoint still, and nothing of it is closed.

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
        !self.due.is_empty()
    }
}

impl Heal {
    /// Takes over from a look which addresses have an endpoint.
    pub(in super::super) fn have_endpoints(&mut self, addresses: BTreeSet<IpAddr>) {
        if self.on {
            self.leaving.look(addresses, &self.connections);
        }
    }

    /// Subflows from these addresses, in connections that have others, to be closed at once. Their
    /// endpoints are there, so each is opened again when it has ended.
    pub(in super::super) fn replace(&mut self, addresses: &BTreeSet<IpAddr>) -> Vec<Leave> {
        let mut leaves = Vec::new();
        for (token, connection) in &mut self.connections {
            let ends = connection.leave(addresses);
            leaves.extend(ends.map(|(local, remote)| Leave { token: *token, local, remote }));
        }
        leaves
    }

    /// What is to be closed now.
    pub(in super::super) fn leaves(&mut self, now: Millis) -> Vec<Leave> {
        let mut leaves = Vec::new();
        while self.leaving.is_due() && self.has_room(now, leaves.len()) {
            let Some(token) = self.leaving.due.pop_first() else { break };
            let Some(connection) = self.connections.get_mut(&token) else { continue };
            let ends = connection.leave(&self.leaving.gone);
            leaves.extend(ends.map(|(local, remote)| Leave { token, local, remote }));
        }
        self.window.1 += leaves.len();
        leaves
    }
}

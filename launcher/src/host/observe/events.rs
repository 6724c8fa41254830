//! Who and where an event is about: the link by its index or address, the program by the socket of
//! its connection. What `monitor` and `top` share.
//!
//! The path manager says neither. Both are looked up once and remembered; a program only where
//! there is time for it, because that look goes through /proc and a burst of events must not be
//! lost over it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::host::netlink::diag;
use crate::host::netlink::names::Names;
use crate::host::netlink::rtnl::Rtnl;
use crate::host::process::clock;
use crate::host::procfs::programs;
use mptcpize_model::connection::Connection;
use mptcpize_model::event::{Event, Kind, Told};
use mptcpize_model::net::IfName;
use mptcpize_model::status::Program;

/// How many programs are remembered; then all are forgotten.
const MOST: usize = 10_000;

/// What is known of links and connections.
#[derive(Default)]
pub struct Knowledge {
    names: Names,
    addresses: BTreeMap<IpAddr, IfName>,
    programs: BTreeMap<u32, Option<Program>>,
}

impl Knowledge {
    /// The event with what is known; `in_time`: nothing else waits, so there is time for a look.
    pub fn tell(&mut self, event: Event, in_time: bool) -> Told {
        let dev = self.link(&event);
        let program = event.token.and_then(|token| self.program(token, in_time));
        if let (Kind::Closed, Some(token)) = (event.kind, event.token) {
            self.programs.remove(&token);
        }
        Told { event, time_ms: clock::now_ms(), dev, program }
    }

    fn link(&mut self, event: &Event) -> Option<IfName> {
        if let Some(index) = event.link.filter(|index| *index != 0) {
            return self.names.name(index);
        }
        let address = event.local?;
        if !self.addresses.contains_key(&address) {
            let all = Rtnl::open().and_then(|mut rtnl| {
                rtnl.links()?;
                rtnl.addresses()
            });
            self.addresses =
                all.unwrap_or_default().into_iter().map(|one| (one.address, one.dev)).collect();
        }
        self.addresses.get(&address).cloned()
    }

    fn program(&mut self, token: u32, in_time: bool) -> Option<Program> {
        if let Some(known) = self.programs.get(&token) {
            return known.clone();
        }
        if !in_time {
            return None;
        }
        if self.programs.len() >= MOST {
            self.programs.clear();
        }
        let inode = diag::with_token(token).ok().flatten().map_or(0, |one| one.inode);
        if inode == 0 {
            // Not accepted yet, or already closed: the next event may know more.
            return None;
        }
        let found = programs::find(&BTreeSet::from([inode]), programs::BOUND);
        let program = found.programs.get(&inode).cloned();
        self.programs.insert(token, program.clone());
        program
    }
}

/// The subflows that there are, as events: what a listener that lost some goes on from.
pub fn present(all: &[Connection]) -> impl Iterator<Item = Event> {
    all.iter().filter(|connection| connection.token.is_some()).flat_map(|connection| {
        connection.open_subflows().map(|subflow| Event {
            token: connection.token,
            local_id: Some(subflow.local_id),
            remote_id: Some(subflow.remote_id),
            local: Some(subflow.local.ip()),
            remote: Some(subflow.remote.ip()),
            local_port: Some(subflow.local.port()),
            remote_port: Some(subflow.remote.port()),
            backup: Some(subflow.backup.into()),
            link: Some(subflow.bound.unwrap_or(0)),
            ..Event::new(Kind::Present)
        })
    })
}

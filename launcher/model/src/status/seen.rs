//! What was seen of a host: all that `status` and `top` make their screens of.

use std::collections::BTreeMap;

use super::{Program, Rates, daemon, lan, relays, served};
use crate::checks::{Observed, Place};
use crate::connection::Connection;
use crate::gateway_status;
use crate::net::IfName;
use crate::proposal::Proposal;

/// Everything that was looked at.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// What the judge goes by: the host, the administrator's settings, and what the kernel said when asked.
    pub observed: Observed,
    /// Why the settings file is not gone by, as a clause: it has a mistake, or cannot be read.
    pub wrong_settings: Option<String>,
    /// By whom and where the fixes are pasted.
    pub place: Place,
    /// Every connection, the busiest first; none where the kernel does not list them.
    pub connections: Option<Vec<Connection>>,
    /// The programs of the connections that are shown, by inode.
    pub programs: BTreeMap<u32, Program>,
    /// Why a program may be missing.
    pub programs_hidden: Option<&'static str>,
    /// The names of links that subflows are bound to.
    pub links: BTreeMap<u32, IfName>,
    /// Rates, where anything moved.
    pub rates: Option<Rates>,
    /// The names of devices that give containers the library.
    pub containers: Vec<String>,
    /// The seccomp profile that containers can be given.
    pub seccomp_profile: Option<&'static str>,
    /// Units that are switched on.
    pub services: Vec<String>,
    /// What those of them are that the kernel knows not to be wholly MPTCP, by name.
    pub services_tcp: BTreeMap<String, String>,
    /// Seconds since `mptcpize setup` changed something here.
    pub set_up_s: Option<u64>,
    /// `net.mptcp.scheduler`.
    pub scheduler: Option<String>,
    /// `net.mptcp.path_manager`, or what `pm_type` means.
    pub path_manager: Option<String>,
    /// The daemon that follows this host's links, if one runs.
    pub daemon: Option<daemon::Daemon>,
    /// What the relay of a gateway said, if there is one.
    pub relay: lan::Heard,
    /// What it had said a moment before.
    pub relay_before: Option<Box<gateway_status::State>>,
    /// What the agents of relays said, those of programs last.
    pub agents: Vec<relays::Asked>,
    /// What the relay said that this host is, if it is one.
    pub served: served::Heard,
}

impl Seen {
    /// What follows for a set-up.
    pub fn proposal(&self) -> Proposal {
        Proposal::of(&self.observed.host, &self.observed.asked)
    }
}

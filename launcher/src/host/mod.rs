//! The machine: what it has, and changing it. This is the only place that asks the kernel.
//!
//! [`Host`] is the seam: one real kernel, and in tests a model of one.

pub mod activity;
pub mod apparmor;
pub mod aside;
pub mod clock;
pub mod diag;
pub mod dropins;
pub mod enabled;
pub mod events;
pub mod files;
pub mod firewall;
mod genl;
pub mod glance;
pub mod held;
pub mod helper;
pub mod identity;
pub mod journal;
pub mod journalctl;
pub mod kept;
pub mod kernel;
pub mod known;
pub mod lacks;
pub mod live;
pub mod loaders;
pub mod lock;
pub mod managers;
mod message;
pub mod names;
pub mod naming;
pub mod nat;
pub mod netlink;
pub mod netns;
pub mod pam;
pub mod pm;
pub mod privilege;
pub mod probe;
pub mod proc;
pub mod processes;
pub mod programs;
#[doc(hidden)]
pub mod readers;
pub mod resolve;
pub mod rtnl;
pub mod services;
pub mod signals;
pub mod socket_table;
pub mod survey;
pub mod sysctl;
pub mod systemctl;
#[cfg(feature = "top")]
pub mod terminal;
pub mod traffic;
pub mod transaction;
pub mod unit_processes;
pub mod unit_sockets;
pub mod units;
pub mod xfrm;

use crate::error::Error;
use mptcpize_model::HostState;
use mptcpize_model::change::Change;

/// A host that can be looked at and changed, one [`Change`] at a time.
pub trait Host {
    /// Looks at everything that a plan needs. `ours` is what our journal knows.
    ///
    /// # Errors
    /// The kernel cannot be asked.
    fn observe(&mut self, ours: &[Change]) -> Result<HostState, Error>;

    /// Makes one change.
    ///
    /// # Errors
    /// The kernel's refusal; the host is as it was.
    fn apply(&mut self, change: &Change) -> Result<(), Refused>;
}

/// A change that the kernel did not make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its error number.
    pub errno: i32,
    /// Its own words (the netlink extended acknowledgement), where it gave any.
    pub text: Option<String>,
}

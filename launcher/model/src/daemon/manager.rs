//! Whose path manager opens subflows: the kernel's own, or this daemon for the kernel
//! (`net.mptcp.path_manager`; `net.mptcp.pm_type` before Linux 6.16,
//! Documentation/networking/mptcp-sysctl.rst). The choice is of the host, and a connection keeps
//! what it began with.
//!
//! While no daemon runs under `userspace`, new connections stay on one path. So it is given back
//! when the daemon ends, and the set-up's record has it too, for `setup undo` after a kill.

use crate::change::Change;
use crate::config::{Config, Role};
use crate::desired::Desired;
use crate::mptcp::{Endpoint, Flags};
use crate::proposal::Proposal;
use crate::{HostState, Manager};

/// The reason for the change.
pub(super) const WHY: &str = "so that lost subflows come back";

/// The sysctl with the value that leaves subflows to the kernel and that which takes them; the newer
/// first, for a kernel that has both knows the second by the first.
const SYSCTLS: [(&str, &str, &str); 2] =
    [("net.mptcp.path_manager", "kernel", "userspace"), ("net.mptcp.pm_type", "0", "1")];

/// The change that takes the opening of subflows from the kernel, where that is to be and is not.
pub(super) fn takes(state: &HostState, config: &Config, desired: &Desired) -> Option<Change> {
    let (key, kernel, ours) = sysctl(state)?;
    let now = state.sysctls.get(key)?;
    let wanted = is_wanted(state, config) && desired.bonds && !state.sysctls_read_only;
    (wanted && now == kernel).then(|| change(key, kernel, ours))
}

/// The change that gives it back to the kernel, where it is taken.
pub(super) fn gives_back(state: &HostState) -> Option<Change> {
    let (key, kernel, ours) = sysctl(state)?;
    (state.sysctls.get(key)? == ours).then(|| change(key, ours, kernel))
}

/// Are subflows taken from the kernel, for this daemon?
pub(super) fn is_taken(state: &HostState, config: &Config) -> bool {
    is_wanted(state, config) && gives_back(state).is_some()
}

/// Where subflows are opened from: each endpoint that is for that and whose address is there, unless
/// something that is no uplink takes what leaves unbound.
pub(super) fn opens_from(state: &HostState, proposal: &Proposal) -> Vec<Endpoint> {
    let there = |endpoint: &&Endpoint| {
        endpoint.flags.has(Flags::SUBFLOW)
            && state.addresses.iter().any(|address| address.address == endpoint.address)
    };
    let open = proposal.desired.refused.is_none();
    state.endpoints.iter().filter(there).filter(|_| open).cloned().collect()
}

/// Is this a change of who opens subflows?
pub(super) fn is_about(change: &Change) -> bool {
    matches!(change, Change::Sysctl { key, .. } if SYSCTLS.iter().any(|(known, ..)| known == key))
}

/// A client whose administrator does not say otherwise. mptcpd is a path manager in user space too;
/// two of them would both open each subflow.
fn is_wanted(state: &HostState, config: &Config) -> bool {
    let alone = !state.managers.contains(&Manager::Mptcpd);
    config.heal() && config.role == Role::Client && alone
}

fn sysctl(state: &HostState) -> Option<(&'static str, &'static str, &'static str)> {
    SYSCTLS.into_iter().find(|(key, ..)| state.sysctls.contains_key(*key))
}

fn change(key: &str, from: &str, to: &str) -> Change {
    Change::Sysctl { key: key.to_owned(), from: from.to_owned(), to: to.to_owned() }
}

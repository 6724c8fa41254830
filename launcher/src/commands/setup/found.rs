//! What the judge finds on a host that is to be set up, or was: a set-up that is whole and bonds nothing all the
//! same has its reason there.

use std::time::{Duration, Instant};

use crate::commands::setup::{Terms, settings};
use crate::commands::system::state as system;
use crate::daemon::published;
use crate::host::observe::check;
use crate::output::judged;
use crate::root::Root;
use mptcpize_model::HostState;
use mptcpize_model::checks::{Judged, Observed, Place, Scope, judge};

/// How long the tools of the packet filter may take.
const LOOKING: Duration = Duration::from_secs(2);

/// Judges the host in this state, as `status` and `check` do.
pub(super) fn look(terms: &Terms, state: HostState) -> Judged {
    let filter = check::packet_filter(Instant::now() + LOOKING);
    let daemon = terms.daemon.as_ref();
    let config = settings::under(terms.config.clone(), daemon);
    let observed = Observed {
        daemon: daemon.is_some_and(|daemon| daemon.status.healed.is_some()),
        followed: daemon.is_some(),
        stalled: published::stalled(daemon),
        held: published::held(daemon),
        system: Root::host().ok().as_deref().and_then(system::standing),
        ..check::glance(state, config, filter)
    };
    judge(&observed, Scope::Glance)
}

/// By whom and where a remedy is typed.
pub(super) fn place(netns: Option<&String>) -> Place {
    Place { sudo: !rustix::process::geteuid().is_root(), netns: netns.cloned() }
}

/// The lines below what was done; empty where nothing is left to mend.
pub(super) fn rest(terms: &Terms, state: &HostState, netns: Option<&String>) -> String {
    judged::rest(&look(terms, state.clone()), &place(netns))
}

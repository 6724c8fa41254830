//! What the kernel answers at a glance beside the state that a set-up goes by: with it a host can be judged
//! where nobody may ask the kernel, in the daemon's core and from a recording.

use serde::{Deserialize, Serialize};

use super::{Beyond, Observed, Socket, SourceLookup};
use crate::HostState;
use crate::config::Config;
use crate::net::Route;

/// The kernel's answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Glance {
    /// To `socket(…, IPPROTO_MPTCP)`.
    pub socket: Socket,
    /// The destinations that stand for anywhere beyond the gateways.
    pub beyond: Beyond,
    /// The ways that it would take.
    pub ways: Vec<SourceLookup>,
    /// Routes of main that lead through a gateway, where a strict rp_filter makes them matter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub static_routes: Vec<Route>,
}

impl Glance {
    /// Takes apart what was observed: the host, and what the kernel answered.
    pub fn of(seen: Observed) -> (HostState, Self) {
        let Observed { host, socket, beyond, ways, static_routes, .. } = seen;
        (host, Glance { socket, beyond, ways, static_routes })
    }

    /// Puts it together again, for settings that may be others by now.
    pub fn with(self, host: HostState, asked: Config) -> Observed {
        let Glance { socket, beyond, ways, static_routes } = self;
        Observed { host, asked, socket, beyond, ways, static_routes, ..Observed::default() }
    }
}

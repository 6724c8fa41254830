//! Asks the kernel what it lacks of what this tool can use (`mptcpize_model::lacks`).
//!
//! Its release counts only for what cannot be asked: distributors bring parts of a newer MPTCP to an
//! older kernel. Not here: whether it has MPTCP at all (`host::observe::kernel`).

use crate::host::apply::sysctl;
use crate::host::netlink::events;
use crate::host::observe::kernel::{MptcpSocket, path_manager};
use crate::host::probe;
use crate::host::procfs::network::Netstat;
use mptcpize_model::Kernel;
use mptcpize_model::lacks::{self, Has, Lack};

/// What this kernel lacks; nothing where it gives no MPTCP socket to ask.
pub fn look(kernel: &Kernel) -> Vec<Lack> {
    let Ok(socket) = MptcpSocket::open() else { return vec![] };
    let counters = Netstat::read().unwrap_or_default().mptcp();
    let has = Has {
        events: events::are_there(),
        info: probe::tells_info(&socket),
        no_delay: rustix::net::sockopt::tcp_nodelay(&socket).is_ok(),
        userspace: path_manager().is_some(),
        scheduler: sysctl::read("net.mptcp.scheduler").is_some(),
        blackhole: sysctl::read("net.mptcp.blackhole_timeout").is_some(),
        rejections: counters.0.iter().any(|(name, _)| name == "MPJoinRejected"),
    };
    lacks::of(kernel, has)
}

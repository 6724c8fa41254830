//! What a kernel lacks of what this tool can use, and which Linux has it.
//!
//! Pure: `host::observe::lacks` asks the kernel. A kernel without any MPTCP is not looked at here; that it
//! has none is said in its place.

use serde::{Deserialize, Serialize};

use crate::Kernel;

/// Something that came to MPTCP after Linux 5.6, in the order in which it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lack {
    /// Events of the path manager (`monitor`).
    Events,
    /// Endpoints with `fullmesh`.
    Fullmesh,
    /// `MPTCP_INFO`: whether a connection is MPTCP, and its subflows, from its own descriptor.
    Info,
    /// `TCP_NODELAY` on MPTCP sockets.
    NoDelay,
    /// A path manager in user space (`subflow`).
    Userspace,
    /// Events of listeners.
    Listeners,
    /// Subflows of the other family than the connection's.
    OtherFamily,
    /// A choice of packet schedulers.
    Scheduler,
    /// Connections start as TCP for a while where SYNs with MPTCP vanish.
    Blackhole,
    /// The counter of joins that were refused (`MPJoinRejected`).
    Rejections,
    /// Endpoints with `laminar`.
    Laminar,
}

/// What a kernel has, as far as it can be asked; what cannot is told from its release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Has {
    /// The multicast group of events.
    pub events: bool,
    /// The option `MPTCP_INFO`.
    pub info: bool,
    /// The option `TCP_NODELAY`.
    pub no_delay: bool,
    /// A sysctl that chooses the path manager.
    pub userspace: bool,
    /// `net.mptcp.scheduler`.
    pub scheduler: bool,
    /// `net.mptcp.blackhole_timeout`.
    pub blackhole: bool,
    /// The counter `MPJoinRejected`.
    pub rejections: bool,
}

impl Lack {
    /// What it is, in the words of ip-mptcp(8) and the sysctls.
    fn name(self) -> &'static str {
        match self {
            Lack::Events => "events",
            Lack::Fullmesh => "fullmesh endpoints",
            Lack::Info => "MPTCP_INFO",
            Lack::NoDelay => "TCP_NODELAY on MPTCP sockets",
            Lack::Userspace => "path manager in user space",
            Lack::Listeners => "events of listeners",
            Lack::OtherFamily => "subflows of the other family than the connection's",
            Lack::Scheduler => "choice of schedulers",
            Lack::Blackhole => "blackhole detection",
            Lack::Rejections => "count of refused joins",
            Lack::Laminar => "laminar endpoints",
        }
    }

    /// The first Linux that has it.
    fn since(self) -> &'static str {
        match self {
            Lack::Events => "5.12",
            Lack::Fullmesh => "5.15",
            Lack::Info => "5.16",
            Lack::NoDelay => "5.17",
            Lack::Userspace => "5.19",
            Lack::Listeners => "6.2",
            Lack::OtherFamily => "6.3",
            Lack::Scheduler => "6.6",
            Lack::Blackhole => "6.12",
            Lack::Rejections => "6.16",
            Lack::Laminar => "6.18",
        }
    }
}

/// What the kernel lacks, the oldest first.
pub fn of(kernel: &Kernel, has: Has) -> Vec<Lack> {
    [
        (has.events, Lack::Events),
        (kernel.at_least(5, 15), Lack::Fullmesh),
        (has.info, Lack::Info),
        (has.no_delay, Lack::NoDelay),
        (has.userspace, Lack::Userspace),
        (kernel.at_least(6, 2), Lack::Listeners),
        (kernel.mixes_families(), Lack::OtherFamily),
        (has.scheduler, Lack::Scheduler),
        (has.blackhole, Lack::Blackhole),
        (has.rejections, Lack::Rejections),
        (kernel.at_least(6, 18), Lack::Laminar),
    ]
    .into_iter()
    .filter_map(|(has, lack)| (!has).then_some(lack))
    .collect()
}

/// `no choice of schedulers (Linux 6.6), no laminar endpoints (6.18)`; none where nothing is lacking.
pub fn words(lacks: &[Lack]) -> Option<String> {
    let mut text = String::new();
    for lack in lacks {
        let (before, linux) = if text.is_empty() { ("", "Linux ") } else { (", ", "") };
        text += &format!("{before}no {} ({linux}{})", lack.name(), lack.since());
    }
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Has = Has {
        events: true,
        info: true,
        no_delay: true,
        userspace: true,
        scheduler: true,
        blackhole: true,
        rejections: true,
    };

    fn linux(release: &str, has: Has) -> Option<String> {
        words(&of(&Kernel { release: release.into(), ..Kernel::default() }, has))
    }

    #[test]
    fn a_kernel_that_has_all_lacks_nothing_and_an_older_one_is_told_in_one_line() {
        let none = Has {
            events: false,
            info: false,
            no_delay: false,
            userspace: false,
            scheduler: false,
            blackhole: false,
            rejections: false,
        };
        let table = [
            ("6.18.44", ALL, None),
            ("7.3.4+deb13-amd64", ALL, None),
            ("6.17.13+deb13-amd64", ALL, Some("no laminar endpoints (Linux 6.18)")),
            (
                "6.1.0-56-amd64",
                Has { scheduler: false, blackhole: false, rejections: false, ..ALL },
                Some(
                    "no events of listeners (Linux 6.2), \
                     no subflows of the other family than the connection's (6.3), \
                     no choice of schedulers (6.6), no blackhole detection (6.12), no count of refused joins (6.16), no laminar endpoints (6.18)",
                ),
            ),
            (
                "5.6.0",
                none,
                Some(
                    "no events (Linux 5.12), no fullmesh endpoints (5.15), no MPTCP_INFO (5.16), \
                     no TCP_NODELAY on MPTCP sockets (5.17), no path manager in user space (5.19), \
                     no events of listeners (6.2), \
                     no subflows of the other family than the connection's (6.3), \
                     no choice of schedulers (6.6), no blackhole detection (6.12), \
                     no count of refused joins (6.16), no laminar endpoints (6.18)",
                ),
            ),
        ];
        for (release, has, expected) in table {
            assert_eq!(linux(release, has).as_deref(), expected, "{release}");
        }
    }

    #[test]
    fn a_distributors_kernel_lacks_only_what_it_says_itself_to_lack() {
        // With what a later Linux brought, as enterprise distributions do.
        let expected = "no fullmesh endpoints (Linux 5.15), no events of listeners (6.2), \
                        no subflows of the other family than the connection's (6.3), \
                        no laminar endpoints (6.18)";
        assert_eq!(linux("5.14.0-503.el9", ALL).as_deref(), Some(expected));
    }
}

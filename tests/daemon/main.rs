//! `mptcpize daemon`: the set-up that is made again whenever links, addresses and routes change.
//!
//! Real daemons in namespaces of their own, judged by what the kernel has and by bytes over each
//! link; and recordings of events that are replayed against the core without a kernel (replays). No
//! test waits for a time: it asks until the kernel or the daemon says that something is so.
//!
//! Not here: the core against a model of a host (launcher/model/src/daemon/tests.rs), the unit in a
//! real systemd (services/boot.rs).

#[path = "../support/mod.rs"]
mod support;

mod budget;
mod faults;
mod follow;
mod heal;
mod host;
mod ipv6;
mod life;
mod replay;
mod reported;
mod resets;
mod returns;
mod service;
mod slow;
mod stalled;
mod telling;
mod vpn;

//! Hosts whose links a manager configures: systemd-networkd, NetworkManager and mptcpd as Debian
//! has them, beside `mptcpize setup` and `mptcpize run`.
//!
//! systemd-networkd deletes the rules of others when it configures a link anew; NetworkManager and
//! mptcpd make MPTCP endpoints by themselves. The tool repairs what is its own, keeps what is
//! theirs, and leaves a host alone that they bond well.
//!
//! The real programs in a machine with systemd (managers/host.rs), judged by its rules, routes,
//! endpoints and limits, and by bytes over each link where bonding is what is claimed. Not here:
//! endpoints that a test makes itself (undo.rs), VPNs without a manager (vpn.rs).

mod daemon;
mod host;
mod mptcpd;
mod network_manager;
mod networkd;

//! `mptcpize-relay gateway`: the TCP of a LAN, carried over MPTCP and over every uplink; and the relay on a
//! rented server (`server/`), which ends that and goes on in TCP.
//!
//! A real relay in a router made of network namespaces, with the packet filter's own TPROXY; the ends
//! are sockets of the test, so that each sees exactly what the kernel shows it. The truth about uplinks
//! is their byte counters.
//!
//! Not here: the launcher's verb that makes the rules; placement and limits without a kernel, which are
//! tested beside their sources.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test panics where the relay must not"
)]

mod support;

mod agent;

mod faults;
mod hostile;
mod lan;
mod life;
mod ports;
mod relayed;
mod safety;
mod server;
mod state;
mod stock;
mod strange;
mod thin;
mod uplinks;

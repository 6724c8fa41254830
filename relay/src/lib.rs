//! The relay: ends the TCP connections of others here and carries their bytes over MPTCP.
//!
//! It configures nothing of the host. Rules, routes and the packet filter are the launcher's, which
//! writes the settings that this reads ([`mptcpize_model::gateway`]).
//!
//! ```text
//!   main ─► gateway (listen, admit, drain) ─► session (one connection) ─► splice
//!                     │                          │
//!                     ├─► placement (pure)       └─► dial (to the destination)
//!                     └─► admission (pure)
//!        ─► shadowsocks/server (strangers, users, destinations) ─► shadowsocks/carry
//!        ─► agent (programs of this host) ─┐
//!           gateway ───────────────────────┴─► relays (which goes where) ─► shadowsocks/client
//! ```
//!
//! One panic ends every connection of every client, for panic is abort in this workspace: nothing here
//! unwraps, expects, indexes or panics, and the lints of Cargo.toml see to that.

#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

pub mod accept;
pub mod agent;
pub mod destination;
pub mod error;
pub mod gateway;
pub mod log;
pub mod notify;
pub mod placement;
pub mod probe;
pub mod race;
pub mod refusals;
pub mod relays;
pub mod session;
pub mod settings;
pub mod shadowsocks;
pub mod signals;
pub mod sys;
pub mod told;
pub mod workers;

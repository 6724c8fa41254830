//! What is asked of the kernel and told it, beside `ip` and `ip mptcp`: links, addresses, routes and
//! rules; endpoints, limits, subflows and events.
//!
//! Not here: mptcp-netlink alone, as others use it (launcher/netlink/tests).

#[path = "../support/mod.rs"]
mod support;

mod default_routes;
mod monitor;
mod pm;
mod read;
mod subflow;
mod write;

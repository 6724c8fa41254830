//! `mptcpize setup` on real kernels and real links: which paths it makes, what it leaves alone, what
//! survives a kill, a lost link, a VPN and a manager of links, and that it is undone without a trace.
//!
//! Not here: the plan alone (pure).

#[path = "../support/mod.rs"]
mod support;

mod confirm;
mod congestion;
mod crash;
mod events;
mod failover;
mod hosts;
mod left_out;
mod login;
mod managers;
mod paths;
mod repair;
mod routes;
mod run;
mod screens;
mod undo;
mod vpn;

//! `mptcpize gateway`: a LAN whose clients use every uplink of their router, and a router that is as it
//! was when the gateway has ended.
//!
//! Real launchers and relays on a host of the laboratory, unmodified programs on the clients. The truth
//! about uplinks is their byte counters, and that about the host what iproute2, nft and procfs say.
//!
//! Not here: one connection from end to end (the room `relay`), the set-up of uplinks (the room `setup`).

#[path = "../support/mod.rs"]
mod support;

mod away;
mod clients;
mod container;
mod crash;
mod follows;
mod lan;
mod life;
mod others;
mod programs;
mod refused;
mod seen;
mod tutorial;
mod upgrade;
mod vpn;

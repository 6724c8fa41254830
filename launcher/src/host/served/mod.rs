//! The relay that this host is, as the launcher keeps it: its settings and keys, its listener, where clients
//! reach it, and what it counted.
//!
//! Not here: its process ([`gateway::relay`](super::gateway::relay)), and what the host has to have for it
//! (the model's `relay::host`).

pub mod address;
pub mod counts;
pub mod kept;
pub mod key;
pub mod listener;

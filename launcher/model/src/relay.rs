//! The relay on a rented server, for the many servers that speak no MPTCP: what both ends of it are
//! told, what is stored of it, and what they say of themselves.
//!
//! The protocol is Shadowsocks 2022 (SIP022), so that either end may be a stock one. What is here are
//! the settings that the launcher writes and mptcpize-relay reads; the protocol itself is in that
//! program.

pub mod agent;
pub mod asked;
pub mod host;
pub mod key;
pub mod name;
pub mod probe;
pub mod rules;
pub mod served;
pub mod server;
pub mod status;
pub mod stored;
pub mod test;
pub mod timestamp;
pub mod url;

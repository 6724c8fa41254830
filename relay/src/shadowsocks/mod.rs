//! The relay on a rented server: Shadowsocks 2022 (SIP022) between a client and a server, by the crate of
//! that name, which knows its ciphers and headers.
//!
//! Here is what carries its streams: sockets that are read in large pieces, both directions with their
//! ends, the server, and the stream of a client. Not here: which relay a client takes
//! ([`crate::relays`]).

pub mod buffers;
pub mod carry;
pub mod client;
pub mod protocol;
pub mod server;
pub mod wire;

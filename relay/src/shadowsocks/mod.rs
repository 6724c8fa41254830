//! The relay on a rented server: Shadowsocks 2022 (SIP022) between a client and a server, by the crate of
//! that name, which knows its ciphers and headers.
//!
//! Here is what carries its streams: sockets that are read in large pieces, both directions with their
//! ends, and the server. Not here: the client, which chooses among relays.

pub mod buffers;
pub mod carry;
pub mod protocol;
pub mod server;
pub mod wire;

//! The client end of a relay on this host: the process of mptcpize-relay that takes connections, and what
//! brings a program's connections to it.
//!
//! Everything here ends with the processes that made it, whatever way they end: a table of the packet
//! filter goes with the nft(8) that holds it, a namespace with its last process, and of a cgroup there
//! stays an empty directory at most, which the next one removes.
//!
//! Not here: which relays there are (`host::relays`), what the agent is told
//! (mptcpize_model::relay::agent), who waits for the program.

pub mod cgroup;
pub mod namespace;
pub mod place;
pub mod process;
pub mod sockets;
pub mod table;

//! `mptcpize-relay agent`: connections of a host's programs, through a relay on a rented server.
//!
//! Not here: the verbs that start it, which are the launcher's.

mod carry;
mod choice;
mod dns;
mod hostile;
pub(crate) mod lab;
mod life;
mod proxy;
mod route;

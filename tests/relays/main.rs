//! The relay as users meet it: a rented server that ends MPTCP, hosts that go through it, and the verbs of
//! both.
//!
//! Real launchers, agents and servers in a laboratory with two uplinks and a web server without MPTCP. The
//! truth about uplinks is their byte counters.
//!
//! Not here: one end of the relay by itself, which the room `relay` looks at.

#[path = "../support/mod.rs"]
mod support;

mod clock;
mod hostile;
mod inside;
mod lab;
mod lan;
mod life;
mod links;
mod nothing_left;
mod probed;
mod programs;
mod serve;
mod serve_crash;
mod serve_files;
mod serving;
mod shown;
mod stored;
mod tried;
mod users;
mod whole;

//! `mptcpize-relay server`: clients with a key go through it to servers without MPTCP; everybody else
//! meets a port that waits.

pub(crate) mod client;
pub(crate) mod rented;

mod carries;
mod destinations;
mod fuzz;
mod life;
mod memory;
mod paths;
mod strangers;
mod users;

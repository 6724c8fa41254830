//! What runs for long: the loop between the kernel and the core that decides
//! ([`mptcpize_model::daemon`]).
//!
//! [`sources`] turns descriptors into events, [`driver`] turns actions into looks and changes,
//! [`probes`] are the connections that it tries, [`published`] is what others may know of it, and
//! [`watch`] follows that; [`usage`] is what outlives the boot. What is told, and where the settings come
//! from, is the caller's.

pub mod driver;
pub mod probes;
pub mod published;
pub mod sources;
pub mod usage;
pub mod watch;

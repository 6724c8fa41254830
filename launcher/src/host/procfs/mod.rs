//! What proc(5) tells: counters of the network stack, and what other processes hold, were started
//! with and do. It asks nothing of those processes, and what they choose (names, environments) is
//! foreign text.

pub mod activity;
pub mod containers;
pub mod held;
pub mod network;
pub mod preload_names;
pub mod processes;
pub mod programs;
pub mod unit_processes;

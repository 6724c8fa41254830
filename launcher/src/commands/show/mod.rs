//! What is there and whether it works: verbs that look and change nothing.
//!
//! Not here: events as they come (`pm::monitor`), and units (`units::list`).

pub mod check;
pub mod counters;
mod elsewhere;
pub mod metrics;
pub mod observe;
pub(in crate::commands) mod progress;
mod selftest;
pub mod status;
#[cfg(feature = "top")]
pub mod top;
pub(in crate::commands) mod trial;

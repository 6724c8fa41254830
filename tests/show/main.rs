//! What is shown of a host: `status`, `top`, `counters`, `check` with every fault made for real, and the
//! shell's completions and manual pages.
//!
//! Not here: screens from fixed states (pure).

#[path = "../support/mod.rs"]
mod support;

mod agree;
mod agree_daemon;
mod ascii;
mod check_faults;
mod check_fixes;
mod check_peer;
mod check_programs;
mod counters;
mod gateway;
mod gateway_check;
mod idle;
mod json;
mod manual;
mod metrics;
mod mistakes;
mod relay_names;
mod relays;
mod settings;
mod shell;
mod status;
mod surroundings;
#[cfg(feature = "top")]
mod top;

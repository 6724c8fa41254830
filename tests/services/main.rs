//! Services and the whole system: `enable`, `disable`, `list` on machines with a real systemd and in
//! images, `--system`, the package, and what others lay out there for root.
//!
//! Not here: programs that a person starts (run).

#[path = "../support/mod.rs"]
mod support;

mod anew;
mod boot;
mod containers;
mod enabled;
#[cfg(feature = "services")]
mod every_package;
mod files;
mod foreign;
mod gateway;
mod hostile_files;
mod journey;
mod judged;
mod package;
mod packages;
mod programs;
mod refused;
mod relay;
mod relay_agent;
mod replaced;
mod scripts;
mod seen;
mod shipped;
mod system;
mod system_off;
mod system_seen;
mod system_steps;
#[cfg(feature = "trixie")]
mod trixie;
mod upgraded;
mod uplinks;

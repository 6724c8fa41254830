//! Units of systemd: their state asked of systemctl(1), their files and our drop-ins in them.
//!
//! Not here: what a unit's processes really have (`procfs`) and hold (`observe::unit_sockets`).

pub mod dropins;
pub mod enabled;
pub mod journal_socket;
pub mod journalctl;
pub mod notify;
pub mod services;
pub mod stored;
pub mod systemctl;
pub mod transaction;
pub mod units;

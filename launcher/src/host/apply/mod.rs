//! Changing the host so that it can be taken back: one at a time ([`lock`]), written down first
//! ([`journal`]), whole or not at all ([`transaction`]); and the changes that netlink does not make.

pub mod files;
pub mod journal;
pub mod lock;
pub mod nat;
pub mod run_directory;
pub mod sysctl;
pub mod transaction;

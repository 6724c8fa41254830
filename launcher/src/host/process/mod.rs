//! This process and those that it starts: signals, privilege, the terminal, helpers with a deadline.

pub mod child;
pub mod clock;
pub mod handed;
pub mod helper;
#[cfg(feature = "top")]
mod keys;
pub mod login;
pub mod privilege;
pub mod resolve;
pub mod signal_fd;
pub mod signals;
pub mod stdio;
#[cfg(feature = "top")]
pub mod terminal;

//! `mptcpize run`: how a program is started, found and reached, whatever it is built with; the supervisor
//! behind a filter; programs that mean harm; the promise, two links at once.
//!
//! Not here: what the program's sockets then do (shim).

#[path = "../support/mod.rs"]
mod support;

mod any;
mod command;
mod elf;
mod hostile;
mod kernel_lacks;
mod library;
mod reach;
mod refused_options;
mod supervisor;
mod two_links;

//! The preloaded library: its laws, what a program sees of its sockets under it, which of them stay TCP,
//! what is traced; real programs, natively and under the tool.
//!
//! Not here: programs that no preload reaches (run).

#[path = "../support/mod.rs"]
mod support;

mod compat;
mod compat_cpython;
mod compat_table;
mod laws;
mod obstacles;
mod policy;
mod programs;
mod trace;
mod waits;

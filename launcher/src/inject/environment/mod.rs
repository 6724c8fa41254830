//! The variables by which the environment reaches a program, and the file that its records go to.

pub mod godebug;
pub mod preload;
pub mod trace_file;

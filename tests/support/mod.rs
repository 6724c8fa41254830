//! What the integration tests share: commands with a deadline, network namespaces without names,
//! a laboratory with several paths, small C programs, and the questions for the kernel.
//!
//! Not here: assertions about mptcpize itself; those are the tests'.
//!
//! The rules that this library keeps for them:
//! * Nothing outlives a test: processes end with the thread that started them, namespaces with
//!   the last descriptor to them, files with the test's process. Nothing appears in /run/netns.
//! * Nothing is inherited by accident: every command gets a small environment of ours.
//! * Nothing waits for a fixed time: waits are for a condition, with a deadline.
//! * What is missing on the host is an error that names the package, never a skip.

#![allow(dead_code, reason = "each test file is a crate of its own and uses a part of this")]
#![allow(unused_imports, reason = "the same, for the short names below")]
#![allow(unreachable_pub, reason = "the same: an interface, though no crate exports it")]
#![allow(missing_docs, reason = "a test file's crate has no readers of its documentation")]

pub mod agree;
pub mod cc;
pub mod check;
pub mod hold;
pub mod kernel;
pub mod lab;
pub mod mounts;
pub mod mptcp;
pub mod netns;
pub mod observed;
pub mod overlay;
pub mod process;
pub mod random;
pub mod recorded;
pub mod scratch;
pub mod serve;
pub mod states;
pub mod systemd;
pub mod tool;
pub mod tour;
pub mod tunnel;
pub mod uplinks;
pub mod wait;

pub use netns::Netns;
pub use process::{Cmd, Outcome, Running};
pub use scratch::scratch;
pub use tool::{Launch, tool};

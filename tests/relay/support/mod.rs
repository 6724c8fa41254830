//! The parts of the common support that these tests use. This room belongs to the relay's crate, which
//! has no library of the launcher's, so it lists what does not need one.

#![allow(dead_code, reason = "an interface of which these tests use a part")]
#![allow(unused_imports, reason = "short names for the parts themselves")]
#![allow(unreachable_pub, reason = "an interface, though no crate exports it")]
#![allow(missing_docs, reason = "a test's crate has no readers of its documentation")]

#[path = "../../support/hold.rs"]
pub mod hold;
#[path = "../../support/kernel.rs"]
pub mod kernel;
#[path = "../../support/lab.rs"]
pub mod lab;
#[path = "../../support/mounts.rs"]
pub mod mounts;
#[path = "../../support/mptcp.rs"]
pub mod mptcp;
#[path = "../../support/netns.rs"]
pub mod netns;
#[path = "../../support/process.rs"]
pub mod process;
#[path = "../../support/scratch.rs"]
pub mod scratch;
pub mod tool;
#[path = "../../support/wait.rs"]
pub mod wait;

pub use netns::Netns;
pub use process::{Cmd, Outcome, Running};
pub use scratch::scratch;

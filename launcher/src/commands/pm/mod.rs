//! The path manager by hand: the verbs of ip-mptcp(8), and the subflows of one connection.

pub mod endpoint;
pub mod limits;
pub mod monitor;
mod session;
pub mod subflow;

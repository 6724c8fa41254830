//! What several callers of the kernel write alike: the protocol number of MPTCP, a period of time,
//! processes that are forked, and what those tell each other.

pub mod fork;
pub mod message;

use std::num::NonZeroU32;
use std::time::Duration;

use rustix::event::Timespec;
use rustix::net::Protocol;

use mptcpize_model::mptcp::IPPROTO_MPTCP;

/// MPTCP, for socket(2).
pub const MPTCP: Protocol =
    Protocol::from_raw(NonZeroU32::new(IPPROTO_MPTCP).expect("the number is not 0"));

/// A period for poll(2) and the like; one that is too long for the kernel is the longest that it
/// takes.
pub fn timespec(period: Duration) -> Timespec {
    Timespec {
        tv_sec: period.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: period.subsec_nanos().into(),
    }
}

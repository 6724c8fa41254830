//! What a link has carried.

use serde::{Deserialize, Serialize};

/// The byte counters of a link (`struct rtnl_link_stats64`, include/uapi/linux/if_link.h).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bytes {
    /// Received since the link was made.
    pub received: u64,
    /// Sent since the link was made.
    pub sent: u64,
}

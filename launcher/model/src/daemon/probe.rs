//! Connections that are tried only to see whether a path passes anything.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::net::IfName;

/// A connection to try (plain TCP); it is given up where some more were tried over that link
/// before it had an answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Probe {
    /// Over this link and no other.
    pub link: IfName,
    /// From this address.
    pub from: IpAddr,
    /// To this end.
    pub to: SocketAddr,
}

//! What the settings say of metered links, with the addresses that those have now.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use serde::Serialize;

/// What the settings say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Terms {
    /// The addresses of metered links.
    pub addresses: BTreeSet<IpAddr>,
    /// After so many bytes a connection may use them,
    pub bytes: u64,
    /// or after so long.
    pub age: Duration,
}

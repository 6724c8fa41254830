//! What the kernel tells nobody: endpoints and limits that somebody else changes. mptcpd sets the
//! limits at its start, an administrator flushes endpoints, and no message comes of it.
//!
//! They matter to connections alone, and of a connection that begins the path manager tells. So the
//! host is looked at then; while no connection begins nothing wakes the daemon.

use std::time::Duration;

use serde::Serialize;

use super::event::Millis;
use crate::event::Kind;

/// So long one look is enough: on a host where connections begin all the time a look of some
/// milliseconds in ten seconds is less than a thousandth of a processor.
const ENOUGH: Duration = Duration::from_secs(10);

/// When the host was last looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Silence {
    looked: Millis,
}

impl Silence {
    /// The host is being looked at.
    pub(super) fn end(&mut self, now: Millis) {
        self.looked = now;
    }

    /// Is this message of the path manager a reason to look?
    pub(super) fn is_long(&self, now: Millis, kind: Kind) -> bool {
        kind == Kind::Created && self.looked + ENOUGH <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_begins_is_a_reason_to_look_once_in_ten_seconds() {
        let mut silence = Silence::default();
        silence.end(Millis(1_000));
        assert!(!silence.is_long(Millis(10_999), Kind::Created));
        assert!(silence.is_long(Millis(11_000), Kind::Created));
        assert!(!silence.is_long(Millis(11_000), Kind::Closed));
        silence.end(Millis(11_050));
        assert!(!silence.is_long(Millis(11_100), Kind::Created));
    }
}

//! Rates of links, from their byte counters at two moments.

use std::collections::BTreeMap;

use crate::net::Bytes;

/// How fast the links were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// Between these two looks, in milliseconds.
    pub over_ms: u64,
    /// What each link moved meanwhile.
    pub moved: BTreeMap<String, Bytes>,
}

impl Rates {
    /// Between two looks at the counters. A counter that went back, because a link was made anew,
    /// counts as still.
    pub fn between(
        before: &BTreeMap<String, Bytes>,
        after: &BTreeMap<String, Bytes>,
        over_ms: u64,
    ) -> Self {
        let moved = after.iter().map(|(name, now)| {
            let then = before.get(name).unwrap_or(now);
            let received = now.received.saturating_sub(then.received);
            (name.clone(), Bytes { received, sent: now.sent.saturating_sub(then.sent) })
        });
        Rates { over_ms: over_ms.max(1), moved: moved.collect() }
    }

    /// Received and sent bits a second of a link.
    pub fn of(&self, link: &str) -> (u64, u64) {
        let moved = self.moved.get(link).copied().unwrap_or_default();
        let rate = |bytes: u64| bytes.saturating_mul(8_000) / self.over_ms.max(1);
        (rate(moved.received), rate(moved.sent))
    }
}

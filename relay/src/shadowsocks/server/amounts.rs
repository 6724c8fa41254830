//! What connections carried: numbers that all event loops add to.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use mptcpize_model::relay::status::Amounts;

/// Of one user, or of all together.
#[derive(Debug, Default)]
pub struct Counters {
    open: AtomicU32,
    carried: AtomicU64,
    mptcp: AtomicU64,
    up: AtomicU64,
    down: AtomicU64,
}

impl Counters {
    /// A connection begins, unless there are `most`. Does it?
    pub fn begin(&self, most: u32, mptcp: bool) -> bool {
        let more = |open| (open < most).then(|| open + 1);
        if self.open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_err() {
            return false;
        }
        self.carried.fetch_add(1, Ordering::Relaxed);
        self.mptcp.fetch_add(mptcp.into(), Ordering::Relaxed);
        true
    }

    /// A connection ends.
    pub fn end(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// So many bytes came from a client, and went to it.
    pub fn moved(&self, up: usize, down: usize) {
        self.up.fetch_add(up as u64, Ordering::Relaxed);
        self.down.fetch_add(down as u64, Ordering::Relaxed);
    }

    /// Connections that are open.
    pub fn open(&self) -> u32 {
        self.open.load(Ordering::Relaxed)
    }

    /// All of it.
    pub fn amounts(&self) -> Amounts {
        Amounts {
            open: self.open(),
            carried: self.carried.load(Ordering::Relaxed),
            mptcp: self.mptcp.load(Ordering::Relaxed),
            up_bytes: self.up.load(Ordering::Relaxed),
            down_bytes: self.down.load(Ordering::Relaxed),
        }
    }

    /// Goes on from what was counted before.
    pub fn add(&self, before: Amounts) {
        self.carried.fetch_add(before.carried, Ordering::Relaxed);
        self.mptcp.fetch_add(before.mptcp, Ordering::Relaxed);
        self.up.fetch_add(before.up_bytes, Ordering::Relaxed);
        self.down.fetch_add(before.down_bytes, Ordering::Relaxed);
    }
}

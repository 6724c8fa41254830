//! What the gateway counts of a connection while it moves.

use super::activity::{Activity, Seen};
use super::tally::Live;
use crate::relays::books::Entry;
use crate::session;

/// What the gateway counts of a connection.
pub struct Watch<'a> {
    /// Of the uplink that it is counted for, and its part in that.
    pub activity: &'a Activity,
    /// What it remembers of that.
    pub seen: Seen,
    /// What is told of it by client and uplink.
    pub live: &'a Live,
    /// What is told of it where there are relays on rented servers.
    pub entry: Option<Entry<'a>>,
}

impl session::Watch for Watch<'_> {
    fn moved(&mut self, up: u64, down: u64) {
        self.activity.note(&mut self.seen, up.saturating_add(down));
        self.live.note(up, down);
        if let Some(entry) = &mut self.entry {
            entry.moved(up, down);
        }
    }

    fn half_ended(&mut self) {
        // The kernel forgets its subflows once both halves have ended.
        self.live.look();
    }
}

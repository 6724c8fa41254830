//! How often connections are looked at: often while one of them waits, ever less often while none
//! does, and not at all while there is none.

use std::time::Duration;

use serde::Serialize;

use super::evidence::Seen;

/// While something moves or is not confirmed: the shortest retransmission timeout (`TCP_RTO_MIN`), which is what a
/// stall is measured by.
const WAITING: Duration = Duration::from_millis(200);

/// While a timer has just run out or is about to: an answer to what was sent again, or none, tells.
const SUSPICIOUS: Duration = Duration::from_millis(50);

/// While a link is set aside.
const STALLED: Duration = Duration::from_millis(500);

/// While nothing is under way.
const LONGEST: Duration = Duration::from_secs(5);

/// So many connections add a millisecond: ten thousand are looked at once a second.
const A_MILLISECOND: usize = 10;

/// How connections were when they were last looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Tempo {
    /// The pause; none where there was no connection.
    pause: Option<Duration>,
    /// What a look costs, as the least pause.
    cost: Duration,
}

impl Tempo {
    /// There may be connections that no look has seen.
    pub(super) fn wake(&mut self) {
        self.pause = Some(self.pause.map_or(WAITING, |pause| pause.min(WAITING)));
    }

    /// Takes a look into account.
    pub(super) fn take<'a>(&mut self, all: impl Iterator<Item = &'a Seen> + Clone) {
        let flows: usize = all.clone().map(|seen| seen.flows).sum();
        self.cost = Duration::from_millis((flows / A_MILLISECOND) as u64);
        let last = self.pause.unwrap_or(WAITING);
        self.pause = if flows == 0 {
            None
        } else if all.clone().any(|seen| seen.suspicious && seen.stalled.is_none()) {
            Some(SUSPICIOUS)
        } else if all.clone().any(|seen| seen.moves) {
            Some(WAITING)
        } else {
            Some((last.max(WAITING / 2) * 2).min(LONGEST))
        };
    }

    /// The pause between two looks; none where nothing is to be seen. A link that is set aside is
    /// looked at whatever there is.
    pub(super) fn period(&self, any_stalled: bool) -> Option<Duration> {
        let stalled = any_stalled.then_some(STALLED);
        let pause = self.pause.into_iter().chain(stalled).min();
        pause.map(|pause| pause.max(self.cost))
    }
}

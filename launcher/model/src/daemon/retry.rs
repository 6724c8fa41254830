//! A change or a look that was refused is tried again, each time later.

use std::time::Duration;

use serde::Serialize;

use super::event::Millis;

/// The first pause after a refusal; each further one is twice as long.
const FIRST: Duration = Duration::from_millis(200);

/// The longest: a reason that nobody announces, such as a full disk, may go.
const LONGEST: Duration = Duration::from_secs(60);

/// A refusal that has not been overcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Retry {
    /// When to look again; none while that look is being acted on.
    at: Option<Millis>,
    /// The pause after the next refusal.
    pause: Duration,
    /// What was refused.
    why: String,
}

impl Retry {
    /// The refusal `why`, which follows on `before`, and whether it says something new.
    pub(super) fn after(before: Option<Retry>, now: Millis, why: String) -> (Retry, bool) {
        let pause = before.as_ref().map_or(FIRST, |retry| retry.pause);
        let is_news = before.is_none_or(|retry| retry.why != why);
        let longer = (pause * 2).min(LONGEST);
        (Retry { at: Some(now + pause), pause: longer, why }, is_news)
    }

    /// The look that was waited for is being made.
    pub(super) fn begin(&mut self) {
        self.at = None;
    }

    /// When to look again.
    pub(super) fn deadline(&self) -> Option<Millis> {
        self.at
    }
}

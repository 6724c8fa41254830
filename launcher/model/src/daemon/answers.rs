//! What follows from the answers to what was to be done on the host.

use super::event::{Action, Code, Millis, Report};
use super::retry::Retry;
use super::{Daemon, MOST_REPAIRS, manager, standing, withdrawal};
use crate::change::{Change, Item};
use crate::phrase;

impl Daemon {
    /// The host was set up by these changes, if any.
    pub(super) fn applied(&mut self, now: Millis, changes: &[Change], actions: &mut Vec<Action>) {
        self.busy = false;
        self.retry = None;
        if !self.heal.is_on() {
            self.returns.take();
        }
        // What was judged was judged before the changes.
        let judges = !changes.is_empty() && self.judgement.take().is_some();
        if let Some(by) = self.captured.take() {
            self.withdrawn(now, &by, changes, actions);
            return;
        }
        if self.joined.is_empty() && !changes.is_empty() {
            let count = phrase::count(changes.len(), "change");
            let text = format!("took away what was set up for links that are left out: {count}");
            self.standing.clone_from(&text);
            self.tell(now, Report::new(Code::SetUp, text), actions);
            return self.debounce.wake(now);
        }
        // What was asked is recorded now, and the next look says why nothing is bonded.
        if self.joined.len() < 2 && changes.is_empty() {
            return self.debounce.wake(now);
        }
        let standing = standing::joined(&self.joined, &self.links.held(), &self.lossy.links());
        if changes.is_empty() {
            self.stand(now, standing, actions);
            return;
        }
        let count = phrase::count(changes.len(), "change");
        let links = phrase::list(&self.joined);
        let report = Report::new(Code::SetUp, format!("set up {links} with {count}"));
        self.standing = standing;
        self.tell(now, report, actions);
        // No message tells of these, and subflows are opened by what there is.
        let untold = |change: &Change| match change {
            Change::Sysctl { .. } => manager::is_about(change),
            Change::Add(item) | Change::Remove(item) => {
                self.heal.is_on() && matches!(item, Item::Endpoint(_))
            }
            Change::Flags { .. } | Change::Limits { .. } => self.heal.is_on(),
        };
        if judges || changes.iter().any(untold) {
            self.debounce.wake(now);
        }
        if let Some(pause) = self.repairs.strike(now, MOST_REPAIRS) {
            let text = format!(
                "something else changes what was set up again and again: \
                 the next look is in {} s",
                pause.as_secs()
            );
            self.tell(now, Report::new(Code::Fought, text), actions);
        }
    }

    /// What would lead around a VPN is gone. Who brings a VPN up and down does not undo what is set up.
    fn withdrawn(&mut self, now: Millis, by: &str, changes: &[Change], actions: &mut Vec<Action>) {
        let standing = standing::captured(by, &self.links.held());
        if changes.is_empty() {
            return self.stand(now, standing, actions);
        }
        let text = format!("{by}: withdrew {}", withdrawal::what(changes));
        self.standing = standing;
        self.tell(now, Report::new(Code::Withdrawn, text), actions);
        self.debounce.wake(now);
    }

    /// A look or a change failed.
    pub(super) fn refused(&mut self, now: Millis, why: String, actions: &mut Vec<Action>) {
        self.busy = false;
        self.standing = format!("not set up: {why}");
        let (retry, is_news) = Retry::after(self.retry.take(), now, why.clone());
        self.retry = Some(retry);
        if is_news {
            self.tell(now, Report::new(Code::Refused, why), actions);
        }
    }
}

//! Who opens subflows after a look, from which endpoints, and what of the settings has no effect where
//! the kernel does.

use super::Daemon;
use super::event::{Action, Code, Millis, Report};
use super::manager;
use crate::HostState;
use crate::config::Config;
use crate::proposal::Proposal;

impl Daemon {
    /// Opens and heals subflows by what a look shows.
    pub(super) fn heal(
        &mut self,
        now: Millis,
        state: &HostState,
        config: &Config,
        proposal: &Proposal,
        actions: &mut Vec<Action>,
    ) {
        let on = manager::is_taken(state, config);
        if self.heal.is_on() && !on {
            actions.extend(
                self.taken.take().and_then(|_| manager::gives_back(state)).map(Action::GiveBack),
            );
        }
        self.taken = manager::gives_back(state).filter(|_| on);
        let endpoints = manager::opens_from(state, proposal);
        let most = state.limits.map_or(0, |limits| limits.subflows);
        let (metered, each) = manager::terms(state, config, on);
        self.heal.terms(now, metered, each);
        let unheeded = manager::unheeded(state, config);
        if let Some(text) = unheeded.clone().filter(|_| self.unheeded != unheeded) {
            self.tell(now, Report::new(Code::WrongSettings, text), actions);
        }
        self.unheeded = unheeded;
        if self.heal.set(now, on, endpoints, most) {
            actions.push(Action::List);
        }
        self.heal.have_endpoints(manager::addresses(state));
    }
}

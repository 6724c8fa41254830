//! What a host needs so that its relay's clients can use all of their links: MPTCP, and room for their
//! subflows; and where it has several addresses itself, the set-up of a server, which announces them.

use crate::HostState;
use crate::change::Change;
use crate::config::{Config, Role};
use crate::mptcp::Limits;
use crate::plan::{Plan, Step};
use crate::proposal::{Observation, Proposal};

/// The sysctl without which no program gets an MPTCP socket.
const ENABLED: &str = "net.mptcp.enabled";

/// The settings of the host, for a host that serves: who was asked to be a client has other addresses to
/// announce all the same.
#[must_use]
pub fn serving(config: Config) -> Config {
    let role = match config.role {
        Role::Client => Role::Server,
        role => role,
    };
    Config { role, ..config }
}

/// What is proposed for a host that serves a relay, with the settings of [`serving`].
pub fn observation(state: HostState, config: &Config) -> Observation {
    let proposal = Proposal::of(&state, config);
    let alone = !proposal.desired.bonds || proposal.is_blocked();
    let proposal = match alone {
        true => Proposal { plan: plan(&state, config), withdraws: true, ..Proposal::default() },
        false => proposal,
    };
    Observation { state, proposal }
}

/// The changes of a host with one address, or one where more are not to be used.
fn plan(state: &HostState, config: &Config) -> Plan {
    let mut plan = Plan::default();
    let mut step = |change, reason: &str| {
        plan.steps.push(Step { change, reason: reason.to_owned() });
    };
    if let Some(now) = state.sysctls.get(ENABLED).map(|now| now.trim()).filter(|now| *now == "0") {
        let (key, from, to) = (ENABLED.to_owned(), now.to_owned(), "1".to_owned());
        step(Change::Sysctl { key, from, to }, "so that the relay gets an MPTCP socket");
    }
    if let Some(from) = state.limits {
        let most = state.kernel.most_subflows;
        let subflows = config.max_subflows.unwrap_or(most).min(most);
        let to = Limits { subflows: from.subflows.max(subflows), ..from };
        if to != from {
            step(Change::Limits { from, to }, "room for a subflow of each link of a client");
        }
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> HostState {
        let mut state = HostState {
            limits: Some(Limits { subflows: 2, add_addr_accepted: 0 }),
            ..HostState::default()
        };
        state.sysctls.insert(ENABLED.to_owned(), "0".to_owned());
        state
    }

    fn steps(state: &HostState) -> Vec<String> {
        let seen = observation(state.clone(), &serving(Config::default()));
        seen.proposal.plan.steps.iter().map(|step| step.change.to_string()).collect()
    }

    #[test]
    fn a_host_with_one_address_gets_mptcp_and_room_and_comes_to_rest() {
        let mut state = host();
        let seen = observation(state.clone(), &serving(Config::default()));
        assert!(seen.proposal.withdraws);
        for step in &seen.proposal.plan.steps {
            step.change.apply_to(&mut state);
        }
        assert_eq!(state.limits, Some(Limits { subflows: 8, add_addr_accepted: 0 }));
        assert_eq!(state.sysctls[ENABLED], "1");
        assert_eq!(steps(&state), Vec::<String>::new());
        for change in seen.proposal.plan.undo() {
            change.apply_to(&mut state);
        }
        assert_eq!(state, host());
    }

    #[test]
    fn one_that_has_more_already_is_left_as_it_is() {
        let mut state = host();
        state.sysctls.insert(ENABLED.to_owned(), "1".to_owned());
        state.limits = Some(Limits { subflows: 8, add_addr_accepted: 8 });
        assert_eq!(steps(&state), Vec::<String>::new());
        state.limits = None;
        assert_eq!(steps(&state), Vec::<String>::new());
    }

    #[test]
    fn a_client_that_serves_announces_and_others_stay_what_they_are() {
        for (before, after) in
            [(Role::Client, Role::Server), (Role::Server, Role::Server), (Role::Both, Role::Both)]
        {
            let config = Config { role: before, ..Config::default() };
            assert_eq!(serving(config).role, after);
        }
    }
}

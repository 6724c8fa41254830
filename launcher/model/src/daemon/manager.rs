//! Whose path manager opens subflows: the kernel's own, or this daemon for the kernel
//! ([`path_manager`]). The choice is of the host, and a connection keeps what it began with.
//!
//! While no daemon runs under `userspace`, new connections stay on one path. So it is given back
//! when the daemon ends, and the set-up's record has it too, for `setup undo` after a kill.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::terms::Terms;
use crate::change::Change;
use crate::config::{Config, Role};
use crate::desired::Desired;
use crate::mptcp::{Endpoint, Flags};
use crate::net::Address;
use crate::path_manager::{self, Parameter};
use crate::proposal::Proposal;
use crate::{HostState, Manager};

/// The reason for the change.
pub(super) const WHY: &str = "so that lost subflows come back";

/// The change that takes the opening of subflows from the kernel, where that is to be and is not.
pub(super) fn takes(state: &HostState, config: &Config, desired: &Desired) -> Option<Change> {
    let (parameter, now) = parameter(state)?;
    let wanted = is_wanted(state, config) && desired.bonds && !state.sysctls_read_only;
    let (from, to) = (parameter.kernel, parameter.userspace);
    (wanted && now == from).then(|| change(parameter.key, from, to))
}

/// The change that gives it back to the kernel, where it is taken.
pub(super) fn gives_back(state: &HostState) -> Option<Change> {
    let (parameter, now) = parameter(state)?;
    let (from, to) = (parameter.userspace, parameter.kernel);
    (now == from).then(|| change(parameter.key, from, to))
}

/// Are subflows taken from the kernel, for this daemon?
pub(super) fn is_taken(state: &HostState, config: &Config) -> bool {
    is_wanted(state, config) && gives_back(state).is_some()
}

/// Where subflows are opened from: each endpoint that is for that and whose address is there, unless
/// something that is no uplink takes what leaves unbound.
pub(super) fn opens_from(state: &HostState, proposal: &Proposal) -> Vec<Endpoint> {
    let there = |endpoint: &&Endpoint| {
        endpoint.flags.has(Flags::SUBFLOW)
            && state.addresses.iter().any(|address| address.address == endpoint.address)
    };
    let open = proposal.desired.refused.is_none();
    state.endpoints.iter().filter(there).filter(|_| open).cloned().collect()
}

/// The addresses with an endpoint that subflows are opened from, those that are away for a moment
/// too.
pub(super) fn addresses(state: &HostState) -> BTreeSet<IpAddr> {
    let opens = state.endpoints.iter().filter(|endpoint| endpoint.flags.has(Flags::SUBFLOW));
    opens.map(|endpoint| endpoint.address).collect()
}

/// Which links only some connections use, and how many subflows each connection has between two
/// addresses.
pub(super) fn terms(state: &HostState, config: &Config, on: bool) -> (Terms, u32) {
    let metered = |address: &&Address| on && config.metered.contains(&address.dev);
    let addresses = state.addresses.iter().filter(metered).map(|address| address.address);
    let (bytes, age) = config.metered_after();
    (Terms { addresses: addresses.collect(), bytes, age }, config.subflows_per_path.unwrap_or(1))
}

/// What the settings ask that only the path manager in user space can do, as a clause; none where it is
/// the daemon that opens subflows.
pub(super) fn unheeded(state: &HostState, config: &Config) -> Option<String> {
    let on = is_wanted(state, config);
    let asked = [
        ("metered", !config.metered.is_empty()),
        ("subflows_per_path", config.subflows_per_path > Some(1)),
    ];
    let names: Vec<&str> =
        asked.iter().filter(|(_, is)| *is && !on).map(|(name, _)| *name).collect();
    let wants = if names.len() == 1 { "wants" } else { "want" };
    let text = format!(
        "{} {wants} heal = true, and a client without mptcpd: the kernel opens one subflow on each \
         link, and at once",
        names.join(" and ")
    );
    (!names.is_empty()).then_some(text)
}

/// Is this a change of who opens subflows?
pub(super) fn is_about(change: &Change) -> bool {
    matches!(change, Change::Sysctl { key, .. } if path_manager::is_key(key))
}

/// A client whose administrator does not say otherwise. mptcpd is a path manager in user space too;
/// two of them would both open each subflow.
fn is_wanted(state: &HostState, config: &Config) -> bool {
    let alone = !state.managers.contains(&Manager::Mptcpd);
    config.heal() && config.role == Role::Client && alone
}

fn parameter(state: &HostState) -> Option<(Parameter, &str)> {
    path_manager::find(|key| state.sysctls.get(key).map(String::as_str))
}

fn change(key: &str, from: &str, to: &str) -> Change {
    Change::Sysctl { key: key.to_owned(), from: from.to_owned(), to: to.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::Refused;

    fn host(manager: &str) -> HostState {
        let address = r#"{"dev":"w1","address":"10.1.0.1","length":24}"#;
        let address: Address = serde_json::from_str(address).expect("an address");
        let endpoint = Endpoint {
            id: 1,
            address: address.address,
            port: None,
            dev: None,
            flags: Flags::SUBFLOW,
        };
        let mut state = HostState { addresses: vec![address], ..HostState::default() };
        state.endpoints.push(endpoint);
        state.sysctls.insert("net.mptcp.path_manager".into(), manager.into());
        state
    }

    #[test]
    fn subflows_are_taken_only_where_that_is_asked_by_a_client_without_mptcpd() {
        let heals = Config { heal: Some(true), ..Config::default() };
        let server = Config { role: Role::Server, ..heals.clone() };
        let with_mptcpd = HostState { managers: vec![Manager::Mptcpd], ..host("userspace") };
        let state = host("userspace");
        assert!(is_taken(&state, &heals));
        assert!(!is_taken(&host("kernel"), &heals));
        for (state, config) in
            [(&state, &Config::default()), (&state, &server), (&with_mptcpd, &heals)]
        {
            assert!(!is_taken(state, config), "{config:?}");
            assert_eq!(takes(state, config, &Desired::default()), None);
        }
    }

    #[test]
    fn nothing_is_opened_while_what_leaves_unbound_is_taken_by_something_else() {
        let state = host("userspace");
        let mut proposal = Proposal::of(&state, &Config::default());
        proposal.desired.refused = None;
        assert_eq!(opens_from(&state, &proposal), state.endpoints);
        proposal.desired.refused = Some(Refused::Rules("a tunnel has all of it".into()));
        assert_eq!(opens_from(&state, &proposal), []);
    }
}

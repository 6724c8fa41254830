//! How many connections the descriptors of this process are enough for.

use mptcpize_model::gateway::Limits;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// A connection with bytes on their way in both directions: two sockets, two pipes of two ends.
const EACH: u64 = 6;
/// Listeners, event loops, outward attempts that lose, and the sockets that ask for a route.
const OTHERS: u64 = 256;

/// Raises the limit of descriptors (RLIMIT_NOFILE, getrlimit(2)) to what the limits need, as far as
/// this process may.
pub fn raise(limits: Limits) {
    raise_to(needed(limits));
}

/// Raises the limit of descriptors to so many, as far as this process may.
pub fn raise_to(needed: u64) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= needed);
    if enough(current) {
        return;
    }
    let wanted = Rlimit { current: Some(needed), maximum: Some(needed) };
    let allowed = Rlimit { current: maximum, maximum };
    // Only CAP_SYS_RESOURCE raises the maximum. Whoever may not has fewer connections, which `within`
    // says.
    if enough(maximum) || setrlimit(Resource::Nofile, wanted).is_err() {
        let _ = setrlimit(Resource::Nofile, allowed);
    }
}

fn needed(limits: Limits) -> u64 {
    u64::from(limits.connections).saturating_mul(EACH).saturating_add(OTHERS)
}

/// The line that gives enough of them, to a service or to whatever a shell starts.
pub fn advice(limits: Limits) -> String {
    let cgroup = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    advice_in(&cgroup, limits)
}

fn advice_in(cgroup: &str, limits: Limits) -> String {
    let needed = needed(limits);
    match cgroup.contains("/mptcpize-gateway.service") {
        true => format!(
            "sudo systemctl edit mptcpize-gateway    # with [Service] and LimitNOFILE={needed}"
        ),
        false => format!("ulimit -n {needed}    # in a shell of root, before mptcpize gateway"),
    }
}

/// The limits, with no more connections than there are descriptors for: then none can ever lack the
/// pipe that it needs to go on.
pub fn within(limits: Limits) -> Limits {
    let Rlimit { current, .. } = getrlimit(Resource::Nofile);
    Limits { connections: limits.connections.min(enough_for(current)), ..limits }
}

/// Connections for which so many descriptors are enough; none is unlimited.
fn enough_for(descriptors: Option<u64>) -> u32 {
    let Some(descriptors) = descriptors else { return u32::MAX };
    u32::try_from(descriptors.saturating_sub(OTHERS) / EACH).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_and_a_service_are_given_descriptors_each_in_its_way() {
        let limits = Limits { connections: 100, ..Limits::default() };
        assert!(advice_in("0::/user.slice\n", limits).starts_with("ulimit -n 856 "));
        let service = advice_in("0::/system.slice/mptcpize-gateway.service\n", limits);
        assert!(service.starts_with("sudo systemctl edit mptcpize-gateway "), "{service}");
        assert!(service.ends_with("LimitNOFILE=856"), "{service}");
    }

    #[test]
    fn a_connection_takes_six_descriptors() {
        for (descriptors, connections) in
            [(Some(1_024), 128), (Some(100_000), 16_624), (Some(0), 1), (None, u32::MAX)]
        {
            assert_eq!(enough_for(descriptors), connections);
        }
    }
}

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
    let needed = u64::from(limits.connections).saturating_mul(EACH).saturating_add(OTHERS);
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
    fn a_connection_takes_six_descriptors() {
        for (descriptors, connections) in
            [(Some(1_024), 128), (Some(100_000), 16_624), (Some(0), 1), (None, u32::MAX)]
        {
            assert_eq!(enough_for(descriptors), connections);
        }
    }
}

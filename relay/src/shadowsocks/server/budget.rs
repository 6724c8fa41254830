//! How many connections the descriptors of this process are enough for.

use mptcpize_model::relay::server::Limits;
use rustix::process::{Resource, getrlimit};

use crate::gateway::budget::raise_to;

/// An authenticated connection: two sockets.
const EACH: u64 = 2;
/// Listeners, event loops, attempts that lose, and the sockets that ask for a route.
const OTHERS: u64 = 256;

/// Raises the limit of descriptors (RLIMIT_NOFILE, getrlimit(2)) to what the limits need, as far as this
/// process may.
pub fn raise(limits: Limits) {
    raise_to(needed(limits));
}

fn needed(limits: Limits) -> u64 {
    u64::from(limits.connections) * EACH + u64::from(limits.strangers) + OTHERS
}

/// The line that gives enough of them.
pub fn advice(limits: Limits) -> String {
    let needed = needed(limits);
    format!("ulimit -n {needed}, or LimitNOFILE={needed} in the unit")
}

/// The limits, with no more connections than there are descriptors for: those who have not authenticated
/// never take the last one.
pub fn within(limits: Limits) -> Limits {
    enough_for(getrlimit(Resource::Nofile).current, limits)
}

fn enough_for(descriptors: Option<u64>, limits: Limits) -> Limits {
    let Some(descriptors) = descriptors else { return limits };
    if descriptors >= needed(limits) {
        return limits;
    }
    let room = descriptors.saturating_sub(OTHERS);
    let at_most =
        |asked: u32, number: u64| asked.min(u32::try_from(number).unwrap_or(asked)).max(1);
    let strangers = at_most(limits.strangers, room / 4);
    let connections = at_most(limits.connections, (room - room / 4) / EACH);
    Limits { strangers, connections, ..limits }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_descriptors_are_shared_between_strangers_and_users() {
        let limits = Limits::default();
        for (descriptors, strangers, connections) in [
            (None, 2_048, 16_384),
            (Some(35_072), 2_048, 16_384),
            (Some(1_024), 192, 288),
            (Some(0), 1, 1),
        ] {
            let within = enough_for(descriptors, limits);
            assert_eq!((within.strangers, within.connections), (strangers, connections));
        }
    }
}

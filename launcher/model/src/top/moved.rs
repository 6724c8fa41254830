//! What relays, and connections that agents carry, move between two looks, in bits a second.
//!
//! By what agents count, which are processes without privileges: one that was started anew counts from zero,
//! and one that counts backwards has no rate.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::relay::name::Name;
use crate::relay::status::Connection;
use crate::status::relays::Through;

/// Bits a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    /// To whoever opened the connections.
    pub down_bit_s: u64,
    /// From them.
    pub up_bit_s: u64,
}

/// What is counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    /// A relay of an agent.
    Relay(String, Name),
    /// A connection of an agent, by who opened it and where it goes.
    Connection(String, SocketAddr, String),
}

/// What was counted at the last look, and the rates since the one before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// The agent's process, then bytes down and up.
    counted: BTreeMap<Key, (Option<u32>, u64, u64)>,
    rates: BTreeMap<Key, Rate>,
}

impl Moved {
    /// The same after another look, so many milliseconds later.
    pub fn after(&self, all: &[Through], elapsed_ms: u64) -> Self {
        let mut now = Moved::default();
        for one in all {
            let Some(told) = &one.told else { continue };
            for relay in &told.relays {
                let key = Key::Relay(one.agent.clone(), relay.name.clone());
                let (down, up) = (relay.amounts.down_bytes, relay.amounts.up_bytes);
                now.counted.insert(key, (one.pid, down, up));
            }
            for connection in &told.connections {
                let key = of_connection(&one.agent, connection);
                let bytes = (one.pid, connection.down_bytes, connection.up_bytes);
                now.counted.insert(key, bytes);
            }
        }
        let rate = |(key, (pid, down, up)): (&Key, &(Option<u32>, u64, u64))| {
            let (before, down_before, up_before) = self.counted.get(key)?;
            let of = |now: u64, then: u64| {
                let bits = now.checked_sub(then)?.saturating_mul(8_000);
                bits.checked_div(elapsed_ms)
            };
            let down_bit_s = of(*down, *down_before)?;
            let up_bit_s = of(*up, *up_before)?;
            (pid == before).then(|| (key.clone(), Rate { down_bit_s, up_bit_s }))
        };
        now.rates = now.counted.iter().filter_map(rate).collect();
        now
    }

    /// What goes through a relay of an agent; nothing before the second look.
    pub fn of_relay(&self, agent: &str, relay: &Name) -> Option<Rate> {
        self.rates.get(&Key::Relay(agent.to_owned(), relay.clone())).copied()
    }

    /// What a connection of an agent moves; nothing before the second look that it is in.
    pub fn of_connection(&self, agent: &str, connection: &Connection) -> Option<Rate> {
        self.rates.get(&of_connection(agent, connection)).copied()
    }
}

fn of_connection(agent: &str, connection: &Connection) -> Key {
    Key::Connection(agent.to_owned(), connection.from, connection.to.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::status::{Amounts, Relay, Relays, Via};

    /// An agent whose relay and one connection carried so much.
    fn through(pid: u32, down: u64, up: u64) -> Vec<Through> {
        let name: Name = "home".parse().expect("a name");
        let relay = Relay {
            name: name.clone(),
            address: "198.51.100.7:8686".into(),
            rtt_us: None,
            fault: String::new(),
            mptcp: Some(true),
            amounts: Amounts { down_bytes: down, up_bytes: up, ..Amounts::default() },
        };
        let connection = Connection {
            from: ([127, 0, 0, 1], 4711).into(),
            to: "203.0.113.80:80".into(),
            via: Via::Relay(name),
            open_ms: 5,
            up_bytes: up,
            down_bytes: down,
        };
        let told =
            Relays { relays: vec![relay], connections: vec![connection], ..Relays::default() };
        vec![Through {
            agent: "host".into(),
            why: None,
            hidden: false,
            pid: Some(pid),
            running_s: Some(5),
            fallback_in_force: false,
            told: Some(told),
        }]
    }

    fn rates(looks: &[(u32, u64, u64)], elapsed_ms: u64) -> [Option<Rate>; 2] {
        let mut moved = Moved::default();
        for (pid, down, up) in looks {
            moved = moved.after(&through(*pid, *down, *up), elapsed_ms);
        }
        let last = through(7, 0, 0).remove(0).told.expect("it is there");
        let name = last.relays[0].name.clone();
        [moved.of_relay("host", &name), moved.of_connection("host", &last.connections[0])]
    }

    #[test]
    fn a_rate_is_that_of_the_last_two_looks() {
        let rate = Rate { down_bit_s: 8_000_000, up_bit_s: 80_000 };
        assert_eq!(rates(&[(7, 5, 5), (7, 2_000_005, 20_005)], 2_000), [Some(rate); 2]);
        let still = Rate { down_bit_s: 0, up_bit_s: 0 };
        assert_eq!(rates(&[(7, 5, 5), (7, 9, 9), (7, 9, 9)], 1_000), [Some(still); 2]);
    }

    #[test]
    fn what_cannot_be_compared_has_no_rate() {
        assert_eq!(rates(&[(7, 5, 5)], 1_000), [None; 2]);
        // Another process, which counted more already; one that counts backwards; no time between.
        assert_eq!(rates(&[(7, 5, 5), (8, 10, 10)], 1_000), [None; 2]);
        assert_eq!(rates(&[(7, 5, 5), (7, 4, 10)], 1_000), [None; 2]);
        assert_eq!(rates(&[(7, 5, 5), (7, 10, 10)], 0), [None; 2]);
        // Numbers that no link carries.
        let [relay, _] = rates(&[(7, 0, 0), (7, u64::MAX, u64::MAX)], 1);
        assert_eq!(relay.map(|rate| rate.up_bit_s), Some(u64::MAX));
    }
}

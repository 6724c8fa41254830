//! The LAN behind a gateway, as `status`, `top` and `metrics` show it: from what the relay said, and what
//! it had said a moment before.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;

use crate::gateway_status::{Amounts, State, Uplink, reason};
use crate::net::IfName;

/// What came of asking a relay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Heard {
    /// There is no gateway in this network namespace.
    #[default]
    Nothing,
    /// There may be one, and this user may not ask.
    Hidden,
    /// There should be one, and nobody answers.
    Silent(Silence),
    /// This is what it said.
    State(Box<State>),
}

/// A relay that does not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silence {
    /// The interfaces of its LAN.
    pub links: Vec<IfName>,
    /// Why, as a clause.
    pub why: String,
    /// Nobody is there. Otherwise it runs, and says nothing that is understood.
    pub gone: bool,
    /// The service manager has it, and knows what it said; otherwise a person started it.
    pub service: bool,
}

impl Heard {
    /// What it said, if it did.
    pub fn state(&self) -> Option<&State> {
        match self {
            Heard::State(state) => Some(state),
            _ => None,
        }
    }
}

/// How a relay is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It takes connections.
    Running,
    /// It waits for the connections that there are and takes no more.
    Draining,
    /// It should answer, and does not.
    Silent,
    /// Only root may ask it.
    Hidden,
}

/// A gateway on the screen. Amounts are since the relay's start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lan {
    /// How the relay is doing.
    pub relay: Standing,
    /// Why it does not answer, where it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The interfaces of the LAN.
    pub links: Vec<IfName>,
    /// What the relay said; none where it did not answer.
    #[serde(flatten)]
    pub told: Option<Told>,
}

/// What a relay said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    /// Its process.
    pub pid: u32,
    /// For how long it has run, in seconds.
    pub running_s: u64,
    /// Connections that count against the limit.
    pub connections: u32,
    /// The limit.
    pub most_connections: u32,
    /// All connections together.
    pub all: Amounts,
    /// The part of all bytes that went with connections over several subflows, in thousandths.
    pub multipath_permille: Option<u32>,
    /// Clients that are remembered.
    pub clients_all: usize,
    /// Those that move most now, or moved most since the start.
    pub clients: Vec<ClientRow>,
    /// The uplinks, in the order of the settings.
    pub uplinks: Vec<UplinkRow>,
    /// Connections that no uplink took.
    pub beside: Amounts,
    /// Connections that were not carried, by reason.
    pub refused: BTreeMap<String, u64>,
    /// Destinations that are remembered as not speaking MPTCP.
    pub without_mptcp: usize,
    /// How long the rates were measured; none where they were not.
    pub rates_over_ms: Option<u64>,
}

/// A device of the LAN on the screen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClientRow {
    /// Its address.
    pub address: IpAddr,
    /// What its connections carried.
    #[serde(flatten)]
    pub amounts: Amounts,
    /// What it receives; none where it was not measured.
    pub down_bit_s: Option<u64>,
    /// What it sends.
    pub up_bit_s: Option<u64>,
    /// The part of its bytes that went with connections over several subflows, in thousandths.
    pub multipath_permille: Option<u32>,
}

/// An uplink on the screen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UplinkRow {
    /// What the relay said of it.
    #[serde(flatten)]
    pub uplink: Uplink,
    /// Its part of what all uplinks carried for the LAN, in thousandths.
    pub share_permille: Option<u32>,
    /// What it carries to the LAN; none where it was not measured.
    pub down_bit_s: Option<u64>,
    /// What it carries from the LAN.
    pub up_bit_s: Option<u64>,
}

impl UplinkRow {
    /// Is it tried after all others because it did not answer?
    pub fn is_passed_by(&self) -> bool {
        self.uplink.last_for_ms.is_some()
    }
}

/// Works out what is shown. `before` is what the relay had said earlier.
pub fn lan(heard: &Heard, before: Option<&State>) -> Option<Lan> {
    let quiet = |relay, why, links| Some(Lan { relay, why, links, told: None });
    match heard {
        Heard::Nothing => None,
        Heard::Hidden => quiet(Standing::Hidden, None, vec![]),
        Heard::Silent(silence) => {
            quiet(Standing::Silent, Some(silence.why.clone()), silence.links.clone())
        }
        Heard::State(state) => Some(Lan {
            relay: if state.draining { Standing::Draining } else { Standing::Running },
            why: None,
            links: state.lan.clone(),
            told: Some(told(state, before)),
        }),
    }
}

fn told(state: &State, before: Option<&State>) -> Told {
    // Of another process, or of the same moment, there is nothing to compare with.
    let before = before.filter(|old| old.pid == state.pid && old.running_ms < state.running_ms);
    let over = before.map(|old| state.running_ms.saturating_sub(old.running_ms));
    let rate = |now: u64, then: u64| {
        let bits = u128::from(now.saturating_sub(then)) * 8_000;
        over.map(|over| u64::try_from(bits / u128::from(over.max(1))).unwrap_or(u64::MAX))
    };
    let mut clients: Vec<ClientRow> = state
        .clients
        .iter()
        .map(|client| {
            let known = before
                .and_then(|old| old.clients.iter().find(|other| other.address == client.address));
            let then = known.map(|known| known.amounts).unwrap_or_default();
            ClientRow {
                address: client.address,
                amounts: client.amounts,
                down_bit_s: rate(client.amounts.down_bytes, then.down_bytes),
                up_bit_s: rate(client.amounts.up_bytes, then.up_bytes),
                multipath_permille: client.amounts.multipath_permille(),
            }
        })
        .collect();
    let busy =
        |row: &ClientRow| row.down_bit_s.unwrap_or(0).saturating_add(row.up_bit_s.unwrap_or(0));
    clients.sort_by_key(|row| {
        (std::cmp::Reverse(busy(row)), std::cmp::Reverse(row.amounts.bytes()), row.address)
    });
    let of = |uplink: &Uplink| u128::from(uplink.up_bytes) + u128::from(uplink.down_bytes);
    let all: u128 = state.uplinks.iter().map(of).sum();
    let uplinks = state.uplinks.iter().map(|uplink| {
        let then = before.and_then(|old| old.uplinks.iter().find(|other| other.dev == uplink.dev));
        let (up, down) = then.map_or((0, 0), |then| (then.up_bytes, then.down_bytes));
        let share = (of(uplink) * 1_000 + all / 2).checked_div(all);
        UplinkRow {
            uplink: uplink.clone(),
            share_permille: share.map(|share| u32::try_from(share).unwrap_or(1_000)),
            down_bit_s: rate(uplink.down_bytes, down),
            up_bit_s: rate(uplink.up_bytes, up),
        }
    });
    Told {
        pid: state.pid,
        running_s: state.running_ms / 1_000,
        connections: state.connections,
        most_connections: state.most_connections,
        all: state.all,
        multipath_permille: state.all.multipath_permille(),
        clients_all: state.clients_all.max(state.clients.len()),
        uplinks: uplinks.collect(),
        clients,
        beside: state.beside,
        refused: state.refused.clone(),
        without_mptcp: state.without_mptcp,
        rates_over_ms: over,
    }
}

impl Told {
    /// What was refused, as clauses with their numbers, in the order of [`reason::ALL`].
    pub fn refusals(&self) -> Vec<(u64, &'static str)> {
        let number = |code: &str| self.refused.get(code).copied().unwrap_or(0);
        let all = reason::ALL.iter().map(|(code, clause)| (number(code), *clause));
        all.filter(|(number, _)| *number > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway_status::Client;

    fn state(running_ms: u64, down_bytes: u64) -> State {
        let amounts = Amounts { open: 1, carried: 1, down_bytes, ..Amounts::default() };
        let client =
            |last: u8, amounts| Client { address: IpAddr::from([192, 168, 77, last]), amounts };
        let quiet = Amounts { down_bytes: 1 << 40, ..Amounts::default() };
        State {
            pid: 7,
            running_ms,
            clients: vec![client(2, quiet), client(3, amounts)],
            ..State::default()
        }
    }

    #[test]
    fn rates_are_between_two_answers_of_one_process_and_the_busiest_comes_first() {
        let heard = Heard::State(Box::new(state(1_500, 3_000)));
        let shown = |before: Option<&State>| {
            let told = lan(&heard, before).and_then(|lan| lan.told).expect("it answered");
            (told.clients[0].down_bit_s, told.clients[0].address.to_string())
        };
        assert_eq!(shown(None), (None, "192.168.77.2".to_owned()));
        assert_eq!(shown(Some(&state(1_000, 1_000))), (Some(32_000), "192.168.77.3".to_owned()));
        let another = State { pid: 8, ..state(1_000, 1_000) };
        assert_eq!(shown(Some(&another)).0, None);
        assert_eq!(shown(Some(&state(1_500, 1_000))).0, None);
    }
}
